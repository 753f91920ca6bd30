//! Connecting: hosts and their addresses in order, each with a limit, until one is as it must be.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, config};
use tokio_postgres_rustls::MakeRustlsConnect;

use cofferdam_core::{Code, Fault, Refusal};

use super::cells::AnswerCells;
use super::options::{
    ChannelBinding, ConnectOptions, Described, HostPort, Secret, SslMode, TargetSessionAttrs,
};
use super::{errors, schema, tls};

/// The oldest major version that is tested.
pub(super) const OLDEST: u32 = 12;

/// A connection that is there.
pub struct Connected {
    /// For statements.
    pub client: Client,
    /// What the server says unasked, a line each: `NOTICE: ...`, and why it ended the session.
    pub notices: UnboundedReceiver<String>,
    /// The connection is encrypted.
    pub tls: bool,
    /// Which of the hosts it is.
    pub described: Described,
    /// The server's major version.
    pub major: u32,
    /// Cofferdam's tables were seen.
    pub installed: bool,
}

/// Connects to the first host that answers as `target_session_attrs` asks. A refused login ends the search, as for
/// libpq: the next host would refuse it too, and count it.
///
/// The session has the settings of [`settings`].
pub async fn connect(options: &ConnectOptions) -> Result<Connected, Fault> {
    first(options, |way| attempt(way, options)).await
}

/// One address of a host, and how it is reached.
pub(super) struct Way {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    pub(super) host: HostPort,
    /// `connecting to HOST:PORT/DATABASE as USER`.
    pub(super) doing: String,
}

/// Tries the hosts and their addresses in order, as [`connect`] says.
pub(super) async fn first<T, F>(options: &ConnectOptions, attempt: impl Fn(Way) -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let mut failures = Vec::new();
    for (place, host) in options.hosts.iter().enumerate() {
        let doing = format!("connecting to {} as {}", options.described(host), options.user);
        let addresses = match addresses(host, options.connect_timeout).await {
            Ok(addresses) => addresses,
            Err(e) => {
                failures.push(unresolved(&doing, host, &e));
                continue;
            }
        };
        let made = match &options.logins {
            Some(logins) => Some(made(logins, options, host).await?),
            None => None,
        };
        let password = made.as_ref().or_else(|| options.password_for(place));
        let connector = tls::connector(options, options.sslmode_for(host))?;
        for address in addresses {
            let config = config(options, host, address, password);
            let way = Way { config, tls: connector.clone(), host: host.clone(), doing: doing.clone() };
            let tried = limited(options.connect_timeout, attempt(way)).await;
            let fault = match tried {
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(fault)) => hidden(fault, password, &doing),
                None => {
                    errors::unreachable(&doing, Some(&io::ErrorKind::TimedOut.into()), String::new()).into()
                }
            };
            if is_final(&fault) {
                return Err(fault);
            }
            failures.push(fault);
        }
    }
    Err(together(failures))
}

/// A password for just this connection. It goes to nobody in the clear: whoever hears it can use it for a while.
async fn made(logins: &crate::Logins, options: &ConnectOptions, host: &HostPort) -> Result<Secret, Fault> {
    if options.sslmode_for(host) == SslMode::Disable && !host.is_local() {
        return Err(Refusal::new(Code::TlsFailed, format!("no token is sent to {host} without TLS"))
            .cause("sslmode is disable, and a token is a password for as long as it lasts")
            .help("use verify-full, with the authorities of the server's certificate")
            .into());
    }
    logins.0.password(&host.host, host.port, &options.user).await.map(Secret::new)
}

/// What every session of ours runs under, whatever the role's or the database's defaults say: a `statement_timeout`
/// must not cut a long statement, and a session that waits must not be ended. `RESET ALL` takes them away.
pub fn settings(major: u32) -> String {
    let mut sql = "SET statement_timeout = 0; SET lock_timeout = 0; \
                   SET idle_in_transaction_session_timeout = 0; \
                   SET client_encoding = 'UTF8'; SET standard_conforming_strings = on"
        .to_owned();
    if major >= 14 {
        sql += "; SET idle_session_timeout = 0";
    }
    if major >= 17 {
        sql += "; SET transaction_timeout = 0";
    }
    sql
}

/// When our process dies the server notices within a second and ends the statement, instead of finishing it unseen.
/// Apart from [`settings`], since servers on some systems cannot do it and refuse.
pub fn check_client(major: u32) -> Option<&'static str> {
    (major >= 14).then_some("SET client_connection_check_interval = 1000")
}

async fn attempt(way: Way, options: &ConnectOptions) -> Result<Connected, Fault> {
    let (host, doing) = (&way.host, way.doing.as_str());
    let (client, connection) =
        way.config.connect(way.tls).await.map_err(|e| at_login(errors::fault(e, doing), doing))?;
    let major = major(connection.parameter("server_version").unwrap_or_default());
    if let Some(major) = major.filter(|m| *m < OLDEST) {
        return Err(Refusal::new(Code::ServerTooOld, format!("{doing}: the server is PostgreSQL {major}"))
            .cause(format!("{OLDEST} is the oldest version that is supported"))
            .into());
    }
    // What does not say its version as PostgreSQL does is taken for an old one: it gets no newer settings.
    let major = major.unwrap_or(OLDEST);
    let (sender, notices) = unbounded_channel();
    tokio::spawn(drive(connection, sender));
    let set = settings(major);
    let check = check_client(major).unwrap_or("");
    // Sent together, and with them what every command asks first.
    let (set, _, installed) =
        futures::join!(client.batch_execute(&set), client.batch_execute(check), schema::exists(&client));
    set.map_err(|e| errors::fault(e, "setting up the session"))?;
    // Whoever may not even look for them is told so when they are needed.
    let installed = installed.unwrap_or(false);
    if options.target_session_attrs == TargetSessionAttrs::ReadWrite {
        refuse_read_only(&client, doing).await?;
    }
    let tls = options.sslmode_for(host) != SslMode::Disable;
    Ok(Connected { client, notices, tls, described: options.described(host), major, installed })
}

fn config(
    options: &ConnectOptions,
    host: &HostPort,
    address: Option<IpAddr>,
    password: Option<&Secret>,
) -> Config {
    let mut config = Config::new();
    config.host(&host.host).port(host.port).user(&options.user).dbname(&options.database);
    config.application_name(&options.application_name);
    if let Some(address) = address {
        config.hostaddr(address);
    }
    if let Some(password) = password {
        config.password(password.expose());
    }
    if let Some(settings) = &options.options {
        config.options(settings);
    }
    // The driver knows only whether TLS must be; what is verified is ours.
    config.ssl_mode(match options.sslmode_for(host) {
        SslMode::Disable => config::SslMode::Disable,
        _ => config::SslMode::Require,
    });
    config.channel_binding(match options.channel_binding {
        ChannelBinding::Disable => config::ChannelBinding::Disable,
        ChannelBinding::Prefer => config::ChannelBinding::Prefer,
        ChannelBinding::Require => config::ChannelBinding::Require,
    });
    // A server that is gone without a word is noticed within half a minute, also while we wait for a long statement.
    config
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(5));
    config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(30));
    config
}

/// The addresses of a host; `None` for a socket's folder.
async fn addresses(host: &HostPort, limit: Option<Duration>) -> io::Result<Vec<Option<IpAddr>>> {
    if host.is_socket() {
        return Ok(vec![None]);
    }
    if let Some(address) = host.hostaddr {
        return Ok(vec![Some(address)]);
    }
    let found = limited(limit, tokio::net::lookup_host((host.host.as_str(), host.port))).await;
    let found = found.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
    let mut addresses = Vec::new();
    for address in found.map(|a| Some(a.ip())) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err(io::Error::other("the name has no address")),
        false => Ok(addresses),
    }
}

fn unresolved(doing: &str, host: &HostPort, e: &io::Error) -> Fault {
    let cause = match e.kind() {
        io::ErrorKind::TimedOut => "the name service did not answer in time".to_owned(),
        _ => errors::visible(&e.to_string()),
    };
    Refusal::new(
        Code::ConnectFailed,
        format!("{doing}: the name {} was not found", errors::visible(&host.host)),
    )
    .cause(cause)
    .help("check the host's name")
    .into()
}

async fn limited<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}

/// Moves the connection's messages until it ends.
async fn drive<S, T>(mut connection: Connection<S, T>, notices: UnboundedSender<String>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Nobody listening is no reason to stop reading.
    let tell = |severity: &str, message: &str| {
        let _ = notices.send(format!("{}: {}", errors::visible(severity), errors::visible(message)));
    };
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notice(notice)) => tell(notice.severity(), notice.message()),
            Ok(_) => {}
            Err(e) => {
                if let Some(e) = e.as_db_error() {
                    tell(e.severity(), e.message());
                }
                return;
            }
        }
    }
}

/// `15.20 (Debian 15.20-1)`, `18beta1`.
pub(super) fn major(version: &str) -> Option<u32> {
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().ok()
}

async fn refuse_read_only(client: &Client, doing: &str) -> Result<(), Fault> {
    let row = client
        .query_typed("SELECT pg_catalog.current_setting('transaction_read_only')", &[])
        .await
        .map_err(|e| errors::fault(e, doing))?;
    if row.first_cell()?.is_some_and(|is: &str| is == "on") {
        return Err(Refusal::new(Code::ReadOnlyServer, format!("{doing}: the server takes no writes"))
            .cause("it is a standby, or default_transaction_read_only is on; target_session_attrs=read-write asks for more")
            .help("name the primary, or all hosts: host=one,two")
            .into());
    }
    Ok(())
}

/// Before the login is done nothing is lost: the server is one that cannot be reached.
pub(super) fn at_login(fault: Fault, doing: &str) -> Fault {
    match fault {
        Fault::Refused(mut refusal) if refusal.code == Code::ConnectionLost => {
            refusal.code = Code::ConnectFailed;
            if refusal.what.ends_with("broke") {
                refusal.what = format!("{doing}: the server ended the connection before the login was done");
                refusal.help =
                    Some("check that host and port are those of a PostgreSQL server, and its log".into());
            }
            Fault::Refused(refusal)
        }
        // A database that takes no connections, a setting in `options` that is not one.
        Fault::Refused(mut refusal) if refusal.code == Code::StatementFailed => {
            refusal.code = Code::ConnectFailed;
            Fault::Refused(refusal)
        }
        other => other,
    }
}

/// Another address would give the same answer.
fn is_final(fault: &Fault) -> bool {
    match fault {
        Fault::Refused(refusal) => {
            matches!(refusal.code, Code::AuthFailed | Code::DatabaseMissing | Code::PermissionMissing)
        }
        Fault::Again { .. } => false,
        Fault::Unknown(_) | Fault::Bug(_) => true,
    }
}

/// One fault for all that was tried: the first that may pass by itself, else the first; the others are its notes.
fn together(mut failures: Vec<Fault>) -> Fault {
    if failures.is_empty() {
        return Fault::Bug("there was no host to connect to".into());
    }
    let main = failures.iter().position(|f| matches!(f, Fault::Again { .. })).unwrap_or(0);
    let mut fault = failures.remove(main);
    if let Fault::Again { why: refusal, .. } | Fault::Refused(refusal) = &mut fault {
        for other in failures.iter().filter_map(Fault::refusal) {
            let line = match &other.cause {
                Some(cause) => format!("{}: {cause}", other.what),
                None => other.what.clone(),
            };
            // Two addresses of one name usually fail alike.
            if other.what != refusal.what || other.cause != refusal.cause {
                refusal.notes.push(format!("also tried: {line}"));
            }
        }
    }
    fault
}

/// A server may send back whatever it was sent. A password that is also a name in our own words (`postgres`) stays:
/// hiding it would only say so.
fn hidden(mut fault: Fault, password: Option<&Secret>, doing: &str) -> Fault {
    let secret = password.map(Secret::expose).filter(|p| !p.is_empty() && !doing.contains(p));
    let Some(secret) = secret else { return fault };
    if let Fault::Again { why: refusal, .. } | Fault::Refused(refusal) = &mut fault {
        let texts = [Some(&mut refusal.what), refusal.cause.as_mut(), refusal.help.as_mut()];
        for text in texts.into_iter().flatten().chain(&mut refusal.notes) {
            if text.contains(secret) {
                *text = text.replace(secret, "***");
            }
        }
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, expected) in
            [("15.20 (Debian 15.20-1)", Some(15)), ("9.6.24", Some(9)), ("18beta1", Some(18)), ("x", None)]
        {
            assert_eq!(major(text), expected);
        }
    }
}
