//! A rollback that restores: the tables that a migration dropped come back out of the verified backup that was taken
//! before it, where whoever rolls back asks for that.
//!
//! Only tables that are gone are restored. Rows of a table that is there were perhaps written by the application since,
//! and nothing tells them from those that the migration changed: to put the saved rows in their place is for a person,
//! table by table, with `cofferdam restore`.

use cofferdam_adapters::backup::{Credentials, Found, Keys, Place};
use cofferdam_core::backup::{ColumnShape, TableCopy, Taken};
use cofferdam_core::change::Action;
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::plan::{Act, Step, Undo};
use cofferdam_core::{Code, Fault, Name, Plan, Refusal, Script};
use cofferdam_engines::copy::{Existing, Reach, Wanted};
use cofferdam_engines::{Runs, Session};
use cofferdam_strategies::back;

use super::restore::refuse_without_key;
use super::{restore, taken_before};
use crate::guard::Stop;
use crate::{Policy, SharedReporter};

/// The strategy of plans that restore.
pub(crate) const STRATEGY: &str = "restore";

/// What opens the backup.
#[derive(Clone, Default)]
pub struct Restoring {
    /// Of the place.
    pub credentials: Credentials,
    /// Of its parts, where they are encrypted.
    pub keys: Keys,
    /// Whoever set it up agreed to what a backup does not have: it is written down, and nobody is asked again.
    pub agreed: bool,
}

impl std::fmt::Debug for Restoring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Restoring")
    }
}

/// What is to be restored of a migration.
struct Dropped {
    taken: Taken,
    place: Place,
    found: Found,
    /// The tables, as they were saved.
    tables: Vec<TableCopy>,
    /// The plan that it was applied by.
    applied_by: Plan,
    /// When the last of them was dropped.
    at: String,
}

/// The plan that takes a migration back which has no other way: its own undo of everything else, after the tables that
/// it dropped were restored. Says what would be missing. Reads only.
///
/// # Errors
/// `RestoreUnfit` where that would not bring back what there was, with why; `refusal` says what nothing takes back.
pub(crate) async fn planned(
    session: &mut dyn Session,
    applied: &Applied,
    refusal: Refusal,
    restoring: &Restoring,
) -> Result<Plan> {
    let dropped = dropped(session, applied, &refusal, restoring).await?;
    let dialect = session.dialect();
    let mut plan = back::restored_plan(applied, &dropped.applied_by, |step| drops(step, dialect).is_some())
        .map_err(Fault::Refused)?;
    plan.strategy = STRATEGY.into();
    for copy in &dropped.tables {
        there(session, copy).await?;
    }
    if !restoring.agreed {
        plan.losses = dropped.missing();
    }
    Ok(plan)
}

impl Dropped {
    /// What will be missing of the tables once they are restored.
    fn missing(&self) -> Vec<String> {
        let taken_at = &self.found.manifest.taken_at;
        let of = |copy: &TableCopy| {
            let table = &copy.shape.table;
            [
                format!(
                    "what was written to {table} after {taken_at} and before it was dropped at {}: the backup of {} rows \
                     is of that time",
                    self.at, copy.sum.rows
                ),
                format!(
                    "defaults, checks, indexes but the primary key, foreign keys, triggers, partitions, rights and views \
                     of {table}: a backup has rows, columns and the key"
                ),
            ]
        };
        self.tables.iter().flat_map(of).collect()
    }
}

/// Restores the tables, each in one transaction. Those that are there already as they were saved are left: another
/// runner restored them and died.
///
/// # Errors
/// Those of [`restore`], and `RestoreUnfit` for a table that somebody else made meanwhile. What was restored by then
/// stays, and is found by the next try.
pub(crate) async fn bring_back(
    session: &mut dyn Session,
    applied: &Applied,
    restoring: &Restoring,
    (reporter, stop): (&SharedReporter, &Stop),
) -> Result<Vec<String>> {
    let refusal = Refusal::new(Code::RestoreUnfit, "there is nothing to restore");
    let dropped = dropped(session, applied, &refusal, restoring).await?;
    let mut missing = Vec::new();
    for copy in &dropped.tables {
        if !there(session, copy).await? {
            missing.push(copy.shape.table.clone());
        }
    }
    if !missing.is_empty() {
        let to = (None, Existing::Refuse);
        let keys = &restoring.keys;
        restore(session, &dropped.place, &dropped.found, &missing, to, keys, (reporter, stop)).await?;
    }
    let location = &dropped.taken.location;
    let rows = |copy: &TableCopy| {
        format!("{} was restored from {location}: {} rows", copy.shape.table, copy.sum.rows)
    };
    let missing = dropped.missing().into_iter().map(|what| format!("not in it: {what}"));
    Ok(dropped.tables.iter().map(rows).chain(missing).collect())
}

/// Everything that has to be known, or why it cannot be done.
async fn dropped(
    session: &mut dyn Session,
    applied: &Applied,
    refusal: &Refusal,
    restoring: &Restoring,
) -> Result<Dropped> {
    let unfit = |why: &str, help: String| {
        let mut unfit = Refusal::new(
            Code::RestoreUnfit,
            format!("{} {} cannot be taken back from a backup", applied.key, applied.description),
        )
        .cause(why)
        .help(help);
        unfit.notes.extend(refusal.cause.clone());
        Fault::from(unfit)
    };
    let by_hand =
        |taken: &Taken| format!("bring rows back beside: cofferdam restore {} --into SCHEMA", taken.location);
    let nothing = || "write the way back and run `cofferdam repair` to store it".to_owned();
    let Some(run) = applied.run else { return Err(unfit("no run of it is known", nothing())) };
    let Some(taken) = taken_before(session, run).await? else {
        return Err(unfit("no backup was taken before it", nothing()));
    };
    if !taken.verified {
        return Err(unfit("its backup was taken, and not verified", by_hand(&taken)));
    }
    let applied_by = session.runs(Runs::One(run)).await?.into_iter().next();
    let Some(applied_by) = applied_by.map(|run| (*run.plan).clone()) else {
        return Err(unfit("its run is not in the journal any more", by_hand(&taken)));
    };
    let mut names = Vec::new();
    for step in applied_by.steps().filter(|step| matches!(step.undo, Undo::Impossible { .. })) {
        match drops(step, session.dialect()) {
            Some(dropped) => names.extend(dropped),
            None => {
                let why = format!(
                    "{}: only tables that were dropped come back by a rollback; rows of one that is there may have \
                     been written since",
                    step.title
                );
                return Err(unfit(&why, by_hand(&taken)));
            }
        }
    }
    let Some((place, id)) = taken.location.trim_end_matches('/').rsplit_once('/') else {
        return Err(unfit("the journal does not say where its backup is", nothing()));
    };
    let place = Place::open(place, &restoring.credentials)?;
    let found = place.manifest(id).await?;
    refuse_without_key(&place, &found.manifest, &restoring.keys)?;
    let mut tables = Vec::new();
    for name in names {
        let is = |copy: &&TableCopy| {
            let table = &copy.shape.table;
            table.name == name.name && (name.schema.is_none() || table.schema == name.schema)
        };
        let mut all = found.manifest.tables.iter().filter(is);
        match (all.next(), all.next()) {
            (Some(copy), None) => tables.push(copy.clone()),
            (None, _) => return Err(unfit(&format!("its backup has no table {name}"), by_hand(&taken))),
            _ => return Err(unfit(&format!("its backup has two tables {name}"), by_hand(&taken))),
        }
    }
    let ended = session.journal(Some(run)).await?.into_iter().next_back().map(|row| row.at);
    Ok(Dropped { taken, place, found, tables, applied_by, at: ended.unwrap_or_default() })
}

/// The tables that a step drops, where it does nothing else.
fn drops(step: &Step, dialect: &str) -> Option<Vec<Name>> {
    let Act::Sql { sql, .. } = &step.act else { return None };
    let parsed = crate::sql::read(dialect, &Script::new(step.path.clone(), sql.clone())).ok()?;
    let mut all = Vec::new();
    for change in parsed.changes {
        match change.action {
            Action::DropTable { names, .. } => all.extend(names),
            _ => return None,
        }
    }
    (!all.is_empty()).then_some(all)
}

/// Whether the table is there as it was saved.
///
/// # Errors
/// `RestoreUnfit`: another one has its name.
async fn there(session: &mut dyn Session, copy: &TableCopy) -> Result<bool> {
    let table = &copy.shape.table;
    let wanted = Wanted { tables: vec![(table.clone(), Reach::Itself)], schemas: Vec::new() };
    let mut copier = session.copier("rollback").await?;
    copier.begin().await?;
    let shapes = copier.shapes(&wanted).await?;
    let found = match shapes.iter().find(|shape| shape.table == *table) {
        None => Ok(false),
        Some(shape)
            if stored(&shape.columns) == stored(&copy.shape.columns)
                && copier.sum(shape).await? == copy.sum =>
        {
            Ok(true)
        }
        Some(_) => {
            Err(Refusal::new(Code::RestoreUnfit, format!("{table} is there, and is not what was saved"))
                .cause("somebody made it anew, or wrote to it since it was restored")
                .help(format!(
                    "rename or drop {table}, or bring the rows back beside: cofferdam restore --into SCHEMA"
                ))
                .into())
        }
    };
    copier.end().await?;
    found
}

/// Columns as a restore makes them: what was computed is a value like any other there.
fn stored(columns: &[ColumnShape]) -> Vec<ColumnShape> {
    columns.iter().map(|column| ColumnShape { generated: false, ..column.clone() }).collect()
}

/// What the policy says of a migration that has no way back: the plan that restores, or the refusal.
pub(crate) async fn or_restored(
    session: &mut dyn Session,
    applied: &Applied,
    refusal: Refusal,
    policy: &Policy,
) -> Result<Plan> {
    match &policy.backups.restore {
        Some(restoring) => planned(session, applied, refusal, restoring).await,
        None => Err(refusal.into()),
    }
}
