//! The empty copy of a table, dressed with all that the table has.

use std::collections::BTreeMap;

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

use super::catalog::{Catalog, ident, qualified};
use super::reading::Reading;
use super::shadow::{self, Place};

/// The stand-ins, by their quoted names: the tables that they stand for.
pub(super) type StandIns = BTreeMap<String, (u32, String)>;

/// Makes the copy with all that the table has.
pub(super) async fn dress(catalog: &Catalog<'_>, before: &Reading, place: &Place<'_>) -> Result<StandIns> {
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

pub(super) fn view_name(schema: &str, oid: u32) -> Result<String> {
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
