//! Servers, and short ways to ask them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use cofferdam_core::Fault;
use cofferdam_engines::postgres::connect::{Connected, connect};
use cofferdam_engines::postgres::options::{ConnectOptions, Env, resolve};
use cofferdam_scratch::{Options, Server, find_or_fetch, skipped};
use tokio_postgres::Client;

/// The password of the superuser on TCP; no output may ever hold it.
pub(crate) const CANARY: &str = "kAnarIe'n\\vogel %@:/";

/// A server that asks for [`CANARY`] on TCP and trusts its socket. Shared: tests use databases and roles of their
/// own. It ends with the process.
static SHARED: LazyLock<Option<Server>> = LazyLock::new(|| {
    let options = Options { tcp: true, password: Some(CANARY.to_owned()), ..Options::default() };
    Some(Server::start(&find_or_fetch(&mut |_| {}).ok()?, &options).unwrap())
});

/// The shared server; `None`, and noted as skipped, where there is no PostgreSQL.
pub(crate) fn server(test: &str) -> Option<&'static Server> {
    if SHARED.is_none() {
        skipped(test, "no PostgreSQL here, and none could be fetched");
    }
    SHARED.as_ref()
}

/// A server of the test's own.
pub(crate) fn own_server(test: &str, options: &Options) -> Option<Server> {
    match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => Some(Server::start(&binaries, options).unwrap()),
        Err(e) => {
            skipped(test, &e.to_string());
            None
        }
    }
}

/// Variables and a home folder of the test's own.
#[derive(Default)]
pub(crate) struct Around {
    pub(crate) variables: HashMap<&'static str, String>,
    pub(crate) home: Option<PathBuf>,
}

impl Env for Around {
    fn var(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }
}

/// A value for a list of `key=value`.
pub(crate) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `host=... port=... password=...` for TCP; more options may follow.
pub(crate) fn tcp(server: &Server) -> String {
    let password = quoted(CANARY);
    format!(
        "host={} port={} user=postgres dbname=postgres password={password} ",
        server.host(),
        server.port()
    )
}

/// The same for the socket, which trusts everybody.
pub(crate) fn socket(server: &Server) -> String {
    format!("host={} port={} user=postgres dbname=postgres ", server.socket_dir().display(), server.port())
}

pub(crate) fn options(text: &str) -> ConnectOptions {
    resolve(Some(text), &Around::default()).unwrap()
}

pub(crate) async fn try_connect(text: &str) -> Result<Connected, Fault> {
    connect(&options(text)).await
}

/// The fault of a connection that must not come about, with nothing secret in it.
pub(crate) async fn refused(text: &str) -> Fault {
    match try_connect(text).await {
        Ok(_) => panic!("connected: {text}"),
        Err(fault) => {
            let all = format!("{fault:?} {fault}");
            assert!(!all.contains(CANARY) && !all.contains("vogel"), "{all}");
            fault
        }
    }
}

/// A client for a fresh database of that name, as the superuser.
pub(crate) async fn client(server: &Server, database: &str) -> Client {
    server.create_database(database).unwrap();
    try_connect(&(socket(server) + "dbname=" + database)).await.unwrap().client
}

pub(crate) async fn text(client: &Client, sql: &str) -> String {
    client.query_typed(sql, &[]).await.unwrap()[0].get(0)
}
