//! A login in replication mode by the driver, which knows no such mode: it is lent a stream that adds
//! `replication=database` to the startup packet and gives nothing more to the driver once the login is done. Then the
//! stream is taken back. So TLS, passwords and channel binding are those of every other connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A connection to a server, encrypted or not.
pub(super) type Wire = Box<dyn Both>;

/// What a stream must be able to do.
pub(super) trait Both: TlsStream + Unpin + Send {}

impl<T: TlsStream + Unpin + Send> Both for T {}

/// The packet's protocol: 3.0.
const PROTOCOL: [u8; 4] = [0, 3, 0, 0];
/// The setting that is added.
const SETTING: &[u8] = b"replication\0database\0";
/// The message that ends a login: the server is ready.
const READY: u8 = b'Z';
/// The type of a message, and its length.
const HEAD: usize = 5;

/// Lends streams. Without TLS the stream goes as it is.
#[derive(Clone)]
pub(super) struct Lender {
    tls: Option<MakeRustlsConnect>,
    lent: Arc<Mutex<Option<Lent>>>,
}

impl Lender {
    pub(super) fn new(tls: Option<MakeRustlsConnect>) -> Self {
        Self { tls, lent: Arc::default() }
    }

    /// Takes the stream of the last login back. `None`: there was none, or it was in the middle of a message.
    pub(super) fn take_back(&self) -> Option<Wire> {
        let lent = locked(&self.lent).take()?;
        (lent.ready && lent.unsent.is_empty()).then_some(lent.wire)
    }
}

impl<S> MakeTlsConnect<S> for Lender
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Borrowed;
    type TlsConnect = Connect<S>;
    type Error = BoxError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connect<S>, BoxError> {
        let lent = self.lent.clone();
        let tls = match &mut self.tls {
            Some(tls) => Some(MakeTlsConnect::<S>::make_tls_connect(tls, host)?),
            None => None,
        };
        Ok(Connect(Box::new(move |stream| {
            Box::pin(async move {
                let wire: Wire = match tls {
                    Some(tls) => Box::new(tls.connect(stream).await?),
                    None => Box::new(Plain(stream)),
                };
                *locked(&lent) = Some(Lent::new(wire));
                Ok(Borrowed(lent))
            })
        })))
    }
}

/// One agreement on TLS, or on nothing.
pub(super) struct Connect<S>(Box<dyn FnOnce(S) -> BoxFuture<'static, Result<Borrowed, BoxError>> + Send>);

impl<S> TlsConnect<S> for Connect<S> {
    type Stream = Borrowed;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Borrowed, BoxError>>;

    fn connect(self, stream: S) -> Self::Future {
        (self.0)(stream)
    }
}

/// A stream without TLS.
struct Plain<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Plain<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Plain<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Plain<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What the driver has of a stream.
pub(super) struct Borrowed(Arc<Mutex<Option<Lent>>>);

fn locked(lent: &Mutex<Option<Lent>>) -> MutexGuard<'_, Option<Lent>> {
    lent.lock().unwrap_or_else(PoisonError::into_inner)
}

fn taken_back() -> io::Error {
    io::Error::other("the connection was taken back")
}

/// A stream while it is lent.
struct Lent {
    wire: Wire,
    /// The startup packet was written by the driver.
    started: bool,
    /// What is left to send of it.
    unsent: Vec<u8>,
    /// The beginning of the message that is being read.
    head: Vec<u8>,
    /// So much is left of it after its beginning.
    left: usize,
    /// The login is done.
    ready: bool,
}

impl Lent {
    fn new(wire: Wire) -> Self {
        Self { wire, started: false, unsent: Vec::new(), head: Vec::new(), left: 0, ready: false }
    }

    /// Never reads beyond the message that is being read: what comes after the login is not the driver's.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ready {
            // Nobody waits for more than the login.
            return Poll::Pending;
        }
        let most = if self.head.len() < HEAD { HEAD - self.head.len() } else { self.left };
        let most = most.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.wire).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        if self.head.len() < HEAD {
            self.head.extend_from_slice(part.filled());
            if let [_, a, b, c, d] = self.head[..] {
                let length = u32::from_be_bytes([a, b, c, d]);
                let left =
                    length.checked_sub(4).ok_or_else(|| io::Error::other("a message without a length"))?;
                self.left = left as usize;
            }
        } else {
            self.left -= read;
        }
        if self.head.len() == HEAD && self.left == 0 {
            self.ready = self.head.first() == Some(&READY);
            self.head.clear();
        }
        buf.advance(read);
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !self.started {
            self.unsent = with_replication(buf)?;
            self.started = true;
            // What cannot be sent now is sent with the flush that follows.
            if let Poll::Ready(Err(e)) = self.poll_unsent(cx) {
                return Poll::Ready(Err(e));
            }
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(self.poll_unsent(cx))?;
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.wire).poll_write(cx, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

/// The startup packet with one more setting. The driver writes it at once.
fn with_replication(packet: &[u8]) -> io::Result<Vec<u8>> {
    let whole = packet.len() >= 9
        && u32::try_from(packet.len()).is_ok_and(|length| packet[..4] == length.to_be_bytes())
        && packet[4..8] == PROTOCOL
        && packet.ends_with(&[0]);
    if !whole {
        return Err(io::Error::other("the driver did not begin with a startup packet"));
    }
    let length = packet.len() + SETTING.len();
    let length = u32::try_from(length).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes()[..], &packet[4..packet.len() - 1], SETTING, &[0]].concat())
}

impl AsyncRead for Borrowed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        locked(&self.0).as_mut().ok_or_else(taken_back)?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Borrowed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        locked(&self.0).as_mut().ok_or_else(taken_back)?.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lent = locked(&self.0);
        let lent = lent.as_mut().ok_or_else(taken_back)?;
        ready!(lent.poll_unsent(cx))?;
        Pin::new(&mut lent.wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match locked(&self.0).as_mut() {
            Some(lent) => Pin::new(&mut lent.wire).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl TlsStream for Borrowed {
    fn channel_binding(&self) -> ChannelBinding {
        locked(&self.0).as_ref().map_or_else(ChannelBinding::none, |lent| lent.wire.channel_binding())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn packet(settings: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + settings.len()).unwrap().to_be_bytes();
        [&length[..], &PROTOCOL, settings].concat()
    }

    #[test]
    fn one_setting_more_is_in_the_startup_packet() {
        let changed = with_replication(&packet(b"user\0u\0\0")).unwrap();
        assert_eq!(changed, packet(b"user\0u\0replication\0database\0\0"));
        for wrong in [&b""[..], b"\0\0\0\x08\x04\xd2\x16\x2f", &packet(b"user\0u\0\0")[..10], &packet(b"x")] {
            assert!(with_replication(wrong).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn nothing_behind_the_login_is_given_away() {
        let (mut server, wire) = tokio::io::duplex(7);
        let lender = Lender::new(None);
        let mut make = lender.clone();
        let connect: Connect<_> = make.make_tls_connect("").unwrap();
        let mut driver = connect.connect(wire).await.unwrap();
        let asked = packet(b"user\0u\0\0");
        let answer = [&b"R\0\0\0\x08\0\0\0\0"[..], b"Z\0\0\0\x05I", b"what comes later"].concat();
        let served = async {
            let mut got = vec![0; asked.len() + SETTING.len()];
            server.read_exact(&mut got).await.unwrap();
            assert!(got.ends_with(b"replication\0database\0\0"));
            server.write_all(&answer).await.unwrap();
        };
        let logged_in = async {
            driver.write_all(&asked).await.unwrap();
            driver.flush().await.unwrap();
            assert!(lender.lent.lock().unwrap().as_ref().is_some_and(|lent| !lent.ready));
            let mut got = [0; 15];
            driver.read_exact(&mut got).await.unwrap();
            assert!(got.ends_with(b"Z\0\0\0\x05I"));
            let mut wire = lender.take_back().unwrap();
            let mut rest = [0; 16];
            wire.read_exact(&mut rest).await.unwrap();
            assert_eq!(&rest, b"what comes later");
            assert!(driver.read(&mut rest).await.is_err(), "the driver has it no more");
        };
        futures::join!(served, logged_in);
    }
}
