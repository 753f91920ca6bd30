//! How far the replicas of this server are behind.
//!
//! A server knows who reads its log, and nothing of how far they have applied it: each replica is asked itself, at the
//! address that it reports, as the same user. What cannot be asked is not known.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::Row;

use cofferdam_core::fault::Result;

use super::link::{self, Link};
use super::options::ConnectOptions;
use super::{Flavour, connect, errors};
use crate::vitals::Told;

/// MySQL calls them replicas from this version on.
const RENAMED: u32 = 80_022;

/// A server that reads our log.
#[derive(Debug, PartialEq)]
struct Replica {
    id: String,
    host: String,
    port: u16,
}

/// Connections to replicas by their address, each with the version of its server. They are kept for the next time.
pub(super) type Open = BTreeMap<String, (Link, u32)>;

/// The delay of the one that is farthest behind, and its name. None at all: zero, and no name. Replicas of replicas are
/// not looked for.
pub(super) async fn lag(
    link: &mut Link,
    version: u32,
    options: &ConnectOptions,
    connections: &mut Open,
) -> Result<Told<(Duration, String)>> {
    let replicas = match listed(link, version).await? {
        Ok(replicas) => replicas,
        Err(why) => return Ok(Err(why)),
    };
    let rows = link.rows("SELECT @@server_id", vec![]).await;
    let rows = rows.map_err(|e| errors::fault(e, "asking for the server's number"))?;
    let own = rows.first().and_then(|row| link::text(row, 0)).unwrap_or_default();
    let mut worst = (Duration::ZERO, String::new());
    for replica in replicas {
        let Replica { id, host, port } = &replica;
        if host.is_empty() {
            return Ok(Err(format!("replica with server_id {id} tells no address; set report_host there")));
        }
        let name = format!("{host}:{port}");
        match behind(options, connections, &replica, &name, &own).await {
            Ok(lag) if lag >= worst.0 => worst = (lag, name),
            Ok(_) => {}
            Err(why) => {
                connections.remove(&name);
                return Ok(Err(format!("replica {name} cannot be asked: {why}")));
            }
        }
    }
    Ok(Ok(worst))
}

/// Who is registered as a reader of our log and is a server: what follows the log for itself has no port.
async fn listed(link: &mut Link, version: u32) -> Result<Told<Vec<Replica>>> {
    let old = link.flavour == Flavour::MariaDb || version < RENAMED;
    let rows = match link.said(if old { "SHOW SLAVE HOSTS" } else { "SHOW REPLICAS" }).await {
        Ok(rows) => rows,
        Err(e) if errors::DENIED.contains(&errors::code(&e).unwrap_or_default()) => {
            let right = if link.flavour == Flavour::MariaDb {
                "REPLICATION MASTER ADMIN"
            } else {
                "REPLICATION SLAVE"
            };
            return Ok(Err(format!("the role may not see replicas; GRANT {right} ON *.* to it")));
        }
        Err(e) => return Err(errors::fault(e, "asking for replicas")),
    };
    let replica = |row: &Row| Replica {
        id: cell(row, &["server_id"]),
        host: cell(row, &["host"]),
        port: cell(row, &["port"]).parse().unwrap_or(0),
    };
    Ok(Ok(rows.iter().map(replica).filter(|replica| replica.port > 0).collect()))
}

/// How far a replica is behind us; else why that is not known.
async fn behind(
    options: &ConnectOptions,
    connections: &mut Open,
    replica: &Replica,
    name: &str,
    own: &str,
) -> std::result::Result<Duration, String> {
    if !connections.contains_key(name) {
        let mut options = options.clone();
        (options.host, options.port, options.socket) = (replica.host.clone(), replica.port, None);
        options.application_name = format!("{} (replicas)", options.application_name);
        let connected = connect::connect(&options).await.map_err(|fault| fault.to_string())?;
        connections.insert(name.to_owned(), (connected.link, connected.version));
    }
    let Some((link, version)) = connections.get_mut(name) else { return Err("it is gone".into()) };
    let sql = match link.flavour {
        Flavour::MariaDb => "SHOW ALL SLAVES STATUS",
        Flavour::MySql if *version < RENAMED => "SHOW SLAVE STATUS",
        Flavour::MySql => "SHOW REPLICA STATUS",
    };
    let rows = link.said(sql).await.map_err(|e| match link.flavour {
        _ if !errors::DENIED.contains(&errors::code(&e).unwrap_or_default()) => e.to_string(),
        Flavour::MySql => "the role may not see how it stands; GRANT REPLICATION CLIENT ON *.* to it".into(),
        Flavour::MariaDb => "the role may not see how it stands; GRANT SLAVE MONITOR ON *.* to it".into(),
    })?;
    let ours = |row: &&Row| cell(row, &["source_server_id", "master_server_id"]) == own;
    let row = rows.iter().find(ours).ok_or("it does not replicate from here")?;
    standing(|names| cell(row, names))
}

/// What a row of a replica's state says, by the names of its columns.
fn standing(cell: impl Fn(&[&str]) -> String) -> std::result::Result<Duration, String> {
    for (thread, names) in [
        ("reads the log", ["replica_io_running", "slave_io_running"]),
        ("applies it", ["replica_sql_running", "slave_sql_running"]),
    ] {
        let state = cell(&names);
        if state != "Yes" {
            let error = [cell(&["last_io_error"]), cell(&["last_sql_error"])].join(" ");
            return Err(format!("the thread that {thread} is not at work ({state}) {error}")
                .trim_end()
                .into());
        }
    }
    let seconds = cell(&["seconds_behind_source", "seconds_behind_master"]);
    let seconds: u64 = seconds.parse().map_err(|_| "it does not know how far it is behind".to_owned())?;
    // One that is kept behind on purpose is as far behind as it is meant to be.
    let meant = cell(&["sql_delay"]).parse().unwrap_or(0);
    Ok(Duration::from_secs(seconds.saturating_sub(meant)))
}

/// The cell under one of these names, in small letters; an empty one where there is none.
fn cell(row: &Row, names: &[&str]) -> String {
    let columns = row.columns_ref();
    let at = columns.iter().position(|column| names.contains(&column.name_str().to_lowercase().as_str()));
    at.and_then(|at| link::text(row, at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_as_far_behind_as_it_says_unless_it_is_meant_to_be() {
        for (cells, expected) in [
            (
                &[("slave_io_running", "Yes"), ("slave_sql_running", "Yes"), ("seconds_behind_master", "7")]
                    [..],
                Ok(7),
            ),
            (
                &[
                    ("replica_io_running", "Yes"),
                    ("replica_sql_running", "Yes"),
                    ("seconds_behind_source", "3605"),
                    ("sql_delay", "3600"),
                ],
                Ok(5),
            ),
            (
                &[("slave_io_running", "Yes"), ("slave_sql_running", "Yes"), ("seconds_behind_master", "")],
                Err("it does not know how far it is behind"),
            ),
            (
                &[("slave_io_running", "Connecting"), ("slave_sql_running", "Yes"), ("last_io_error", "no")],
                Err("the thread that reads the log is not at work (Connecting) no"),
            ),
            (
                &[("slave_io_running", "Yes"), ("slave_sql_running", "No"), ("seconds_behind_master", "0")],
                Err("the thread that applies it is not at work (No)"),
            ),
            (&[], Err("the thread that reads the log is not at work ()")),
        ] {
            let cell = |names: &[&str]| {
                let found = cells.iter().find(|(name, _)| names.contains(name));
                found.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
            };
            let standing = standing(cell);
            assert_eq!(standing, expected.map(Duration::from_secs).map_err(str::to_owned), "{cells:?}");
        }
    }
}
