//! Images that the kubelet mounts, and what a run tells a Pushgateway.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::pod::{Pod, TABLE, WIDER};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A Pod whose node has mounted the image that the spec names.
fn mounted(name: &str) -> (Pod, std::path::PathBuf) {
    let mut pod = Pod::new(name);
    pod.spec["migration"] =
        json!({ "image": format!("registry.invalid/app:v2@{DIGEST}"), "dir": "/db/migrations" });
    let folder = pod.mounts().join("image/db/migrations");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("V1__a.sql"), "CREATE TABLE a (id int);\n").unwrap();
    (pod, folder)
}

#[test]
fn an_image_that_the_node_has_mounted_is_read_there_and_pinned() {
    let (mut pod, folder) = mounted("mounted");
    let image = pod.spec["migration"]["image"].as_str().unwrap().to_owned();
    pod.variables = vec![("COFFERDAM_MOUNTED_IMAGE".into(), image)];
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.applied(), ["1"]);
    assert_eq!(pod.status()["sourceDigest"], DIGEST);

    // A link of the image leads into this container, where the password is.
    symlink(pod.mounts().join("database/password"), folder.join("V2__b.sql")).unwrap();
    let outcome = pod.ends(&[], 1, "Refused", "SourceRefused");
    assert!(outcome["message"].as_str().unwrap().contains("symbolic link"), "{outcome:#}");
    assert_eq!(pod.applied(), ["1"]);
}

/// A server that takes one push and gives what was pushed.
fn gateway() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let taken = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        while !all.ends_with(b"\n")
            || !String::from_utf8_lossy(&all).contains("cofferdam_last_run_succeeded ")
        {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "it ends before its end");
            all.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8(all).unwrap()
    });
    (address, taken)
}

#[test]
fn a_run_tells_what_it_measured() {
    let mut pod = Pod::new("pushes");
    pod.bench.query(TABLE);
    pod.spec["migration"]["strategy"] = json!("shadow-table");
    pod.script("wider", WIDER);
    let (address, taken) = gateway();
    pod.variables = vec![("COFFERDAM_PUSHGATEWAY".into(), address)];
    let outcome = pod.ends(&[], 0, "Succeeded", "RevertWindowOpen");
    let pushed = taken.join().unwrap();
    let asked = pushed.lines().next().unwrap();
    assert!(
        asked.starts_with("PUT /metrics/job/cofferdam/") && asked.ends_with("/apply HTTP/1.1"),
        "{asked}"
    );
    assert_eq!(outcome["figures"]["rows"], 5000);
    assert!(outcome["figures"]["lockMs"].is_u64(), "{outcome:#}");
    for line in [
        r#"cofferdam_last_run_info{result="Succeeded",reason="RevertWindowOpen"} 1"#,
        "cofferdam_last_run_rows 5000",
        "cofferdam_last_run_succeeded 1",
    ] {
        assert!(pushed.lines().any(|found| found == line), "{line}\n{pushed}");
    }
    assert!(pushed.contains("\ncofferdam_last_run_cutover_lock_seconds "), "{pushed}");

    // That nobody listens changes nothing of the run.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    pod.variables = vec![("COFFERDAM_PUSHGATEWAY".into(), format!("http://{closed}"))];
    let done = pod.run(&["--work", "rollback"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("the Pushgateway was not told"), "{}", done.stderr);
}

/// Whoever asks for a signature gets no container whose image is a tag, whatever made its Pod.
#[test]
fn a_container_that_has_to_be_signed_is_not_started_from_a_tag() {
    let mut pod = Pod::new("unpinned");
    let key = "-----BEGIN PUBLIC KEY-----\n\
               MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n\
               -----END PUBLIC KEY-----\n";
    pod.spec["migration"] = json!({
        "verify": { "publicKey": key },
        "container": {
            "image": "registry.invalid/orders:2",
            "signal": { "table": "alembic_version", "column": "version_num", "value": "2" },
        },
    });
    pod.put();
    let object = std::fs::read_to_string(pod.object()).unwrap();
    let digest = cofferdam_operator::migration::work::base(&serde_json::from_str(&object).unwrap());
    let opens = ["--work", "container", "--for", &digest, "--job", "j", "--pod", "p"];
    for pinned in [None, Some("registry.invalid/orders:2")] {
        pod.variables = pinned
            .map(|image: &str| ("COFFERDAM_PINNED_IMAGE".to_owned(), image.to_owned()))
            .into_iter()
            .collect();
        let done = pod.run(&opens);
        let outcome = pod.outcome();
        assert_eq!(outcome["ended"], "Refused", "{outcome:#}");
        assert_ne!(done.code, 0);
        let message = outcome["message"].as_str().unwrap();
        assert!(message.contains("not pinned to a digest"), "{message}");
    }
}
