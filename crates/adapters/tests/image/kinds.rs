//! Images of every kind that is read, in a real registry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_adapters::sources::image::PullSecrets;
use cofferdam_adapters::sources::read_image;
use cofferdam_core::Code;
use serde_json::json;

use super::built::{
    DOCKER, DOCKER_GZIP, DOCKER_LIST, GZIP, OCI, OCI_INDEX, PLAIN, ZSTD, image, index, layer, ours, packed,
    simple,
};
use super::registry::{Access, PASSWORD, Registry, USER};
use super::{paths, read, refusal, source};

#[tokio::test]
async fn every_kind_of_image_is_read() {
    let Some(registry) = Registry::start("every_kind_of_image_is_read", Access::Open) else { return };
    let first =
        layer(&[("db/", ""), ("db/m/V1__a.sql", "SELECT 1;"), ("db/m/V2__b.sql", "old"), ("etc/motd", "hi")]);
    let second =
        layer(&[("db/m/.wh.V1__a.sql", ""), ("db/m/V2__b.sql", "new"), ("db/m/sub/V3__c.sql", "SELECT 3;")]);
    let built = |kinds, first_kind: &'static str, second_kind: &'static str| {
        image(kinds, &[(first_kind, packed(first_kind, &first)), (second_kind, packed(second_kind, &second))])
    };
    let other = || simple(&[("db/m/V9__other.sql", "")]);
    let cases = [
        ("gzip", built(OCI, GZIP, GZIP)),
        ("mixed", built(OCI, ZSTD, PLAIN)),
        ("docker", built(DOCKER, DOCKER_GZIP, DOCKER_GZIP)),
        (
            "index",
            index(
                OCI_INDEX,
                vec![
                    (json!({"os": "linux", "architecture": "mips"}), other()),
                    (json!({"os": "unknown", "architecture": "unknown"}), other()),
                    (ours(), built(OCI, GZIP, ZSTD)),
                ],
            ),
        ),
        ("list", index(DOCKER_LIST, vec![(ours(), built(DOCKER, DOCKER_GZIP, DOCKER_GZIP))])),
    ];
    for (name, built) in cases {
        let tagged = format!("team/{name}:v1");
        registry.push(&tagged, &built).await;
        let read_image = read(&registry.name(&tagged), "/db/m").await.unwrap();
        assert_eq!(paths(&read_image), ["V2__b.sql", "sub/V3__c.sql"], "{name}");
        assert_eq!(read_image.tree.files[0].bytes, b"new");
        assert_eq!(read_image.tree.typed("V2__b.sql"), "/db/m/V2__b.sql");
        assert_eq!(read_image.digest, built.digest());
        let read_manifest = built.children.last().unwrap_or(&built);
        assert_eq!(read_image.manifest_digest, read_manifest.digest());
        assert_eq!(read_image.media_type, read_manifest.media_type);
        assert!(read_image.platform.starts_with("linux/"), "{}", read_image.platform);
        // The tag moves, the digest stays; and what it is pinned to can be read as it is written.
        assert_eq!(read_image.pinned, registry.name(&format!("team/{name}@{}", built.digest())));
        registry.push(&tagged, &other()).await;
        let pinned = read(&read_image.pinned, "/db/m").await.unwrap();
        assert_eq!((pinned.tree, pinned.digest), (read_image.tree, read_image.digest), "{name}");
        assert_eq!(paths(&read(&registry.name(&tagged), "db/m").await.unwrap()), ["V9__other.sql"]);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let Some(registry) = Registry::start("what_is_not_there_is_named", Access::Open) else { return };
    registry.push("team/app:v1", &simple(&[("db/migrations/1.sql", "")])).await;
    let refused = async |name: &str| read(&registry.name(name), "/m").await;
    refusal(refused("team/app:v2").await, Code::ImageNotFound);
    refusal(refused("team/other:v1").await, Code::ImageNotFound);
    let pinned = "team/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    refusal(refused(pinned).await, Code::ImageNotFound);
    let missing = refusal(refused("team/app:v1").await, Code::ImageNoDirectory);
    assert_eq!(missing.help.as_deref(), Some("did you mean /db/migrations?"));
    assert_eq!(paths(&read(&registry.name("team/app:v1"), "/db/migrations").await.unwrap()), ["1.sql"]);
}

#[tokio::test]
async fn a_registry_with_a_password_wants_the_right_one() {
    let Some(registry) = Registry::start("a_registry_with_a_password_wants_the_right_one", Access::Password)
    else {
        return;
    };
    registry.push("team/app:v1", &simple(&[("m/1.sql", "")])).await;
    let with = |key: &str, password: &str| {
        let auth = STANDARD.encode(format!("{USER}:{password}"));
        let mut secrets = PullSecrets::default();
        let config = json!({"auths": {key: {"auth": auth}}}).to_string();
        secrets.add("regcred", config.as_bytes()).unwrap();
        let mut source = source(&registry.name("team/app:v1"), "/m");
        source.pull_secrets = secrets;
        source
    };
    let host = registry.host.as_str();
    for key in [host.to_owned(), format!("http://{host}/v2/"), format!("{host}/team")] {
        assert_eq!(paths(&read_image(&with(&key, PASSWORD)).await.unwrap()), ["1.sql"], "{key}");
    }
    let cases = [(host, "wrong", "look at the credentials"), ("other.example", PASSWORD, "there is none")];
    for (key, password, help) in cases {
        let refused = refusal(read_image(&with(key, password)).await, Code::ImageAuth);
        assert!(refused.help.as_deref().unwrap().contains(help), "{refused:?}");
        assert!(!format!("{refused:?}").contains(password), "{refused:?}");
    }
}

#[tokio::test]
async fn what_somebody_changed_in_the_storage_is_noticed() {
    let Some(registry) = Registry::start("what_somebody_changed_in_the_storage_is_noticed", Access::Open)
    else {
        return;
    };
    // A changed byte, in each way to pack: what the decoder says of it is not the reason that is given.
    for (name, kind) in [("plain", PLAIN), ("gzip", GZIP), ("zstd", ZSTD)] {
        let bytes = packed(kind, &layer(&[("m/1.sql", "SELECT 1;"), ("m/2.sql", "SELECT 2;")]));
        let built = image(OCI, &[(kind, bytes.clone())]);
        let tagged = format!("{name}:v1");
        for at in [0, bytes.len() / 3, bytes.len() - 1] {
            registry.push(&tagged, &built).await;
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(registry.stored(&built_layer(&built)), changed).unwrap();
            let refused = refusal(read(&registry.name(&tagged), "/m").await, Code::ImageDigest);
            assert!(
                refused.cause.as_deref().unwrap().contains(&built_layer(&built)),
                "{name} {at}: {refused}"
            );
            std::fs::write(registry.stored(&built_layer(&built)), &bytes).unwrap();
        }
        assert_eq!(paths(&read(&registry.name(&tagged), "/m").await.unwrap()).len(), 2);
    }
    // Another manifest under the digest of this one.
    let built = simple(&[("m/1.sql", "")]);
    registry.push("manifest:v1", &built).await;
    std::fs::write(registry.stored(&built.digest()), simple(&[("m/2.sql", "")]).bytes).unwrap();
    let pinned = registry.name(&format!("manifest@{}", built.digest()));
    refusal(read(&pinned, "/m").await, Code::ImageDigest);
    refusal(read(&registry.name("manifest:v1"), "/m").await, Code::ImageDigest);
}

fn built_layer(built: &super::built::Built) -> String {
    super::built::digest(&built.blobs[0])
}

#[tokio::test]
async fn an_index_that_leads_nowhere_is_refused() {
    let Some(registry) = Registry::start("an_index_that_leads_nowhere_is_refused", Access::Open) else {
        return;
    };
    let inner = index(OCI_INDEX, vec![(ours(), simple(&[("m/1.sql", "")]))]);
    registry.push("nested:v1", &index(OCI_INDEX, vec![(ours(), inner)])).await;
    let refused = refusal(read(&registry.name("nested:v1"), "/m").await, Code::ImageUnsupported);
    assert!(refused.to_string().contains("another index"), "{refused}");
    let foreign = json!({"os": "linux", "architecture": "mips"});
    registry.push("mips:v1", &index(OCI_INDEX, vec![(foreign, simple(&[("m/1.sql", "")]))])).await;
    let refused = refusal(read(&registry.name("mips:v1"), "/m").await, Code::ImageUnsupported);
    assert!(refused.to_string().contains("it has linux/mips"), "{refused}");
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_has_to_be_named() {
    let test = "a_certificate_that_nobody_signed_has_to_be_named";
    let Some(registry) = Registry::start(test, Access::Tls) else { return };
    registry.push("app:v1", &simple(&[("m/1.sql", "")])).await;
    let mut source = source(&registry.name("app:v1"), "/m");
    source.plain_http.clear();
    let refused = refusal(read_image(&source).await, Code::RegistryUnavailable);
    assert!(refused.to_string().contains("certificate"), "{refused}");
    source.certificate_authorities = vec![b"no certificate".to_vec()];
    refusal(read_image(&source).await, Code::RegistryUnavailable);
    source.certificate_authorities = vec![registry.certificate.clone().unwrap()];
    assert_eq!(paths(&read_image(&source).await.unwrap()), ["1.sql"]);
    // Without TLS it is not spoken to by itself, and spoken to so it answers nothing of use.
    source.plain_http = vec![registry.host.clone()];
    refusal(read_image(&source).await, Code::RegistryUnavailable);
}
