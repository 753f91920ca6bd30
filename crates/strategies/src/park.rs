//! In place of dropping: what a statement would drop is put aside, and can be brought back.

use cofferdam_core::change::{Action, Change, TableChange};
use cofferdam_core::park::{self, Deed, Object, Parked, Parking, SMALL_BYTES};
use cofferdam_core::plan::{Act, Intent, Plan, Probe, Step, Undo, Unit};
use cofferdam_core::{Code, Limits, Name, Phase, Refusal, Span};

use crate::Subject;
use crate::parts::size;
use crate::transaction::place;

/// What a statement would drop that is to be put aside; `None`: nothing, or nobody wants it. Tables that the same
/// migration made are dropped as they are.
pub(crate) fn parking(
    subject: &Subject<'_>,
    change: &Change,
    step: &str,
    own_tables: &[Name],
) -> Result<Option<Parking>, Box<Refusal>> {
    let Some(keep_seconds) = subject.wishes.park else { return Ok(None) };
    let object = match &change.action {
        Action::DropTable { names, cascade, .. } if !names.iter().all(|name| own_tables.contains(name)) => {
            Object::Tables { names: names.clone(), cascade: *cascade }
        }
        Action::AlterTable { table, changes, .. } if !own_tables.contains(table) => {
            match columns(subject, change, table, changes)? {
                Some(columns) => Object::Columns { table: table.clone(), columns },
                None => return Ok(None),
            }
        }
        Action::DropSchema { names, cascade: true, .. } => {
            return Err(Box::new(
                not_parkable(format!("what is in schema {} cannot be parked", names.join(", ")))
                    .cause("CASCADE drops whatever is in it, and nothing of that could be brought back")
                    .help("drop its tables by their names first, in the same script, then the schema")
                    .at(place(subject, change)),
            ));
        }
        _ => return Ok(None),
    };
    let label = park::label(&subject.migration.key(), step, &change.text);
    Ok(Some(Parking { label, object, sql: change.text.clone(), keep_seconds }))
}

/// The columns that an ALTER TABLE drops, where that is all it does.
fn columns(
    subject: &Subject<'_>,
    change: &Change,
    table: &Name,
    clauses: &[TableChange],
) -> Result<Option<Vec<String>>, Box<Refusal>> {
    let mut columns = Vec::new();
    let mut takes_more = false;
    for clause in clauses {
        if let TableChange::DropColumn { name, cascade, .. } = clause {
            columns.push(name.clone());
            takes_more |= cascade;
        }
    }
    if columns.is_empty() {
        return Ok(None);
    }
    let of = columns.iter().map(|c| format!("{table}.{c}")).collect::<Vec<_>>().join(", ");
    let refused = |cause: String, help: &str| {
        let refusal = not_parkable(format!("the values of {of} cannot be parked"));
        Err(Box::new(refusal.cause(cause).help(help).at(place(subject, change))))
    };
    if takes_more {
        return refused(
            "CASCADE drops what depends on the column, and nothing of that could be brought back".into(),
            "drop what depends on it by its name first, then the column without CASCADE",
        );
    }
    if columns.len() < clauses.len() {
        return refused(
            "the statement does more than to drop columns, and is parked as a whole or not at all".into(),
            "write DROP COLUMN as a statement of its own",
        );
    }
    let bytes = subject.facts.table(table).map_or(0, |facts| facts.bytes);
    if bytes > SMALL_BYTES {
        return refused(
            format!(
                "{table} has {}: to copy its values under the lock of DROP COLUMN would stop everybody for too long, and \
                 kept under another name the column would still stand in SELECT * and in every INSERT without a list of \
                 columns",
                size(bytes)
            ),
            LARGE_HELP,
        );
    }
    Ok(Some(columns))
}

/// What does for a table that is too large to copy a column of it under a lock.
pub const LARGE_HELP: &str = "--strategy shadow-table keeps the old table, with the column, until cofferdam finalize \
                              (--allow data-loss=\"reason\" agrees to what that will lose); or drop the column for \
                              good: --no-park";

fn not_parkable(what: String) -> Refusal {
    Refusal::new(Code::NotParkable, what)
}

/// `park table orders for 7 days`.
pub(crate) fn title(parking: &Parking) -> String {
    format!("park {} for {}", parking.object, park::for_so_long(parking.keep_seconds))
}

/// The act, and how it is taken back.
pub(crate) fn act_and_undo(parking: Parking) -> (Act, Undo) {
    let parking = Box::new(parking);
    let back = Act::Park { parking: parking.clone(), deed: Deed::Undrop };
    (Act::Park { parking, deed: Deed::Park }, Undo::Acts { acts: vec![back], atomic: true, loses: None })
}

/// A way back that drops what the migration made: what `drops` says of a step is put aside in its place, so that nothing
/// that was written there since is lost, and taking that back again is possible.
///
/// # Errors
/// A plan that is none.
pub fn in_place_of_dropping(
    mut plan: Plan,
    keep_seconds: u64,
    drops: impl Fn(&Step) -> Option<Object>,
) -> Result<Plan, Box<Refusal>> {
    let key = plan.key.clone();
    for step in plan.units.iter_mut().filter(|unit| unit.atomic).flat_map(|unit| &mut unit.steps) {
        let Some(object) = drops(step) else { continue };
        let Act::Sql { sql, .. } = &step.act else { continue };
        let label = park::label(&key, &step.id, sql);
        let parking = Parking { label, object, sql: sql.clone(), keep_seconds };
        step.title = title(&parking);
        if matches!(parking.object, Object::Columns { .. }) {
            (step.blocks, step.estimate) = ("<1 s".into(), "<1 s".into());
        }
        (step.act, step.undo) = act_and_undo(parking);
        step.probe = Probe::Nothing;
    }
    // Perhaps nothing is gone for good any more.
    let mut phase = Phase::Expanding;
    for step in plan.units.iter_mut().flat_map(|unit| &mut unit.steps) {
        if matches!(step.undo, Undo::Impossible { .. }) {
            phase = Phase::Contracting;
        }
        step.phase = phase;
    }
    checked(plan)
}

/// Names what a way back parks after the application that it takes back: the same migration may be applied and taken back
/// once more while what was parked the first time is still there.
pub fn of_application(mut plan: Plan, application: &str) -> Plan {
    let key = format!("{} {application}", plan.key);
    for step in plan.units.iter_mut().flat_map(|unit| &mut unit.steps) {
        let Act::Park { parking, deed: Deed::Park } = &step.act else { continue };
        let label = park::label(&key, &step.id, &parking.sql);
        (step.act, step.undo) = act_and_undo(Parking { label, ..(**parking).clone() });
    }
    plan
}

/// The step after one that brings something back: foreign keys are checked, which blocks nobody.
pub fn validation(plan: &Plan) -> Vec<Unit> {
    let undropped: Vec<(&Step, &Parking)> = plan
        .steps()
        .filter_map(|step| match &step.act {
            Act::Park { parking, deed: Deed::Undrop } => Some((step, &**parking)),
            _ => None,
        })
        .collect();
    undropped
        .into_iter()
        .filter(|(_, parking)| matches!(parking.object, Object::Tables { .. }))
        .map(|(before, parking)| Unit {
            atomic: false,
            steps: vec![Step {
                id: format!("{} keys", before.id),
                phase: Phase::Expanding,
                title: format!("validate the foreign keys of {}", parking.object),
                act: Act::Park { parking: Box::new(parking.clone()), deed: Deed::Validate },
                probe: Probe::Repeatable,
                undo: Undo::Nothing,
                lock: "SHARE UPDATE EXCLUSIVE".into(),
                blocks: "nothing".into(),
                estimate: "not known".into(),
                ..before.clone()
            }],
        })
        .collect()
}

/// The plan that brings something back.
pub fn undrop_plan(parked: &Parked, limits: Limits) -> Result<Plan, Box<Refusal>> {
    let mut plan = of_one_step(parked, Deed::Undrop, limits);
    let keys = validation(&plan);
    plan.units.extend(keys);
    checked(plan)
}

/// The plan that drops something for good.
pub fn discard_plan(parked: &Parked, limits: Limits) -> Result<Plan, Box<Refusal>> {
    let mut plan = of_one_step(parked, Deed::Discard, limits);
    plan.losses = vec![match &parked.object {
        Object::Tables { .. } => format!("the rows of {}, parked as {}", parked.object, parked.name),
        Object::Columns { .. } => format!("the values of {}, parked as {}", parked.object, parked.name),
    }];
    checked(plan)
}

fn checked(plan: Plan) -> Result<Plan, Box<Refusal>> {
    plan.checked().map_err(|malformed| Box::new(Refusal::new(Code::Bug, malformed.to_string())))
}

fn of_one_step(parked: &Parked, deed: Deed, limits: Limits) -> Plan {
    let object = match deed {
        // What is destroyed is what is there now: a backup saves it by that name.
        Deed::Discard => Object::Tables { names: parked.kept_in.clone(), cascade: false },
        _ => parked.object.clone(),
    };
    let parking = Parking { label: parked.label.clone(), object, sql: "".into(), keep_seconds: 0 };
    let what = format!("{} {}", deed.word(), parked.object);
    let discard = deed == Deed::Discard;
    let step = Step {
        id: "1".into(),
        phase: if discard { Phase::Contracting } else { Phase::Expanding },
        title: what.clone(),
        act: Act::Park { parking: Box::new(parking), deed },
        probe: Probe::Nothing,
        undo: match discard {
            true => Undo::Impossible { why: format!("{} would be gone", parked.object) },
            // One transaction: where it fails, nothing of it is there.
            false => Undo::Nothing,
        },
        limits,
        lock: "ACCESS EXCLUSIVE".into(),
        blocks: "<10 ms".into(),
        estimate: "instant".into(),
        path: String::new(),
        at: Span::default(),
    };
    Plan {
        strategy: "direct".into(),
        key: format!("{} {}", if discard { "finalize" } else { "undrop" }, parked.name),
        description: what,
        intent: Intent::Apply,
        units: vec![Unit { atomic: true, steps: vec![step] }],
        losses: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::plan::Act;

    use super::*;

    fn label(plan: &Plan) -> Vec<&str> {
        let of = |act: &'_ Act| match act {
            Act::Park { parking, .. } => Some(parking.label.clone()),
            _ => None,
        };
        plan.steps()
            .flat_map(|step| {
                let undo = match &step.undo {
                    Undo::Acts { acts, .. } => acts.iter().find_map(of),
                    _ => None,
                };
                assert_eq!(of(&step.act), undo, "what brings it back finds it");
                match &step.act {
                    Act::Park { parking, .. } => Some(parking.label.as_str()),
                    _ => None,
                }
            })
            .collect()
    }

    fn back(sql: &str, lost: bool) -> Plan {
        let undo = match lost {
            true => Undo::Impossible { why: "gone".into() },
            false => {
                Undo::Acts { acts: vec![Act::sql("CREATE VIEW v AS SELECT 1")], atomic: true, loses: None }
            }
        };
        let parked = Parked {
            name: "p".into(),
            label: "l".into(),
            object: Object::Tables { names: vec![Name::plain("t")], cascade: false },
            kept_in: vec![],
            run: Default::default(),
            key: "1".into(),
            parked_at: String::new(),
            parked_by: String::new(),
            until: String::new(),
            expired: false,
            bytes: None,
            ended_at: None,
            ended: None,
            notes: vec![],
        };
        let mut plan = of_one_step(&parked, Deed::Undrop, Limits::default());
        let step = &mut plan.units[0].steps[0];
        (step.act, step.undo) = (Act::sql(sql), undo);
        plan
    }

    #[test]
    fn a_way_back_parks_what_it_would_drop_and_is_no_end_any_more() {
        let table = || Object::Tables { names: vec![Name::plain("t")], cascade: false };
        let parked = in_place_of_dropping(back("DROP TABLE t", true), 60, |_| Some(table())).unwrap();
        let step = parked.steps().next().unwrap();
        assert_eq!((step.phase, step.title.as_str()), (Phase::Expanding, "park table t for 1 minute"));
        let first = label(&parked)[0].to_owned();
        let (one, other) = (of_application(parked.clone(), "a"), of_application(parked, "b"));
        assert_ne!(label(&one), label(&other));
        assert_ne!(label(&one)[0], first);
        // What cannot be parked stays a loss.
        let lost = in_place_of_dropping(back("DROP TABLE t", true), 60, |_| None).unwrap();
        assert_eq!(lost.steps().next().unwrap().phase, Phase::Contracting);
        let other = in_place_of_dropping(back("DROP VIEW v", false), 60, |_| None).unwrap();
        assert_eq!(other.steps().next().unwrap().phase, Phase::Expanding);
        assert_eq!(of_application(other.clone(), "a"), other);
    }
}
