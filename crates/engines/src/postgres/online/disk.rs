//! How much disk the server has left, where that can be seen from here: no SQL tells it.

use std::path::PathBuf;

use tokio_postgres::Client;

use cofferdam_core::Name;
use cofferdam_core::facts;
use cofferdam_core::fault::Result;

use super::worker;
use crate::disk::{Space, space};
use crate::postgres::cells::AnswerCells;
use crate::postgres::errors;

/// A new table with its indexes, and what is logged meanwhile, needs so many times what the old one has.
const NEEDED: f64 = 1.2;
/// Less than this is not worth a word.
const SMALL: u64 = 64 << 20;
/// While a change is at work, so much of the disk is left to others: a fiftieth of it, within these bounds. Nothing is
/// copied where less is free; and with a quarter of it the change is given up, because a server that cannot write its
/// log stops.
const RESERVE: std::ops::RangeInclusive<u64> = (64 << 20)..=(2 << 30);

/// What is known before the change.
#[derive(Debug, PartialEq)]
pub(super) enum Room {
    /// There is enough, or the table is small.
    Enough,
    /// There is too little; the reason to refuse, for people.
    Short(String),
    /// It cannot be seen; what a person should know.
    Unseen(String),
}

/// What is free while a change is at work.
#[derive(Debug, PartialEq)]
pub(super) enum Left {
    /// Enough, or it cannot be seen.
    Enough,
    /// So little that nothing should be added; for people.
    Low(String),
    /// So little that what was added should go; for people.
    Out(String),
}

/// How much disk is left where the table with this OID is.
pub(super) async fn left(client: &Client, table: u32) -> Result<Left> {
    let folder = folder(client, table).await?;
    Ok(folder.and_then(|folder| space(&folder).map(|space| (folder, space))).map_or(
        Left::Enough,
        |(folder, space)| {
            let said = format!("{} of disk are free in {}", shown(space.free), folder.display());
            judged_now(&space, said)
        },
    ))
}

fn judged_now(space: &Space, said: String) -> Left {
    let reserve = (space.total / 50).clamp(*RESERVE.start(), *RESERVE.end());
    match space.free {
        free if free < reserve / 4 => Left::Out(said),
        free if free < reserve => Left::Low(format!("only {said}")),
        _ => Left::Enough,
    }
}

/// See [`crate::Session::room`].
pub(in crate::postgres) async fn rooms(client: &Client, of: &[Name]) -> Result<Vec<facts::Room>> {
    let mut wanted = Vec::new();
    for name in of {
        let sql = name.to_sql()?;
        let query = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
        let rows = client
            .query_typed(query, &[(&sql, tokio_postgres::types::Type::TEXT)])
            .await
            .map_err(|e| errors::fault(e, "looking where a table is"))?;
        wanted.extend(rows.first_cell::<Option<u32>>()?.flatten());
    }
    // Where the database itself is: that of its catalog.
    wanted.push(1259);
    let mut rooms: Vec<facts::Room> = Vec::new();
    for oid in wanted {
        let Some(folder) = folder(client, oid).await? else { return Ok(Vec::new()) };
        let Some(space) = space(&folder) else { return Ok(Vec::new()) };
        let room = facts::Room { folder: folder.display().to_string(), free: space.free, total: space.total };
        if !rooms.iter().any(|known| known.folder == room.folder) {
            rooms.push(room);
        }
    }
    Ok(rooms)
}

/// Whether a copy of the table with this OID and so many bytes fits.
pub(super) async fn room(client: &Client, table: u32, bytes: u64) -> Result<Room> {
    let free = match folder(client, table).await? {
        Some(folder) => space(&folder).map(|space| (folder, space.free)),
        None => None,
    };
    Ok(judged(bytes, free))
}

fn judged(bytes: u64, free: Option<(PathBuf, u64)>) -> Room {
    let needed = (bytes as f64 * NEEDED) as u64;
    match free {
        _ if needed < SMALL && free.as_ref().is_none_or(|(_, free)| *free > needed) => Room::Enough,
        None => Room::Unseen(format!(
            "about {} of disk are needed until the old table is dropped; how much is free cannot be seen from here",
            shown(needed)
        )),
        Some((_, free)) if free > needed => Room::Enough,
        Some((folder, free)) => Room::Short(format!(
            "there is not enough disk: about {} are needed for the new table, {} are free in {}: make room there first",
            shown(needed),
            shown(free),
            folder.display()
        )),
    }
}

/// Where the server keeps the table, if the server is on this machine and says it: superusers and members of
/// `pg_read_all_settings` are told.
async fn folder(client: &Client, table: u32) -> Result<Option<PathBuf>> {
    let query = format!(
        "SELECT CASE WHEN pg_catalog.pg_tablespace_location(space) <> '' THEN pg_catalog.pg_tablespace_location(space)
                     WHEN pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'usage')
                     THEN pg_catalog.current_setting('data_directory') END
         FROM (SELECT CASE reltablespace WHEN 0 THEN
                 (SELECT dattablespace FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
                 ELSE reltablespace END AS space FROM pg_catalog.pg_class WHERE oid = {table}) t
         WHERE coalesce(pg_catalog.inet_server_addr() <<= '127.0.0.0/8' OR pg_catalog.inet_server_addr() = '::1', true)"
    );
    let found = worker::value(client, &query, "looking where the table is").await?;
    Ok(found.map(PathBuf::from))
}

fn shown(bytes: u64) -> String {
    match bytes {
        0..=0x3fff_ffff => format!("{} MiB", bytes.div_ceil(1 << 20)),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1u32 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_part_of_the_disk_is_left_to_others() {
        for (total, free, expected) in [
            (50 * GIB, GIB, Left::Enough),
            (50 * GIB, GIB / 2, Left::Low("only x".into())),
            (50 * GIB, GIB / 5, Left::Out("x".into())),
            (1000 * GIB, 2 * GIB, Left::Enough),
            (1000 * GIB, GIB, Left::Low("only x".into())),
            (GIB / 2, GIB / 8, Left::Enough),
            (GIB / 2, 60 << 20, Left::Low("only x".into())),
            (GIB / 2, 15 << 20, Left::Out("x".into())),
        ] {
            assert_eq!(judged_now(&Space { total, free }, "x".into()), expected, "{free} of {total}");
        }
    }

    #[test]
    fn what_is_needed_and_what_is_there_is_said() {
        let at = |free: u64| Some((PathBuf::from("/data"), free));
        for (bytes, free, expected) in [
            (10 * GIB, at(13 * GIB), Room::Enough),
            (10 << 20, None, Room::Enough),
            (
                10 * GIB,
                at(11 * GIB),
                Room::Short("there is not enough disk: about 12.0 GiB are needed for the new table, 11.0 GiB are free in /data: make room there first".into()),
            ),
            (
                10 << 20,
                at(5 << 20),
                Room::Short("there is not enough disk: about 12 MiB are needed for the new table, 5 MiB are free in /data: make room there first".into()),
            ),
            (
                10 * GIB,
                None,
                Room::Unseen("about 12.0 GiB of disk are needed until the old table is dropped; how much is free cannot be seen from here".into()),
            ),
        ] {
            assert_eq!(judged(bytes, free), expected);
        }
    }
}
