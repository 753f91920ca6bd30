//! Signed images in a real registry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_adapters::sources::image::ImageKey;
use cofferdam_adapters::sources::{read_image, signed_image};
use cofferdam_core::{Code, Fault};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use super::built::{Built, OCI, OCI_INDEX, descriptor, image, index, ours, simple};
use super::registry::{Access, Registry};
use super::{paths, refusal, source};

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap())
    }

    fn key(&self) -> ImageKey {
        let prefix = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        let der = STANDARD.encode([&prefix, self.0.public_key().as_ref()].concat());
        ImageKey::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")).unwrap()
    }

    /// As `cosign sign` lays it into the registry.
    fn sign(&self, digest: &str) -> Built {
        let payload = json!({"critical": {
            "identity": {"docker-reference": "registry.example/app"},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        }, "optional": null});
        let payload = payload.to_string().into_bytes();
        let signature = self.0.sign(&SystemRandom::new(), &payload).unwrap();
        let mut built = image(OCI, &[(PAYLOAD, payload.clone())]);
        let mut manifest: serde_json::Value = serde_json::from_slice(&built.bytes).unwrap();
        let mut layer = descriptor(PAYLOAD, &payload);
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": STANDARD.encode(signature)});
        manifest["layers"] = json!([layer]);
        built.bytes = manifest.to_string().into_bytes();
        built
    }
}

#[tokio::test]
async fn only_what_the_key_signed_is_read() {
    let Some(registry) = Registry::start("only_what_the_key_signed_is_read", Access::Open) else { return };
    let (ours_key, others) = (Signer::new(), Signer::new());
    let tag = |built: &Built| format!("app:{}.sig", built.digest().replace(':', "-"));
    let app = simple(&[("m/1.sql", "")]);
    let other = simple(&[("m/2.sql", "")]);
    let many = index(OCI_INDEX, vec![(ours(), simple(&[("m/3.sql", "")]))]);
    for (name, built) in [("app:v1", &app), ("app:v2", &other), ("app:v3", &many)] {
        registry.push(name, built).await;
    }
    let read = async |name: &str, signer: &Signer| {
        let mut source = source(&registry.name(name), "/m");
        source.signed_by = Some(signer.key());
        read_image(&source).await
    };
    let unsigned = refusal(read("app:v1", &ours_key).await, Code::ImageSignature);
    assert!(unsigned.to_string().contains("no signature beside it"), "{unsigned}");
    registry.push(&tag(&app), &ours_key.sign(&app.digest())).await;
    assert_eq!(paths(&read("app:v1", &ours_key).await.unwrap()), ["1.sql"]);
    let wrong = refusal(read("app:v1", &others).await, Code::ImageSignature);
    assert!(wrong.to_string().contains("another key"), "{wrong}");
    // The signature of one image, laid beside another one.
    registry.push(&tag(&other), &ours_key.sign(&app.digest())).await;
    let moved = refusal(read("app:v2", &ours_key).await, Code::ImageSignature);
    assert!(moved.to_string().contains("another image"), "{moved}");
    // An index is signed as a whole.
    registry.push(&tag(&many), &ours_key.sign(&many.digest())).await;
    assert_eq!(paths(&read("app:v3", &ours_key).await.unwrap()), ["3.sql"]);
    // One that is started and not read: the tag is made a digest, and it is the one that the key signed.
    let started = async |name: &str, signer: Option<&Signer>| {
        let mut source = source(&registry.name(name), "/");
        source.signed_by = signer.map(Signer::key);
        signed_image(&source).await
    };
    let found = started("app:v1", Some(&ours_key)).await.unwrap();
    assert_eq!(found.digest, app.digest());
    assert!(found.pinned.ends_with(&format!("/app@{}", app.digest())), "{}", found.pinned);
    let by_digest = started(&format!("app@{}", app.digest()), Some(&ours_key)).await.unwrap();
    assert_eq!(by_digest.pinned, found.pinned);
    for (name, signer) in [("app:v1", Some(&others)), ("app:v2", Some(&ours_key)), ("app:v1", None)] {
        let Err(Fault::Refused(refused)) = started(name, signer).await else { panic!("{name}") };
        assert_eq!(refused.code, Code::ImageSignature, "{name}");
    }
    // What is no signature at all.
    registry.push(&tag(&app), &app).await;
    refusal(read("app:v1", &ours_key).await, Code::ImageSignature);
}
