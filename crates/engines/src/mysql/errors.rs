//! What the driver and the server say, sorted by what comes next.

use std::time::Duration;

use mysql_async::{DriverError, Error, IoError, ServerError};

use cofferdam_core::{Code, Fault, Refusal};

use crate::visible::{shortened, visible};

/// After a deadlock or a lock that was not obtained.
const SOON: Duration = Duration::from_millis(100);
/// After a server that takes no connections now.
const LATER: Duration = Duration::from_secs(1);

/// The savepoint is not there.
pub(super) const NO_SAVEPOINT: u16 = 1305;
/// A key is there already.
pub(super) const DUPLICATE: u16 = 1062;
/// No such table, and none that could be dropped.
pub(super) const NO_TABLE: &[u16] = &[1146, 1051, 1049];
/// A lock was waited for until `lock_wait_timeout` or `innodb_lock_wait_timeout`; or `NOWAIT`.
pub(super) const NO_LOCK: &[u16] = &[1205, 3572];
/// The user may not do it: to a database, to a table, to a column, without a right of the whole server.
pub(super) const DENIED: &[u16] = &[1044, 1142, 1143, 1227];
/// `KILL QUERY`.
pub(super) const KILLED: u16 = 1317;
/// `max_execution_time`, `max_statement_time`.
pub(super) const TOO_LONG: &[u16] = &[3024, 1969];
/// `require_secure_transport`.
const NO_TLS: u16 = 3159;
/// The transaction is one that only reads.
pub(super) const READ_ONLY: u16 = 1792;

/// The server's number of the error, where it is one of the server's.
pub(super) fn code(e: &Error) -> Option<u16> {
    match e {
        Error::Server(server) => Some(server.code),
        _ => None,
    }
}

/// Sorts an error. `doing` says what failed, "taking the run lock" or the statement's title.
pub(super) fn fault(e: Error, doing: &str) -> Fault {
    let doing = shortened(doing);
    match e {
        Error::Server(server) => of_server(&server, &doing),
        other => of_driver(&other, &doing),
    }
}

/// The connection is gone. Whether the last statement took effect is for the caller to find out.
pub(super) fn lost(what: &str) -> Fault {
    Refusal::new(Code::ConnectionLost, format!("{}: the connection to the server broke", visible(what)))
        .help("run the same command again: it asks the catalog what happened and goes on from there")
        .into()
}

fn again(after: Duration, refusal: Refusal) -> Fault {
    Fault::Again { after, why: Box::new(refusal) }
}

fn of_server(e: &ServerError, doing: &str) -> Fault {
    let refuse = |code| Refusal::new(code, format!("{doing}: {}", visible(&e.message)));
    let message = e.message.to_ascii_lowercase();
    match e.code {
        1045 | 1698 | 1862 | 1820 | 3118 | 4151 => {
            refuse(Code::AuthFailed)
                .help("check user and password: in the URL, or MYSQL_PWD; a server that wants TLS may say the same (ssl-mode)")
                .into()
        }
        1130 => refuse(Code::AuthFailed)
            .cause("no account of the server is for this user from this address")
            .help("CREATE USER with the address that the server sees, or connect from another one")
            .into(),
        NO_TLS => refuse(Code::TlsFailed)
            .cause("the server takes nobody in without TLS")
            .help("ssl-mode=verify-identity, with the server's authority in ssl-ca=FILE")
            .into(),
        1049 => refuse(Code::DatabaseMissing)
            .help("create it (CREATE DATABASE ...), or correct the database's name in the URL")
            .into(),
        1419 => refuse(Code::PermissionMissing)
            .cause("with a binary log, triggers and functions are made by who has the right SUPER")
            .help("SET GLOBAL log_bin_trust_function_creators = 1 on the server, or connect as one who has it")
            .into(),
        1044 | 1142 | 1143 | 1227 | 1370 | 1410 | 1726 => refuse(Code::PermissionMissing)
            .help("grant the right to the user, or connect as one who has it")
            .into(),
        1290 | 1836 if message.contains("read-only") || message.contains("read only") => {
            refuse(Code::ReadOnlyServer).help("connect to the primary").into()
        }
        1205 | 3572 => again(
            SOON,
            refuse(Code::LockNotObtained).help("end the transaction that holds the lock, or come back later"),
        ),
        1213 | 1047 | 1412 => again(SOON, refuse(Code::StatementFailed)),
        1040 | 1203 | 1226 => again(
            LATER,
            refuse(Code::ConnectFailed)
                .cause("all connections that the server or the user may have are taken")
                .help("end some, or raise max_connections or the user's limit"),
        ),
        1129 => {
            refuse(Code::ConnectFailed).help("FLUSH HOSTS on the server lets this address in again").into()
        }
        KILLED => refuse(Code::Interrupted)
            .cause("somebody cancelled the statement (KILL QUERY, or a tool that ends long statements)")
            .help("run the same command again to go on")
            .into(),
        3024 | 1969 => refuse(Code::StatementFailed)
            .help("max_execution_time (MariaDB: max_statement_time) ended it: raise it for this user")
            .into(),
        1021 | 1114 => {
            refuse(Code::StatementFailed).help("make room on the server's disk, then run it again").into()
        }
        1053 | 1079 | 1152 | 1153 | 1158..=1161 | 1184 | 1927 | 4031 => {
            refuse(Code::ConnectionLost).help("run the same command again to go on").into()
        }
        _ => refuse(Code::StatementFailed).into(),
    }
}

fn of_driver(e: &Error, doing: &str) -> Fault {
    match e {
        Error::Io(IoError::Tls(why)) => Refusal::new(Code::TlsFailed, format!("{doing}: TLS failed"))
            .cause(visible(&why.to_string()))
            .help("name the server's authority with ssl-ca=FILE; ssl-mode=required does not verify it")
            .into(),
        // What is wrong with a certificate comes as an error of the stream.
        Error::Io(IoError::Io(why)) if why.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
            Refusal::new(Code::TlsFailed, format!("{doing}: TLS failed"))
                .cause(visible(&why.to_string()))
                .help("name the server's authority with ssl-ca=FILE; ssl-mode=required does not verify it")
                .into()
        }
        Error::Driver(DriverError::NoClientSslFlagFromServer) => Refusal::new(
            Code::TlsFailed,
            format!("{doing}: the server speaks no TLS"),
        )
        .help("switch TLS on in the server (ssl_cert, ssl_key); ssl-mode=disabled sends all in the clear")
        .into(),
        Error::Driver(DriverError::UnknownAuthPlugin { name }) => {
            Refusal::new(Code::AuthFailed, format!("{doing}: the login is of a kind that is not known"))
                .cause(format!("the server asks for the plugin {}", visible(name)))
                .help("give the user caching_sha2_password or mysql_native_password")
                .into()
        }
        Error::Driver(DriverError::LocalInfile(_)) => {
            Refusal::new(Code::StatementFailed, format!("{doing}: LOAD DATA LOCAL is not carried out"))
                .cause("a server may ask for any file of the client's by it")
                .help("LOAD DATA without LOCAL, of a file on the server; or INSERT")
                .into()
        }
        Error::Driver(DriverError::PacketTooLarge) => {
            Refusal::new(Code::StatementFailed, format!("{doing}: it is more than the server takes at once"))
                .help("raise max_allowed_packet on the server, or split the script")
                .into()
        }
        _ => lost(doing),
    }
}
