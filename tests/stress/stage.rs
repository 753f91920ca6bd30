//! Where a story is told: a database of its own, and a server of its own where the log is to be decoded.

use cofferdam_scratch::{Options, Server};

use crate::story::{Story, plain};
use crate::support::{Bench, binaries, server};

pub struct Stage {
    pub bench: Bench,
    /// A slot waits for every transaction of its server, also for those of other stories.
    own: Option<Server>,
}

impl Stage {
    pub fn of(name: &str, story: &Story) -> Self {
        if !story.change.flags.contains(&"logical") {
            return Self { bench: Bench::new(name), own: None };
        }
        let settings = vec![("wal_level".into(), "logical".into())];
        let own = Server::start(&binaries(), &Options { tcp: true, settings, ..Options::default() }).unwrap();
        let url = own.create_database(name).unwrap();
        let bench = Bench { database: name.to_owned(), url, folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(bench.dir()).unwrap();
        Self { bench, own: Some(own) }
    }

    /// Removes the databases: a long run must not fill the disk.
    pub fn clear(self) {
        if self.own.is_some() {
            return;
        }
        for database in [&plain(&self.bench), &self.bench.database] {
            server().query("postgres", &format!("DROP DATABASE {database} WITH (FORCE)")).unwrap();
        }
    }
}
