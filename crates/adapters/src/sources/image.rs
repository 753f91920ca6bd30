//! A directory in a container image.
//!
//! The image is pulled by this process itself and never unpacked: its layers are streamed through a decoder and
//! read in memory, and of all their entries only the files of one directory are kept. Whoever made the image may
//! be hostile, and so may the registry.

mod archive;
mod files;
mod layer;
mod limits;
mod manifest;
mod mounted;
mod reference;
mod registry;
mod secrets;
mod signature;
#[cfg(test)]
mod tests;
mod text;
mod trouble;

use bytes::Bytes;
use cofferdam_core::{Code, Fault, Refusal};
use cofferdam_formats::Tree;
use tokio::sync::mpsc;

use self::files::Files;
use self::layer::{Chunks, read_layer};
use self::limits::size;
use self::manifest::{Compression, Descriptor, Document, Manifest};
use self::registry::Registry;
use self::trouble::Trouble;

pub use self::limits::Limits;
pub use self::mounted::{MountedImage, read_mounted};
pub use self::reference::{ImageDirectory, ImageReference};
pub use self::secrets::PullSecrets;
pub use self::signature::ImageKey;

/// Chunks of a download that wait for the decoder; a chunk has at most some 64 KiB.
const CHUNKS_WAITING: usize = 4;

/// Signatures of one image that are tried.
const MAX_SIGNATURES: usize = 32;

/// Where the migrations are, and how to get at them.
#[derive(Debug, Clone)]
pub struct ImageSource {
    /// The image.
    pub reference: ImageReference,
    /// The directory in it.
    pub directory: ImageDirectory,
    /// Credentials for its registry.
    pub pull_secrets: PullSecrets,
    /// Registries that are spoken to without TLS: `localhost` for all its ports, or `registry.example:5000`.
    pub plain_http: Vec<String>,
    /// Certificates in PEM of authorities that are trusted besides the system's.
    pub certificate_authorities: Vec<Vec<u8>>,
    /// The image is read only if this key signed it.
    pub signed_by: Option<ImageKey>,
    /// The caps.
    pub limits: Limits,
}

impl ImageSource {
    /// A public image with the usual caps; set the other fields for more.
    ///
    /// # Errors
    /// `BadImageReference` for what is no name of an image or of a directory.
    pub fn new(reference: &str, directory: &str) -> Result<Self, Box<Refusal>> {
        Ok(Self {
            reference: reference.parse()?,
            directory: directory.parse()?,
            pull_secrets: PullSecrets::default(),
            plain_http: Vec::new(),
            certificate_authorities: Vec::new(),
            signed_by: None,
            limits: Limits::default(),
        })
    }
}

/// What was read, and from what exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The files of the directory; its root is the directory as it was typed.
    pub tree: Tree,
    /// The digest of what the reference names: `sha256:...` of the index, or of the manifest where there is none.
    pub digest: String,
    /// The image by this digest, which names the same for ever: `registry/repository@sha256:...`.
    pub pinned: String,
    /// The digest of the manifest that was read; another one where the reference names an index.
    pub manifest_digest: String,
    /// The media type of that manifest.
    pub media_type: String,
    /// What it is built for: `linux/amd64`.
    pub platform: String,
}

/// Reads the files of a directory of an image, sorted by the bytes of their paths. As in a directory on this
/// machine, names that begin with a dot are left out.
///
/// Needs a runtime of tokio with its timer and its input and output.
///
/// # Errors
/// [`Fault::Again`] with `RegistryUnavailable` for what may pass: a registry that is not reached, is busy, or
/// breaks off. Refused are `ImageNotFound`, `ImageAuth`, `ImageDigest` where bytes are not those that are named,
/// `ImageSignature`, `ImageUnsupported` for another kind of image, `ImageHostile` for entries that are not read
/// and for caps, `ImageNoDirectory` and `EmptyDirectory`, `BadFileName`, and `RegistryUnavailable` for an answer
/// that is none.
pub async fn read_image(source: &ImageSource) -> Result<Image, Fault> {
    let image = source.reference.to_string();
    let registry = Registry::new(source)?;
    registry.log_in().await?;
    let (bytes, digest) = registry.manifest(source.reference.parsed().clone()).await?;
    if let Some(key) = &source.signed_by {
        check_signature(source, &registry, key, &digest).await?;
    }
    let (manifest, manifest_digest, platform) = match manifest::read(&bytes, &image)? {
        Document::Manifest(manifest) => {
            let configuration = registry.document(&manifest.config).await?;
            let platform = manifest::platform(&configuration).map(|platform| platform.text());
            (manifest, digest.clone(), platform)
        }
        Document::Index(entries) => {
            let chosen = manifest::for_this_machine(&entries, &image)?;
            (
                manifest_of(source, &registry, &chosen, &image).await?,
                chosen.digest.clone(),
                chosen.platform_text(),
            )
        }
    };
    let layers = within_caps(manifest.layers(&image)?, &source.limits)?;
    let mut files = Files::new(source.directory.clone(), source.limits);
    for (layer, compression) in layers {
        files = add_layer(&registry, &layer, compression, source.limits, files).await?;
    }
    Ok(Image {
        tree: Tree { root: source.directory.to_string(), files: files.finish(&image)? },
        pinned: source.reference.pinned(&digest),
        digest,
        manifest_digest,
        media_type: manifest.media_type,
        platform: platform.unwrap_or_else(|| "unknown".to_owned()),
    })
}

/// The image by the digest that its name means now: the one that the key of the source signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedImage {
    /// The digest of what the reference names: `sha256:...`.
    pub digest: String,
    /// The image by this digest: `registry/repository@sha256:...`.
    pub pinned: String,
}

/// Checks the signature of an image that is to be started and not read. Its layers are not fetched.
///
/// # Errors
/// As [`read_image`], as far as names, registries, digests and signatures go; `ImageSignature` also where the source
/// names no key.
pub async fn signed_image(source: &ImageSource) -> Result<SignedImage, Fault> {
    let Some(key) = &source.signed_by else {
        let what = format!("no key is given that {} is to be signed with", source.reference);
        return Err(Refusal::new(Code::ImageSignature, what).into());
    };
    let registry = Registry::new(source)?;
    registry.log_in().await?;
    let (_, digest) = registry.manifest(source.reference.parsed().clone()).await?;
    check_signature(source, &registry, key, &digest).await?;
    Ok(SignedImage { pinned: source.reference.pinned(&digest), digest })
}

/// The manifest behind an entry of an index, which is no index again: so an index cannot lead round in circles.
async fn manifest_of(
    source: &ImageSource,
    registry: &Registry,
    entry: &Descriptor,
    image: &str,
) -> Result<Manifest, Fault> {
    let (bytes, _) = registry.manifest(source.reference.by_digest(&entry.digest)).await?;
    match manifest::read(&bytes, image)? {
        Document::Manifest(manifest) => Ok(manifest),
        Document::Index(_) => Err(manifest::unsupported(image, "its index leads to another index").into()),
    }
}

/// Held against the caps by what the manifest says, before a byte of them is fetched.
fn within_caps(
    layers: Vec<(Descriptor, Compression)>,
    limits: &Limits,
) -> Result<Vec<(Descriptor, Compression)>, Box<Refusal>> {
    let total = layers.iter().fold(0_u64, |sum, (layer, _)| sum.saturating_add(layer.size));
    let cause = if layers.len() > limits.layers {
        format!("it has {} layers, and {} are allowed", layers.len(), limits.layers)
    } else if total > limits.compressed_bytes {
        format!("its layers have {total} bytes, and {} are allowed", size(limits.compressed_bytes))
    } else {
        return Ok(layers);
    };
    match Trouble::cap("the image is too large", cause) {
        Trouble::Refused(refusal) | Trouble::TooMuch(refusal) => Err(refusal),
        Trouble::Damaged(why) => Err(Box::new(Refusal::new(Code::ImageHostile, why))),
    }
}

/// Fetches a layer and puts it on top of the files. It is unpacked while it comes, on a thread of its own; what
/// comes of it counts only when all its bytes turned out to be those that the image names.
async fn add_layer(
    registry: &Registry,
    layer: &Descriptor,
    compression: Compression,
    limits: Limits,
    mut files: Files,
) -> Result<Files, Fault> {
    let mut blob = registry.blob(layer).await?;
    let (sender, receiver) = mpsc::channel::<Bytes>(CHUNKS_WAITING);
    let mut worker = Some(tokio::task::spawn_blocking(move || {
        let outcome = read_layer(Chunks::new(receiver), compression, &limits, &mut files);
        (files, outcome)
    }));
    let mut sender = Some(sender);
    let mut outcome = None;
    loop {
        let chunk = blob.next().await?;
        let ended = chunk.is_none();
        let wanted = match (&sender, chunk) {
            (Some(sender), Some(chunk)) => sender.send(chunk).await.is_ok(),
            _ => false,
        };
        if !wanted {
            // The worker has seen enough, or all there is. The rest is fetched for its digest only.
            sender = None;
            if let Some(worker) = worker.take() {
                let ended = worker.await.map_err(|error| Fault::Bug(format!("reading a layer: {error}")))?;
                if let (_, Err(Trouble::TooMuch(refusal))) = ended {
                    return Err(refusal.into());
                }
                outcome = Some(ended);
            }
        }
        if ended {
            break;
        }
    }
    match outcome {
        Some((files, Ok(()))) => Ok(files),
        Some((_, Err(Trouble::Refused(refusal) | Trouble::TooMuch(refusal)))) => Err(refusal.into()),
        Some((_, Err(Trouble::Damaged(why)))) => {
            let what = format!("the layer {} is no archive that can be read", layer.digest);
            Err(Refusal::new(Code::ImageHostile, what)
                .cause(why)
                .help("build the image again with a usual builder, and push it")
                .into())
        }
        None => Err(Fault::Bug("a layer ended twice".to_owned())),
    }
}

/// Held against the digest of what the reference names: whoever signs an index signs all that it leads to.
async fn check_signature(
    source: &ImageSource,
    registry: &Registry,
    key: &ImageKey,
    digest: &str,
) -> Result<(), Fault> {
    let refuse = |cause: &str| {
        Fault::from(
            Refusal::new(Code::ImageSignature, format!("{} is not signed as it has to be", source.reference))
                .cause(cause)
                .help(format!("sign it: cosign sign --key cosign.key {}", source.reference.pinned(digest)))
                .note("read are signatures that lie under the tag sha256-<digest>.sig beside the image"),
        )
    };
    let tag = source.reference.by_tag(&signature::tag(digest));
    let (bytes, _) = match registry.manifest(tag).await {
        Err(Fault::Refused(refusal)) if refusal.code == Code::ImageNotFound => {
            return Err(refuse("there is no signature beside it"));
        }
        other => other?,
    };
    let Document::Manifest(manifest) = manifest::read(&bytes, &source.reference.to_string())? else {
        return Err(refuse("what lies beside it is no signature"));
    };
    let mut objection = "there is no signature beside it";
    let payloads = manifest.layers.iter().filter(|layer| layer.media_type == signature::PAYLOAD);
    for layer in payloads.take(MAX_SIGNATURES) {
        let Some(signature) = layer.annotations.get(signature::ANNOTATION) else { continue };
        let payload = registry.document(layer).await?;
        match key.objection(digest, &payload, signature) {
            None => return Ok(()),
            Some(why) => objection = why,
        }
    }
    Err(refuse(objection))
}
