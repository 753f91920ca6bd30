//! What was put aside in place of being dropped: bringing it back, and dropping it for good.
//!
//! Both are runs like any other, with a plan and a journal. Nothing else ever drops what is parked: the time for which
//! it is kept says when it may be dropped, and not that it will be.

use cofferdam_core::change::{Action, TableChange};
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::State;
use cofferdam_core::park::{self, Deed, Object, Parked, SMALL_BYTES};
use cofferdam_core::plan::{Act, Plan, Step};
use cofferdam_core::{Code, Facts, Name, Refusal, Script};
use cofferdam_engines::{Ability, Record, Run, Session};
use cofferdam_strategies::{back, park as plans_of};
use uuid::Uuid;

use crate::apply::{finish_unfinished, run, version};
use crate::assess::refuse_missing_rights;
use crate::drive::Driver;
use crate::guard::{Stop, listen_while_claiming};
use crate::{News, Policy, RunSummary, SharedReporter, Summary};

/// Which of what is parked is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// That of this name: its own, or that of a table or column of it.
    Named(String),
    /// All that one run parked.
    Of(Uuid),
    /// All whose time has passed.
    Expired,
}

/// What is meant and there, the newest first. Reads only.
///
/// # Errors
/// `NothingParked`: nothing has this name, or more than one has it. That nothing is expired is no error.
pub async fn chosen(session: &mut dyn Session, which: &Which) -> Result<Vec<Parked>> {
    let all = session.parked().await?;
    choose(all, which)
}

fn choose(all: Vec<Parked>, which: &Which) -> Result<Vec<Parked>> {
    let there: Vec<Parked> = all.iter().filter(|one| one.is_there()).cloned().collect();
    let wanted = match which {
        Which::Expired => return Ok(there.into_iter().filter(|one| one.expired).collect()),
        Which::Of(run) => return Ok(there.into_iter().filter(|one| one.run == *run).collect()),
        Which::Named(wanted) => wanted,
    };
    let exact: Vec<Parked> = there.iter().filter(|one| one.name == *wanted).cloned().collect();
    let called: Vec<Parked> = there.into_iter().filter(|one| one.is_called(wanted)).collect();
    let found = if exact.is_empty() { called } else { exact };
    match found.len() {
        1 => Ok(found),
        0 => {
            let refusal = Refusal::new(Code::NothingParked, format!("nothing is parked as {wanted}"));
            let past =
                all.iter().find(|one| one.is_called(wanted) && one.ended.as_deref() != Some("nothing"));
            Err(match past {
                Some(one) => refusal.cause(format!(
                    "{} was {} on {}",
                    one.name,
                    one.ended.as_deref().unwrap_or_default(),
                    one.ended_at.as_deref().unwrap_or_default()
                )),
                None => refusal.cause("no table or column of that name was parked in this database"),
            }
            .help("cofferdam parked --all shows everything")
            .into())
        }
        _ => {
            let refusal = Refusal::new(Code::NothingParked, format!("more than one is parked as {wanted}"))
                .help("say which one by the name of its own");
            Err(found.iter().fold(refusal, |r, one| r.note(format!("{}: {}", one.name, one.object))).into())
        }
    }
}

/// The plans that bring something back.
///
/// # Errors
/// A plan that is none.
pub fn undrop_plans(parked: &[Parked], policy: &Policy) -> Result<Vec<Plan>> {
    let plan = |one| plans_of::undrop_plan(one, policy.limits).map_err(Into::into);
    parked.iter().map(plan).collect()
}

/// The plans that drop something for good, with what each of them loses.
///
/// # Errors
/// A plan that is none.
pub fn discard_plans(parked: &[Parked], policy: &Policy) -> Result<Vec<Plan>> {
    let plan = |one| plans_of::discard_plan(one, policy.limits).map_err(Into::into);
    parked.iter().map(plan).collect()
}

/// Carries out plans of [`undrop_plans`] or [`discard_plans`], each as a run of its own. What was parked and is not any
/// more when its turn comes is left out: another runner was here.
pub async fn carry_out(
    session: &mut dyn Session,
    plans: Vec<Plan>,
    policy: &Policy,
    reporter: SharedReporter,
    stop: &Stop,
) -> Result<Summary> {
    let mut summary = Summary::default();
    let all: Vec<&Plan> = plans.iter().collect();
    reporter.tell(&News::Planned { runs: plans.len(), steps: plans.iter().map(|p| p.steps().count()).sum() });
    refuse_missing_rights(session, &all).await?;
    crate::backup::refuse_what_cannot_be_saved(session, &all, policy).await?;
    listen_while_claiming(session, &reporter, stop);
    session.claim(policy.lock_wait).await?;
    finish_unfinished(session, None, policy, &reporter, stop, &mut summary).await?;
    for plan in plans {
        stop.check()?;
        session.reset().await?;
        let there = session.parked().await?;
        if !labels(&plan).all(|label| there.iter().any(|one| one.is_there() && one.label == label)) {
            continue;
        }
        let run = run(plan, Record::Nothing, policy);
        let reporter = SharedReporter::clone(&reporter);
        let mut driver = Driver::new(session, reporter, stop.clone(), run, State::default(), false);
        driver.save_first(policy).await?;
        summary.runs.push(driver.drive().await?);
    }
    summary.version = version(&session.history().await?);
    session.release().await?;
    Ok(summary)
}

fn labels(plan: &Plan) -> impl Iterator<Item = &str> {
    plan.steps().filter_map(|step| match &step.act {
        Act::Park { parking, .. } => Some(parking.label.as_str()),
        _ => None,
    })
}

/// What a person should know of runs that parked something, or brought it back: where it is and until when, and what
/// could not be brought back as it was.
pub(crate) async fn told(
    session: &mut dyn Session,
    plans: impl Iterator<Item = &Plan>,
    runs: &[RunSummary],
) -> Result<Vec<String>> {
    let of_these: Vec<&str> = plans.flat_map(labels).collect();
    if of_these.is_empty() {
        return Ok(Vec::new());
    }
    let mut sentences = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    let all = session.parked().await?;
    for one in &all {
        // The newest of a label comes first.
        if !of_these.contains(&one.label.as_str()) || known.contains(&one.label.as_str()) {
            continue;
        }
        known.push(&one.label);
        if one.is_there() && runs.iter().any(|run| run.run == one.run) {
            sentences.push(park::told(&one.object, &one.name, &one.until));
        }
        sentences.extend(one.notes.iter().cloned());
    }
    Ok(sentences)
}

/// The run brings something back or drops it for good, and belongs to no migration.
pub(crate) fn is_of_parked(run: &Run) -> bool {
    run.record == Record::Nothing && run.plan.steps().any(|step| matches!(step.act, Act::Park { .. }))
}

/// A derived way back that brings something back: refused where that is gone, and with the look at foreign keys behind
/// it.
pub(crate) async fn way_back(session: &mut dyn Session, applied: &Applied, mut plan: Plan) -> Result<Plan> {
    let undrops = |act: &Act| matches!(act, Act::Park { deed: Deed::Undrop, .. });
    if !plan.steps().any(|step| undrops(&step.act)) {
        return Ok(plan);
    }
    let parked = session.parked().await?;
    for label in labels(&plan) {
        let mut of_label = parked.iter().filter(|one| one.label == label);
        let Some(newest) = of_label.next() else { continue };
        if newest.ended.as_deref() == Some("dropped") {
            let why = format!(
                "{} was dropped for good on {}",
                newest.object,
                newest.ended_at.as_deref().unwrap_or_default()
            );
            return Err(back::no_way_back(applied, &why).into());
        }
    }
    // Last, and in the phase that the plan has come to by then: phases never go back.
    let phase = plan.steps().last().map(|step| step.phase);
    let mut keys = plans_of::validation(&plan);
    for step in keys.iter_mut().flat_map(|unit| &mut unit.steps) {
        step.phase = phase.unwrap_or(step.phase);
    }
    plan.units.extend(keys);
    Ok(plan)
}

/// A way back that parks what it would drop. What cannot be parked is dropped as before, and counts as lost.
pub(crate) async fn in_place_of_dropping(
    session: &mut dyn Session,
    plan: Plan,
    seconds: u64,
) -> Result<Plan> {
    let dialect = session.dialect();
    let read = |step: &Step| match &step.act {
        Act::Sql { sql, .. } => crate::sql::read(dialect, &Script::new(step.path.clone(), sql.clone())).ok(),
        _ => None,
    };
    let names: Vec<Name> = plan
        .steps()
        .filter_map(&read)
        .flat_map(|parsed| parsed.changes.into_iter().flat_map(|change| change.action.relations()))
        .collect();
    if names.is_empty() {
        return Ok(plan);
    }
    let facts = session.facts(&names).await?;
    let drops = |step: &Step| {
        let [change] = read(step)?.changes.try_into().ok()?;
        object(change.action, &facts)
    };
    if plan.steps().any(|step| drops(step).is_some()) {
        Ability::Park.needed(session.abilities(), dialect)?;
    }
    plans_of::in_place_of_dropping(plan, seconds, drops).map_err(Into::into)
}

/// What a statement drops that can be parked, as far as it is known before.
fn object(action: Action, facts: &Facts) -> Option<Object> {
    match action {
        Action::DropTable { names, cascade, .. } => Some(Object::Tables { names, cascade }),
        Action::AlterTable { table, changes, .. } => {
            let known = facts.table(&table).filter(|known| known.exists)?;
            let keyed = known.constraints.iter().any(|one| one.kind == "primary key");
            if known.kind != "table" || known.bytes > SMALL_BYTES || !keyed {
                return None;
            }
            let column = |clause: TableChange| match clause {
                TableChange::DropColumn { name, cascade: false, .. } => Some(name),
                _ => None,
            };
            let columns: Vec<String> = changes.into_iter().map(column).collect::<Option<_>>()?;
            (!columns.is_empty()).then_some(Object::Columns { table, columns })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked(name: &str, table: &str, ended: Option<&str>) -> Parked {
        Parked {
            name: name.into(),
            label: name.into(),
            object: Object::Tables { names: vec![Name::qualified("public", table)], cascade: false },
            kept_in: vec![],
            run: Uuid::from_u128(name.len() as u128),
            key: "1".into(),
            parked_at: String::new(),
            parked_by: String::new(),
            until: String::new(),
            expired: name.ends_with('x'),
            bytes: None,
            ended_at: ended.map(|_| "2026-01-01".into()),
            ended: ended.map(Into::into),
            notes: vec![],
        }
    }

    #[test]
    fn what_is_meant_is_one_thing_or_refused() {
        let all = || {
            vec![
                parked("p_orders_2x", "orders", None),
                parked("p_orders", "orders", None),
                parked("p_users", "users", None),
                parked("p_items", "items", Some("dropped")),
            ]
        };
        let named = |wanted: &str| choose(all(), &Which::Named(wanted.into()));
        assert_eq!(named("users").unwrap()[0].name, "p_users");
        assert_eq!(named("public.users").unwrap()[0].name, "p_users");
        assert_eq!(named("p_orders").unwrap()[0].name, "p_orders");
        for (wanted, notes) in [("orders", 2), ("items", 0), ("nowhere", 0)] {
            let fault = named(wanted).unwrap_err();
            let refusal = fault.refusal().unwrap();
            assert_eq!((refusal.code, refusal.notes.len()), (Code::NothingParked, notes), "{wanted}");
        }
        assert!(named("items").unwrap_err().refusal().unwrap().cause.as_ref().unwrap().contains("dropped"));
        assert_eq!(choose(all(), &Which::Expired).unwrap().len(), 1);
        assert_eq!(choose(all(), &Which::Of(Uuid::from_u128(7))).unwrap().len(), 1);
    }
}
