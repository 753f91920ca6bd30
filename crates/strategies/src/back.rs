//! The way back of an applied migration.

use cofferdam_core::history::{Applied, RollbackBundle};
use cofferdam_core::plan::{Act, Intent, Plan, Probe, Step, Undo, Unit};
use cofferdam_core::{Code, Phase, Refusal};

use crate::Subject;

/// What is stored with an applied migration, so that it can be taken back without its directory.
pub fn bundle(plan: &Plan, subject: &Subject<'_>) -> RollbackBundle {
    let (derived, no_way_back) = match derive(plan) {
        Ok(units) => (units, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    RollbackBundle {
        down: subject.migration.down.clone(),
        check: subject.migration.check.clone(),
        derived,
        no_way_back,
        kept_in: None,
    }
}

/// The undos of a plan's steps, last first; `Err` says which step has none.
fn derive(plan: &Plan) -> Result<Vec<Unit>, String> {
    let mut units: Vec<Unit> = Vec::new();
    for unit in plan.units.iter().rev() {
        for step in unit.steps.iter().rev().filter(|step| !removed_again(plan, step)) {
            match &step.undo {
                Undo::Nothing => {}
                Undo::Impossible { why } => return Err(format!("{}: {why}", step.title)),
                Undo::Acts { acts, atomic, loses } => {
                    for (index, act) in acts.iter().enumerate() {
                        let id = format!("undo {}{}", step.id, letter(index, acts.len()));
                        let mut back = reverse(step, unit.atomic, id, act, loses.as_deref());
                        if index > 0 && matches!(back.undo, Undo::Acts { .. }) && !builds_index(act) {
                            // The first of several restores all of them.
                            back.undo = Undo::Nothing;
                        }
                        push(&mut units, *atomic, back);
                    }
                }
            }
        }
    }
    Ok(units)
}

/// A sequence drops its own helper (the check of SET NOT NULL) as its last step: of an applied migration there is
/// nothing of it to take back, and taking that back again would bring it to life.
fn removed_again(plan: &Plan, step: &Step) -> bool {
    let Probe::ConstraintThere { table, constraint, .. } = &step.probe else { return false };
    let gone = Probe::ConstraintAbsent { table: table.clone(), constraint: constraint.clone() };
    plan.steps()
        .skip_while(|later| later.id != step.id)
        .any(|later| later.probe == gone && later.undo == Undo::Nothing)
}

fn letter(index: usize, of: usize) -> String {
    if of == 1 { String::new() } else { format!(".{}", index + 1) }
}

fn builds_index(act: &Act) -> bool {
    matches!(act, Act::BuildIndex { .. })
}

/// Taking back what lost nothing can itself be taken back, by what was done in the first place.
fn reverse(step: &Step, atomic: bool, id: String, act: &Act, loses: Option<&str>) -> Step {
    Step {
        id,
        phase: Phase::Expanding,
        title: format!("take back: {}", step.title),
        act: act.clone(),
        probe: match act {
            Act::BuildIndex { index, .. } => Probe::IndexValid { index: index.clone() },
            _ => opposite(&step.probe),
        },
        undo: match (loses, act) {
            (Some(what), _) => Undo::Impossible { why: format!("{what} would be gone") },
            (None, Act::BuildIndex { index, .. }) => match index.to_sql() {
                Ok(index) => Undo::Acts {
                    acts: vec![Act::sql(format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"))],
                    atomic: false,
                    loses: None,
                },
                Err(error) => Undo::Impossible { why: error.to_string() },
            },
            (None, _) => Undo::Acts { acts: vec![step.act.clone()], atomic, loses: None },
        },
        limits: step.limits,
        lock: step.lock.clone(),
        blocks: step.blocks.clone(),
        estimate: "instant".into(),
        path: step.path.clone(),
        at: step.at,
    }
}

/// How the catalog tells that something was taken back.
fn opposite(probe: &Probe) -> Probe {
    match probe.clone() {
        Probe::IndexValid { index } => Probe::IndexAbsent { index },
        Probe::IndexAbsent { index } => Probe::IndexValid { index },
        Probe::IndexOf { table, index, there } => Probe::IndexOf { table, index, there: !there },
        Probe::ColumnThere { table, column, .. } => Probe::ColumnAbsent { table, column },
        Probe::ColumnAbsent { table, column } => Probe::ColumnThere { table, column, ty: None },
        Probe::ColumnNotNull { table, column, not_null } => {
            Probe::ColumnNotNull { table, column, not_null: !not_null }
        }
        Probe::ConstraintThere { table, constraint, .. } => Probe::ConstraintAbsent { table, constraint },
        Probe::ConstraintAbsent { table, constraint } => {
            Probe::ConstraintThere { table, constraint, validated: false }
        }
        Probe::RelationThere { relation } => Probe::RelationAbsent { relation },
        Probe::RelationAbsent { relation } => Probe::RelationThere { relation },
        Probe::PartitionOf { parent, partition, attached } => {
            Probe::PartitionOf { parent, partition, attached: !attached }
        }
        Probe::DatabaseThere { database, there } => Probe::DatabaseThere { database, there: !there },
        Probe::OnlineDone { change, part } => match part.opposite() {
            Some(part) => Probe::OnlineDone { change, part },
            None => Probe::Nothing,
        },
        Probe::EnumValueThere { .. } | Probe::Nothing => Probe::Nothing,
        Probe::Session => Probe::Session,
        Probe::Repeatable => Probe::Repeatable,
    }
}

fn push(units: &mut Vec<Unit>, atomic: bool, step: Step) {
    match units.last_mut() {
        Some(unit) if atomic && unit.atomic => unit.steps.push(step),
        _ => units.push(Unit { atomic, steps: vec![step] }),
    }
}

/// The plan that takes an applied migration back by its derived way.
pub fn derived_plan(applied: &Applied) -> Result<Plan, Box<Refusal>> {
    if let Some(why) = &applied.bundle.no_way_back {
        return Err(Box::new(no_way_back(applied, why)));
    }
    let mut units = applied.bundle.derived.clone();
    // Once something is gone for good, nothing after it can promise a way back to where we were.
    let mut phase = Phase::Expanding;
    let mut gone = None;
    for step in units.iter_mut().flat_map(|u| &mut u.steps) {
        if let Undo::Impossible { why } = &step.undo {
            phase = Phase::Contracting;
            gone.get_or_insert_with(|| why.clone());
        }
        step.phase = phase;
    }
    undo_plan(applied, "derived", units)
}

/// The plan that takes an applied migration back by the undos of its steps, but for those that somebody else takes back
/// before it: what they dropped is restored.
pub fn restored_plan(
    applied: &Applied,
    by: &Plan,
    restored: impl Fn(&Step) -> bool,
) -> Result<Plan, Box<Refusal>> {
    let mut left = by.clone();
    for step in left.units.iter_mut().flat_map(|unit| &mut unit.steps) {
        if matches!(step.undo, Undo::Impossible { .. }) && restored(step) {
            step.undo = Undo::Nothing;
        }
    }
    let units = derive(&left).map_err(|why| Box::new(no_way_back(applied, &why)))?;
    derived_plan(&Applied {
        bundle: RollbackBundle { derived: units, no_way_back: None, ..applied.bundle.clone() },
        ..applied.clone()
    })
}

/// The plan that takes an applied migration back by its author's script; `planned` is that script's own plan.
pub fn scripted_plan(applied: &Applied, planned: Plan) -> Result<Plan, Box<Refusal>> {
    undo_plan(applied, &planned.strategy.clone(), planned.units)
}

fn undo_plan(applied: &Applied, strategy: &str, units: Vec<Unit>) -> Result<Plan, Box<Refusal>> {
    Plan {
        strategy: strategy.into(),
        key: applied.key.clone(),
        description: applied.description.clone(),
        intent: Intent::Undo,
        units,
        losses: Vec::new(),
    }
    .checked()
    .map_err(|malformed| Box::new(Refusal::new(Code::Bug, malformed.to_string())))
}

/// The refusal for a migration that nothing takes back.
pub fn no_way_back(applied: &Applied, why: &str) -> Refusal {
    let named = match &applied.version {
        Some(version) => format!("U{version}__{}.sql", applied.description.replace(' ', "_")),
        None => "an undo script".into(),
    };
    Refusal::new(Code::NoWayBack, format!("{} {} cannot be taken back", applied.key, applied.description))
        .cause(why.to_owned())
        .help(format!(
            "write {named} with the way back and run `cofferdam repair` to store it, or restore a backup"
        ))
}
