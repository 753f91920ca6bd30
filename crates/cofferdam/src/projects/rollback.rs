//! `rollback --project`: a project's databases are taken back to an earlier version, the last one first.

use std::sync::Arc;

use cofferdam_core::{Fault, Plan, Result};
use cofferdam_engines::Session;
use cofferdam_project::deploy::{At, Retreat, Shipment, back, down, shipment};
use cofferdam_project::{Release, Route};
use cofferdam_runner::rider::{Rider, Riders};
use cofferdam_runner::{
    Assessment, Back as Which, Policy, Summary, apply, assess, losses, refuse_blocking,
    rollback as carry_out, rollback_plans,
};

use super::flags::OfFlags;
use super::reach::{One, Reached, reach};
use super::ready::{Looked, finish_what_was_cut_off, look, named, note, riders, version};
use super::view::{BackPlace, BackView, DonePlace, DoneView};
use crate::cli::{Exit, rollback as verb};
use crate::config::Settings;
use crate::context::Context;
use crate::output::progress::Progress;
use crate::output::rollback::RollbackView;

/// What is asked for.
pub(crate) struct Back<'a> {
    pub(crate) project: &'a str,
    pub(crate) version: &'a Release,
    pub(crate) of: &'a OfFlags,
    pub(crate) dry_run: bool,
    /// The policy in one database.
    pub(crate) policy: &'a dyn Fn(&Settings) -> Result<Policy>,
}

/// What would be done in one database.
struct Way {
    session: Box<dyn Session>,
    at: At,
    policy: Policy,
    plans: Vec<Plan>,
    /// What is applied for it, where the way back is that of the files.
    scripts: Option<Assessment>,
}

/// Takes the databases of a project back, in the reverse of their order.
pub(crate) async fn rollback(context: &Context, asked: Back<'_>) -> Result<Exit> {
    let reached = reach(context, asked.project, asked.of)?;
    let to = reached.project.as_written(asked.version);
    let mut ways = Vec::new();
    for one in reached.databases.iter().rev() {
        let mut session = context.open(&one.settings).await?;
        let policy = (asked.policy)(&one.settings)?;
        if !asked.dry_run {
            finish_what_was_cut_off(context, &mut *session, &policy, |_| true).await?;
        }
        ways.push((one, way(session, &reached, &to, policy).await?));
    }
    let mut places = Vec::new();
    for (one, way) in &mut ways {
        let database = way.session.facts(&[]).await?.server.database;
        let from = way.at.version.as_ref().map(Release::to_string);
        let plan = RollbackView::new(database, &way.plans);
        places.push(BackPlace { name: one.name.clone(), from, plan });
    }
    let view = BackView { project: reached.project.name.clone(), version: to.to_string(), databases: places };
    if asked.dry_run {
        context.console.show("ProjectRollbackPlan", &view, BackView::text);
        return Ok(Exit::DONE);
    }
    context.console.note(&view.text());
    for place in &view.databases {
        if !place.plan.losses.is_empty() && !context.common.yes {
            verb::agree(context, &place.plan.database, &place.plan.losses).await?;
        }
    }
    let mut done = Vec::new();
    for (one, way) in ways {
        done.push(taken_back(context, (&reached, one), way).await?);
    }
    let view = DoneView::new(&reached.project.name, "rollback", &to, done);
    context.console.show("ProjectSummary", &view, DoneView::text);
    Ok(Exit::DONE)
}

/// What would be done. Reads only.
async fn way(
    mut session: Box<dyn Session>,
    reached: &Reached,
    to: &Release,
    mut policy: Policy,
) -> Result<Way> {
    let project = &reached.project;
    let looked = look(&mut *session, &project.name).await?;
    let at = looked.at(reached)?;
    let note = note(&project.name, "rollback", to, at.version.as_ref());
    policy.ground = Some(looked.ground(&project.name, note)?);
    if let Some(route) = down(project, reached.kind, &at, &looked.begun, to).map_err(Fault::Refused)? {
        return by_scripts(session, &looked, at, &route, policy).await;
    }
    let Retreat { keys, reaches } = back(project, &at, &looked.begun, to).map_err(Fault::Refused)?;
    let mut riders = Riders::new();
    let mut above = at.half_way_to.clone().or_else(|| at.version.clone());
    for (key, reached) in &reaches {
        let after = vec![version(&looked.metadata, reached, above.as_ref())?];
        riders.insert(key.clone(), Rider { before: Vec::new(), after });
        above = Some(reached.clone());
    }
    policy.riders = riders;
    let plans = match keys.is_empty() {
        true => Vec::new(),
        false => rollback_plans(&mut *session, &Which::These(keys), &policy).await?,
    };
    Ok(Way { session, at, policy, plans, scripts: None })
}

/// The rollbacks of the files, of a version that was installed directly. What they lose is asked about, and not what lint
/// says of them: to take something back is what they are for.
async fn by_scripts(
    mut session: Box<dyn Session>,
    looked: &Looked,
    at: At,
    route: &Route,
    mut policy: Policy,
) -> Result<Way> {
    let Shipment { bundle, seats } = shipment(&route.project, &route.legs).map_err(Fault::Refused)?;
    policy.riders = riders(&looked.metadata, &seats, route)?;
    // Each is a run that ends: a way back has no revert window.
    policy.strategy = "direct".to_owned();
    let mut assessment = assess(&mut *session, &bundle, &policy).await?;
    if let Some(problem) = assessment.standing.problems.first() {
        return Err(problem.clone().into());
    }
    // For these lint stands in the place of a plan.
    if assessment.pending.iter().any(|pending| pending.plan.units.is_empty()) {
        refuse_blocking(&assessment, &policy)?;
    }
    let mut plans = Vec::new();
    for pending in &mut assessment.pending {
        let mut plan = Plan::clone(&pending.plan);
        plan.losses.extend(losses(&mut *session, &plan).await?);
        pending.plan = Arc::new(plan.clone());
        plans.push(plan);
    }
    Ok(Way { session, at, policy, plans, scripts: Some(assessment) })
}

async fn taken_back(context: &Context, (reached, one): (&Reached, &One), way_back: Way) -> Result<DonePlace> {
    let Way { mut session, at, policy, plans, scripts } = way_back;
    let database = named(context, &mut *session, one).await?;
    let mut summary = Summary::default();
    if !plans.is_empty() {
        let progress = Progress::new(&context.console);
        let (reporter, stop) = (progress.reporter(), context.halt.driving());
        let outcome = match &scripts {
            Some(scripts) => apply(&mut *session, scripts, &policy, reporter, stop).await,
            None => carry_out(&mut *session, plans, &policy, reporter, stop).await,
        };
        progress.end();
        summary = outcome?;
        summary.notes.iter().for_each(|note| context.console.note(&format!("note: {note}")));
    }
    let now = look(&mut *session, &reached.project.name).await?.at(reached)?;
    Ok(DonePlace::new(&one.name, database, at.version.as_ref(), &now, summary))
}
