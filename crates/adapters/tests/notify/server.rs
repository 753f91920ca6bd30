//! Receivers on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a receiver does with one request after the other; the last stands for all after it.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The whole answer.
    Say(String),
    /// A head, and then more than anybody wants to have.
    Endless,
    /// Nothing.
    Silence,
}

pub(crate) fn status(line: &str, more: &str) -> Answer {
    Answer::Say(format!("HTTP/1.1 {line}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n"))
}

#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// Head and body of each request.
    pub(crate) requests: Arc<Mutex<Vec<(String, String)>>>,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Bytes of an endless answer that were taken.
    pub(crate) written: Arc<AtomicUsize>,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) seen: Seen,
}

/// A certificate for `localhost`, and its authority as PEM.
pub(crate) struct Certificate {
    pub(crate) authority: String,
    pub(crate) chain: rcgen::Certificate,
    pub(crate) key: rcgen::KeyPair,
}

pub(crate) fn certificate() -> Certificate {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.clone().self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let chain =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    Certificate { authority: authority.pem(), chain, key }
}

impl Server {
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        Self::with(answers, None).await
    }

    pub(crate) async fn with_tls(answers: Vec<Answer>, certificate: &Certificate) -> Self {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certificate.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.chain.der().clone()], key)
            .unwrap();
        Self::with(answers, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn with(answers: Vec<Answer>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Seen::default();
        let told = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = told.connections.fetch_add(1, Ordering::SeqCst);
                let answer = answers[number.min(answers.len() - 1)].clone();
                let (told, tls) = (told.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, answer, told).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answer, told).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn request(&self) -> (String, String) {
        self.seen.requests.lock().unwrap().last().cloned().unwrap()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Answer, seen: Seen) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    seen.requests.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
    match answer {
        Answer::Silence => std::future::pending().await,
        Answer::Say(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Answer::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 500 Oh\r\nContent-Length: 31457280\r\n\r\n").await;
            let part = vec![b'x'; 65_536];
            for _ in 0..480 {
                if stream.write_all(&part).await.is_err() {
                    return;
                }
                seen.written.fetch_add(part.len(), Ordering::SeqCst);
            }
        }
    }
}
