//! A PostgreSQL that Pods reach: a server of this machine, and a door to it on the bridge of the cluster.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use cofferdam_scratch::{Options, Server, find};

/// Every special character that a password may have.
pub(crate) const PASSWORD: &str = "p@ss:w/o?r#d%20 \"'\\";

pub(crate) struct Database {
    pub(crate) server: Server,
    /// The port of the door.
    pub(crate) port: u16,
}

impl Database {
    /// A server of its own, reached under this address of the machine.
    pub(crate) fn new(address: &str) -> Self {
        let settings = vec![("shared_preload_libraries".into(), "pg_stat_statements".into())];
        let options = Options { tcp: true, password: Some(PASSWORD.into()), settings, ..Options::default() };
        let server = Server::start(&find().unwrap(), &options).unwrap();
        let port = door(address, server.port());
        server.create_database("shop").unwrap();
        Self { server, port }
    }

    /// The first cell of what a query gives.
    pub(crate) fn one(&self, sql: &str) -> String {
        let rows = self.server.query("shop", sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        rows.into_iter().next().and_then(|row| row.into_iter().next()?).unwrap_or_default()
    }
}

/// A port of this address of the machine that leads to one of a server on 127.0.0.1.
pub(crate) fn door(address: &str, behind: u16) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A server that is down refuses, and so does its door.
            let Ok(server) = TcpStream::connect(("127.0.0.1", behind)) else { continue };
            join(client, server);
        }
    });
    port
}

fn join(client: TcpStream, server: TcpStream) {
    for (mut from, mut to) in [
        (client.try_clone().unwrap(), server.try_clone().unwrap()),
        (server.try_clone().unwrap(), client.try_clone().unwrap()),
    ] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
}
