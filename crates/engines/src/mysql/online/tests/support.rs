//! Servers, databases, and an application's connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::sync::LazyLock;

use cofferdam_core::{Code, Fault, Name};
use cofferdam_scratch::mysql::{Kind, Options, Server, find};
use cofferdam_scratch::skipped;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};

use super::super::binlog::{Item, Key, Position, Stream};
use super::super::{Findings, Ground};
use crate::Target;

/// Shared: their settings are not changed.
static MYSQL: LazyLock<Option<Server>> = LazyLock::new(|| start(Kind::MySql, &[]));
static MARIADB: LazyLock<Option<Server>> = LazyLock::new(|| start(Kind::MariaDb, &[]));

fn start(kind: Kind, settings: &[(&str, &str)]) -> Option<Server> {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = Options { settings, ..Options::default() };
    find(kind).ok().map(|programs| Server::start(&programs, &options).unwrap())
}

/// The shared server; `None`, and noted as skipped, where there is none.
fn shared(test: &str, kind: Kind) -> Option<&'static Server> {
    let server = match kind {
        Kind::MySql => MYSQL.as_ref(),
        Kind::MariaDb => MARIADB.as_ref(),
    };
    if server.is_none() {
        skipped(test, &format!("no {} here", kind.name()));
    }
    server
}

/// Runs a test in a database of its own on the shared server.
pub(super) fn on_shared(test: &str, kind: Kind, body: impl AsyncFnOnce(World<'_>)) {
    let Some(server) = shared(test, kind) else { return };
    let database = format!("d_{}", &test[test.len().saturating_sub(50)..]);
    run(async || body(World::new(server, kind, &database).await).await);
}

/// Runs a test on a server of its own with these settings.
pub(super) fn on_own(
    test: &str,
    kind: Kind,
    settings: &[(&str, &str)],
    body: impl AsyncFnOnce(Kind, Server),
) {
    match start(kind, settings) {
        None => skipped(test, &format!("no {} here", kind.name())),
        Some(server) => run(async || body(kind, server).await),
    }
}

fn run(body: impl AsyncFnOnce()) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body());
}

/// The same test on both servers.
macro_rules! on_both {
    ($($name:ident / $other:ident = $body:expr;)*) => {$(
        #[test]
        fn $name() {
            $crate::mysql::online::tests::support::on_shared(
                stringify!($name), cofferdam_scratch::mysql::Kind::MySql, $body);
        }

        #[test]
        fn $other() {
            $crate::mysql::online::tests::support::on_shared(
                stringify!($other), cofferdam_scratch::mysql::Kind::MariaDb, $body);
        }
    )*};
}
pub(super) use on_both;

/// A database, and who works in it.
pub(super) struct World<'s> {
    pub(super) server: &'s Server,
    pub(super) kind: Kind,
    pub(super) database: String,
    /// The application.
    pub(super) app: Conn,
    pub(super) ground: Ground,
    marked: u64,
}

/// The table of marks.
pub(super) const MARKS: &str = "marks";

impl<'s> World<'s> {
    pub(super) async fn new(server: &'s Server, kind: Kind, database: &str) -> Self {
        let url = server.create_database(database).unwrap();
        let app = by_hand(&url).await;
        let ground = ground(&url).await;
        let mut world = Self { server, kind, database: database.to_owned(), app, ground, marked: 0 };
        world.run(&format!("CREATE TABLE {MARKS} (one tinyint PRIMARY KEY, n bigint NOT NULL)")).await;
        world.run(&format!("INSERT INTO {MARKS} VALUES (1, 0)")).await;
        world
    }

    pub(super) fn mysql(&self) -> bool {
        self.kind == Kind::MySql
    }

    /// The application says something.
    pub(super) async fn run(&mut self, sql: &str) {
        if let Err(e) = self.app.query_drop(sql).await {
            panic!("{sql}: {e}");
        }
    }

    /// The first column of the first row.
    pub(super) async fn value(&mut self, sql: &str) -> String {
        let found: Option<Option<String>> =
            self.app.query_first(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        found.flatten().unwrap_or_default()
    }

    /// Another connection of the application's.
    pub(super) async fn another(&self) -> Conn {
        by_hand(&self.server.url(&self.database)).await
    }

    pub(super) async fn examine(&mut self, table: &str) -> Findings {
        self.ground.examine(&Name::plain(table)).await.unwrap()
    }

    /// Follows a table from now on.
    pub(super) async fn follow(&mut self, table: &str) -> Stream {
        let at = self.ground.position().await.unwrap();
        self.follow_from(table, at).await
    }

    pub(super) async fn follow_from(&mut self, table: &str, at: Position) -> Stream {
        self.ground.follow(&Name::plain(table), MARKS, at).await.unwrap()
    }

    /// Writes a mark.
    pub(super) async fn mark(&mut self) -> u64 {
        self.marked += 1;
        let sql = format!("UPDATE {MARKS} SET n = {}", self.marked);
        self.run(&sql).await;
        self.marked
    }

    /// What the stream holds up to a mark that is written now.
    pub(super) async fn items(&mut self, stream: &mut Stream) -> Vec<Item> {
        let mark = self.mark().await;
        until(stream, mark).await
    }

    /// The keys among them, in order.
    pub(super) async fn keys(&mut self, stream: &mut Stream) -> Vec<Key> {
        keys(&self.items(stream).await)
    }

    /// What stops the stream.
    pub(super) async fn fault(&mut self, stream: &mut Stream) -> Fault {
        let mark = self.mark().await;
        loop {
            match stream.next().await {
                Ok(Item::Mark(n)) if n == mark => panic!("nothing stopped it"),
                Ok(_) => {}
                Err(fault) => return fault,
            }
        }
    }
}

/// All items up to this mark and the end of its transaction.
pub(super) async fn until(stream: &mut Stream, mark: u64) -> Vec<Item> {
    let mut items = Vec::new();
    let mut seen = false;
    loop {
        let item = stream.next().await.unwrap();
        seen |= item == Item::Mark(mark);
        let ended = seen && matches!(item, Item::End(_));
        items.push(item);
        if ended {
            return items;
        }
    }
}

pub(super) fn keys(items: &[Item]) -> Vec<Key> {
    let keys = items.iter().filter_map(|item| match item {
        Item::Keys(keys) => Some(keys.clone()),
        _ => None,
    });
    keys.flatten().collect()
}

pub(super) async fn ground(url: &str) -> Ground {
    Ground::open(&Target { url: Some(url.to_owned()), ..Target::default() }).await.unwrap()
}

/// A connection that is not Cofferdam's.
pub(super) async fn by_hand(url: &str) -> Conn {
    let opts = OptsBuilder::from_opts(Opts::from_url(url).unwrap()).prefer_socket(Some(false));
    Conn::new(opts).await.unwrap()
}

pub(super) fn code(fault: &Fault) -> Code {
    fault.refusal().unwrap_or_else(|| panic!("{fault}")).code
}

/// A key of one number.
pub(super) fn numbers(keys: &[Key]) -> Vec<i64> {
    keys.iter().map(|key| key[0].parse().unwrap()).collect()
}
