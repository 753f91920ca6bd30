//! Applying what is pending.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use cofferdam_core::approval::Agreed;
use cofferdam_core::bundle::Version;
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::State;
use cofferdam_core::plan::Intent;
use cofferdam_core::{Name, Phase, Plan};
use cofferdam_engines::{Record, Run, Runs, Session};

use crate::approval::{self, Matter};
use crate::assess::{refuse_missing_rights, replan};
use crate::drive::Driver;
use crate::guard::Stop;
use crate::online::with_windows;
use crate::precheck;
use crate::resume;
use crate::{Assessment, News, Pending, Policy, SharedReporter, Summary};

/// Finishes what a runner that is gone left, then applies what is pending, each migration as a run of its own.
pub async fn apply(
    session: &mut dyn Session,
    assessment: &Assessment,
    policy: &Policy,
    reporter: SharedReporter,
    stop: &Stop,
) -> Result<Summary> {
    let mut summary = Summary::default();
    let of_alter = |run: &Run| crate::online::is_alter(run) && !crate::parked::is_of_parked(run);
    if assessment.pending.is_empty() && assessment.unfinished.iter().all(of_alter) {
        summary.version = version(&assessment.history);
        return Ok(summary);
    }
    reporter.tell(&News::Planned {
        runs: assessment.pending.len(),
        steps: assessment.pending.iter().map(|p| p.plan.steps().count()).sum(),
    });
    // What was cut off is finished first: neither a check nor a person's word holds back what has begun.
    let goes_on = !assessment.unfinished.is_empty();
    let matter = Matter::pending(assessment);
    if goes_on {
        let plans: Vec<&Plan> = assessment.pending.iter().map(|p| &*p.plan).collect();
        refuse_missing_rights(session, &plans).await?;
    } else {
        approval::insist(session, &matter, policy).await?;
        summary.notes = precheck::refuse(session, &policy.checks, &ground(assessment)).await?;
    }
    let plans: Vec<&Plan> = assessment.pending.iter().map(|p| &*p.plan).collect();
    crate::backup::refuse_what_cannot_be_saved(session, &plans, policy).await?;
    crate::guard::listen_while_claiming(session, &reporter, stop);
    session.claim(policy.lock_wait).await?;
    crate::rider::begin(session, policy.ground.as_ref()).await?;
    // Read again under the lock: another runner may have been here since the assessment.
    let mut overview = session.overview().await?;
    crate::beside::refuse(&*session, &overview.unfinished, false)?;
    let mut open = Vec::new();
    if !overview.unfinished.is_empty() {
        open = finish_unfinished(session, Some(assessment), policy, &reporter, stop, &mut summary).await?;
        crate::online::refuse_tables_at_change(&open, &assessment.pending, &assessment.facts)?;
        overview = session.overview().await?;
    }
    // Somebody may have thought better of it, or the run that was finished was what was agreed to.
    let left = left(&matter, assessment, &overview.history);
    let left = matter.left(left, &overview.history);
    let approved_by = approval::insist(session, &left, policy).await?;
    if goes_on && !assessment.pending.is_empty() {
        session.reset().await?;
        summary.notes = precheck::refuse(session, &policy.checks, &ground(assessment)).await?;
    }
    let history = with_windows(overview.history, &open);
    let mut newest = newest(&history);
    let mut touched: BTreeSet<Name> = BTreeSet::new();
    let mut created: BTreeSet<Name> = BTreeSet::new();
    for pending in &assessment.pending {
        if in_force(&history, pending) {
            continue;
        }
        if let Some(refusal) = cofferdam_formats::standing::begun_otherwise(&pending.migration, &history) {
            return Err(refusal.into());
        }
        stop.check()?;
        crate::online::refuse_tables_at_change(&open, std::slice::from_ref(pending), &assessment.facts)?;
        session.reset().await?;
        let fresh = replan(session, pending, (&touched, &created), assessment, policy).await?;
        if let Some(fresh) = fresh.as_ref().filter(|_| approved_by.is_some() || policy.approval.as_planned) {
            approval::same_plan(&pending.plan, &fresh.plan, &policy.approval)?;
        }
        let pending = fresh.as_ref().unwrap_or(pending);
        let run = new_run(pending, &approval::signed(policy, approved_by.as_deref()));
        let reporter = SharedReporter::clone(&reporter);
        let opened = run.clone();
        let mut driver =
            Driver::new(session, reporter, stop.clone(), run, State::default(), false).following(policy);
        driver.save_first(policy).await?;
        let done = driver.drive().await?;
        if !done.phase.terminal() {
            open.push(Run { phase: done.phase, ..opened });
        }
        summary.runs.push(done);
        newest = newer(newest, pending.migration.version.clone());
        touched.extend(pending.relations.named.iter().cloned());
        created.extend(pending.relations.created.iter().cloned());
    }
    summary.version = newest.map(|version| version.text);
    session.release().await?;
    let touched: Vec<Name> = touched.into_iter().collect();
    let plans = plans.into_iter().chain(assessment.unfinished.iter().map(|run| &*run.plan));
    summary.notes.extend(crate::parked::told(session, plans, &summary.runs).await?);
    summary.notes.extend(crate::validity::not_valid(session, &touched).await?);
    Ok(summary)
}

fn ground(assessment: &Assessment) -> precheck::Ground<'_> {
    let named: BTreeSet<&Name> = assessment.pending.iter().flat_map(|p| &p.relations.named).collect();
    let plans = assessment.pending.iter().map(|p| &*p.plan).collect();
    precheck::Ground::new(plans, named.into_iter().cloned().collect(), &assessment.facts)
}

/// Of what was pending the plans that another runner, or a run that was finished, did not apply meanwhile.
fn left(matter: &Matter, assessment: &Assessment, history: &[Applied]) -> Vec<Agreed> {
    let both = matter.plans.iter().zip(&assessment.pending);
    both.filter(|(_, pending)| !in_force(history, pending)).map(|(plan, _)| plan.clone()).collect()
}

/// Goes on with every run that did not end, but for those that are left alone: runs of `alter`, and those in their
/// revert window, which are returned. One whose file was changed since is given up and taken back, as long as it can
/// be: what was planned is no longer what is wanted.
pub(crate) async fn finish_unfinished(
    session: &mut dyn Session,
    assessment: Option<&Assessment>,
    policy: &Policy,
    reporter: &SharedReporter,
    stop: &Stop,
    summary: &mut Summary,
) -> Result<Vec<Run>> {
    let mut unfinished = session.runs(Runs::Unfinished).await?;
    unfinished.reverse();
    let mut open = Vec::new();
    for mut run in unfinished {
        if crate::online::left_alone(session, &run).await? {
            open.push(run);
            continue;
        }
        if crate::foreign::is_foreign(&run) {
            summary.runs.push(crate::foreign::settle(session, run).await?);
            continue;
        }
        session.reset().await?;
        let state = resume::take_over(session, &mut run, &policy.who).await?;
        let given_up = assessment.is_some_and(|a| changed_since(a, &run))
            && matches!(run.phase, Phase::Expanding | Phase::Copying | Phase::Verifying | Phase::Ready);
        let opened = run.clone();
        let mut driver =
            Driver::new(session, SharedReporter::clone(reporter), stop.clone(), run, state, true)
                .following(policy);
        let done = match given_up {
            true => driver.cancel("its file was changed since", None).await?,
            false => {
                driver.save_first(policy).await?;
                driver.drive().await?
            }
        };
        if !done.phase.terminal() {
            open.push(Run { phase: done.phase, ..opened });
        }
        summary.runs.push(done);
    }
    Ok(open)
}

fn changed_since(assessment: &Assessment, run: &Run) -> bool {
    let Record::Applied(record) = &run.record else { return false };
    assessment
        .pending
        .iter()
        .any(|p| p.plan.key == run.plan.key && Some(&p.migration.checksum) != record.checksum.as_ref())
}

/// A repeatable migration is in force only with the checksum that its file has now.
fn in_force(history: &[Applied], pending: &Pending) -> bool {
    let last = history.iter().rev().find(|a| a.in_force() && a.key == pending.plan.key);
    match last {
        None => false,
        Some(_) if pending.migration.version.is_some() => true,
        Some(applied) => applied.checksum.as_ref() == Some(&pending.migration.checksum),
    }
}

fn new_run(pending: &Pending, policy: &Policy) -> Run {
    let migration = &pending.migration;
    let applied = Applied {
        rank: 0,
        key: migration.key(),
        version: migration.version.as_ref().map(|v| v.text.clone()),
        description: migration.description.clone(),
        kind: migration.kind.into(),
        checksum: Some(migration.checksum.clone()),
        at: String::new(),
        by: policy.who.clone(),
        ms: 0,
        run: None,
        bundle: pending.bundle.clone(),
        undone_at: None,
    };
    run(Arc::clone(&pending.plan), Record::Applied(Box::new(applied)), policy)
}

/// A run that has not begun.
pub(crate) fn run(plan: impl Into<Arc<Plan>>, record: Record, policy: &Policy) -> Run {
    let plan = plan.into();
    debug_assert!(matches!(plan.intent, Intent::Apply | Intent::Undo));
    Run {
        id: Uuid::now_v7(),
        digest: plan.digest(),
        plan,
        phase: Phase::Requested,
        epoch: 0,
        record,
        started_at: jiff::Timestamp::now().to_string(),
        ended_at: None,
        by: policy.who.clone(),
    }
}

/// The version that the database is at once this one is applied, too. A directory whose versions are texts says itself how
/// they are compared.
fn newer(newest: Option<Version>, applied: Option<Version>) -> Option<Version> {
    let Some(applied) = applied.filter(|version| !version.is_listed()) else { return newest };
    newest.and_then(|newest| applied.like(&newest.text)).max(Some(applied))
}

/// The newest version in force, by the order of versions and not of applying.
fn newest(history: &[Applied]) -> Option<Version> {
    let order = Version::sample(history.iter().filter_map(|a| a.version.as_deref()));
    history
        .iter()
        .filter(|a| a.in_force())
        .filter_map(|a| a.version.as_deref().and_then(|text| order.like(text)))
        .filter(|version| !version.is_listed())
        .max()
}

/// The version that the database is at.
pub(crate) fn version(history: &[Applied]) -> Option<String> {
    newest(history).map(|version| version.text)
}
