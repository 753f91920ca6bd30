//! Migrations that lie in a container image.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::cluster::text;
use crate::namespace::Namespace;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Pushes an image with these files to the registry of the cluster; its digest.
fn push(reference: &str, files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (path, contents) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    push_root(reference, folder.path(), &json!({}))
}

/// Pushes an image of a program of this machine, with the libraries that it needs and nothing else.
pub(crate) fn push_program(reference: &str, program: &Path) -> String {
    push_program_on(&tempfile::tempdir().unwrap(), reference, program)
}

/// The same, beside the files of a folder.
pub(crate) fn push_program_on(folder: &TempDir, reference: &str, program: &Path) -> String {
    let libraries = Command::new("ldd").arg(program).output().unwrap();
    let libraries = String::from_utf8(libraries.stdout).unwrap();
    let paths =
        libraries.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    for path in paths.map(Path::new).chain([program]) {
        let inside = folder.path().join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        fs::copy(path, inside).unwrap();
    }
    push_root(reference, folder.path(), &json!({ "Entrypoint": [program] }))
}

/// Our own image, whose runners do not go slower because others are at work on this machine, with this mistake planted in
/// what they copy, if any.
#[cfg(feature = "failpoints")]
pub(crate) fn planted(here: &Namespace, mistake: &str) -> String {
    let variable = |name: &str| std::env::var(name).unwrap();
    let ours = format!("{}@{}", variable("COFFERDAM_IMAGE_REPOSITORY"), variable("COFFERDAM_IMAGE_DIGEST"));
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let layout = format!("oci:{}", image.display());
    let copy = ["--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"];
    run(Command::new("skopeo").args(copy).arg(format!("docker://{ours}")).arg(&layout));
    // Of what it is made of only the configuration changes, and the two documents that name it.
    let blob = |digest: &Value| {
        image.join("blobs/sha256").join(digest.as_str().unwrap().trim_start_matches("sha256:"))
    };
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let put = |document: &Value, entry: &mut Value| {
        let bytes = document.to_string();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        entry["size"] = json!(bytes.len());
        entry["digest"] = json!(digest);
        fs::write(blob(&entry["digest"]), bytes).unwrap();
    };
    let mut index = read(&image.join("index.json"));
    let mut manifest = read(&blob(&index["manifests"][0]["digest"]));
    let mut config = read(&blob(&manifest["config"]["digest"]));
    config["config"]["Env"] = json!([format!("COFFERDAM_PLANTED=unpaced,{mistake}")]);
    put(&config, &mut manifest["config"]);
    put(&manifest, &mut index["manifests"][0]);
    fs::write(image.join("index.json"), index.to_string()).unwrap();
    let (reference, digest) =
        (format!("{}/e2e/planted", here.cluster.registry), folder.path().join("digest"));
    let tag = if mistake.is_empty() { "none" } else { mistake };
    let to = format!("docker://{reference}:{tag}");
    run(Command::new("skopeo").args(copy).arg("--digestfile").arg(&digest).arg(&layout).arg(to));
    format!("{reference}@{}", fs::read_to_string(digest).unwrap().trim())
}

fn push_root(reference: &str, root: &Path, settings: &Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("image/blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let archive = folder.path().join("layer.tar");
    run(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(root).arg("."));
    let blob = |media_type: &str, bytes: &[u8]| {
        let digest = hex::encode(Sha256::digest(bytes));
        fs::write(blobs.join(&digest), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() })
    };
    let layer = blob("application/vnd.oci.image.layer.v1.tar", &fs::read(&archive).unwrap());
    let config = json!({ "os": "linux", "architecture": "amd64", "config": settings, "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] } });
    let config = blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] }).to_string();
    let manifest: Value = blob(MANIFEST, manifest.as_bytes());
    let image = folder.path().join("image");
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(image.join("index.json"), index.to_string()).unwrap();
    fs::write(image.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    // The layer is packed on its way, so the digest is another one.
    let digest = folder.path().join("digest");
    run(Command::new("skopeo")
        .args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", "--digestfile"])
        .arg(&digest)
        .arg(format!("oci:{}", image.display()))
        .arg(format!("docker://{reference}")));
    fs::read_to_string(digest).unwrap().trim().to_owned()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", text(&output));
}

#[test]
fn an_image_is_waited_for_and_pinned() {
    let Some(here) = Namespace::new("e2e-image") else { return };
    here.secret();
    let image = format!("{}/e2e/migrations:1", here.cluster.registry);
    here.migrate(&[], |m| {
        m["spec"]["migration"] = json!({ "image": format!("{image}-later"), "dir": "/db/migrations" });
    });
    here.until("the image is missed", || {
        here.condition("Ready")["message"].as_str().unwrap_or_default().contains("ImageNotFound")
    });
    let files = [
        ("db/migrations/V1__users.sql", "CREATE TABLE users (id int PRIMARY KEY);"),
        ("db/migrations/V2__name.sql", "ALTER TABLE users ADD COLUMN name text;"),
        ("app/main", "not ours"),
    ];
    let digest = push(&format!("{image}-later"), &files);
    here.wait_until_ready();
    let object = here.object();
    assert_eq!(object["status"]["sourceDigest"], digest.as_str());
    assert_eq!(object["status"]["currentVersion"], "2");
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.history"), "2");
}

#[test]
fn an_image_without_the_directory_is_refused() {
    let Some(here) = Namespace::new("e2e-image-empty") else { return };
    here.secret();
    let image = format!("{}/e2e/empty:1", here.cluster.registry);
    push(&image, &[("app/main", "not ours")]);
    here.migrate(&[], |m| m["spec"]["migration"] = json!({ "image": image }));
    here.wait_for("SourceDirectoryMissing");
    assert_eq!(here.condition("Stalled")["status"], "True");
    assert_eq!(here.database.one("SELECT to_regnamespace('cofferdam') IS NULL"), "t");
}
