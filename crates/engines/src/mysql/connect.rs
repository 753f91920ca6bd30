//! Connecting: which server it is, whether it is new enough, and what every session of ours runs under.

use std::collections::HashMap;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row};

use cofferdam_core::{Code, Fault, Refusal};

use super::link::{self, Link};
use super::options::{ConnectOptions, SslMode};
use super::{Flavour, errors, names, tls};
use crate::secret::Secret;

/// What was connected.
pub(super) struct Connected {
    pub(super) link: Link,
    /// As the server counts: 90704 is 9.7.4.
    pub(super) version: u32,
    /// `9.7.4-2`, `10.11.19-MariaDB`.
    pub(super) version_text: String,
}

/// Opens a connection that is set up.
pub(super) async fn connect(options: &ConnectOptions) -> Result<Connected, Fault> {
    connect_taking(options, None).await
}

/// As [`connect`], but takes answers of up to so many bytes, however much less the server says that it takes itself.
pub(super) async fn connect_taking(
    options: &ConnectOptions,
    most: Option<usize>,
) -> Result<Connected, Fault> {
    let doing = format!("connecting to {options} as {}", options.user);
    let password = password(options).await?;
    let opts = opts(options, password.as_ref(), most)?;
    let limit = options.connect_timeout;
    match tokio::time::timeout(limit, attempt(opts, &doing)).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(fault)) => Err(hidden(fault, password.as_ref(), &doing)),
        Err(_) => Err(Refusal::new(Code::ConnectFailed, format!("{doing}: no answer"))
            .cause(format!("the login was not done after {} s", limit.as_secs()))
            .help("check host, port and firewall; connect-timeout=SECONDS waits longer")
            .into()),
    }
}

/// A password for just this connection goes to nobody in the clear.
pub(super) async fn password(options: &ConnectOptions) -> Result<Option<Secret>, Fault> {
    let Some(logins) = &options.logins else { return Ok(options.password.clone()) };
    if options.ssl_mode == SslMode::Disabled && options.socket.is_none() {
        return Err(Refusal::new(Code::TlsFailed, format!("no token is sent to {options} without TLS"))
            .cause("ssl-mode is disabled, and a token is a password for as long as it lasts")
            .help("use verify-identity, with the authorities of the server's certificate")
            .into());
    }
    let made = logins.0.password(&options.host, options.port, &options.user).await?;
    Ok(Some(Secret::new(made)))
}

fn opts(options: &ConnectOptions, password: Option<&Secret>, most: Option<usize>) -> Result<Opts, Fault> {
    let attributes = HashMap::from([("program_name".to_owned(), options.application_name.clone())]);
    let mut builder = OptsBuilder::default()
        .user(Some(options.user.as_str()))
        .pass(password.map(Secret::expose))
        .db_name(Some(options.database.as_str()))
        .connect_attributes(attributes)
        .max_allowed_packet(most)
        // Else the driver would leave the address that was given for a socket that the server names.
        .prefer_socket(Some(false))
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(10)))
        .ssl_opts(tls::options(options)?);
    builder = match &options.socket {
        Some(socket) => builder.socket(Some(socket.as_str())),
        None => builder.ip_or_hostname(options.host.as_str()).tcp_port(options.port),
    };
    Ok(builder.into())
}

async fn attempt(opts: Opts, doing: &str) -> Result<Connected, Fault> {
    let mut conn = Conn::new(opts).await.map_err(|e| at_login(errors::fault(e, doing), doing))?;
    let said: Option<Row> =
        conn.query_first("SELECT VERSION()").await.map_err(|e| errors::fault(e, doing))?;
    let version_text = said.and_then(|row| link::text(&row, 0)).unwrap_or_default();
    let flavour = match version_text.to_ascii_lowercase().contains("mariadb") {
        true => Flavour::MariaDb,
        false => Flavour::MySql,
    };
    let version = number(&version_text).unwrap_or(0);
    if version < flavour.oldest() {
        let name = flavour.name();
        return Err(Refusal::new(
            Code::ServerTooOld,
            format!("{doing}: the server is {name} {version_text}"),
        )
        .cause("MySQL 8.0 and MariaDB 10.6 are the oldest versions that are supported")
        .into());
    }
    let mut link = Link::new(conn, flavour);
    settle(&mut link).await.map_err(|e| errors::fault(e, "setting up the session"))?;
    Ok(Connected { link, version, version_text })
}

/// What every session of ours runs under, whatever the server's defaults say. A backslash and a double quote must mean
/// what the reader of scripts took them for; nothing of ours may be ended for the time that it takes.
pub(super) async fn settle(link: &mut Link) -> Result<(), mysql_async::Error> {
    let mode =
        ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI", "ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL"]
            .iter()
            .fold("CONCAT(',', @@SESSION.sql_mode, ',')".to_owned(), |sql, word| {
                format!("REPLACE({sql}, ',{word},', ',')")
            });
    let unbounded = match link.flavour {
        Flavour::MySql => "max_execution_time = 0",
        Flavour::MariaDb => {
            "max_statement_time = 0, idle_transaction_timeout = 0, idle_write_transaction_timeout = 0"
        }
    };
    let sql = format!(
        "SET NAMES utf8mb4, SESSION sql_mode = TRIM(BOTH ',' FROM {mode}), autocommit = 1, \
         wait_timeout = 31536000, {unbounded}"
    );
    link.run(&sql).await.map(drop)
}

/// A session as it was after [`connect`]. It has no lock any more.
pub(super) async fn reset(link: &mut Link, database: &str) -> Result<(), Fault> {
    let doing = "setting up the session";
    if !link.reset().await.map_err(|e| errors::fault(e, doing))? {
        return Err(Fault::Bug("the server cannot reset a connection".into()));
    }
    // The database is the one thing that is not reset.
    let back = format!("USE {}", names::quoted(database)?);
    link.run(&back).await.map_err(|e| errors::fault(e, doing))?;
    settle(link).await.map_err(|e| errors::fault(e, doing))
}

/// `10.11.19-MariaDB-0+deb12u1` is 101119, `9.7.4-2` is 90704.
fn number(text: &str) -> Option<u32> {
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut parts = numbers.split('.').map(|part| part.parse::<u32>().ok());
    let mut next = || parts.next().flatten();
    Some(next()? * 10_000 + next()? * 100 + next().unwrap_or(0).min(99))
}

/// Before the login is done nothing is lost: the server is one that cannot be reached.
fn at_login(fault: Fault, doing: &str) -> Fault {
    match fault {
        Fault::Refused(mut refusal) if refusal.code == Code::ConnectionLost => {
            refusal.code = Code::ConnectFailed;
            refusal.what = format!("{doing}: the server cannot be reached, or ended the connection");
            refusal.help = Some("check that host and port are those of a MySQL or MariaDB server".into());
            Fault::Refused(refusal)
        }
        Fault::Refused(mut refusal) if refusal.code == Code::StatementFailed => {
            refusal.code = Code::ConnectFailed;
            Fault::Refused(refusal)
        }
        other => other,
    }
}

/// A server may send back whatever it was sent.
fn hidden(mut fault: Fault, password: Option<&Secret>, doing: &str) -> Fault {
    let secret = password.map(Secret::expose).filter(|p| !p.is_empty() && !doing.contains(p));
    let Some(secret) = secret else { return fault };
    if let Fault::Again { why: refusal, .. } | Fault::Refused(refusal) = &mut fault {
        let texts = [Some(&mut refusal.what), refusal.cause.as_mut(), refusal.help.as_mut()];
        for text in texts.into_iter().flatten().chain(&mut refusal.notes) {
            *text = text.replace(secret, "***");
        }
    }
    fault
}

/// How long a statement may wait for its locks, in whole seconds, since the servers know no less.
pub(super) async fn lock_wait(link: &mut Link, wait: Duration) -> Result<(), mysql_async::Error> {
    // 0 means for ever.
    let seconds = match wait.as_millis() {
        0 => 31_536_000,
        wait => wait.div_ceil(1000).min(31_536_000),
    };
    let sql =
        format!("SET SESSION lock_wait_timeout = {seconds}, SESSION innodb_lock_wait_timeout = {seconds}");
    link.run(&sql).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, expected) in [
            ("10.11.19-MariaDB-0+deb12u1", Some(101_119)),
            ("9.7.4-2", Some(90_704)),
            ("8.0.36", Some(80_036)),
            ("11.8", Some(110_800)),
            ("x", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
