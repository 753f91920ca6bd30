//! What other processes see and ask of an online change: the tables through which they speak with its runner, beside the
//! tables that are changed.
//!
//! `_cofferdam_online` has one row for each change, from its first part until the end of its last. Only the runner that
//! holds the run lock writes to it:
//!
//! | column | meaning |
//! |---|---|
//! | `id` | `Online::id`: follows from the table's name, so there is one change of a table at a time |
//! | `change` | the `Online` of the plan |
//! | `definition` | of the table that the application writes, as the server prints it; it must not change |
//! | `epoch` | of the runner that may write |
//! | `stage` | the word of the last part that ended, NULL before. The swap is told by the tables themselves: see `Sides` |
//! | `turned_at` | where the server's log ended a moment before the tables changed places |
//! | `progress` | a [`Progress`] |
//! | `poisoned` | why no later try may swap: a comparison failed |
//! | `began_at`, `swapped_at`, `updated_at` | when, UTC |
//!
//! `_cofferdam_control` has at most one row for each change. Any process writes to it, without the run lock; the runner
//! reads it, and deletes it at the first part and with the change.

use mysql_async::Row;

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;

use super::super::link::{self, Link};
use super::super::tables::PREFIX;
use super::super::{errors, names};
use super::state::{rows, run};
use crate::online::{Asked, OnlineState, Progress, no_such_change, part_of};

/// The table of all changes of a database.
pub(super) fn table(database: &str) -> Result<String> {
    Ok(format!("{}.`{PREFIX}online`", names::quoted(database)?))
}

/// The table of what is asked of them.
pub(super) fn control_of(all: &str) -> String {
    all.replace(&format!("{PREFIX}online"), &format!("{PREFIX}control"))
}

/// Makes both, where they are missing. Whoever sees the table of changes reads the other one, too: it is there before.
pub(super) async fn create(link: &mut Link, all: &str) -> Result<()> {
    for sql in creating(all) {
        run(link, &sql, "creating Cofferdam's own tables").await?;
    }
    Ok(())
}

/// What makes them, in this order: each commits by itself.
pub(super) fn creating(all: &str) -> [String; 2] {
    let options = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
    [
        format!(
            "CREATE TABLE IF NOT EXISTS {} (id varchar(64) PRIMARY KEY, paused tinyint NOT NULL DEFAULT 0, \
             cutover tinyint NOT NULL DEFAULT 0, abort tinyint NOT NULL DEFAULT 0, workers int, \
             full_speed tinyint NOT NULL DEFAULT 0, at datetime(6) NOT NULL, `by` text NOT NULL) {options}",
            control_of(all)
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS {all} (id varchar(64) PRIMARY KEY, `change` longtext NOT NULL, \
             definition longtext NOT NULL, epoch bigint NOT NULL, stage varchar(20), turned_at text, progress longtext, \
             poisoned text, began_at datetime(6) NOT NULL, swapped_at datetime(6), updated_at datetime(6) NOT NULL) {options}"
        ),
    ]
}

/// Whether a table is there, by its name in SQL.
pub(super) async fn there(link: &mut Link, table: &str) -> Result<bool> {
    match link.said(&format!("SHOW CREATE TABLE {table}")).await {
        Ok(_) => Ok(true),
        Err(e) if errors::code(&e).is_some_and(|code| errors::NO_TABLE.contains(&code)) => Ok(false),
        Err(e) => Err(errors::fault(e, "looking for the tables of the change")),
    }
}

/// What was asked before is not asked of what comes now.
pub(super) async fn forget_asked(link: &mut Link, all: &str, id: &str) -> Result<()> {
    let sql = format!("DELETE FROM {} WHERE id = '{id}'", control_of(all));
    run(link, &sql, "removing what was asked of the change").await.map(drop)
}

/// See [`crate::Session::online`]. Empty where no online change ever was.
pub(in crate::mysql) async fn states(link: &mut Link, database: &str) -> Result<Vec<OnlineState>> {
    let all = table(database)?;
    if !there(link, &all).await? {
        return Ok(Vec::new());
    }
    let time = |column: &str| format!("DATE_FORMAT(o.{column}, '%Y-%m-%dT%H:%i:%s.%fZ')");
    let sql = format!(
        "SELECT o.id, o.`change`, o.stage, o.progress, o.poisoned, {}, {}, {}, \
                GREATEST(0, TIMESTAMPDIFF(SECOND, o.updated_at, UTC_TIMESTAMP(6))), \
                COALESCE(c.paused, 0), COALESCE(c.cutover, 0), COALESCE(c.abort, 0), c.workers, COALESCE(c.full_speed, 0) \
         FROM {all} o LEFT JOIN {} c ON c.id = o.id ORDER BY o.began_at, o.id",
        time("began_at"),
        time("updated_at"),
        time("swapped_at"),
        control_of(&all),
    );
    rows(link, &sql, "reading the state of online changes").await?.iter().map(state).collect()
}

fn state(row: &Row) -> Result<OnlineState> {
    let text = |at| link::text(row, at);
    let yes = |at| link::number(row, at).is_some_and(|n| n != 0);
    let id = text(0).unwrap_or_default();
    let unreadable = |e: &dyn std::fmt::Display| {
        Fault::Bug(format!("online change {id} was written by another version of Cofferdam: {e}"))
    };
    let change: Online = serde_json::from_str(&text(1).unwrap_or_default()).map_err(|e| unreadable(&e))?;
    let stage = match text(2) {
        None => None,
        Some(word) => Some(part_of(&word).ok_or_else(|| unreadable(&format!("no part is called {word}")))?),
    };
    let progress = match text(3) {
        None => Progress::default(),
        Some(json) => serde_json::from_str(&json).map_err(|e| unreadable(&e))?,
    };
    Ok(OnlineState {
        run: None,
        change,
        stage,
        progress,
        poisoned: text(4),
        began_at: text(5).unwrap_or_default(),
        updated_at: text(6).unwrap_or_default(),
        swapped_at: text(7),
        silent_seconds: link::number(row, 8).and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
        paused: yes(9),
        cutover: yes(10),
        abort: yes(11),
        workers_limit: link::number(row, 12).and_then(|n| u32::try_from(n).ok()),
        full_speed: yes(13),
        id,
    })
}

/// See [`crate::Session::control`].
pub(in crate::mysql) async fn control(
    link: &mut Link,
    database: &str,
    id: &str,
    asked: &Asked,
    by: &str,
) -> Result<()> {
    let (column, value) = match asked {
        Asked::Pause => ("paused", "1".to_owned()),
        Asked::Resume => ("paused", "0".to_owned()),
        Asked::Cutover => ("cutover", "1".to_owned()),
        Asked::Abort => ("abort", "1".to_owned()),
        Asked::Throttle { workers: 0 } => ("workers", "NULL".to_owned()),
        Asked::Throttle { workers } => ("workers", workers.to_string()),
        Asked::Pace { full } => ("full_speed", u8::from(*full).to_string()),
    };
    let (all, doing) = (table(database)?, "writing down what is asked of the change");
    let literal = names::literal(id);
    let look = format!("SELECT 1 FROM {all} WHERE id = {literal}");
    if !there(link, &all).await? || rows(link, &look, doing).await?.is_empty() {
        return Err(no_such_change(id).into());
    }
    let sql = format!(
        "INSERT INTO {} (id, {column}, at, `by`) VALUES ({literal}, {value}, UTC_TIMESTAMP(6), {}) \
         ON DUPLICATE KEY UPDATE {column} = {value}, at = UTC_TIMESTAMP(6), `by` = {}",
        control_of(&all),
        names::literal(by),
        names::literal(by)
    );
    run(link, &sql, doing).await.map(drop)
}
