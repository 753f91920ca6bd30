//! What an `ALTER TABLE` does with partitions.

use cofferdam_core::Name;
use cofferdam_core::change::{MySqlClause, PartitionAction};

use super::Read;
use super::cursor::Cursor;

/// A clause about partitions, or `None` where none begins here.
pub(super) fn clause(cursor: &mut Cursor<'_>) -> Read<Option<MySqlClause>> {
    use PartitionAction::*;
    if cursor.eat(&["partition", "by"]) {
        // The rest of the statement is the partitions.
        cursor.skip_all();
        return Ok(found(By, Vec::new(), None));
    }
    if cursor.eat(&["remove", "partitioning"]) {
        return Ok(found(Remove, Vec::new(), None));
    }
    let convert = cursor.eat(&["convert", "partition"]);
    if convert || cursor.sees(&["convert", "table"]) {
        return convert_clause(cursor, convert).map(Some);
    }
    let actions = [
        ("add", Add),
        ("drop", Drop),
        ("truncate", Truncate),
        ("coalesce", Coalesce),
        ("reorganize", Reorganize),
        ("exchange", Exchange),
        ("analyze", Analyze),
        ("check", Check),
        ("optimize", Optimize),
        ("rebuild", Rebuild),
        ("repair", Repair),
        ("discard", Discard),
        ("import", Import),
    ];
    let Some((_, action)) = actions.into_iter().find(|(word, _)| cursor.eat(&[word, "partition"])) else {
        return Ok(None);
    };
    cursor.eat_one(&["no_write_to_binlog", "local"]);
    match action {
        Add => {
            cursor.if_not_exists();
            cursor.eat(&["no_write_to_binlog"]);
            definitions_or_count(cursor)?;
            Ok(found(Add, Vec::new(), None))
        }
        Coalesce => {
            cursor.next();
            Ok(found(Coalesce, Vec::new(), None))
        }
        Exchange => {
            let partition = cursor.plain()?;
            cursor.expect(&["with", "table"])?;
            let table = cursor.name()?;
            let _ = cursor.eat(&["with", "validation"]) || cursor.eat(&["without", "validation"]);
            Ok(found(Exchange, vec![partition], Some(table)))
        }
        Reorganize => {
            let names =
                if cursor.sees(&["into"]) || cursor.at_end() { Vec::new() } else { cursor.plains()? };
            if cursor.eat(&["into"]) {
                cursor.parentheses()?;
            }
            Ok(found(Reorganize, names, None))
        }
        _ => {
            cursor.if_exists();
            let names = if cursor.eat(&["all"]) { Vec::new() } else { cursor.plains()? };
            if matches!(action, Discard | Import) {
                cursor.expect(&["tablespace"])?;
            }
            // Words of CHECK and REPAIR.
            cursor.eat_all(&["quick", "fast", "medium", "extended", "changed", "use_frm", "for", "upgrade"]);
            Ok(found(action, names, None))
        }
    }
}

fn found(action: PartitionAction, names: Vec<String>, table: Option<Name>) -> Option<MySqlClause> {
    Some(MySqlClause::Partition { action, names, table })
}

/// `(PARTITION p ...)`, `PARTITIONS 4`, or MariaDB's bare `p ...`.
fn definitions_or_count(cursor: &mut Cursor<'_>) -> Read<()> {
    if cursor.eat(&["partitions"]) {
        cursor.next();
        Ok(())
    } else {
        cursor.parentheses().map(drop)
    }
}

/// `CONVERT PARTITION p TO TABLE t`, `CONVERT TABLE t TO PARTITION p ...`.
fn convert_clause(cursor: &mut Cursor<'_>, from_partition: bool) -> Read<MySqlClause> {
    let (table, names) = if from_partition {
        let partition = cursor.plain()?;
        cursor.expect(&["to", "table"])?;
        (cursor.name()?, vec![partition])
    } else {
        cursor.expect(&["convert", "table"])?;
        let table = cursor.name()?;
        cursor.expect(&["to", "partition"])?;
        (table, vec![cursor.plain()?])
    };
    cursor.skip_clause()?;
    Ok(MySqlClause::Partition { action: PartitionAction::Convert, names, table: Some(table) })
}
