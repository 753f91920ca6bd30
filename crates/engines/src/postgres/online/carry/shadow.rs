//! The statements that make a table like the one that was read, elsewhere, while nobody uses it. They make the empty
//! copy on which the clauses are tried, and the shadow table.

use cofferdam_core::fault::Result;

use super::catalog::{comment, ident, qualified};
use super::grants::{self, By, Grantee};
use super::indexes::Index;
use super::reading::Reading;

/// Where, and in what surroundings.
pub(super) struct Place<'a> {
    pub(super) schema: &'a str,
    /// To whom default privileges give something at once, of tables and of sequences.
    pub(super) leaked: &'a [Grantee],
    pub(super) leaked_sequences: &'a [Grantee],
    /// Who makes it.
    pub(super) user: &'a str,
}

impl Place<'_> {
    /// The table there, quoted.
    pub(super) fn table(&self, reading: &Reading) -> Result<String> {
        qualified(self.schema, &reading.table.name)
    }
}

/// The table with its columns and the CHECK constraints that all rows hold: no index, no trigger, no foreign key.
pub(super) fn create(of: &Reading, place: &Place<'_>) -> Result<Vec<String>> {
    let table = place.table(of)?;
    let schema = ident(place.schema)?;
    let mut out = vec![format!("CREATE SCHEMA {schema}")];
    let foreign_owner = of.table.owner != place.user;
    let owner = ident(&of.table.owner)?;
    if foreign_owner {
        out.push(format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner}"));
    }
    let added = || of.sequences.iter().filter(|s| !s.identity && s.schema == place.schema);
    for sequence in added() {
        out.push(sequence.create(place.schema)?);
    }
    let mut lines = Vec::new();
    for column in &of.columns {
        let identity = of.sequences.iter().find(|s| s.identity && s.column == column.name);
        let identity = identity.map(|s| s.options(place.schema)).transpose()?;
        lines.push(column.definition(identity.as_deref())?);
    }
    let unlogged = if of.table.persistence == "u" { "UNLOGGED " } else { "" };
    out.push(format!("CREATE {unlogged}TABLE {table} ({}){}", lines.join(", "), of.table.storage()?));
    let mut alter = Vec::new();
    for column in &of.columns {
        alter.extend(column.adjustments()?);
    }
    for check in of.checks.iter().filter(|c| c.valid) {
        alter.push(check.add()?);
    }
    match of.table.replica_identity.as_str() {
        "f" => alter.push("REPLICA IDENTITY FULL".into()),
        "n" => alter.push("REPLICA IDENTITY NOTHING".into()),
        _ => {}
    }
    if foreign_owner {
        alter.push(format!("OWNER TO {owner}"));
    }
    if !alter.is_empty() {
        out.push(format!("ALTER TABLE {table} {}", alter.join(", ")));
    }
    for sequence in added() {
        if foreign_owner {
            out.push(format!("ALTER SEQUENCE {} OWNER TO {owner}", qualified(place.schema, &sequence.name)?));
        }
        out.push(sequence.own(place.schema, &table)?);
    }
    for sequence in of.sequences.iter().filter(|s| s.identity || s.schema == place.schema) {
        out.extend(sequence.finish(place.schema, place.leaked_sequences)?);
    }
    out.extend(rights(of, &table, place.leaked)?);
    comments(of, &table, &mut out)?;
    Ok(out)
}

/// Who may do what with it.
fn rights(of: &Reading, table: &str, leaked: &[Grantee]) -> Result<Vec<String>> {
    let object = format!("TABLE {table}");
    let owner = &of.table.owner;
    let mut out = grants::reset(&object, owner, of.table.acl.as_deref(), leaked)?;
    out.extend(granted(of, table, By::Owner)?);
    Ok(out)
}

/// The grants that these roles made, on the table and on its columns.
pub(super) fn granted(of: &Reading, table: &str, by: By) -> Result<Vec<String>> {
    let object = format!("TABLE {table}");
    let owner = &of.table.owner;
    let mut out = grants::grant(&object, None, owner, of.table.acl.as_deref().unwrap_or_default(), by)?;
    for column in &of.columns {
        let name = ident(&column.name)?;
        out.extend(grants::grant(
            &object,
            Some(&name),
            owner,
            column.acl.as_deref().unwrap_or_default(),
            by,
        )?);
    }
    Ok(out)
}

fn comments(of: &Reading, table: &str, out: &mut Vec<String>) -> Result<()> {
    comment(out, &format!("TABLE {table}"), of.table.comment.as_deref())?;
    for column in &of.columns {
        comment(out, &format!("COLUMN {table}.{}", ident(&column.name)?), column.comment.as_deref())?;
        if let Some(name) = column.not_null_name.as_ref().filter(|_| column.not_null_valid) {
            let on = format!("CONSTRAINT {} ON {table}", ident(name)?);
            comment(out, &on, column.not_null_comment.as_deref())?;
        }
    }
    of.checks.iter().filter(|c| c.valid).try_for_each(|c| c.comments(out, table))
}

/// Its indexes, but for the one of this name.
pub(super) fn indexes(of: &Reading, place: &Place<'_>, but: Option<&str>) -> Result<Vec<String>> {
    let table = place.table(of)?;
    let wanted = of.indexes.iter().filter(|i| Some(i.name.as_str()) != but);
    Ok(wanted.map(|i| i.create(&table)).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// What follows the indexes: their constraints, statistics objects, and triggers that do not fire yet.
pub(super) fn constraints(of: &Reading, place: &Place<'_>) -> Result<Vec<String>> {
    let table = place.table(of)?;
    let mut out = Vec::new();
    let mut sorted: Vec<&Index> = of.indexes.iter().collect();
    sorted.sort_by_key(|i| !i.primary);
    for index in sorted {
        out.extend(index.finish(place.schema, &table)?);
    }
    for statistics in &of.statistics {
        out.extend(statistics.create(place.schema, &of.table.printed, &table)?);
    }
    for trigger in &of.triggers {
        out.extend(trigger.create(&of.table.printed, &table)?);
    }
    Ok(out)
}
