//! The clauses are tried on an empty copy of the table that has all that the table has. What the copy is afterwards is
//! what the new table must be: the server's own answer, and nobody's reading of the clauses.
//!
//! All of it happens in a transaction that is rolled back. On the table itself it holds ACCESS SHARE; tables at the
//! other end of a foreign key have stand-ins, so that they are not locked either.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use cofferdam_core::fault::{Place as At, Result};
use cofferdam_core::{Code, Fault, Online, Refusal, Span};

use super::catalog::{Catalog, ident, literal, qualified};
use super::clauses::Clause;
use super::foreign_keys::ForeignKey;
use super::grants::{Grantee, default_grantees};
use super::mapping::Pairs;
use super::reading::Reading;
use super::sequences::Sequence;
use super::shadow::{self, Place};
use super::words::Words;
use crate::postgres::errors;

/// What came of it.
pub(super) struct Trial {
    /// The table as it must become, read where it was tried, and with the true tables at the other ends of its foreign
    /// keys.
    pub(super) after: Reading,
    pub(super) pairs: Pairs,
    /// The server would write or read all of the table, or of an index, under a lock that stops writers.
    pub(super) rewrites: bool,
    pub(super) obstacles: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) leaked: Vec<Grantee>,
    pub(super) leaked_sequences: Vec<Grantee>,
    pub(super) user: String,
}

/// Makes the copy in `schema`, and tries.
pub(super) async fn run(
    catalog: &Catalog<'_>,
    before: &Reading,
    change: &Online,
    clauses: &[Clause<'_>],
    schema: &str,
) -> Result<Trial> {
    let leaked = catalog.rows(&default_grantees('r'), before.table.oid).await?;
    let leaked_sequences = catalog.rows(&default_grantees('S'), before.table.oid).await?;
    let user = catalog.text("SELECT current_user::text").await?.unwrap_or_default();
    let place = Place { schema, leaked: &leaked, leaked_sequences: &leaked_sequences, user: &user };
    let stand_ins = dress(catalog, before, &place).await?;
    let table = place.table(before)?;
    let oid = catalog.text(&format!("SELECT {}::pg_catalog.regclass::oid::text", literal(&table)?)).await?;
    let oid: u32 =
        oid.and_then(|o| o.parse().ok()).ok_or_else(|| Fault::Bug("the copy has no OID".into()))?;
    let dressed = Reading::of(catalog, oid).await?;

    own_words(catalog, before, schema).await?;
    alter(catalog, before, change, &table).await?;
    catalog.no_path().await?;

    let mut after = Reading::of(catalog, oid).await?;
    let rewrites = rewrites(&dressed, &after);
    let mut obstacles = lost_readers(catalog, before, schema).await?;
    let mut pairs = Pairs { from: lineage(before, &dressed, &after), ..Pairs::default() };
    come_home(before, &mut after, &stand_ins, &pairs)?;
    obstacles.extend(changed_columns_in_use(before, &after, &pairs));
    obstacles.extend(taken_names(catalog, before, &after).await?);
    let mut words = Words::begin(catalog, before, schema).await?;
    words.expressions(change, clauses, &after, &mut pairs).await?;
    words.casts(before, &after, &mut pairs).await?;
    words.try_out(before, &after, &pairs).await?;
    Ok(Trial { after, pairs, rewrites, obstacles, notes: words.notes, leaked, leaked_sequences, user })
}

/// From here on names are the user's, but for the table's own, which means the copy where it meant the table.
async fn own_words(catalog: &Catalog<'_>, before: &Reading, schema: &str) -> Result<()> {
    catalog.own_path().await?;
    let plain = literal(&ident(&before.table.name)?)?;
    let found = catalog.text(&format!("SELECT pg_catalog.to_regclass({plain})::oid::text")).await?;
    if found.and_then(|o| o.parse().ok()) == Some(before.table.oid) {
        let first = literal(&ident(schema)?)?;
        let set = format!(
            "SELECT pg_catalog.set_config('search_path', {first} || ', ' || pg_catalog.current_setting('search_path'), true)"
        );
        catalog.text(&set).await?;
    }
    Ok(())
}

/// The stand-ins, by their quoted names: the tables that they stand for.
type StandIns = BTreeMap<String, (u32, String)>;

/// Makes the copy with all that the table has.
async fn dress(catalog: &Catalog<'_>, before: &Reading, place: &Place<'_>) -> Result<StandIns> {
    let table = place.table(before)?;
    let mut all = shadow::create(before, place)?;
    all.extend(shadow::indexes(before, place, None)?);
    all.extend(shadow::constraints(before, place)?);
    let mut stand_ins = StandIns::new();
    for key in &before.foreign_keys {
        let own = |oid| oid == before.table.oid;
        let child = match own(key.child) {
            true => table.clone(),
            false => {
                let name = qualified(place.schema, &format!("cofferdam child {}", key.child))?;
                if stand_ins.insert(name.clone(), (key.child, key.child_printed.clone())).is_none() {
                    all.push(format!("CREATE TABLE {name} (LIKE {})", key.child_printed));
                }
                name
            }
        };
        let parent = match own(key.parent) {
            true => table.clone(),
            false => {
                let name = qualified(place.schema, &format!("cofferdam parent {}", key.parent))?;
                if stand_ins.insert(name.clone(), (key.parent, key.parent_printed.clone())).is_none() {
                    all.push(format!("CREATE TABLE {name} (LIKE {} INCLUDING INDEXES)", key.parent_printed));
                }
                name
            }
        };
        all.push(format!("ALTER TABLE {child} ADD CONSTRAINT {} {}", ident(&key.name)?, key.to(&parent)?));
    }
    for check in before.checks.iter().filter(|c| !c.valid) {
        all.push(format!("ALTER TABLE {table} {}", check.add()?));
        check.comments(&mut all, &table)?;
    }
    for column in before.columns.iter().filter(|c| c.not_null && !c.not_null_valid) {
        let name = ident(column.not_null_name.as_deref().unwrap_or_default())?;
        let column = ident(&column.name)?;
        all.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} NOT NULL {column} NOT VALID"));
    }
    for policy in &before.policies {
        all.extend(policy.create(&table)?);
    }
    for publication in &before.publications {
        all.push(publication.add(&table)?);
    }
    catalog.run(&all.join(";\n")).await.map_err(|fault| not_copied(fault, before))?;
    views(catalog, before, place).await?;
    Ok(stand_ins)
}

fn not_copied(fault: Fault, before: &Reading) -> Fault {
    match fault {
        Fault::Refused(mut refusal) => {
            let said = refusal.what.rsplit_once(": ").map_or(refusal.what.as_str(), |(_, m)| m).to_owned();
            refusal.what = format!("an empty copy of {} cannot be made: {said}", before.table.printed);
            Fault::Refused(refusal)
        }
        other => other,
    }
}

fn view_name(schema: &str, oid: u32) -> Result<String> {
    qualified(schema, &format!("cofferdam view {oid}"))
}

/// Views that read the copy as those of the table read that: the server refuses what would break them.
async fn views(catalog: &Catalog<'_>, before: &Reading, place: &Place<'_>) -> Result<()> {
    let views: Vec<_> = before.readers().filter(|r| r.is_view && r.kind == "v").collect();
    if views.is_empty() {
        return Ok(());
    }
    // Printed so that the table stands there by its name alone, and read where that is the copy's.
    catalog.path(&[&before.table.schema]).await?;
    let mut all = Vec::new();
    for view in views {
        let query = format!("SELECT pg_catalog.pg_get_viewdef({}::oid)", view.on_oid);
        let definition = catalog.text(&query).await?.unwrap_or_default();
        all.push(format!("CREATE VIEW {} AS {definition}", view_name(place.schema, view.oid)?));
    }
    catalog.path(&[place.schema, &before.table.schema]).await?;
    catalog.run(&all.join("\n")).await.map_err(|fault| not_copied(fault, before))?;
    catalog.no_path().await
}

/// The ALTER itself. What the server says against it is shown at its place in the user's text.
async fn alter(catalog: &Catalog<'_>, before: &Reading, change: &Online, table: &str) -> Result<()> {
    let head = format!("ALTER TABLE {table} ");
    // Not as a simple query: that could hold a second statement.
    let Err(e) = catalog.client.query_typed(&format!("{head}{}", change.clauses), &[]).await else {
        return Ok(());
    };
    let shown = format!("ALTER TABLE {} {}", before.table.printed, change.clauses);
    let position = errors::position(&e);
    let Fault::Refused(mut refusal) = errors::fault(e, "ALTER TABLE") else {
        return Err(Refusal::new(
            Code::LockNotObtained,
            "ALTER TABLE: a table that the clauses name is locked by somebody else",
        )
        .help("run the same command again at a quieter time")
        .into());
    };
    let shift = head.chars().count();
    let own = "ALTER TABLE ".len() + before.table.printed.chars().count() + 1;
    let at = position.map_or(0, |p| (p - 1).saturating_sub(shift) + own);
    let line = shown.chars().take(at).filter(|c| *c == '\n').count() + 1;
    let column =
        shown.chars().take(at).collect::<Vec<_>>().iter().rev().take_while(|c| **c != '\n').count() + 1;
    let start: usize = shown.chars().take(at).map(char::len_utf8).sum();
    let span = Span { start, end: shown.len(), line, column };
    let home = |text: &str| named_home(text, table, before);
    refusal.what = home(&refusal.what);
    refusal.notes = refusal.notes.iter().map(|n| home(n)).collect();
    if refusal.code == Code::StatementFailed || refusal.code == Code::BadIdentifier {
        refusal.code = Code::StatementFailed;
    }
    Err(refusal.at(At::new("ALTER TABLE", shown, span)).into())
}

/// A message of the server's about the copy, as though it were about the table.
fn named_home(text: &str, table: &str, before: &Reading) -> String {
    let schema = table.split('.').next().unwrap_or_default();
    let mut out = text
        .replace(&format!("{schema}."), &format!("{}.", before.table.schema))
        .replace(&format!("{}.", schema.trim_matches('"')), &format!("{}.", before.table.schema));
    for reader in before.readers() {
        let there = format!("\"cofferdam view {}\"", reader.oid);
        out = out
            .replace(&format!("{}.{there}", before.table.schema), &reader.on)
            .replace(&there, &reader.on)
            .replace(there.trim_matches('"'), &reader.on);
    }
    out
}

/// See [`Trial::rewrites`].
fn rewrites(dressed: &Reading, after: &Reading) -> bool {
    let old_files: BTreeSet<_> = dressed.indexes.iter().map(|i| i.file).collect();
    let old_checks: BTreeSet<_> = dressed.checks.iter().filter(|c| c.valid).map(|c| c.oid).collect();
    let old_keys: BTreeSet<_> = dressed.foreign_keys.iter().filter(|k| k.valid).map(|k| k.oid).collect();
    let proved_not_null = |name: &str| {
        let Ok(name) = ident(name) else { return false };
        let bare = name.trim_matches('"').to_owned();
        dressed.checks.iter().any(|c| {
            c.valid && [&name, &bare].iter().any(|n| c.definition == format!("CHECK (({n} IS NOT NULL))"))
        })
    };
    let null_before = |number| dressed.columns.iter().any(|c| c.number == number && !c.not_null);
    dressed.table.file != after.table.file
        || after.indexes.iter().any(|i| !old_files.contains(&i.file))
        || after.checks.iter().any(|c| c.valid && !old_checks.contains(&c.oid))
        || after.foreign_keys.iter().any(|k| k.valid && k.enforced && !old_keys.contains(&k.oid))
        || after
            .columns
            .iter()
            .any(|c| c.not_null && c.not_null_valid && null_before(c.number) && !proved_not_null(&c.name))
}

/// Which column came of which: a column that is dropped and added again under its name is another one.
fn lineage(before: &Reading, dressed: &Reading, after: &Reading) -> BTreeMap<String, String> {
    let old = before.columns.iter().zip(&dressed.columns);
    old.filter_map(|(old, copy)| {
        let new = after.columns.iter().find(|c| c.number == copy.number)?;
        Some((new.name.clone(), old.name.clone()))
    })
    .collect()
}

/// Puts the true tables where stand-ins were, and what the copy was not given because it would act, or could not be
/// given because there is but one of it.
fn come_home(before: &Reading, after: &mut Reading, stand_ins: &StandIns, pairs: &Pairs) -> Result<()> {
    let copy = after.table.oid;
    let find = |printed: &str| {
        stand_ins.iter().find(|(name, _)| name.replace('"', "") == printed.replace('"', "")).map(|(_, t)| t)
    };
    let mut keys: Vec<ForeignKey> = Vec::new();
    for mut key in std::mem::take(&mut after.foreign_keys) {
        let parent = if key.parent == copy || key.parent == before.table.oid {
            Some((copy, before.table.printed.clone()))
        } else {
            find(&key.parent_printed).cloned()
        };
        if let Some((oid, printed)) = parent {
            key.definition = key.to(&printed)?;
            (key.parent, key.parent_printed) = (oid, printed);
        }
        if key.child != copy {
            // Those that clauses elsewhere made cannot be: they are of stand-ins, or of nobody.
            let Some((oid, printed)) = find(&key.child_printed).cloned() else { continue };
            (key.child, key.child_printed) = (oid, printed);
        }
        let was = before.foreign_keys.iter().find(|b| {
            let child = if b.child == before.table.oid { copy } else { b.child };
            b.name == key.name && child == key.child
        });
        keys.push(key.commented_as(was));
    }
    after.foreign_keys = keys;
    let triggers = std::mem::take(&mut after.triggers);
    after.triggers = triggers
        .into_iter()
        .filter_map(|t| {
            let was = before.triggers.iter().find(|b| b.name == t.name)?;
            Some(t.firing_as(was))
        })
        .collect();
    after.table.row_security = before.table.row_security;
    after.table.force_row_security = before.table.force_row_security;
    after.table.acl.clone_from(&before.table.acl);
    for new in &mut after.columns {
        let old = pairs.from.get(&new.name).and_then(|name| before.column(name));
        new.acl = old.and_then(|o| o.acl.clone());
    }
    for serial in before.sequences.iter().filter(|s| !s.identity) {
        if let Some(column) = pairs.successor(&serial.column) {
            let mut serial: Sequence = serial.clone();
            serial.column = column.to_owned();
            after.sequences.push(serial);
        }
    }
    Ok(())
}

/// Views that the change takes with it: only with CASCADE, else the server refuses.
async fn lost_readers(catalog: &Catalog<'_>, before: &Reading, schema: &str) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for view in before.readers().filter(|r| r.is_view && r.kind == "v") {
        let name = literal(&view_name(schema, view.oid)?)?;
        if catalog.text(&format!("SELECT pg_catalog.to_regclass({name})::oid::text")).await?.is_none() {
            out.push(format!(
                "CASCADE would drop the view {}: drop it first, so that it is clear what goes with it",
                view.on
            ));
        }
    }
    Ok(out)
}

/// What reads the table elsewhere and had no stand-in: the server would refuse to change a column that it reads.
fn changed_columns_in_use(before: &Reading, after: &Reading, pairs: &Pairs) -> Vec<String> {
    let changed = |number: &i16| {
        let old = before.columns.iter().find(|c| c.number == *number)?;
        let new = pairs.successor(&old.name).and_then(|name| after.column(name));
        (!new.is_some_and(|n| n.ty == old.ty && n.collation == old.collation)).then(|| old.name.clone())
    };
    let rules = before
        .readers()
        .filter(|r| !r.is_view)
        .map(|r| (format!("the rule {} on {}", r.name, r.on), &r.reads));
    let policies =
        before.policies_elsewhere.iter().map(|p| (format!("the policy {} on {}", p.name, p.table), &p.reads));
    let functions = before.functions.iter().map(|f| (format!("the function {}", f.name), &f.reads));
    let mut out = Vec::new();
    for (what, reads) in rules.chain(policies).chain(functions) {
        for column in reads.iter().filter_map(changed) {
            out.push(format!(
                "{what} uses {}.{column}, which the change alters: drop it before and make it again afterwards",
                before.table.printed
            ));
        }
    }
    out
}

#[derive(Deserialize)]
struct Taken {
    name: String,
}

/// Indexes and sequences that the clauses add get a name of which the server knows here only that it is free beside
/// the copy.
async fn taken_names(catalog: &Catalog<'_>, before: &Reading, after: &Reading) -> Result<Vec<String>> {
    let query = "SELECT c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_class t ON t.relnamespace = c.relnamespace
        WHERE t.oid = $1 AND c.relkind <> 'c'";
    let names = |of: &Reading| -> BTreeSet<String> {
        let indexes = of.indexes.iter().map(|i| i.name.clone());
        indexes.chain(of.sequences.iter().map(|s| s.name.clone())).collect()
    };
    let added: Vec<String> = names(after).difference(&names(before)).cloned().collect();
    if added.is_empty() {
        return Ok(Vec::new());
    }
    let taken: BTreeSet<String> =
        catalog.rows::<Taken>(query, before.table.oid).await?.into_iter().map(|t| t.name).collect();
    Ok(added
        .into_iter()
        .filter(|name| taken.contains(name))
        .map(|name| {
            format!(
                "the change makes an index or sequence called {name}, and there is one of that name already: give it \
                 a name of its own (ADD CONSTRAINT name ...)"
            )
        })
        .collect())
}
