//! What a registry's answers mean for the caller: try again, or what a person can do.

use std::error::Error;
use std::io;
use std::time::Duration;

use cofferdam_core::{Code, Fault, Refusal};
use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;

use super::super::limits::size;
use super::super::text::shown;
use super::Registry;

/// Before the next try, if the registry is there at all.
const SOON: Duration = Duration::from_secs(5);

/// Before the next try at a registry that counts them.
const LATER: Duration = Duration::from_secs(30);

impl Registry {
    /// `what` is the part of the image that was asked for.
    pub(super) fn fault(&self, what: &str, error: OciDistributionError) -> Fault {
        match error {
            OciDistributionError::UnauthorizedError { .. } => self.no_access("it asks for other credentials"),
            OciDistributionError::AuthenticationFailure(words) => {
                self.no_access(&format!("its token service says: {}", shown(words.as_bytes(), 200)))
            }
            OciDistributionError::ServerError { code, message, .. } => {
                self.status(what, code, &shown(message.trim().as_bytes(), 200))
            }
            OciDistributionError::RegistryError { envelope, .. } => {
                let words: Vec<&str> = envelope.errors.iter().map(|e| e.message.as_str()).collect();
                let words = shown(words.join("; ").as_bytes(), 200);
                match envelope.errors.first().map(|e| &e.code) {
                    Some(OciErrorCode::Toomanyrequests) => self.status(what, 429, &words),
                    Some(OciErrorCode::Denied) => self.status(what, 403, &words),
                    Some(OciErrorCode::Unauthorized) => self.status(what, 401, &words),
                    Some(
                        OciErrorCode::ManifestUnknown
                        | OciErrorCode::NameUnknown
                        | OciErrorCode::NotFound
                        | OciErrorCode::BlobUnknown
                        | OciErrorCode::ManifestBlobUnknown,
                    ) => self.status(what, 404, &words),
                    _ => self.unusable(what, &words),
                }
            }
            OciDistributionError::DigestError(error) => self.digest_fault(&error),
            // Without its URL: where a redirect led to, the URL may hold a key.
            OciDistributionError::RequestError(error) => self.request_fault(what, &error.without_url()),
            OciDistributionError::IoError(error) => self.again(causes(&error)),
            other => self.unusable(what, &shown(other.to_string().as_bytes(), 200)),
        }
    }

    /// An error in the middle of a part, or at its end.
    pub(super) fn stream_fault(&self, digest: &str, error: &io::Error) -> Fault {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<DigestError>()) {
            Some(error) => self.digest_fault(error),
            None => self.again(format!("its part {digest} broke off: {}", causes(error))),
        }
    }

    fn status(&self, what: &str, status: u16, words: &str) -> Fault {
        match status {
            401 | 403 => self.no_access(&format!("it says: {words}")),
            404 => Refusal::new(Code::ImageNotFound, format!("there is no image {}", self.reference))
                .cause(format!("{} has not {what}: {words}", self.reference.registry()))
                .help("compare the name with what was pushed; for a private image, name a pull secret that reaches it")
                .into(),
            429 => Fault::Again { after: LATER, why: Box::new(self.unavailable(format!("{status}: {words}"))) },
            408 | 500.. => self.again(format!("{status}: {words}")),
            _ => self.unusable(what, &format!("{status}: {words}")),
        }
    }

    fn request_fault(&self, what: &str, error: &(dyn Error + 'static)) -> Fault {
        let text = causes(error);
        if let Some(bad) = certificate_error(error) {
            return Refusal::new(
                Code::RegistryUnavailable,
                format!("{} is not who it should be", self.reference.registry()),
            )
            .cause(bad)
            .help("configure the certificate of the registry's authority")
            .into();
        }
        if text.contains("redirect") {
            return self.unusable(what, &text);
        }
        self.again(text)
    }

    fn digest_fault(&self, error: &DigestError) -> Fault {
        match error {
            DigestError::VerificationError { expected, actual } => self.wrong_digest(expected, actual),
            other => self.unusable("a digest", &shown(other.to_string().as_bytes(), 200)),
        }
    }

    pub(in super::super) fn wrong_digest(&self, expected: &str, actual: &str) -> Fault {
        let what =
            format!("{} delivers something else than {} names", self.reference.registry(), self.reference);
        Refusal::new(Code::ImageDigest, what)
            .cause(format!(
                "named is {}, delivered was {}",
                shown(expected.as_bytes(), 80),
                shown(actual.as_bytes(), 80)
            ))
            .help("push the image again, and find out who changed what the registry stores")
            .into()
    }

    pub(super) fn too_large(&self, what: &str, bytes: u64) -> Fault {
        let cap = size(self.limits.document_bytes);
        Refusal::new(Code::ImageHostile, format!("{} is not read", self.reference))
            .cause(format!("{what} has {bytes} bytes, and {cap} are allowed"))
            .help("push an image that a usual builder made")
            .into()
    }

    fn no_access(&self, cause: &str) -> Fault {
        let registry = self.reference.registry();
        let help = match self.auth {
            RegistryAuth::Anonymous => {
                format!("name a pull secret with credentials for {registry}; there is none")
            }
            _ => format!("look at the credentials for {registry}, and whether they may pull this repository"),
        };
        Refusal::new(Code::ImageAuth, format!("{registry} refuses access to {}", self.reference))
            .cause(cause)
            .help(help)
            .into()
    }

    /// An answer, but none to work with. Asked again, it would be the same.
    pub(super) fn unusable(&self, what: &str, words: &str) -> Fault {
        let cause = format!("asked for {what}, it answers: {words}");
        Fault::Refused(Box::new(self.unavailable(cause)))
    }

    /// What may be over at the next try.
    pub(super) fn again(&self, cause: impl Into<String>) -> Fault {
        Fault::Again { after: SOON, why: Box::new(self.unavailable(cause.into())) }
    }

    fn unavailable(&self, cause: String) -> Refusal {
        let registry = self.reference.registry();
        Refusal::new(Code::RegistryUnavailable, format!("{} cannot be read from {registry}", self.reference))
            .cause(cause)
            .help(format!(
                "look whether {registry} is reached from here and speaks the protocol of registries"
            ))
    }
}

/// An error with all its causes on one line: the outermost alone says only that a request failed.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in chain(error).skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    shown(text.as_bytes(), 300)
}

/// The server was reached, and its certificate is not accepted: that does not pass by itself.
fn certificate_error(error: &(dyn Error + 'static)) -> Option<String> {
    chain(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_) => Some(shown(cause.to_string().as_bytes(), 200)),
        _ => None,
    })
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // An error of input and output has its real cause inside, and its `source` is already that one's.
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>() {
            Some(outer) => outer.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}
