//! Images made by the test.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

pub(crate) const OCI: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.config.v1+json"];
pub(crate) const DOCKER: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.container.image.v1+json",
];
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

pub(crate) const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub(crate) const DOCKER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A manifest or an index with all that it needs.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) blobs: Vec<Vec<u8>>,
    /// The images that an index names.
    pub(crate) children: Vec<Built>,
}

impl Built {
    pub(crate) fn digest(&self) -> String {
        digest(&self.bytes)
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// An archive of these files, each with its path and contents; one that ends with a slash is a directory.
pub(crate) fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, contents) in files {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(contents.len() as u64);
        if path.ends_with('/') {
            header.set_entry_type(EntryType::Directory);
        }
        builder.append_data(&mut header, path, contents.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn packed(media_type: &str, layer: &[u8]) -> Vec<u8> {
    match media_type {
        PLAIN => layer.to_vec(),
        ZSTD => zstd::bulk::compress(layer, 3).unwrap(),
        _ => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(layer).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// An image of layers that are packed already.
pub(crate) fn image([manifest, config]: [&str; 2], layers: &[(&str, Vec<u8>)]) -> Built {
    let configuration = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers"}});
    let configuration = configuration.to_string().into_bytes();
    let layer = |(kind, bytes): &(&str, Vec<u8>)| descriptor(kind, bytes);
    let bytes = json!({
        "schemaVersion": 2,
        "mediaType": manifest,
        "config": descriptor(config, &configuration),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    let blobs = layers.iter().map(|(_, bytes)| bytes.clone()).chain([configuration]).collect();
    Built {
        media_type: manifest.to_owned(),
        bytes: bytes.to_string().into_bytes(),
        blobs,
        children: Vec::new(),
    }
}

/// An image of one gzip layer with these files.
pub(crate) fn simple(files: &[(&str, &str)]) -> Built {
    image(OCI, &[(GZIP, packed(GZIP, &layer(files)))])
}

/// An index of images, each for a platform.
pub(crate) fn index(media_type: &str, children: Vec<(Value, Built)>) -> Built {
    let manifests = children.iter().map(|(platform, child)| {
        let mut entry = descriptor(&child.media_type, &child.bytes);
        entry["platform"] = platform.clone();
        entry
    });
    let bytes =
        json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests.collect::<Vec<_>>()});
    Built {
        media_type: media_type.to_owned(),
        bytes: bytes.to_string().into_bytes(),
        blobs: Vec::new(),
        children: children.into_iter().map(|(_, child)| child).collect(),
    }
}

/// What an index says of an image for Linux on this machine.
pub(crate) fn ours() -> Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({"os": "linux", "architecture": architecture})
}

pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}
