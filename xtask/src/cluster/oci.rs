//! Images without a container engine: a folder becomes the one layer of an image in a registry.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::machine::output;

/// What an image is besides its files.
pub(super) struct Settings {
    /// The user and group of its process.
    pub(super) user: &'static str,
    /// The program that it runs.
    pub(super) entrypoint: &'static str,
}

/// Makes an image of the files under `files` and pushes it; its digest. The same files have the same digest.
pub(super) fn push(files: &Path, settings: &Settings, reference: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder for an image: {e}"))?;
    let layout = Layout { folder: folder.path() };
    layout.write(files, settings).map_err(|why| format!("cannot make the image {reference}: {why}"))?;
    let digest = folder.path().join("digest");
    // Ours is the registry that it goes to, so there is no policy to hold to and no TLS.
    output(
        Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", "--digestfile"])
            .arg(&digest)
            .arg(format!("oci:{}:latest", folder.path().display()))
            .arg(format!("docker://{reference}")),
    )
    .map_err(|why| format!("cannot push the image {reference}: {why}"))?;
    let digest = fs::read_to_string(&digest).map_err(|e| format!("{}: {e}", digest.display()))?;
    Ok(digest.trim().to_owned())
}

/// A folder in the OCI image layout.
struct Layout<'a> {
    folder: &'a Path,
}

impl Layout<'_> {
    fn write(&self, files: &Path, settings: &Settings) -> Result<(), String> {
        let blobs = self.folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|e| format!("{}: {e}", blobs.display()))?;
        let layer = self.layer(files)?;
        let config = self.json("application/vnd.oci.image.config.v1+json", &config(settings, &layer))?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [layer],
        });
        let mut manifest = self.json(MANIFEST, &manifest)?;
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
        self.file("index.json", &json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string())?;
        self.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    /// Neither times nor owners nor the order on the disk go into the layer.
    fn layer(&self, files: &Path) -> Result<Value, String> {
        let tar = self.folder.join("layer.tar");
        output(
            Command::new("tar")
                .args(["--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"])
                .args(["--format=gnu", "--file"])
                .arg(&tar)
                .arg("--directory")
                .arg(files)
                .arg("."),
        )?;
        let at = |e: std::io::Error| format!("{}: {e}", tar.display());
        let mut hash = Sha256::new();
        let size =
            std::io::copy(&mut File::open(&tar).map_err(at)?, &mut HashWriter(&mut hash)).map_err(at)?;
        let digest = hex::encode(hash.finalize());
        fs::rename(&tar, self.folder.join("blobs/sha256").join(&digest)).map_err(at)?;
        Ok(descriptor("application/vnd.oci.image.layer.v1.tar", &digest, size))
    }

    fn json(&self, media_type: &str, value: &Value) -> Result<Value, String> {
        let text = value.to_string();
        let digest = hex::encode(Sha256::digest(&text));
        self.file(&format!("blobs/sha256/{digest}"), &text)?;
        Ok(descriptor(media_type, &digest, text.len() as u64))
    }

    fn file(&self, name: &str, text: &str) -> Result<(), String> {
        fs::write(self.folder.join(name), text).map_err(|e| format!("{name}: {e}"))
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn descriptor(media_type: &str, digest: &str, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
}

fn config(settings: &Settings, layer: &Value) -> Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": settings.user,
            "Entrypoint": [settings.entrypoint],
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            "WorkingDir": "/",
        },
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        "history": [{ "created": "1970-01-01T00:00:00Z" }],
    })
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_image() {
        let index = |order: [&str; 2]| {
            let files = tempfile::tempdir().unwrap();
            for name in order {
                fs::write(files.path().join(name), name).unwrap();
            }
            let folder = tempfile::tempdir().unwrap();
            let settings = Settings { user: "65532:65532", entrypoint: "/a" };
            Layout { folder: folder.path() }.write(files.path(), &settings).unwrap();
            fs::read_to_string(folder.path().join("index.json")).unwrap()
        };
        assert_eq!(index(["a", "b"]), index(["b", "a"]));
        assert_ne!(index(["a", "b"]), index(["a", "c"]));
    }
}
