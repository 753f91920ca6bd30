//! A server and one that reads its log.

use cofferdam_scratch::mysql::{Kind, Options, Server};

use crate::site::{Held, Site, own_server};
use crate::support::until;

/// Both are the test's own. They end with the process, as those of all tests do.
pub(crate) struct Replicated {
    pub(crate) source: &'static Server,
    /// The replica.
    pub(crate) near: &'static Server,
    /// As errors and `doctor` call it.
    pub(crate) name: String,
    /// A database of the source.
    pub(crate) site: Site,
}

impl Replicated {
    pub(crate) fn begin(kind: Kind, database: &str) -> Option<Self> {
        let source: &'static Server = Box::leak(Box::new(own_server(kind, &Options::default())?));
        let here = [("server_id", "2"), ("report_host", "127.0.0.1")];
        let near: &'static Server = Box::leak(Box::new(replica(kind, source, &here)?));
        let name = format!("127.0.0.1:{}", near.port());
        Some(Self { source, near, name, site: Site::on(source, kind, database) })
    }

    /// Waits until the replica has so many rows of a table.
    pub(crate) fn has(&self, table: &str, rows: &str) {
        let count = format!("SELECT COUNT(*) FROM {table}");
        until("the replica has it", || {
            let found = self.near.query(Some(&self.site.database), &count);
            found.is_ok_and(|found| found[0][0].as_deref() == Some(rows))
        });
    }

    /// Seconds that it is behind, looked at by what changes nothing.
    fn behind(&self) -> Option<u64> {
        let doctor = self.site.run(&["doctor"]).stdout;
        let (_, behind) = doctor.split_once(&format!("replica {} is the farthest behind, by ", self.name))?;
        behind.split(' ').next()?.parse().ok()
    }

    /// Locks a table of the replica, and waits until it is behind since it cannot apply `sql`.
    pub(crate) fn hold_up(&self, table: &str, sql: &str) -> Held {
        // MySQL tells of what it has just caught up with that it is behind by that, for a moment.
        until("it has caught up", || self.behind() == Some(0));
        let held = Held::on(self.near, &self.site.database, &format!("LOCK TABLES {table} READ"));
        self.site.query(sql);
        until("it is behind", || self.behind().is_some_and(|seconds| seconds >= 2));
        held
    }
}

/// A server of the test's own that reads the log of `of`.
pub(crate) fn replica(kind: Kind, of: &Server, settings: &[(&str, &str)]) -> Option<Server> {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let replica = own_server(kind, &Options { settings, ..Options::default() })?;
    let (asked, change) = match kind {
        Kind::MySql => (
            "SHOW BINARY LOG STATUS",
            ["CHANGE REPLICATION SOURCE TO", "SOURCE", ", GET_SOURCE_PUBLIC_KEY = 1"],
        ),
        Kind::MariaDb => ("SHOW MASTER STATUS", ["CHANGE MASTER TO", "MASTER", ", MASTER_USE_GTID = no"]),
    };
    let at = of.query(None, asked).unwrap();
    let (file, position) = (at[0][0].clone().unwrap(), at[0][1].clone().unwrap());
    let [change, word, more] = change;
    let port = of.port();
    replica
        .query(
            None,
            &format!(
                "{change} {word}_HOST = '127.0.0.1', {word}_PORT = {port}, {word}_USER = 'root', {word}_PASSWORD = '',
                 {word}_LOG_FILE = '{file}', {word}_LOG_POS = {position}{more}; START REPLICA"
            ),
        )
        .unwrap();
    Some(replica)
}
