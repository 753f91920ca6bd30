//! What a statement does, seen from its own session: a look before it and a look after it.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use cofferdam_core::fault::Result;

use super::super::cells::{AnswerCells, RowCells};
use super::super::errors;
use crate::rehearsal::Deed;

/// Neither takes a lock on a table nor reads one: sizes would do the first. What Cofferdam keeps for itself is no
/// matter of the statement.
const LOOK: &str = r"
    SELECT c.oid, pg_catalog.format('%s.%s', n.nspname, c.relname), c.relkind::pg_catalog.text, c.relfilenode,
           CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_stat_get_xact_tuples_returned(c.oid) ELSE 0 END,
           l.modes
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN (SELECT relation, pg_catalog.array_agg(mode) AS modes FROM pg_catalog.pg_locks
               WHERE pid = $1 AND locktype = 'relation'
                 AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
               GROUP BY relation) l ON l.relation = c.oid
    WHERE c.relkind IN ('r', 'p', 'm', 'v', 'i', 'I')
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname !~ '^cofferdam(_|$)'";

/// Only somebody who is alone on the server may take this for the work of one statement.
const WAL: &str =
    "SELECT (pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8";

/// The modes from the weakest to the strongest, as `pg_locks` and as people write them.
const MODES: &[(&str, &str)] = &[
    ("AccessShareLock", "ACCESS SHARE"),
    ("RowShareLock", "ROW SHARE"),
    ("RowExclusiveLock", "ROW EXCLUSIVE"),
    ("ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE"),
    ("ShareLock", "SHARE"),
    ("ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE"),
    ("ExclusiveLock", "EXCLUSIVE"),
    ("AccessExclusiveLock", "ACCESS EXCLUSIVE"),
];

/// One relation at one moment.
#[derive(Debug, Clone)]
struct Relation {
    name: String,
    kind: String,
    file: u32,
    read: i64,
    /// The strongest lock of the session, from 1; 0: none.
    lock: usize,
}

/// All relations at one moment, and where the log is.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Look {
    relations: BTreeMap<u32, Relation>,
    wal: Option<i64>,
}

/// Looks, for the backend `pid`. `wal`: nobody else writes to the server.
pub(super) async fn look(client: &Client, pid: i32, wal: bool) -> Result<Look> {
    let fault = |e| errors::fault(e, "looking at what a statement does");
    let rows = client.query_typed(LOOK, &[(&pid, Type::INT4)]).await.map_err(fault)?;
    let relations = rows
        .iter()
        .map(|row| {
            let modes: Option<Vec<String>> = row.cell(5)?;
            let strongest = modes.iter().flatten().map(|mode| rank(mode)).max().unwrap_or(0);
            let relation = Relation {
                name: row.cell(1)?,
                kind: row.cell(2)?,
                file: row.cell(3)?,
                read: row.cell(4)?,
                lock: strongest,
            };
            Ok((row.cell(0)?, relation))
        })
        .collect::<Result<_>>()?;
    let wal = match wal {
        true => client.query_typed(WAL, &[]).await.map_err(fault)?.first_cell()?,
        false => None,
    };
    Ok(Look { relations, wal })
}

fn rank(mode: &str) -> usize {
    MODES.iter().position(|(name, _)| *name == mode).map_or(0, |place| place + 1)
}

fn word(lock: usize) -> String {
    lock.checked_sub(1)
        .and_then(|place| MODES.get(place))
        .map(|(_, word)| (*word).to_owned())
        .unwrap_or_default()
}

impl Look {
    /// What happened between the two to what was there at the first.
    pub(super) fn until(&self, after: &Look) -> Deed {
        let mut deed = Deed { locks_seen: true, ..Deed::default() };
        for (oid, was) in &self.relations {
            let Some(is) = after.relations.get(oid) else {
                // It is dropped, which nothing less than this allows.
                deed.locks.push((was.name.clone(), word(MODES.len())));
                continue;
            };
            // That a table is looked into is felt by nobody but those who want all of it.
            if is.lock > was.lock && is.lock > 1 {
                deed.locks.push((was.name.clone(), word(is.lock)));
            } else if is.lock > 1 {
                deed.held.push((was.name.clone(), word(is.lock)));
            }
            let holds_rows = matches!(was.kind.as_str(), "r" | "m" | "i");
            if holds_rows && was.file != is.file {
                deed.rewritten.push(was.name.clone());
            }
            let read = u64::try_from(is.read - was.read).unwrap_or(0);
            if read > 0 {
                deed.read.push((was.name.clone(), read));
            }
        }
        deed.wal_bytes = match (self.wal, after.wal) {
            (Some(before), Some(after)) => u64::try_from(after - before).ok(),
            _ => None,
        };
        [&mut deed.locks, &mut deed.held].into_iter().for_each(|locks| locks.sort());
        deed.rewritten.sort();
        deed
    }

    /// With the strongest lock of either on each relation, where locks were looked at from outside, too.
    pub(super) fn with_locks_of(mut self, other: &Look) -> Self {
        for (oid, relation) in &mut self.relations {
            relation.lock = relation.lock.max(other.relations.get(oid).map_or(0, |seen| seen.lock));
        }
        self
    }

    /// The session holds, or waits for, a lock that anybody feels.
    pub(super) fn locks_anything(&self) -> bool {
        self.relations.values().any(|relation| relation.lock > 2)
    }

    /// The tables, for a query.
    pub(super) fn tables(&self) -> Vec<u32> {
        let tables =
            self.relations.iter().filter(|(_, relation)| matches!(relation.kind.as_str(), "r" | "p"));
        tables.map(|(oid, _)| *oid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(relations: &[(u32, &str, &str, u32, i64, &str)], wal: i64) -> Look {
        let relation = |&(oid, name, kind, file, read, mode): &(u32, &str, &str, u32, i64, &str)| {
            (oid, Relation { name: name.into(), kind: kind.into(), file, read, lock: rank(mode) })
        };
        Look { relations: relations.iter().map(relation).collect(), wal: Some(wal) }
    }

    #[test]
    fn only_what_is_new_counts_and_only_of_what_was_there() {
        let before = look(
            &[
                (1, "public.t", "r", 10, 5, "AccessExclusiveLock"),
                (2, "public.u", "r", 20, 0, ""),
                (3, "public.u_pkey", "i", 30, 0, ""),
                (4, "public.gone", "r", 40, 0, ""),
                (5, "public.seen", "r", 50, 0, ""),
            ],
            100,
        );
        let after = look(
            &[
                (1, "public.t", "r", 10, 5, "AccessExclusiveLock"),
                (2, "public.u", "r", 21, 7, "ShareLock"),
                (3, "public.u_pkey", "i", 31, 0, "AccessExclusiveLock"),
                (5, "public.seen", "r", 50, 0, "AccessShareLock"),
                (9, "public.new", "r", 90, 0, "AccessExclusiveLock"),
            ],
            350,
        );
        let deed = before.until(&after);
        let lock = |name: &str, word: &str| (name.to_owned(), word.to_owned());
        assert_eq!(
            deed.locks,
            [
                lock("public.gone", "ACCESS EXCLUSIVE"),
                lock("public.u", "SHARE"),
                lock("public.u_pkey", "ACCESS EXCLUSIVE")
            ]
        );
        assert_eq!(deed.held, [lock("public.t", "ACCESS EXCLUSIVE")]);
        assert_eq!(deed.rewritten, ["public.u", "public.u_pkey"]);
        assert_eq!(deed.read, [("public.u".to_owned(), 7)]);
        assert_eq!(deed.wal_bytes, Some(250));
    }
}
