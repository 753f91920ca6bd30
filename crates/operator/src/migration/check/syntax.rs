//! Names as the API of Kubernetes and registries take them, where the schema's patterns take more.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

type Checked = Result<(), String>;

fn alphanumeric(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn small(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// Begins and ends with what `end` takes; between them `-` and what `more` takes is fine, too.
fn word(text: &str, longest: usize, end: fn(u8) -> bool, more: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= longest && end(*first) && end(*last) && bytes.iter().all(|b| end(*b) || more(*b))
}

/// A name of an object.
pub(super) fn name(text: &str) -> Checked {
    let fits = text.len() <= 253 && text.split('.').all(|part| word(part, 63, small, |b| b == b'-'));
    if fits {
        return Ok(());
    }
    Err(format!(
        "no object can be called {text:?}: between points stand small letters, digits and -, at most 63"
    ))
}

/// A key of a Secret or ConfigMap.
pub(super) fn key(text: &str) -> Checked {
    match text {
        "." => Err("a key of a Secret or ConfigMap cannot be a point alone".to_owned()),
        _ if text.starts_with("..") => Err(format!(
            "{text:?} cannot be a key of a Secret or ConfigMap, because it begins with two points"
        )),
        _ => Ok(()),
    }
}

/// The key of a label or a taint.
pub(super) fn label_key(text: &str) -> Checked {
    let (prefix, own) = match text.split_once('/') {
        Some((prefix, own)) => (Some(prefix), own),
        None => (None, text),
    };
    let fits = word(own, 63, alphanumeric, |b| matches!(b, b'-' | b'_' | b'.'));
    if fits && prefix.is_none_or(|prefix| name(prefix).is_ok()) {
        return Ok(());
    }
    Err(format!("{text:?} cannot be the key of a label; one is for example app or example.com/app"))
}

/// The value of a label or a taint.
pub(super) fn label_value(text: &str) -> Checked {
    if text.is_empty() || word(text, 63, alphanumeric, |b| matches!(b, b'-' | b'_' | b'.')) {
        return Ok(());
    }
    Err(format!("{text:?} cannot be the value of a label: letters, digits, -, _ and ., at most 63"))
}

/// A selector by labels.
pub(super) fn selector(selector: &LabelSelector) -> Checked {
    for (key, value) in selector.match_labels.iter().flatten() {
        label_key(key)?;
        label_value(value)?;
    }
    for expression in selector.match_expressions.iter().flatten() {
        label_key(&expression.key)?;
        let values = expression.values.as_deref().unwrap_or_default();
        match (expression.operator.as_str(), values.is_empty()) {
            ("In" | "NotIn", false) | ("Exists" | "DoesNotExist", true) => {}
            ("In" | "NotIn", true) => return Err(format!("{} needs values", expression.operator)),
            ("Exists" | "DoesNotExist", false) => {
                return Err(format!("{} takes no values; leave them out", expression.operator));
            }
            (other, _) => return Err(format!("{other:?} is none of In, NotIn, Exists and DoesNotExist")),
        }
        values.iter().try_for_each(|value| label_value(value))?;
    }
    Ok(())
}

/// A name of an image, as registries take it.
pub(super) fn image(text: &str) -> Checked {
    let refuse = |why: &str| {
        Err(format!("{text:?} is no image: {why}; write registry/name:tag or registry/name@sha256:digest"))
    };
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| cofferdam_api::value::Sha256::from(digest).parse().is_err()) {
        return refuse("a digest is sha256: and 64 hexadecimal digits in small letters");
    }
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (names, tag) = match rest[last..].find(':') {
        Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
        None => (rest, None),
    };
    let tag_fits = |tag: &str| {
        let first = |b: u8| alphanumeric(b) || b == b'_';
        tag.len() <= 128
            && tag.bytes().next().is_some_and(first)
            && tag.bytes().all(|b| first(b) || matches!(b, b'.' | b'-'))
    };
    if !tag.is_none_or(tag_fits) {
        return refuse("a tag has letters, digits, -, _ and ., at most 128");
    }
    // The first part is a registry where it looks like an address.
    let path = match names.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
            if !registry(first) {
                return refuse("its registry is no address");
            }
            path
        }
        _ => names,
    };
    if path.len() > 255 || !path.split('/').all(component) {
        return refuse("the parts of a name have small letters and digits, with ., _, __ or - between them");
    }
    Ok(())
}

fn registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    host.split('.').all(|part| word(part, 63, alphanumeric, |b| b == b'-')) && port.is_none_or(digits)
}

/// A part of a repository: no two signs beside each other, but `__` and dashes.
fn component(text: &str) -> bool {
    if !word(text, 255, small, |b| matches!(b, b'.' | b'_' | b'-')) {
        return false;
    }
    text.split(|c: char| c.is_ascii_alphanumeric())
        .filter(|signs| !signs.is_empty())
        .all(|signs| matches!(signs, "." | "_" | "__") || signs.bytes().all(|b| b == b'-'))
}

/// The beginning of every public key of ECDSA on P-256: what it is for, before its 65 bytes.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A public key as cosign writes it.
pub(super) fn public_key(pem: &str) -> Checked {
    let refuse = |why: &str| Err(format!("{why}; give the cosign.pub that `cosign generate-key-pair` wrote"));
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"));
    let Some(body) = body else { return refuse("it is no public key in PEM") };
    let body: String = body.split_ascii_whitespace().collect();
    match STANDARD.decode(body) {
        Err(_) => refuse("its text is not base64"),
        Ok(key) if key.len() == P256.len() + 65 && key.starts_with(&P256) && key[P256.len()] == 4 => Ok(()),
        Ok(_) => refuse("it is not a key of ECDSA on the curve P-256, which cosign makes"),
    }
}

/// A quantity of Kubernetes, to be compared with another one. `None` where it is none, which the schema does not let in.
pub(in crate::migration) fn amount(text: &str) -> Option<f64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let two: f64 = 1024.0;
    let times = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => two,
        "Mi" => two.powi(2),
        "Gi" => two.powi(3),
        "Ti" => two.powi(4),
        "Pi" => two.powi(5),
        "Ei" => two.powi(6),
        exponent => 10_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(number * times)
}
