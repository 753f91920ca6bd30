//! Manifests, and signatures made by OpenSSL.

use super::super::manifest::{self, Document};
use super::super::signature::ImageKey;

const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjZ8aDATsY9zVcLbgaJ0VFQFyhDZy
NX4mKg14eUzlJTeo5hGIUnMR77nXzvx5LJrVpszdvI4tKKMeNSJyTCqJMw==
-----END PUBLIC KEY-----
";
const ON_P384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEMZ2Pgw9nVtBi1XUGO9fSwMFH44WrXG5i
Cuv8p5s+kEl0b+kOyQq6MY+teFWFDmHk0QyUPio6HRKGfpb7cWGdMvhy3xlH34mY
r92lmcaCaIEjrPdZ2b0OR4xrv5Lc5A1D
-----END PUBLIC KEY-----";
const SIGNATURE: &str =
    "MEUCIQDqjz4X4HmO5+kj+B3+/lA46d5eoulqW/ZOZDnZIAavyQIgGpV4S+4CZWJxb+TTSrZQ5rcEl9on9bvgOpcRgW/FfHY=";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn payload() -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"registry.example/app"}},"image":{{"docker-manifest-digest":"{DIGEST}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
}

#[test]
fn a_signature_counts_for_its_key_its_text_and_its_image() {
    let key = ImageKey::from_pem(KEY).unwrap();
    let other = format!("sha256:{}", "0".repeat(64));
    let changed = payload().replace("app", "apq");
    let upside_down: String = SIGNATURE.chars().rev().collect();
    let cases = [
        (DIGEST, payload(), SIGNATURE, None),
        (DIGEST, payload(), &format!("{SIGNATURE}\n"), None),
        (&other, payload(), SIGNATURE, Some("another image")),
        (DIGEST, changed, SIGNATURE, Some("was changed")),
        (DIGEST, payload(), &upside_down, Some("another key")),
        (DIGEST, payload(), "", Some("another key")),
    ];
    for (digest, payload, signature, objection) in cases {
        let said = key.objection(digest, payload.as_bytes(), signature);
        assert_eq!(said.is_none(), objection.is_none(), "{said:?}");
        assert!(said.unwrap_or_default().contains(objection.unwrap_or_default()), "{said:?}");
    }
}

#[test]
fn a_key_that_is_none_is_refused() {
    let cases = [
        ("", "no public key in PEM"),
        (SIGNATURE, "no public key in PEM"),
        ("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----", "not base64"),
        (ON_P384, "not a key of ECDSA on the curve P-256"),
    ];
    for (pem, reason) in cases {
        let refusal = ImageKey::from_pem(pem).unwrap_err();
        assert!(refusal.to_string().contains(reason), "{refusal}");
    }
}

#[test]
fn manifests_are_read_or_refused() {
    let part = |kind: &str| format!(r#"{{"mediaType":"{kind}","digest":"{DIGEST}","size":1}}"#);
    let config = part("application/vnd.oci.image.config.v1+json");
    let layer = part("application/vnd.oci.image.layer.v1.tar+gzip");
    let manifest =
        |config: &str, layer: &str| format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#);
    let good = manifest(&config, &layer);
    let of_kind = |kind: &str| manifest(&config, &part(kind));
    let cases = [
        (good.clone(), None),
        (of_kind("application/vnd.docker.image.rootfs.diff.tar.gzip"), None),
        (of_kind("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), Some("foreign")),
        (of_kind("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"), Some("foreign")),
        (of_kind("application/vnd.oci.image.layer.v1.tar+xz"), Some("unknown kind")),
        (
            manifest(&part("application/vnd.cncf.helm.config.v1+json"), &layer),
            Some("no image of a container"),
        ),
        (good.replace("\"schemaVersion\":2", "\"schemaVersion\":1"), Some("schema 1")),
        (good.replace("\"layers\"", "\"fsLayers\":[],\"layers\""), Some("schema 1")),
        (good.replace("\"layers\"", "\"manifests\":[],\"layers\""), Some("index at the same time")),
        (good.replace("\"layers\"", "\"mediaType\":\"text/html\",\"layers\""), Some("text/html")),
        (good.replace("\"layers\"", "\"other\""), Some("no layers")),
        (good.replace("abcdef", "ABCDEF"), Some("no sha256 digest")),
        (good.replace(DIGEST, "sha256:../../x"), Some("no sha256 digest")),
        (good.replace("\"size\":1", "\"size\":-1"), Some("cannot be read")),
        ("[".repeat(100_000), Some("cannot be read")),
        ("<html>".to_owned(), Some("cannot be read")),
    ];
    for (text, reason) in cases {
        let read = manifest::read(text.as_bytes(), "r.example/app").and_then(|document| match document {
            Document::Manifest(manifest) => manifest.layers("r.example/app"),
            Document::Index(_) => panic!("{text}"),
        });
        match (read, reason) {
            (Ok(layers), None) => assert_eq!(layers.len(), 1),
            (Err(refusal), Some(reason)) => assert!(refusal.to_string().contains(reason), "{refusal}"),
            (read, _) => panic!("{text}: {read:?}"),
        }
    }
}

#[test]
fn of_an_index_the_image_for_this_machine_is_taken() {
    let entry = |platform: &str, digit: &str| {
        let digest = digit.repeat(64);
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{digest}","size":1,{platform}"a":1}}"#
        )
    };
    let on = |os: &str, architecture: &str| {
        format!(r#""platform":{{"os":"{os}","architecture":"{architecture}"}},"#)
    };
    let ours = manifest::architecture();
    let variant = format!(r#""platform":{{"os":"linux","architecture":"{ours}","variant":"v3"}},"#);
    let cases = [
        (
            vec![
                entry("", "0"),
                entry(&on("windows", ours), "1"),
                entry(&variant, "2"),
                entry(&on("linux", ours), "3"),
            ],
            Ok("3"),
        ),
        (vec![entry(&variant, "2")], Ok("2")),
        (
            vec![entry(&on("linux", "mips"), "1"), entry(&on("unknown", "unknown"), "2")],
            Err("it has linux/mips, unknown/unknown"),
        ),
        (vec![], Err("it has no platform")),
    ];
    for (entries, expected) in cases {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        let Document::Index(index) = manifest::read(text.as_bytes(), "a").unwrap() else { panic!("{text}") };
        match (manifest::for_this_machine(&index, "a"), expected) {
            (Ok(chosen), Ok(digit)) => assert_eq!(chosen.digest, format!("sha256:{}", digit.repeat(64))),
            (Err(refusal), Err(reason)) => assert!(refusal.to_string().contains(reason), "{refusal}"),
            (chosen, _) => panic!("{chosen:?}"),
        }
    }
}
