//! A registry, asked for the parts of one image.

mod fault;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_core::{Code, Fault, Refusal};
use futures::StreamExt;
use oci_client::client::{
    Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol, SizedStream,
};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use super::limits::size;
use super::manifest::{ACCEPTED, Descriptor};
use super::{ImageReference, ImageSource, Limits};

/// The client for one image. It follows redirects, and the HTTP client beneath drops the credentials where one
/// leads to another host, port or scheme. Layers that lie at other addresses are never fetched.
pub(super) struct Registry {
    client: Arc<Client>,
    reference: ImageReference,
    auth: RegistryAuth,
    limits: Limits,
    deadline: Instant,
}

impl Registry {
    pub(super) fn new(source: &ImageSource) -> Result<Self, Fault> {
        // The HTTP client panics without a provider; an error says that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let reference = source.reference.clone();
        let host = reference.registry();
        let authorities = source.certificate_authorities.iter();
        let config = ClientConfig {
            protocol: match source.plain_http.iter().any(|listed| is_listed(listed, host)) {
                true => ClientProtocol::Http,
                false => ClientProtocol::Https,
            },
            extra_root_certificates: authorities
                .map(|pem| Certificate { encoding: CertificateEncoding::Pem, data: pem.clone() })
                .collect(),
            connect_timeout: Some(source.limits.request),
            read_timeout: Some(source.limits.request),
            user_agent: concat!("cofferdam/", env!("CARGO_PKG_VERSION")),
            // Which image of an index is taken is decided here, not there.
            platform_resolver: None,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| {
            Refusal::new(Code::RegistryUnavailable, format!("no connection to {host} can be prepared"))
                .cause(fault::causes(&error))
                .help("look at the certificates of authorities that are configured for registries")
        })?;
        let auth = source.pull_secrets.find(host, reference.parsed().repository());
        let deadline = Instant::now() + source.limits.total;
        Ok(Self { client: Arc::new(client), reference, auth, limits: source.limits, deadline })
    }

    /// Gets a token where the registry wants one. The client would do so by itself, and not say why it fails.
    pub(super) async fn log_in(&self) -> Result<(), Fault> {
        let (client, auth) = (Arc::clone(&self.client), self.auth.clone());
        let image = self.reference.parsed().clone();
        let login = async move { client.auth(&image, &auth, RegistryOperation::Pull).await };
        self.ask("logging in", login).await.map(drop)
    }

    /// A manifest or index and its digest, which is taken of the bytes and not from what the registry says.
    pub(super) async fn manifest(&self, image: Reference) -> Result<(Bytes, String), Fault> {
        let (client, auth, named) = (Arc::clone(&self.client), self.auth.clone(), image.clone());
        let pull = async move { client.pull_manifest_raw(&image, &auth, ACCEPTED).await };
        let (bytes, _) = self.ask("its manifest", pull).await?;
        if bytes.len() as u64 > self.limits.document_bytes {
            return Err(self.too_large("its manifest", bytes.len() as u64));
        }
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        match named.digest() {
            Some(expected) if expected != digest => Err(self.wrong_digest(expected, &digest)),
            _ => Ok((bytes, digest)),
        }
    }

    /// The bytes of a part, as they come.
    pub(super) async fn blob(&self, part: &Descriptor) -> Result<Blob<'_>, Fault> {
        let (client, image) = (Arc::clone(&self.client), self.reference.parsed().clone());
        let digest = part.digest.clone();
        let pull = async move { client.pull_blob_stream(&image, digest.as_str()).await };
        let stream = self.ask(&format!("its part {}", part.digest), pull).await?;
        Ok(Blob { registry: self, stream, digest: part.digest.clone(), expected: part.size, seen: 0 })
    }

    /// A small part as a whole.
    pub(super) async fn document(&self, part: &Descriptor) -> Result<Vec<u8>, Fault> {
        if part.size > self.limits.document_bytes {
            return Err(self.too_large(&format!("its part {}", part.digest), part.size));
        }
        let mut blob = self.blob(part).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = blob.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Waits for an answer. The client runs in a task of its own, because it panics at some answers.
    async fn ask<T: Send + 'static>(
        &self,
        what: &str,
        question: impl Future<Output = Result<T, OciDistributionError>> + Send + 'static,
    ) -> Result<T, Fault> {
        let task = tokio::spawn(question);
        let abort = task.abort_handle();
        let answer = timeout(self.patience()?, task).await;
        match answer {
            Ok(Ok(answer)) => answer.map_err(|error| self.fault(what, error)),
            Ok(Err(_)) => Err(self.unusable(what, "it is none that a registry gives")),
            Err(_) => {
                abort.abort();
                Err(self.again(format!("no answer within {} seconds", self.limits.request.as_secs())))
            }
        }
    }

    /// How long to wait now.
    fn patience(&self) -> Result<Duration, Fault> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let minutes = self.limits.total.as_secs() / 60;
            return Err(self.again(format!("the image was not there within {minutes} minutes")));
        }
        Ok(left.min(self.limits.request))
    }
}

/// The bytes of a part on their way. The client compares the digest at the end, this the size all the way.
pub(super) struct Blob<'a> {
    registry: &'a Registry,
    stream: SizedStream,
    digest: String,
    expected: u64,
    seen: u64,
}

impl Blob<'_> {
    /// The next bytes; `None` at the end, when all of them are those that the image names.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let next = timeout(self.registry.patience()?, self.stream.next()).await;
        match next {
            Ok(Some(Ok(bytes))) => {
                self.seen = self.seen.saturating_add(bytes.len() as u64);
                if self.seen > self.expected {
                    let more = format!("more than the {} that it has", size(self.expected));
                    return Err(self.registry.wrong_digest(&self.digest, &more));
                }
                Ok(Some(bytes))
            }
            Ok(Some(Err(_))) | Ok(None) if self.seen < self.expected => {
                let (seen, expected) = (self.seen, self.expected);
                Err(self
                    .registry
                    .again(format!("its part {} ended after {seen} of {expected} bytes", self.digest)))
            }
            Ok(Some(Err(error))) => Err(self.registry.stream_fault(&self.digest, &error)),
            Ok(None) => Ok(None),
            Err(_) => Err(self.registry.again(format!("its part {} came to a stop", self.digest))),
        }
    }
}

/// An entry without a port stands for all of them.
fn is_listed(listed: &str, host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    listed.eq_ignore_ascii_case(host) || listed.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_listed_hosts_only() {
        let cases = [
            ("localhost", "localhost:5000", true),
            ("localhost:5000", "localhost:5000", true),
            ("localhost:5000", "localhost:5001", false),
            ("r.example", "R.example", true),
            ("example", "r.example", false),
            ("r.example:80", "r.example", false),
        ];
        for (listed, host, expected) in cases {
            assert_eq!(is_listed(listed, host), expected, "{listed} {host}");
        }
    }
}
