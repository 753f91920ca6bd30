//! Rows into a new table, or into one that is there.
//!
//! These servers commit by themselves when a table is made. So the rows come into a table beside, under a name of our own;
//! once its sum is that which was saved, it gets the name that was asked for, or its rows take the places of others in
//! one transaction. What a restore that died left beside is dropped by the next one.

use mysql_async::Value;

use cofferdam_core::backup::{Shape, Sum};
use cofferdam_core::fault::Result;
use cofferdam_core::plan::sha256_hex;
use cofferdam_core::{Code, Name, Refusal, failpoint};

use super::super::link::{self, Link};
use super::super::tables::PREFIX;
use super::super::{claim, errors};
use super::lines::Lines;
use super::{columns, fill, refuse_other_encoding, run, shape, sum_of};
use crate::copy::{Existing, Rows, in_the_way, not_as_saved, other_columns};

/// A table of this name is there, or a view.
const THERE: u16 = 1050;

/// See [`crate::copy::Copier::restore`].
pub(super) async fn restore(
    link: &mut Link,
    shape: &Shape,
    rows: Rows,
    (into, existing): (&Name, Existing),
    expected: &Sum,
) -> Result<()> {
    refuse_other_encoding(shape)?;
    let lock = claim::lock_name(&into.to_string(), "restore");
    if !claim::try_lock(link, &lock).await? {
        return Err(Refusal::new(Code::RestoreRefused, format!("{into} is being restored by somebody else"))
            .help("wait for that to end, and look what is there then")
            .into());
    }
    let restored = under_lock(link, shape, rows, (into, existing), expected).await;
    let unlocked = claim::unlock(link, &lock).await;
    restored.and(unlocked)
}

async fn under_lock(
    link: &mut Link,
    shape: &Shape,
    rows: Rows,
    (into, existing): (&Name, Existing),
    expected: &Sum,
) -> Result<()> {
    let doing = format!("restoring {into}");
    let there = exists(link, into).await?;
    match (there, existing) {
        (true, Existing::Refuse) => return Err(in_the_way(into, "DATABASE").into()),
        (true, Existing::Replace) => drop(fits(link, shape, into).await?),
        (false, _) => {}
    }
    let number = &sha256_hex(into.to_string().as_bytes())[..16];
    let beside = into.beside(format!("{PREFIX}restore_{number}")).to_mysql()?;
    let drop_beside = format!("DROP TABLE IF EXISTS {beside}");
    run(link, &drop_beside, &doing).await?;
    let brought = async {
        run(link, &format!("CREATE TABLE {beside} {}", shape::definition(shape, None, true)?), &doing)
            .await?;
        let mut lines = Lines::new(rows);
        loop {
            run(link, "START TRANSACTION", &doing).await?;
            let more = fill::fill(link, &beside, shape, &mut lines, &doing).await?;
            run(link, "COMMIT", &doing).await?;
            if !more {
                break;
            }
        }
        saved(link, &beside, shape, into, expected).await?;
        if failpoint::hit("backup.beside") {
            return Err(errors::lost("backup.beside"));
        }
        if there {
            replace(link, shape, &beside, into, expected, &doing).await
        } else {
            let rename = format!("RENAME TABLE {beside} TO {}", into.to_mysql()?);
            match link.run(&rename).await {
                Err(e) if errors::code(&e) == Some(THERE) => Err(in_the_way(into, "DATABASE").into()),
                renamed => renamed.map(drop).map_err(|e| errors::fault(e, &doing)),
            }
        }
    }
    .await;
    if brought.is_err() {
        let _ = link.run("ROLLBACK").await;
    }
    let dropped = run(link, &drop_beside, &doing).await;
    brought.and(dropped)
}

/// What is there is what was saved.
async fn saved(link: &mut Link, from: &str, shape: &Shape, into: &Name, expected: &Sum) -> Result<()> {
    let sum = sum_of(link, from, shape).await?;
    if sum == *expected {
        return Ok(());
    }
    Err(not_as_saved(into, &sum, expected)
        .help("nothing was changed; cofferdam backup verify says whether the backup is whole")
        .into())
}

/// In one transaction. Rows of other tables are never deleted along: checks of foreign keys, and what follows from them,
/// are off while rows go, and on while rows come.
async fn replace(
    link: &mut Link,
    shape: &Shape,
    beside: &str,
    into: &Name,
    expected: &Sum,
    doing: &str,
) -> Result<()> {
    let name = into.to_mysql()?;
    run(link, "START TRANSACTION", doing).await?;
    // Again, and now nobody changes it any more.
    let stored = fits(link, shape, into).await?;
    let columns = columns::names(shape, |column| stored.contains(&column.name))?;
    run(link, "SET SESSION foreign_key_checks = 0", doing).await?;
    let deleted = run(link, &format!("DELETE FROM {name}"), doing).await;
    run(link, "SET SESSION foreign_key_checks = 1", doing).await?;
    deleted?;
    run(link, &format!("INSERT INTO {name} ({columns}) SELECT {columns} FROM {beside}"), doing).await?;
    saved(link, &name, shape, into, expected).await?;
    if failpoint::hit("backup.replaced") {
        return Err(errors::lost("backup.replaced"));
    }
    run(link, "COMMIT", doing).await
}

/// Refuses a table whose rows cannot be replaced by these. Gives the columns that are to be written.
async fn fits(link: &mut Link, shape: &Shape, into: &Name) -> Result<Vec<String>> {
    let Some(there) = shape::shape(link, into).await? else {
        return Err(other_columns(into, "DATABASE", "it is gone").into());
    };
    for column in &there.columns {
        match shape.columns.iter().find(|saved| saved.name == column.name) {
            None if column.generated => {}
            None => {
                return Err(other_columns(
                    into,
                    "DATABASE",
                    &format!("{} is not in the backup", column.name),
                )
                .into());
            }
            Some(saved) if columns::same_type(saved, column) => {}
            Some(_) => {
                return Err(
                    other_columns(into, "DATABASE", &format!("{} has another type", column.name)).into()
                );
            }
        }
    }
    let missing = |saved: &&cofferdam_core::backup::ColumnShape| {
        !there.columns.iter().any(|column| column.name == saved.name)
    };
    if let Some(gone) = shape.columns.iter().find(missing) {
        return Err(other_columns(into, "DATABASE", &format!("{into} has no column {}", gone.name)).into());
    }
    let sql = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS
               WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ?";
    let triggers = shape::ask(link, sql, place(into)).await?;
    if let Some(row) = triggers.first() {
        let trigger = link::text(row, 0).unwrap_or_default();
        return Err(
            kept(into, &format!("the trigger {trigger} would be carried out for each of them")).into()
        );
    }
    if let Some((child, _)) = shape::children(link, into).await?.first() {
        return Err(kept(into, &format!("a foreign key of {child} leads to it")).into());
    }
    let stored = there.columns.into_iter().filter(|column| !column.generated);
    Ok(stored.map(|column| column.name).collect())
}

fn place(table: &Name) -> Vec<Value> {
    vec![table.schema.as_deref().unwrap_or_default().into(), table.name.as_str().into()]
}

async fn exists(link: &mut Link, name: &Name) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let rows = shape::ask(link, sql, place(name)).await?;
    Ok(rows.first().and_then(|row| link::number(row, 0)).is_some_and(|n| n > 0))
}

fn kept(into: &Name, cause: &str) -> Refusal {
    Refusal::new(Code::RestoreRefused, format!("the rows of {into} cannot be replaced"))
        .cause(cause)
        .help("--into DATABASE restores into a new table beside it")
}
