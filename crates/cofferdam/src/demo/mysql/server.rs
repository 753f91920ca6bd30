//! Which MySQL or MariaDB the demonstration runs, and its start.

use cofferdam_core::{Code, Fault, Refusal, Result};
use cofferdam_scratch::ScratchError;
use cofferdam_scratch::mysql::{Kind, Options, Programs, Server, find};

/// Starts it with an empty database of this name. The programs, the server, and the URL.
pub(in crate::demo) async fn start(kind: Kind, database: &'static str) -> Result<(Programs, Server, String)> {
    let starting = tokio::task::spawn_blocking(move || {
        let programs = find(kind)?;
        let settings = [
            // Nobody is to reach it but over its socket, in a folder that nobody else may enter.
            ("skip_networking", "ON"),
            // As an application's server: what is acknowledged is on the disk.
            ("sync_binlog", "1"),
            ("innodb_flush_log_at_trx_commit", "1"),
            ("innodb_flush_method", "fsync"),
            ("innodb_doublewrite", "ON"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let server = Server::start(&programs, &Options { settings, ..Options::default() })?;
        server.create_database(database)?;
        Ok((programs, server))
    });
    let started = starting.await.map_err(|e| Fault::Bug(e.to_string()))?;
    let (programs, server) = started.map_err(|e| no_server(kind, &e))?;
    let scheme = if kind == Kind::MySql { "mysql" } else { "mariadb" };
    let mut url = url::Url::parse(&format!("{scheme}://root@localhost/{database}"))
        .map_err(|e| Fault::Bug(e.to_string()))?;
    url.query_pairs_mut().append_pair("socket", &server.socket().to_string_lossy());
    Ok((programs, server, url.into()))
}

/// There is no server to show anything on.
fn no_server(kind: Kind, error: &ScratchError) -> Fault {
    let (debian, homebrew) = match kind {
        Kind::MySql => ("mysql-server (Ubuntu; Debian has default-mysql-server, which is MariaDB)", "mysql"),
        Kind::MariaDb => ("mariadb-server", "mariadb"),
    };
    Refusal::new(Code::NoServerFound, format!("there is no {} to show anything on", kind.name()))
        .cause(error.to_string())
        .help(format!(
            "install it (apt install {debian}; brew install {homebrew}), or name its program with {}",
            kind.variable()
        ))
        .into()
}
