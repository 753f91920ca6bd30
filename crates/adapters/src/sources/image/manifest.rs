//! Manifests and indexes: which layers an image has.

use cofferdam_core::{Code, Refusal};
use serde::Deserialize;

use super::reference::is_digest;
use super::text::shown;

/// Media types of manifests and indexes that are asked for.
pub(super) const ACCEPTED: &[&str] = &[OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST];

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Configurations that say: this is an image of a container, and not whatever else lies in a registry.
const CONFIGURATIONS: &[&str] =
    &["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

/// The media types of layers.
const LAYERS: &[(&str, Compression)] = &[
    ("application/vnd.oci.image.layer.v1.tar", Compression::Plain),
    ("application/vnd.oci.image.layer.v1.tar+gzip", Compression::Gzip),
    ("application/vnd.oci.image.layer.v1.tar+zstd", Compression::Zstd),
    ("application/vnd.docker.image.rootfs.diff.tar", Compression::Plain),
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", Compression::Gzip),
    ("application/vnd.docker.image.rootfs.diff.tar.zstd", Compression::Zstd),
];

/// A part of an image in the registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) annotations: std::collections::BTreeMap<String, String>,
    platform: Option<Platform>,
}

/// What an image is built for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl Platform {
    /// `linux/arm64`, `linux/arm/v7`.
    pub(super) fn text(&self) -> String {
        let variant = self.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
        shown(format!("{}/{}{variant}", self.os, self.architecture).as_bytes(), 60)
    }
}

impl Descriptor {
    /// What an index says that it is built for.
    pub(super) fn platform_text(&self) -> Option<String> {
        self.platform.as_ref().map(Platform::text)
    }
}

/// One of the two.
#[derive(Debug)]
pub(super) enum Document {
    Manifest(Manifest),
    Index(Vec<Descriptor>),
}

/// An image for one platform.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    pub(super) config: Descriptor,
    /// The lowest first.
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// Reads a manifest or an index; `image` is for messages.
pub(super) fn read(bytes: &[u8], image: &str) -> Result<Document, Box<Refusal>> {
    let raw: Raw = serde_json::from_slice(bytes)
        .map_err(|error| unsupported(image, format!("its manifest cannot be read: {error}")))?;
    if raw.schema_version != 2 || raw.fs_layers.is_some() {
        return Err(unsupported(
            image,
            "its manifest is of schema 1, which names no layer by its digest alone",
        ));
    }
    let media_type = raw.media_type.as_deref();
    let mut named =
        raw.config.iter().chain(raw.layers.iter().flatten()).chain(raw.manifests.iter().flatten());
    if let Some(bad) = named.find(|part| !is_digest(&part.digest)) {
        let digest = shown(bad.digest.as_bytes(), 80);
        return Err(unsupported(image, format!("it names a part by `{digest}`, which is no sha256 digest")));
    }
    match (media_type, raw.config, raw.layers, raw.manifests) {
        // A document that is both shows one image to some readers and another one to others.
        (_, _, Some(_), Some(_)) => Err(unsupported(image, "its manifest is an index at the same time")),
        (None | Some(OCI_MANIFEST | DOCKER_MANIFEST), Some(config), Some(layers), None) => {
            let media_type = media_type.unwrap_or(OCI_MANIFEST).to_owned();
            Ok(Document::Manifest(Manifest { media_type, config, layers }))
        }
        (None | Some(OCI_INDEX | DOCKER_LIST), _, None, Some(manifests)) => Ok(Document::Index(manifests)),
        (Some(other), ..) => {
            let other = shown(other.as_bytes(), 120);
            Err(unsupported(image, format!("its manifest says to be `{other}` and is not, or is not known")))
        }
        (None, ..) => Err(unsupported(image, "its manifest has no layers and no images for platforms")),
    }
}

/// The image of an index for Linux on this machine's processor.
pub(super) fn for_this_machine(index: &[Descriptor], image: &str) -> Result<Descriptor, Box<Refusal>> {
    let architecture = architecture();
    let fits = |entry: &&Descriptor| {
        entry.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == architecture)
    };
    // One without a variant runs on all of them; the files are the same in any case.
    let variant = |entry: &&Descriptor| entry.platform.as_ref().and_then(|p| p.variant.clone());
    let Some(chosen) = index.iter().filter(fits).min_by_key(variant) else {
        let mut platforms: Vec<_> =
            index.iter().take(20).filter_map(|entry| entry.platform.as_ref()).map(Platform::text).collect();
        platforms.sort();
        platforms.dedup();
        let offered = if platforms.is_empty() { "no platform".to_owned() } else { platforms.join(", ") };
        return Err(unsupported(
            image,
            format!("it has no image for linux/{architecture}; it has {offered}"),
        ));
    };
    Ok(chosen.clone())
}

/// In the words of images.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

impl Manifest {
    /// Nothing of it lies elsewhere or is of an unknown kind.
    pub(super) fn layers(&self, image: &str) -> Result<Vec<(Descriptor, Compression)>, Box<Refusal>> {
        if !CONFIGURATIONS.contains(&self.config.media_type.as_str()) {
            let kind = shown(self.config.media_type.as_bytes(), 120);
            return Err(unsupported(image, format!("it is no image of a container, but of kind `{kind}`")));
        }
        let with_compression = |layer: &Descriptor| {
            let media_type = layer.media_type.as_str();
            match LAYERS.iter().find(|(known, _)| *known == media_type) {
                Some((_, compression)) => Ok((layer.clone(), *compression)),
                None if media_type.contains("foreign") || media_type.contains("nondistributable") => {
                    let why = "a layer of it is foreign: it lies outside of the registry, and is not fetched";
                    Err(unsupported(image, why))
                }
                None => {
                    let kind = shown(media_type.as_bytes(), 120);
                    Err(unsupported(image, format!("a layer of it is of the unknown kind `{kind}`")))
                }
            }
        };
        self.layers.iter().map(with_compression).collect()
    }
}

/// The platform that a configuration names.
pub(super) fn platform(configuration: &[u8]) -> Option<Platform> {
    serde_json::from_slice(configuration).ok()
}

pub(super) fn unsupported(image: &str, cause: impl Into<String>) -> Box<Refusal> {
    Box::new(
        Refusal::new(Code::ImageUnsupported, format!("{image} is not of a kind that is read"))
            .cause(cause)
            .help("build it with docker buildx build, buildah or another current builder, for Linux, and push it again"),
    )
}
