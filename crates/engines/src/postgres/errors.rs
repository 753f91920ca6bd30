//! What the driver and the server say, sorted by what comes next.

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition, Severity};

use cofferdam_core::{Code, Fault, Refusal};

use super::tls;
use crate::visible::shortened;
pub use crate::visible::visible;

/// After a deadlock or a lock that was not obtained.
const SOON: Duration = Duration::from_millis(100);
/// After a server that takes no connections now.
const LATER: Duration = Duration::from_secs(1);
/// The most lines of a DETAIL that are shown.
const MOST_LINES: usize = 20;

/// Sorts an error of the driver. `doing` says what failed, "taking the run lock" or the statement's title.
pub fn fault(e: Error, doing: &str) -> Fault {
    let doing = shortened(doing);
    match e.as_db_error() {
        Some(server) => of_server(server, &doing),
        None => of_driver(&e, &doing),
    }
}

/// The connection is gone. Whether the last statement took effect is for the caller to find out.
pub fn lost(what: &str) -> Fault {
    Refusal::new(Code::ConnectionLost, format!("{}: the connection to the server broke", visible(what)))
        .help("run the same command again: it asks the catalog what happened and goes on from there")
        .into()
}

/// Where in the statement the server found the error, in characters from 1.
pub fn position(e: &Error) -> Option<usize> {
    match e.as_db_error()?.position()? {
        ErrorPosition::Original(position) => usize::try_from(*position).ok(),
        // In a query of a function's: not in our text.
        ErrorPosition::Internal { .. } => None,
    }
}

fn again(after: Duration, refusal: Refusal) -> Fault {
    Fault::Again { after, why: Box::new(refusal) }
}

/// What the server answered.
fn of_server(e: &DbError, doing: &str) -> Fault {
    let fatal = matches!(e.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
    let message = visible(e.message());
    let refuse = |code| noted(Refusal::new(code, format!("{doing}: {message}")), e);
    match e.code().code() {
        "28P01" | "28000" if fatal => login_refused(refuse(Code::AuthFailed), &message).into(),
        "3D000" | "57P04" if fatal => refuse(Code::DatabaseMissing)
            .help("create it (createdb NAME), or correct the database's name in the URL")
            .into(),
        // PgBouncer gives this code to all that it does not like at the beginning.
        "08P01" if fatal && message.contains("no such database") => refuse(Code::DatabaseMissing)
            .help("add the database to the pooler, or give the server's own address")
            .into(),
        "08P01" if fatal && message.contains("unsupported startup parameter") => {
            refuse(Code::PoolerNotSupported)
                .cause("what answers is a pooler that takes no settings in the URL (options, search_path)")
                .help("give the server's own address, or leave these settings out")
                .into()
        }
        "08P01" if message.contains("statement pooling mode") => refuse(Code::PoolerNotSupported)
            .cause("what answers is a pooler in statement mode, through which nothing can be done in one transaction")
            .help("give the server's own host and port in --url (or a pooler in session mode)")
            .into(),
        "08P01" if message.contains("query_wait_timeout") => refuse(Code::PoolerNotSupported)
            .cause("what answers is a pooler in transaction mode with no free connection to the server")
            .help("give the server's own host and port in --url (or a pooler in session mode)")
            .into(),
        "42501" => refuse(Code::PermissionMissing)
            .help("grant the right to the role, or connect as the owner")
            .into(),
        "25006" => refuse(Code::ReadOnlyServer)
            .help("connect to the primary: name all hosts and add target_session_attrs=read-write")
            .into(),
        "55P03" => again(
            SOON,
            refuse(Code::LockNotObtained).help("end the transaction that holds the lock, or come back later"),
        ),
        "40P01" | "40001" => again(SOON, refuse(Code::StatementFailed)),
        "57014" if message.contains("statement timeout") => refuse(Code::StatementFailed)
            .help("statement_timeout ended it: raise it, or set it to 0 for this role")
            .into(),
        "57014" => refuse(Code::Interrupted)
            .cause(
                "somebody cancelled the statement (pg_cancel_backend, or a tool that ends long statements)",
            )
            .help("run the same command again to go on")
            .into(),
        "57P03" => again(
            LATER,
            refuse(Code::ConnectFailed)
                .cause("the server is starting, stopping or recovering")
                .help("cofferdam wait --timeout 60s waits for it"),
        ),
        "53300" => again(
            LATER,
            refuse(Code::ConnectFailed)
                .cause("all connections that the server or the role may have are taken")
                .help("end some, or raise max_connections or the role's CONNECTION LIMIT"),
        ),
        "57P01" | "57P02" | "57P05" | "25P03" | "25P04" => {
            refuse(Code::ConnectionLost).help("run the same command again to go on").into()
        }
        code if code.starts_with("08") => {
            refuse(Code::ConnectionLost).help("run the same command again to go on").into()
        }
        "53100" => {
            refuse(Code::StatementFailed).help("make room on the server's disk, then run it again").into()
        }
        _ => refuse(Code::StatementFailed).into(),
    }
}

fn login_refused(refusal: Refusal, message: &str) -> Refusal {
    if message.contains("pg_hba.conf") {
        let unencrypted = message.contains("no encryption") || message.contains("SSL off");
        return refusal
            .cause(
                "no line of the server's pg_hba.conf lets this user into this database from here in this way",
            )
            .help(match unencrypted {
                true => "the server may want TLS: try sslmode=verify-full",
                false => "add a line to pg_hba.conf and reload the server, or use another user or address",
            });
    }
    if message.contains("client certificate") {
        return refusal.help("name your certificate and its key: sslcert=FILE sslkey=FILE");
    }
    refusal.help("check user and password: in the URL, PGPASSWORD or ~/.pgpass")
}

/// What the server said beside its message.
fn noted(mut refusal: Refusal, e: &DbError) -> Refusal {
    for (label, text) in [("detail", e.detail()), ("hint", e.hint()), ("context", e.where_())] {
        let lines: Vec<_> = text.unwrap_or_default().lines().filter(|l| !l.trim().is_empty()).collect();
        for (i, line) in lines.iter().take(MOST_LINES).enumerate() {
            let line = visible(line);
            refusal.notes.push(if i == 0 { format!("{label}: {line}") } else { format!("  {line}") });
        }
        if lines.len() > MOST_LINES {
            refusal.notes.push(format!("  ... and {} lines more", lines.len() - MOST_LINES));
        }
    }
    refusal.note(format!("SQLSTATE {}", visible(e.code().code())))
}

/// What the driver or the operating system says.
fn of_driver(e: &Error, doing: &str) -> Fault {
    if let Some(tls_error) = causes(e).find_map(|c| c.downcast_ref::<rustls::Error>()) {
        return tls::failed(tls_error, doing).into();
    }
    let io = causes(e).find_map(|c| c.downcast_ref::<std::io::Error>());
    let cause = e.source().map(|c| visible(&c.to_string())).unwrap_or_default();
    // The driver keeps the kind of its errors to itself; these are its texts. Tests hold each of them against a
    // real server.
    match e.to_string().as_str() {
        "error performing TLS handshake" if cause.contains("does not support TLS") => {
            Refusal::new(Code::TlsFailed, format!("{doing}: the server offers no TLS"))
                .help("switch ssl on in the server's postgresql.conf, or use sslmode=disable on a network that you trust")
                .into()
        }
        "error performing TLS handshake" => Refusal::new(Code::TlsFailed, format!("{doing}: TLS could not be agreed"))
            .cause(cause)
            .help("check that host and port are those of a PostgreSQL server with TLS")
            .into(),
        "invalid configuration" if cause.contains("password missing") => {
            Refusal::new(Code::AuthFailed, format!("{doing}: the server asks for a password, and none was given"))
                .help("set PGPASSWORD, or write a line into ~/.pgpass: host:port:database:user:password")
                .into()
        }
        "authentication error" => Refusal::new(Code::AuthFailed, format!("{doing}: the login could not be agreed"))
            .cause(cause)
            .help("the server must offer SCRAM-SHA-256, md5 or password; channel_binding=require needs SCRAM over TLS")
            .into(),
        "error connecting to server" => unreachable(doing, io, cause).into(),
        "error communicating with the server" | "connection closed" | "timeout waiting for server" => {
            let mut fault = lost(doing);
            if let (Fault::Refused(refusal), false) = (&mut fault, cause.is_empty()) {
                refusal.cause = Some(cause);
            }
            fault
        }
        text @ ("unexpected message from server" | "error parsing response from server") => {
            Refusal::new(Code::ConnectionLost, format!("{doing}: the answer is not PostgreSQL's protocol"))
                .cause(if cause.is_empty() { text.to_owned() } else { cause })
                .help("check that host and port are those of a PostgreSQL server")
                .into()
        }
        text => Fault::Bug(format!("{doing}: {text}: {cause}")),
    }
}

/// The server cannot be reached.
pub(super) fn unreachable(doing: &str, io: Option<&std::io::Error>, cause: String) -> Refusal {
    let (cause, help) = match io.map(std::io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => (
            "nobody listens there (connection refused)".to_owned(),
            "check host and port and that the server runs; cofferdam wait --timeout 60s waits for one that is starting",
        ),
        Some(ErrorKind::TimedOut) => (
            "no answer in time".to_owned(),
            "check host and port and the firewalls between; connect_timeout=SECONDS waits longer",
        ),
        Some(ErrorKind::NotFound) => (
            "there is no socket of that port in that folder".to_owned(),
            "check that the server runs; its setting unix_socket_directories names the folder",
        ),
        Some(ErrorKind::PermissionDenied) => (
            "the operating system does not let us (permission denied)".to_owned(),
            "check the socket's permissions",
        ),
        _ => (cause, "check host and port"),
    };
    Refusal::new(Code::ConnectFailed, format!("{doing}: the server cannot be reached"))
        .cause(cause)
        .help(help)
}

/// The error's causes, also those that are wrapped in an `io::Error`.
fn causes<'a>(e: &'a Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let mut next = e.source();
    std::iter::from_fn(move || {
        let this = next?;
        next = match this.downcast_ref::<std::io::Error>() {
            // `source` of an io::Error skips the error that it holds.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static)),
            None => this.source(),
        };
        Some(this)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_act_on_a_terminal_is_made_visible() {
        for (text, expected) in [
            ("plain é 漢", "plain é 漢"),
            ("\x1b[2J\x1b]0;x\x07", "\\u{1b}[2J\\u{1b}]0;x\\u{7}"),
            ("a\r\nb\tc\n", "a\\r\\nb c"),
            ("\u{9b}31m \u{202e}txt \u{7f}", "\\u{9b}31m \\u{202e}txt \\u{7f}"),
        ] {
            assert_eq!(visible(text), expected);
        }
        assert!(visible(&"x".repeat(1 << 20)).len() < 2_100);
    }

    #[test]
    fn what_was_done_is_one_short_line() {
        assert_eq!(shortened("SELECT\n  1"), "SELECT 1");
        assert!(shortened(&"é".repeat(200)).ends_with("é ..."));
    }
}
