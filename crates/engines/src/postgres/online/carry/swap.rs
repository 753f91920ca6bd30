//! The statements of the swap and of the swap back. Both are the same exchange of two tables with their roles turned
//! round: one leaves the schema in which the application looks for it, the other one arrives there.

use cofferdam_core::fault::Result;

use super::catalog::{comment, ident, qualified};
use super::grants::By;
use super::reading::Reading;
use super::sequences::Sequence;
use super::shadow::granted;

/// One of the two tables.
pub(super) struct Side<'a> {
    pub(super) of: &'a Reading,
    /// The schema in which it is while the other one is in use.
    pub(super) apart: &'a str,
    /// It was made by the change: what can only be on a table in use comes and goes with each swap.
    pub(super) made: bool,
}

/// The statements that put `arriving` in the place of `leaving`. `original`: the table as it was first.
pub(super) fn exchange(leaving: &Side<'_>, arriving: &Side<'_>, original: &Reading) -> Result<Vec<String>> {
    let home = &original.table.schema;
    let table = qualified(home, &original.table.name)?;
    // What rows that were written in this transaction still have to hold is checked now: the server alters no table
    // for which such checks are due.
    let mut out = vec!["SET CONSTRAINTS ALL IMMEDIATE".to_owned()];
    leave(leaving, &table, &mut out)?;
    for (serial, _) in shared(leaving, arriving) {
        out.push(serial.disown()?);
    }
    out.push(format!("ALTER TABLE {table} SET SCHEMA {}", ident(leaving.apart)?));
    let other = qualified(arriving.apart, &original.table.name)?;
    out.push(format!("ALTER TABLE {other} SET SCHEMA {}", ident(home)?));
    for statistics in &original.statistics {
        let is_on = |side: &Side<'_>| side.of.statistics.iter().any(|s| s.name == statistics.name);
        if is_on(leaving) {
            out.push(statistics.move_to(&statistics.schema, leaving.apart)?);
        }
        if is_on(arriving) {
            out.push(statistics.move_to(arriving.apart, &statistics.schema)?);
        }
    }
    for (_, serial) in shared(leaving, arriving) {
        out.push(serial.own(home, &table)?);
    }
    for sequence in arriving.of.sequences.iter().filter(|s| s.identity) {
        let theirs = leaving.of.sequences.iter().find(|s| s.identity && s.column == sequence.column);
        if let Some(theirs) = theirs {
            out.push(sequence.go_on(home, theirs, leaving.apart)?);
        }
    }
    arrive(arriving, &table, &mut out)?;
    elsewhere(original, &mut out)?;
    Ok(out)
}

/// Sequences of serial columns that both tables use.
fn shared<'a>(leaving: &Side<'a>, arriving: &Side<'a>) -> impl Iterator<Item = (&'a Sequence, &'a Sequence)> {
    let ours = &arriving.of.sequences;
    leaving
        .of
        .sequences
        .iter()
        .filter(|s| !s.identity)
        .filter_map(move |s| ours.iter().find(|o| !o.identity && o.oid == s.oid).map(|o| (s, o)))
}

/// It stops to act: no trigger fires when it is kept in sync, nobody refers to it, it refers to nobody.
fn leave(side: &Side<'_>, table: &str, out: &mut Vec<String>) -> Result<()> {
    let mut alter = Vec::new();
    for trigger in &side.of.triggers {
        if trigger.enable()?.is_some() {
            alter.push(trigger.disable()?);
        }
    }
    for key in side.of.references() {
        alter.push(key.remove()?);
    }
    if side.made {
        for check in side.of.checks.iter().filter(|c| !c.valid) {
            alter.push(format!("DROP CONSTRAINT {}", ident(&check.name)?));
        }
        for name in late_not_nulls(side.of).filter_map(|c| c.not_null_name.as_ref()) {
            alter.push(format!("DROP CONSTRAINT {}", ident(name)?));
        }
    }
    if side.of.table.force_row_security {
        alter.push("NO FORCE ROW LEVEL SECURITY".into());
    }
    if side.of.table.row_security {
        alter.push("DISABLE ROW LEVEL SECURITY".into());
    }
    if !alter.is_empty() {
        out.push(format!("ALTER TABLE {table} {}", alter.join(", ")));
    }
    for key in side.of.referrers() {
        out.push(format!("ALTER TABLE ONLY {} {}", key.child_printed, key.remove()?));
    }
    for publication in &side.of.publications {
        out.push(publication.remove(table)?);
    }
    if side.made {
        for policy in &side.of.policies {
            out.push(policy.remove(table)?);
        }
    }
    Ok(())
}

/// NOT NULL constraints that do not hold for all rows.
fn late_not_nulls(of: &Reading) -> impl Iterator<Item = &super::columns::Column> {
    of.columns.iter().filter(|c| c.not_null && !c.not_null_valid)
}

/// It begins to act.
fn arrive(side: &Side<'_>, table: &str, out: &mut Vec<String>) -> Result<()> {
    let mut alter = Vec::new();
    for key in side.of.references() {
        alter.push(key.add(&key.parent_printed)?);
    }
    if side.made {
        for check in side.of.checks.iter().filter(|c| !c.valid) {
            alter.push(check.add()?);
        }
        for column in late_not_nulls(side.of) {
            if let Some(name) = &column.not_null_name {
                let (name, column) = (ident(name)?, ident(&column.name)?);
                alter.push(format!("ADD CONSTRAINT {name} NOT NULL {column} NOT VALID"));
            }
        }
    }
    for trigger in &side.of.triggers {
        alter.extend(trigger.enable()?);
    }
    if side.of.table.row_security {
        alter.push("ENABLE ROW LEVEL SECURITY".into());
    }
    if side.of.table.force_row_security {
        alter.push("FORCE ROW LEVEL SECURITY".into());
    }
    if !alter.is_empty() {
        out.push(format!("ALTER TABLE {table} {}", alter.join(", ")));
    }
    for key in side.of.references() {
        key.comments(out, table)?;
    }
    if side.made {
        for check in side.of.checks.iter().filter(|c| !c.valid) {
            check.comments(out, table)?;
        }
        for column in late_not_nulls(side.of) {
            let name = ident(column.not_null_name.as_deref().unwrap_or_default())?;
            comment(out, &format!("CONSTRAINT {name} ON {table}"), column.not_null_comment.as_deref())?;
        }
        for policy in &side.of.policies {
            out.extend(policy.create(table)?);
        }
        out.extend(granted(side.of, table, By::Others)?);
    }
    for key in side.of.referrers() {
        out.push(format!("ALTER TABLE ONLY {} {}", key.child_printed, key.add(table)?));
        key.comments(out, &key.child_printed)?;
    }
    for publication in &side.of.publications {
        out.push(publication.add(table)?);
    }
    Ok(())
}

/// What holds the table by its identity takes the one that bears its name now.
fn elsewhere(original: &Reading, out: &mut Vec<String>) -> Result<()> {
    for function in &original.functions {
        out.push(function.definition.clone());
    }
    for rule in original.readers() {
        out.push(rule.read_anew()?);
    }
    for policy in &original.policies_elsewhere {
        out.push(policy.read_anew()?);
    }
    Ok(())
}

/// Foreign keys that held for all rows before are proved again, one by one.
pub(super) fn settle(arrived: &Reading, table: &str) -> Result<Vec<String>> {
    let own = arrived.references().map(|k| k.validate(table));
    let others = arrived.referrers().map(|k| k.validate(&k.child_printed));
    Ok(own.chain(others).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}
