//! One POST by the rules: to an address that was judged, over TLS, within a bounded time, without following redirects,
//! and without reading more of the answer than a few KiB.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use url::Url;

use super::secret::{Secret, scrubbed};
use super::{Egress, Undelivered};

/// For everything from looking the name up to the end of the answer.
const ALL: Duration = Duration::from_secs(10);
/// For the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// So much of an answer is read, in bytes.
const ANSWER: usize = 4096;

/// What is sent.
pub(super) struct Post<'a> {
    pub(super) url: &'a Url,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// Authorities beside those of the system, as PEM.
    pub(super) ca: Option<&'a [u8]>,
}

/// The address of a sink: https, or http where loopback or an allowance may make it so.
pub(super) fn address(secret: &Secret) -> Result<Url, String> {
    let url = Url::parse(secret.reveal().trim()).map_err(|why| format!("the address is no URL: {why}"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err("the address must begin with https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address must not hold a user or a password".to_owned());
    }
    Ok(url)
}

/// Host and port of an address, for people.
pub(super) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Sends it. Taken means: answered with 2xx.
pub(super) async fn post(egress: &Egress, post: Post<'_>) -> Result<(), Undelivered> {
    let place = place(post.url);
    match tokio::time::timeout(ALL, sent(egress, post)).await {
        Ok(outcome) => outcome.map_err(|why| Undelivered(format!("{place}: {why}"))),
        Err(_) => Err(Undelivered(format!("{place}: no answer within {} s", ALL.as_secs()))),
    }
}

async fn sent(egress: &Egress, post: Post<'_>) -> Result<(), String> {
    let host = post.url.host().ok_or("the address has no host")?;
    let port = post.url.port_or_known_default().ok_or("the address has no port")?;
    let tls = post.url.scheme() == "https";
    let addresses = egress.addresses(host.clone(), port, tls).await.map_err(|refusal| {
        [Some(refusal.what.clone()), refusal.cause.clone()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(": ")
    })?;
    let mut client = reqwest::Client::builder()
        .tls_backend_preconfigured(config(post.ca)?)
        .redirect(Policy::none())
        // A proxy would look the name up anew.
        .no_proxy()
        .http1_only()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("cofferdam/", env!("CARGO_PKG_VERSION")));
    if let url::Host::Domain(name) = host {
        client = client.resolve_to_addrs(name, &addresses);
    }
    let client = client.build().map_err(|why| cause(&why))?;
    let mut request = client.post(post.url.clone()).header("content-type", post.content_type).body(post.body);
    for (name, value) in post.headers {
        request = request.header(name, value);
    }
    let mut answer = request.send().await.map_err(|why| cause(&why))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        return Err(format!("it answered {}, and redirects are not followed", status.as_u16()));
    }
    let mut text = Vec::new();
    while let Ok(Some(part)) = answer.chunk().await {
        text.extend(part.iter().take(ANSWER - text.len()));
        if text.len() >= ANSWER {
            break;
        }
    }
    Err(format!("it answered {}{}", status.as_u16(), word(&text)))
}

/// What the answer says, where it is one word as Slack's are: `invalid_token`. Anything else may hold what was sent.
fn word(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let text = text.trim();
    let plain = text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if !text.is_empty() && text.len() <= 40 && plain { format!(" ({text})") } else { String::new() }
}

/// The innermost cause: those around it repeat the URL.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: Option<&dyn Error> = error.source();
    while let Some(next) = inner.and_then(Error::source) {
        inner = Some(next);
    }
    let said = inner.map(|inner| scrubbed(&inner.to_string(), &[]));
    match (error.is_timeout(), error.is_connect(), said) {
        (true, ..) => "no answer in time".to_owned(),
        (_, true, Some(said)) => format!("cannot connect: {said}"),
        (_, _, Some(said)) => said,
        (_, _, None) => "the request could not be sent".to_owned(),
    }
}

/// The system's authorities, read once.
fn system() -> &'static [CertificateDer<'static>] {
    static SYSTEM: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    SYSTEM.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

fn config(ca: Option<&[u8]>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system().iter().cloned());
    for certificate in ca.into_iter().flat_map(CertificateDer::pem_slice_iter) {
        let added =
            certificate.map_err(|why| why.to_string()).and_then(|c| roots.add(c).map_err(|e| e.to_string()));
        added.map_err(|why| format!("the authorities cannot be read: {why}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|why| why.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_with_a_host_and_without_a_password() {
        let of = |text: &str| address(&Secret::new(text)).map(|url| place(&url));
        assert_eq!(of("https://hooks.slack.com/services/T/B/x\n").as_deref(), Ok("hooks.slack.com"));
        assert_eq!(of("http://127.0.0.1:80/x").as_deref(), Ok("127.0.0.1"));
        assert_eq!(of("https://[::1]:444/x").as_deref(), Ok("[::1]:444"));
        for text in
            ["", "hooks.slack.com/x", "file:///etc/passwd", "https://", "ftp://h/x", "https://u:canary@h/"]
        {
            let why = of(text).unwrap_err();
            assert!(!why.contains("canary"), "{why}");
        }
    }

    #[test]
    fn only_a_word_of_an_answer_is_repeated() {
        assert_eq!(word(b" invalid_token\n"), " (invalid_token)");
        assert_eq!(word(b"no https://hooks.slack.com/services/T"), "");
        assert_eq!(word("\u{1b}[2J".as_bytes()), "");
        assert_eq!(word(b""), "");
    }
}
