//! The server: HTTPS with the certificate that is shown at the moment.

use std::fmt;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificates::{Leaf, provider};
use super::defaults::defaults;
use super::review::{Answer, Request, Review};
use super::validate::validate;

/// The largest question: an object and its former self, of 1.5 MiB each in etcd, as JSON.
const LARGEST: usize = 8 << 20;
/// So long a client may take for the first words of TLS.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// So many may be at these words at the same time.
const AT_THE_DOOR: usize = 64;

/// The certificate that is shown.
#[derive(Default)]
pub struct Shown(RwLock<Option<Arc<CertifiedKey>>>);

impl Shown {
    /// Shows another one from the next connection on. Returns whether it is another one.
    pub fn show(&self, leaf: &Leaf) -> bool {
        let mut shown = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if shown.as_ref().is_some_and(|shown| shown.cert == leaf.shown.cert) {
            return false;
        }
        *shown = Some(leaf.shown.clone());
        true
    }

    /// There is one.
    pub fn any(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers until `closing` says true: then it takes no connections any more, tells those that it has that they end, and
/// returns when everything that was asked on them is answered.
///
/// HTTP/2 is what makes that end one without a gap. On HTTP/1.1 a client that asks on a connection at the moment at which
/// it is closed does not know whether it was heard, and an apiserver asks nothing twice; on HTTP/2 it is told what was
/// not heard, and asks somebody else.
///
/// # Errors
/// TLS cannot be set up, or the server ended.
pub async fn serve(
    listener: TcpListener,
    shown: Arc<Shown>,
    closing: watch::Receiver<bool>,
) -> Result<(), String> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let (sender, receiver) = mpsc::channel(AT_THE_DOOR);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let routes = Router::new()
        .route("/validate", post(|body| answer(body, validate)))
        .route("/mutate", post(|body| answer(body, defaults)))
        .layer(DefaultBodyLimit::max(LARGEST));
    let told = closing.clone();
    let server =
        axum::serve(Secured { receiver, address }, routes).with_graceful_shutdown(closes(told)).into_future();
    let accepting = async {
        // The door goes with the future: what comes now is refused at once, and not held until the process ends.
        tokio::select! {
            () = receive(listener, acceptor, sender) => false,
            () = closes(closing) => true,
        }
    };
    tokio::pin!(server);
    tokio::select! {
        asked_to = accepting => match asked_to {
            true => server.await.map_err(|e| e.to_string()),
            false => Err("it accepts no connections any more".to_owned()),
        },
        ended = &mut server => ended.map_err(|e| e.to_string()),
    }
}

/// When it is true; never, if nobody can say so any more.
async fn closes(mut closing: watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn answer(body: Bytes, judge: fn(&Request) -> Answer) -> Response {
    match serde_json::from_slice::<Review>(&body) {
        Ok(Review { request }) => {
            let answer = request.answered(&judge(&request)).to_string();
            ([(CONTENT_TYPE, "application/json")], answer).into_response()
        }
        Err(error) => {
            (StatusCode::BAD_REQUEST, format!("this is no AdmissionReview: {error}\n")).into_response()
        }
    }
}

/// Takes connections in, each with its own words of TLS: one that is slow does not keep the others waiting.
async fn receive(listener: TcpListener, acceptor: TlsAcceptor, sender: mpsc::Sender<Secure>) {
    let doors = Arc::new(Semaphore::new(AT_THE_DOOR));
    loop {
        let Ok(door) = doors.clone().acquire_owned().await else { return };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                // Out of file descriptors, mostly; it passes.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                let _ = sender.send((stream, from)).await;
            }
            drop(door);
        });
    }
}

type Secure = (TlsStream<TcpStream>, SocketAddr);

/// Connections that have their TLS.
struct Secured {
    receiver: mpsc::Receiver<Secure>,
    address: SocketAddr,
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Secure {
        match self.receiver.recv().await {
            Some(secure) => secure,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}
