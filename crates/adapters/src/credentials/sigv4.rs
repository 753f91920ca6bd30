//! Signature Version 4 of AWS, as far as a request without a body and with one header needs it: a URL that is signed.
//!
//! The algorithm is AWS's documentation "Create a signed AWS API request", for query parameters.

use std::fmt;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::digest::{SHA256, digest};
use ring::hmac;

/// Keys of an identity of AWS.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    /// The id of the access key: no secret.
    pub(super) id: String,
    pub(super) secret: String,
    /// Keys that do not last have one.
    pub(super) token: Option<String>,
    /// When they end, where they do.
    pub(super) until: Option<Timestamp>,
}

/// Without what is secret.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).field("until", &self.until).finish_non_exhaustive()
    }
}

/// What is signed: `GET /` of a host.
pub(super) struct Asked<'a> {
    /// As it stands in the header `host`: with the port where it is not the usual one.
    pub(super) host: &'a str,
    /// `rds-db`, `sts`.
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) parameters: &'a [(&'a str, &'a str)],
    /// For how long it is good, in seconds.
    pub(super) seconds: u32,
}

/// The query with everything in it that vouches for it.
pub(super) fn signed(asked: &Asked<'_>, keys: &Keys, now: Timestamp) -> String {
    let now = now.to_zoned(TimeZone::UTC);
    let (day, time) = (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ").to_string());
    let scope = format!("{day}/{}/{}/aws4_request", asked.region, asked.service);
    let (identity, seconds) = (format!("{}/{scope}", keys.id), asked.seconds.to_string());
    let mut all: Vec<(&str, &str)> = asked.parameters.to_vec();
    all.extend([
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &identity),
        ("X-Amz-Date", &time),
        ("X-Amz-Expires", &seconds),
        ("X-Amz-SignedHeaders", "host"),
    ]);
    all.extend(keys.token.as_deref().map(|token| ("X-Amz-Security-Token", token)));
    let mut pairs: Vec<String> =
        all.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.sort_unstable();
    let query = pairs.join("&");
    let request = format!("GET\n/\n{query}\nhost:{}\n\nhost\n{}", asked.host, hash(b""));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(request.as_bytes()));
    let mut key = format!("AWS4{}", keys.secret).into_bytes();
    for part in [day.as_str(), asked.region, asked.service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    format!("{query}&X-Amz-Signature={}", hex::encode(mac(&key, text.as_bytes())))
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

/// Percent-encoded, all but what RFC 3986 calls unreserved.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Writing into a String does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// What AWS's own library for Python signs. How the file was made stands in it.
    #[test]
    fn it_signs_as_the_library_of_aws_does() {
        let vectors: Value = serde_json::from_str(include_str!("../../tests/fixtures/sigv4.json")).unwrap();
        let mut seen = 0;
        for vector in vectors["vectors"].as_array().unwrap() {
            let text = |key: &str| vector[key].as_str().unwrap();
            let keys = Keys {
                id: text("id").into(),
                secret: text("secret").into(),
                token: vector["token"].as_str().map(str::to_owned),
                until: None,
            };
            let parameters: Vec<(&str, &str)> = vector["parameters"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
                .collect();
            let asked = Asked {
                host: text("host"),
                service: text("service"),
                region: text("region"),
                parameters: &parameters,
                seconds: u32::try_from(vector["seconds"].as_u64().unwrap()).unwrap(),
            };
            let ours = signed(&asked, &keys, text("now").parse().unwrap());
            let (ours, theirs): (BTreeSet<&str>, BTreeSet<&str>) =
                (ours.split('&').collect(), text("query").split('&').collect());
            assert_eq!(ours, theirs, "{vector:#}");
            seen += 1;
        }
        assert!(seen >= 5);
    }

    #[test]
    fn a_key_is_not_shown() {
        let keys =
            Keys { id: "AKID".into(), secret: "canary".into(), token: Some("canary".into()), until: None };
        assert!(!format!("{keys:?}").contains("canary"));
    }
}
