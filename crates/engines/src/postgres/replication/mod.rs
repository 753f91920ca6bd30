//! A connection to a server process that sends its write-ahead log, decoded, as it is written: PostgreSQL's streaming
//! replication protocol, of which one logical slot is read.
//! <https://www.postgresql.org/docs/current/protocol-replication.html>

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::config;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::connect::{self, Way};
use super::errors;
use super::options::{ConnectOptions, SslMode};

mod borrow;
mod message;
#[cfg(test)]
mod tests;

use borrow::{Lender, Wire};
use message::{Message, server_error, split, status, text_query};

pub(super) use message::Event;

/// So much is read from the server at once.
const READ: usize = 64 * 1024;

/// A connection in replication mode.
pub(super) struct Replication {
    wire: Wire,
    input: BytesMut,
    /// The server's major version.
    major: u32,
}

impl Replication {
    /// Connects as every other connection does.
    pub(super) async fn open(options: &ConnectOptions) -> Result<Self> {
        let mut connection = connect::first(options, |way| attempt(way, options)).await?;
        // The server's process is to be as patient as all of ours. One statement at a time: more are not understood in
        // this mode.
        for setting in connect::settings(connection.major).split(';').map(str::trim) {
            connection.query(setting).await?;
        }
        Ok(connection)
    }

    /// Runs one statement of SQL whose rows nobody needs.
    pub(super) async fn query(&mut self, sql: &str) -> Result<()> {
        let doing = "setting up the session";
        self.send(&text_query(sql)?, doing).await?;
        let mut failed = None;
        loop {
            match self.message(doing).await? {
                (b'E', body) => failed = Some(server_error(&body, doing)),
                (b'Z', _) => return failed.map_or(Ok(()), Err),
                _ => {}
            }
        }
    }

    /// Begins to read a slot of `pgoutput` from where its reader confirmed last. Both names are quoted here.
    pub(super) async fn start(mut self, slot: &str, publication: &str) -> Result<Stream> {
        let doing = "reading the write-ahead log";
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let publications = quoted(publication).replace('\'', "''");
        let command = format!(
            "START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '1', publication_names '{publications}')",
            quoted(slot)
        );
        self.send(&text_query(&command)?, doing).await?;
        loop {
            match self.message(doing).await? {
                // CopyBothResponse: from now on both sides send.
                (b'W', _) => return Ok(Stream { connection: self }),
                (b'E', body) => return Err(server_error(&body, doing)),
                (b'N' | b'S', _) => {}
                (kind, _) => return Err(unexpected(kind, doing)),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8], doing: &str) -> Result<()> {
        let sent = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        sent.await.map_err(|e| broken(&e, doing))
    }

    /// The next message. Nothing is lost when it is given up while it waits.
    async fn message(&mut self, doing: &str) -> Result<Message> {
        loop {
            if let Some(message) = split(&mut self.input)? {
                return Ok(message);
            }
            self.input.reserve(READ);
            let read = self.wire.read_buf(&mut self.input).await.map_err(|e| broken(&e, doing))?;
            if read == 0 {
                return Err(errors::lost(doing));
            }
        }
    }
}

/// What a slot says.
pub(super) struct Stream {
    connection: Replication,
}

impl Stream {
    /// The next thing that the server says. Nothing is lost when it is given up while it waits.
    pub(super) async fn next(&mut self) -> Result<Event> {
        let doing = "reading the write-ahead log";
        loop {
            match self.connection.message(doing).await? {
                (b'd', body) => return message::event(body),
                (b'E', body) => return Err(server_error(&body, doing)),
                (b'N' | b'S', _) => {}
                // The server ends it: it is shutting down.
                (b'c', _) => return Err(errors::lost(doing)),
                (kind, _) => return Err(unexpected(kind, doing)),
            }
        }
    }

    /// Tells the server that all before this position may be forgotten, and asks for its own position. Sent again
    /// within `wal_sender_timeout`, it keeps the connection.
    pub(super) async fn confirm(&mut self, position: u64, ask: bool) -> Result<()> {
        let now = jiff::Timestamp::now().as_microsecond();
        self.connection
            .send(&status(position, now, ask), "confirming a position in the write-ahead log")
            .await
    }
}

/// Logs in to one address.
async fn attempt(way: Way, options: &ConnectOptions) -> Result<Replication> {
    let Way { mut config, tls, host, doing } = way;
    let encrypted = options.sslmode_for(&host) != SslMode::Disable;
    if !encrypted {
        // So the driver asks for a stream at once, which is lent as it is.
        config.ssl_mode(config::SslMode::Require).ssl_negotiation(config::SslNegotiation::Direct);
    }
    let lender = Lender::new(encrypted.then_some(tls));
    let failed = |e| connect::at_login(errors::fault(e, &doing), &doing);
    let version = |parameter: Option<&str>| connect::major(parameter.unwrap_or_default());
    let major = match host.is_socket() {
        false => {
            let (_client, connection) = config.connect(lender.clone()).await.map_err(failed)?;
            version(connection.parameter("server_version"))
        }
        true => {
            let socket = socket(&host).await.map_err(|e| {
                Fault::from(errors::unreachable(&doing, Some(&e), errors::visible(&e.to_string())))
            })?;
            let connect = tokio_postgres::tls::MakeTlsConnect::make_tls_connect(&mut lender.clone(), "");
            let connect = connect.map_err(|e| Fault::Bug(format!("{doing}: {e}")))?;
            let (_client, connection) = config.connect_raw(socket, connect).await.map_err(failed)?;
            version(connection.parameter("server_version"))
        }
    };
    // The driver has let go of it without a word to the server.
    let wire = lender.take_back();
    let wire = wire.ok_or_else(|| Fault::Bug(format!("{doing}: the driver kept the connection")))?;
    Ok(Replication { wire, input: BytesMut::new(), major: major.unwrap_or(connect::OLDEST) })
}

#[cfg(unix)]
async fn socket(host: &super::options::HostPort) -> std::io::Result<tokio::net::UnixStream> {
    let file = std::path::Path::new(&host.host).join(format!(".s.PGSQL.{}", host.port));
    tokio::net::UnixStream::connect(file).await
}

#[cfg(not(unix))]
async fn socket(_: &super::options::HostPort) -> std::io::Result<tokio::net::TcpStream> {
    Err(std::io::ErrorKind::Unsupported.into())
}

fn broken(e: &std::io::Error, doing: &str) -> Fault {
    let mut fault = errors::lost(doing);
    if let Fault::Refused(refusal) = &mut fault {
        refusal.cause = Some(errors::visible(&e.to_string()));
    }
    fault
}

fn unexpected(kind: u8, doing: &str) -> Fault {
    let kind = errors::visible(&char::from(kind).to_string());
    Refusal::new(Code::ConnectionLost, format!("{doing}: the answer is not the replication protocol"))
        .cause(format!("a message of type {kind} came"))
        .help("give the server's own address, not that of a pooler")
        .into()
}

/// What is left of a message.
struct Fields(Bytes);

impl Fields {
    fn take(&mut self, length: usize) -> Result<Bytes> {
        match self.0.remaining() < length {
            true => Err(Fault::Bug("a message of the replication protocol ends too early".into())),
            false => Ok(self.0.split_to(length)),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?.get_u8())
    }

    fn number(&mut self) -> Result<u64> {
        Ok(self.take(8)?.get_u64())
    }
}
