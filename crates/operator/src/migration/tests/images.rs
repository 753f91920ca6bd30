//! Images that a Job mounts, and those that it starts.

use serde_json::json;

use super::{migration, said, seen, settings};
use crate::contract::{self, Kind};
use crate::migration::build;
use crate::migration::decide::decide;
use crate::migration::work::Work;
use crate::settings::RunnerSettings;

#[test]
fn an_image_is_mounted_only_where_its_digest_is_known_and_no_signature_is_asked_for() {
    let digest = format!("r.example/app@sha256:{}", "0a".repeat(32));
    let key = json!({ "publicKey": "-----BEGIN PUBLIC KEY-----\nx" });
    for (on, source, mounted) in [
        (true, json!({ "image": digest }), true),
        (false, json!({ "image": digest }), false),
        (true, json!({ "image": "r.example/app:v2" }), false),
        (true, json!({ "image": digest, "verify": key }), false),
        (true, json!({ "configMaps": [{ "name": "a" }] }), false),
    ] {
        let object = migration(|m| {
            m["spec"]["migration"] = source.clone();
            m["spec"]["runner"] = json!({ "imagePullSecrets": [{ "name": "pull" }] });
        });
        let settings = RunnerSettings { image_volumes: on, ..settings() };
        let work = Work {
            kind: Kind::Apply,
            approved: None,
            before: 0,
            left: None,
            login: None,
            image: None,
            why: None,
        };
        let job = build::job(&object, &work, &settings).unwrap();
        let pod = job.spec.unwrap().template.spec.unwrap();
        let volumes = pod.volumes.unwrap_or_default();
        let image = volumes.iter().find_map(|volume| volume.image.as_ref()?.reference.clone());
        assert_eq!(image.as_deref(), mounted.then_some(digest.as_str()), "{source}");
        let told = pod.containers[0].env.iter().flatten().find(|one| one.name == contract::MOUNTED);
        assert_eq!(told.and_then(|one| one.value.clone()), image);
        // The kubelet pulls with the Pod's Secrets: the runner gets none of them then.
        let secrets = volumes.iter().any(|volume| volume.name.starts_with("pull-"));
        assert_eq!(secrets, source.get("image").is_some() && !mounted, "{source}");
    }
}

#[test]
fn a_container_that_has_to_be_signed_is_started_from_the_digest_that_is() {
    let key = json!({ "publicKey": "-----BEGIN PUBLIC KEY-----\nx" });
    let object = |verify: bool| {
        migration(|m| {
            m["spec"]["runner"] = json!({ "imagePullSecrets": [{ "name": "pull" }] });
            m["spec"]["migration"] = json!({ "container": {
                "image": "registry.example/orders:2",
                "signal": { "table": "t", "column": "c", "value": "1" },
            } });
            if verify {
                m["spec"]["migration"]["verify"] = key.clone();
            }
        })
    };
    let pinned = format!("registry.example/orders@sha256:{}", "0a".repeat(32));
    let work = |kind, image: Option<&str>| Work {
        kind,
        approved: None,
        before: 0,
        left: None,
        login: None,
        image: image.map(str::to_owned),
        why: None,
    };
    let made = |verify: bool, work: &Work| build::job(&object(verify), work, &settings());

    // Whoever looks at the signature has the Secrets for its registry, in both Jobs.
    let first = made(true, &work(Kind::Apply, None)).unwrap();
    let has = |job: &k8s_openapi::api::batch::v1::Job| {
        let pod = job.spec.clone().unwrap().template.spec.unwrap();
        pod.volumes.unwrap_or_default().iter().any(|volume| volume.name == "pull-0")
    };
    assert!(has(&first) && !has(&made(false, &work(Kind::Apply, None)).unwrap()));

    let job = made(true, &work(Kind::Container, Some(&pinned))).unwrap();
    assert!(has(&job));
    let pod = job.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.containers[0].image.as_deref(), Some(pinned.as_str()));
    let ours = &pod.init_containers.unwrap()[0];
    let told = ours.env.iter().flatten().find(|one| one.name == contract::PINNED);
    assert_eq!(told.and_then(|one| one.value.clone()).as_deref(), Some(pinned.as_str()));
    let theirs = pod.containers[0].volume_mounts.clone().unwrap_or_default();
    assert!(!theirs.iter().any(|mount| mount.name.starts_with("pull-")), "{theirs:?}");

    // Nobody says which image is signed: it is not started.
    let why = made(true, &work(Kind::Container, None)).unwrap_err();
    assert!(why.starts_with("spec.migration.verify"), "{why}");
    let unsigned = made(false, &work(Kind::Container, None)).unwrap();
    let image = unsigned.spec.unwrap().template.spec.unwrap().containers[0].image.clone();
    assert_eq!(image.as_deref(), Some("registry.example/orders:2"));
}

/// The words are those of containerd 1.6.
#[test]
fn a_node_that_cannot_mount_images_is_told_of_with_the_way_out() {
    let words = r#"failed to generate spec: failed to mkdir "": mkdir : no such file or directory"#;
    let state = json!({ "waiting": { "reason": "CreateContainerError", "message": words } });
    let mut seen = seen(migration(|_| {})).started().pod(state);
    let message = |seen: &crate::migration::seen::Seen| decide(seen).unwrap().message;
    assert!(!message(&seen).contains("imageVolumes"));
    let volumes = json!([{ "name": "image", "image": { "reference": "a" } }]);
    seen.pods[0].spec = serde_json::from_value(json!({ "containers": [], "volumes": volumes })).unwrap();
    assert_eq!(said(&seen).1, cofferdam_api::Reason::JobPending);
    let job = seen.jobs[0].metadata.name.clone().unwrap();
    assert!(message(&seen).ends_with(&format!("kubectl delete job {job}")), "{}", message(&seen));
}
