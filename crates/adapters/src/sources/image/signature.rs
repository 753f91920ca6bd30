//! Signatures of images, as cosign makes them with a key pair.
//!
//! The image `sha256-<digest>.sig` beside the signed one has a layer for each signature: a small JSON text that
//! names the signed digest ("simple signing"), with the signature over its bytes in an annotation.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_core::{Code, Refusal};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Deserialize;

/// The media type of a signed text.
pub(super) const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation with the signature.
pub(super) const ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// What stands before the point in a public key of ECDSA on the curve P-256, in DER (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A public key that images must be signed with: the `cosign.pub` of `cosign generate-key-pair`.
#[derive(Clone)]
pub struct ImageKey {
    point: Vec<u8>,
}

impl fmt::Debug for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageKey({}…)", hex::encode(&self.point[1..9]))
    }
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: SignedImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct SignedImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

impl ImageKey {
    /// Reads a public key in PEM.
    ///
    /// # Errors
    /// `ImageSignature` for what is no public key of ECDSA on P-256.
    pub fn from_pem(pem: &str) -> Result<Self, Box<Refusal>> {
        let refuse = |cause: &str| {
            Box::new(
                Refusal::new(Code::ImageSignature, "the public key for images cannot be used")
                    .cause(cause)
                    .help("give the cosign.pub that cosign generate-key-pair wrote"),
            )
        };
        let body = pem
            .trim()
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
            .ok_or_else(|| refuse("it is no public key in PEM"))?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| refuse("its text is not base64"))?;
        match der.strip_prefix(&P256_PREFIX) {
            Some(point) if point.len() == 65 && point[0] == 4 => Ok(Self { point: point.to_vec() }),
            _ => Err(refuse("it is not a key of ECDSA on the curve P-256, which cosign makes")),
        }
    }

    /// The signature, in base64, is one of this key over these bytes.
    fn made(&self, signature: &str, payload: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point);
        STANDARD.decode(signature.trim()).is_ok_and(|signature| key.verify(payload, &signature).is_ok())
    }

    /// Why this signed text does not sign the image with this digest; `None` where it does.
    pub(super) fn objection(&self, digest: &str, payload: &[u8], signature: &str) -> Option<&'static str> {
        if !self.made(signature, payload) {
            return Some("a signature is there, and another key made it or the signed text was changed");
        }
        match serde_json::from_slice::<Payload>(payload) {
            Ok(Payload { critical }) if critical.kind != "cosign container image signature" => {
                Some("this key signed something else than an image")
            }
            Ok(Payload { critical }) if critical.image.digest == digest => None,
            Ok(_) => Some("the signature is one of another image"),
            Err(_) => Some("the signed text is not one of cosign"),
        }
    }
}

/// The tag under which cosign lays the signatures of a digest.
pub(super) fn tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}
