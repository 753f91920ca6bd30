//! Taking applied migrations back.

use std::collections::BTreeSet;

use cofferdam_core::bundle::{Checksum, Migration, MigrationKind, Version};
use cofferdam_core::change::{Action, TableChange};
use cofferdam_core::fault::Result;
use cofferdam_core::history::{Applied, AppliedKind};
use cofferdam_core::journal::State;
use cofferdam_core::plan::{Act, Plan};
use cofferdam_core::{Code, Fault, Name, Refusal, Script, failpoint};
use cofferdam_engines::{Record, Runs, Session};
use cofferdam_strategies::{Subject, back};

use crate::apply::{finish_unfinished, run, version};
use crate::assess::refuse_missing_rights;
use crate::drive::{Driver, lost};
use crate::guard::Stop;
use crate::online::{in_progress, with_windows};
use crate::{News, Policy, SharedReporter, Summary, sql};

/// How far back.
#[derive(Debug, Clone)]
pub enum Back {
    /// Until this version is the newest one in force; `0` takes everything back.
    To(String),
    /// So many versions.
    Steps(usize),
    /// Those with these keys that are in force.
    These(Vec<String>),
}

/// The plans that take migrations back, newest first, with what each of them would lose. Reads only.
pub async fn rollback_plans(session: &mut dyn Session, to: &Back, policy: &Policy) -> Result<Vec<Plan>> {
    let unfinished = session.runs(Runs::Unfinished).await?;
    let history = with_windows(session.history().await?, &unfinished);
    crate::beside::refuse(&*session, &unfinished, true)?;
    let chosen = to_undo(&history, to)?;
    let open = unfinished.iter().find(|run| chosen.iter().any(|applied| applied.run == Some(run.id)));
    if let Some(run) = open {
        return Err(in_progress(run, &format!("version {} is to be taken back", run.plan.key)).into());
    }
    let mut plans = Vec::new();
    for applied in chosen {
        plans.push(plan_back(session, applied, policy).await?);
    }
    Ok(plans)
}

/// Versioned migrations in force, in the reverse order of their applying.
fn to_undo<'a>(history: &'a [Applied], to: &Back) -> Result<Vec<&'a Applied>> {
    let order = Version::sample(history.iter().filter_map(|a| a.version.as_deref()));
    let in_force: Vec<(&Applied, Version)> = history
        .iter()
        .rev()
        .filter(|a| a.in_force() && a.kind != AppliedKind::Repeatable)
        .filter_map(|a| a.version.as_deref().and_then(|text| order.like(text)).map(|v| (a, v)))
        .collect();
    let chosen: Vec<&Applied> = match to {
        Back::Steps(steps) => in_force.iter().take(*steps).map(|(a, _)| *a).collect(),
        Back::These(keys) => in_force.iter().map(|(a, _)| *a).filter(|a| keys.contains(&a.key)).collect(),
        Back::To(text) => {
            let Some(target) = order.like(text) else { return Err(no_such(text, &in_force)) };
            let nothing = Version::parse("0") == Version::parse(text);
            if !nothing && !in_force.iter().any(|(_, v)| *v == target) {
                return Err(no_such(text, &in_force));
            }
            // Scripts of a list stand beside the versions of a directory.
            in_force
                .iter()
                .filter(|(_, v)| nothing || (*v > target && !v.is_listed()))
                .map(|(a, _)| *a)
                .collect()
        }
    };
    match chosen.iter().find(|a| a.kind == AppliedKind::Baseline) {
        Some(baseline) => Err(Refusal::new(
            Code::NoWayBack,
            format!("version {} is a baseline: what is below it was not applied by Cofferdam", baseline.key),
        )
        .help(format!("roll back to it at the most: cofferdam rollback --to {}", baseline.key))
        .into()),
        None => Ok(chosen),
    }
}

fn no_such(text: &str, in_force: &[(&Applied, Version)]) -> Fault {
    let known: Vec<&str> = in_force.iter().map(|(a, _)| a.key.as_str()).collect();
    Refusal::new(Code::NoSuchVersion, format!("version {text} is not applied here"))
        .cause(format!(
            "in force, newest first: {}",
            if known.is_empty() { "nothing".into() } else { known.join(", ") }
        ))
        .help("cofferdam status; version 0 takes everything back")
        .into()
}

async fn plan_back(session: &mut dyn Session, applied: &Applied, policy: &Policy) -> Result<Plan> {
    let mut plan = match &applied.bundle.down {
        Some(down) => planned_script(session, applied, down, policy).await?,
        None => match back::derived_plan(applied) {
            Ok(plan) => crate::parked::way_back(session, applied, plan).await?,
            Err(refusal) => {
                let refusal = with_backup(session, applied, *refusal).await?;
                crate::backup::back::or_restored(session, applied, refusal, policy).await?
            }
        },
    };
    // Parked is lost by nobody; a script of the author's was planned with what is wanted.
    if applied.bundle.down.is_none()
        && let Some(seconds) = policy.wishes.park
    {
        plan = crate::parked::in_place_of_dropping(session, plan, seconds).await?;
    }
    let application = applied.run.map_or_else(|| applied.rank.to_string(), |run| run.to_string());
    plan = cofferdam_strategies::park::of_application(plan, &application);
    let found = losses(session, &plan).await?;
    plan.losses.extend(found);
    crate::rider::seat(plan, &policy.riders, policy.limits, session.dialect())
}

/// What cannot be taken back may have been saved: then it is said where.
async fn with_backup(session: &mut dyn Session, applied: &Applied, refusal: Refusal) -> Result<Refusal> {
    let Some(run) = applied.run else { return Ok(refusal) };
    let Some(taken) = crate::backup::taken_before(session, run).await? else { return Ok(refusal) };
    let verified = if taken.verified { "verified" } else { "taken, not verified" };
    let tables: Vec<String> = taken.tables.iter().map(Name::to_string).collect();
    Ok(refusal
        .note(format!(
            "saved before it, {verified}: {} in {}; what was written later is not in it",
            tables.join(", "),
            taken.location
        ))
        .note(format!("bring the rows back with: cofferdam restore {}", taken.location))
        .note("tables that it dropped come back by: cofferdam rollback --restore"))
}

/// The author's way back, planned as a migration is, so that it blocks nobody either.
async fn planned_script(
    session: &mut dyn Session,
    applied: &Applied,
    down: &Script,
    policy: &Policy,
) -> Result<Plan> {
    let parsed = sql::read(session.dialect(), down)?;
    let names: Vec<Name> = parsed.changes.iter().flat_map(|c| c.action.relations()).collect();
    let facts = session.facts(&names).await?;
    let migration = Migration {
        version: applied
            .version
            .as_deref()
            .map(|text| Version::parse(text).unwrap_or_else(|| Version::of_text(text))),
        description: applied.description.clone(),
        kind: MigrationKind::Versioned,
        up: down.clone(),
        down: None,
        check: None,
        checksum: Checksum::Sha256(down.sha256.clone()),
        no_transaction: down.no_transaction,
    };
    let created = BTreeSet::new();
    let subject = Subject {
        migration: &migration,
        parsed: &parsed,
        check: None,
        facts: &facts,
        created: &created,
        as_written: policy.as_written,
        limits: policy.limits,
        examined: &[],
        wishes: &policy.wishes,
    };
    // A way back is a run of its own that ends: it has no revert window.
    let planned = cofferdam_strategies::plan("direct", &subject).map_err(Fault::Refused)?;
    back::scripted_plan(applied, planned).map_err(Fault::Refused)
}

/// What is in the tables and columns that the plan drops, by looking.
///
/// # Errors
/// What the database refuses to tell.
pub async fn losses(session: &mut dyn Session, plan: &Plan) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut elsewhere = false;
    let dialect = session.dialect();
    for step in plan.steps() {
        let Act::Sql { sql, .. } = &step.act else { continue };
        // From here on a name without a schema may be another object than the one that we would look at.
        elsewhere |= sql.to_ascii_lowercase().contains("search_path");
        let parsed = sql::read(dialect, &Script::new(step.path.clone(), sql.clone()))?;
        for change in &parsed.changes {
            match &change.action {
                Action::DropTable { .. } | Action::Truncate { .. } | Action::AlterTable { .. }
                    if elsewhere =>
                {
                    found.push(format!("what `{}` drops: its schema depends on search_path", step.title));
                }
                Action::DropTable { names, .. } | Action::Truncate { tables: names, .. } => {
                    for table in names {
                        if holds(session, table, None).await? {
                            found.push(format!("the rows of {table}"));
                        }
                    }
                }
                Action::AlterTable { table, changes, .. } => {
                    for clause in changes {
                        if let TableChange::DropColumn { name, .. } = clause
                            && holds(session, table, Some(name)).await?
                        {
                            found.push(format!("the values of {table}.{name}"));
                        }
                    }
                }
                Action::Delete { table, .. } | Action::Update { table, .. } => {
                    found.push(format!("what `{}` changes in {table}", step.title));
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Whether a table has a row, or a column a value. One that is not there holds nothing.
async fn holds(session: &mut dyn Session, table: &Name, column: Option<&str>) -> Result<bool> {
    if !session.facts(std::slice::from_ref(table)).await?.table(table).is_some_and(|t| t.exists) {
        return Ok(false);
    }
    let dialect = session.dialect();
    let condition = match column {
        Some(column) => format!(" WHERE {} IS NOT NULL", sql::column(dialect, column)?),
        None => String::new(),
    };
    let query = format!("SELECT 1 FROM {}{condition} LIMIT 1", sql::table(dialect, table)?);
    match session.rows(&query, 1).await {
        Ok(rows) => Ok(!rows.rows.is_empty()),
        // An earlier plan of the same rollback drops it first; the database says so when it comes to that.
        Err(Fault::Refused(refusal)) if refusal.code == Code::StatementFailed => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Carries out plans of [`rollback_plans`], each as a run of its own.
pub async fn rollback(
    session: &mut dyn Session,
    plans: Vec<Plan>,
    policy: &Policy,
    reporter: SharedReporter,
    stop: &Stop,
) -> Result<Summary> {
    let mut summary = Summary::default();
    reporter.tell(&News::Planned { runs: plans.len(), steps: plans.iter().map(|p| p.steps().count()).sum() });
    refuse_missing_rights(session, &plans.iter().collect::<Vec<_>>()).await?;
    crate::backup::refuse_what_cannot_be_saved(session, &plans.iter().collect::<Vec<_>>(), policy).await?;
    crate::guard::listen_while_claiming(session, &reporter, stop);
    session.claim(policy.lock_wait).await?;
    crate::rider::begin(session, policy.ground.as_ref()).await?;
    finish_unfinished(session, None, policy, &reporter, stop, &mut summary).await?;
    for plan in plans.iter().cloned() {
        stop.check()?;
        session.reset().await?;
        // The newest row of that key which is in force, read under the lock.
        let history = session.history().await?;
        let Some(applied) = history.iter().rev().find(|a| a.in_force() && a.key == plan.key) else {
            continue;
        };
        let rank = applied.rank;
        let mut restored = Vec::new();
        if plan.strategy == crate::backup::back::STRATEGY {
            let restoring = policy.backups.restore.clone().unwrap_or_default();
            restored =
                crate::backup::back::bring_back(session, applied, &restoring, (&reporter, stop)).await?;
            if failpoint::hit("backup.restored") {
                return Err(lost("backup.restored"));
            }
        }
        let run = run(plan, Record::Undone { rank }, policy);
        let mut driver = Driver::new(
            session,
            SharedReporter::clone(&reporter),
            stop.clone(),
            run,
            State::default(),
            false,
        );
        driver.save_first(policy).await?;
        driver.note_first(policy.why_back.as_deref(), restored).await?;
        summary.runs.push(driver.drive().await?);
    }
    summary.version = version(&session.history().await?);
    summary.notes = crate::parked::told(session, plans.iter(), &summary.runs).await?;
    session.release().await?;
    Ok(summary)
}
