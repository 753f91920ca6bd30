//! Strategy `direct`: the statements themselves, or, where the server has a form that does not block, that.

use cofferdam_core::change::{Action, Change, TableChange};
use cofferdam_core::park::{Object, Parking};
use cofferdam_core::plan::{Act, Intent, Plan, Probe, Step, Undo, Unit};
use cofferdam_core::{Code, Name, Phase, Refusal};
use cofferdam_dialects::postgres::inverse;
use cofferdam_dialects::postgres::locks::{self, Effect};
use cofferdam_dialects::postgres::sequence::{self, SafeStep};

use crate::transaction::{loose_by_wish, mixed, must_be_loose, without_frame};
use crate::{Strategy, Subject, park};

/// The strategy.
pub(crate) static STRATEGY: Strategy = Strategy {
    id: "direct",
    about: "each statement itself, or its native sequence that does not block (CONCURRENTLY, NOT VALID + VALIDATE)",
    fits: |_| true,
    plan,
};

/// A step before it has a phase, and whether it shares a transaction with its neighbours.
struct Draft {
    step: Step,
    togetherness: Togetherness,
}

#[derive(PartialEq, Clone, Copy)]
enum Togetherness {
    /// In one transaction with the neighbours that are `Together` too.
    Together,
    /// In a transaction of its own.
    Alone,
    /// In no transaction.
    Loose,
}

fn plan(subject: &Subject<'_>) -> Result<Plan, Box<Refusal>> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut new_tables: Vec<Name> = subject.created.iter().cloned().collect();
    let mut own_tables: Vec<Name> = Vec::new();
    let mut elsewhere = false;
    for (index, change) in without_frame(subject)?.iter().enumerate() {
        let number = (index + 1).to_string();
        if let Some(parking) = park::parking(subject, change, &number, &own_tables)? {
            // Which object a name means is found out when it is parked, so a changed search_path does no harm.
            drafts.push(parked(subject, change, number, parking));
            continue;
        }
        let no_way_back = drafts.iter().find_map(|d| match &d.step.undo {
            Undo::Impossible { why } => Some(why.clone()),
            _ => None,
        });
        let loose = must_be_loose(subject, change);
        let free_to_split = no_way_back.is_none() || loose_by_wish(subject);
        if loose && !free_to_split {
            return Err(Box::new(mixed(subject, change, &no_way_back.unwrap_or_default())));
        }
        let unsure = elsewhere && !schemas_are_named(change);
        let rewrite = loose || worth_rewriting(subject, change, &new_tables);
        let sequence = if rewrite && free_to_split && !unsure {
            sequence::safe_sequence(change, subject.facts)
                .filter(|steps| loose || loose_by_wish(subject) || all_have_a_way_back(steps))
        } else {
            None
        };
        match sequence {
            Some(steps) => {
                let several = steps.len() > 1;
                for (index, safe) in steps.into_iter().enumerate() {
                    let id = if several { format!("{number}{}", letters(index)) } else { number.clone() };
                    drafts.push(of_sequence(subject, change, id, safe));
                }
            }
            None => {
                let mut draft = as_written(subject, change, number, loose);
                if unsure {
                    draft.without_looking();
                } else if goes_with(change, &own_tables) {
                    draft.step.undo = Undo::Nothing;
                }
                drafts.push(draft);
            }
        }
        elsewhere |= changes_the_path(change);
        if let Action::CreateTable(table) = &change.action
            && !unsure
            && !exists(subject, table.name.as_ref())
        {
            new_tables.extend(table.name.clone());
            own_tables.extend(table.name.clone());
        }
    }
    drafts.extend(check(subject));
    finish(subject, drafts)
}

impl Draft {
    /// The script changed where names without a schema lie, so what the facts say of such a name may be true of
    /// another object: nothing may be derived from it, least of all a DROP.
    fn without_looking(&mut self) {
        let step = &mut self.step;
        if !matches!(step.probe, Probe::Session | Probe::Repeatable) {
            step.probe = Probe::Nothing;
        }
        if step.undo != Undo::Nothing {
            let why = "the script changes search_path before it, so its names may lie in any schema";
            step.undo = Undo::Impossible { why: why.into() };
        }
    }
}

/// `SET search_path`, `SET ROLE` (for `"$user"`), and calls that may do the same.
fn changes_the_path(change: &Change) -> bool {
    match &change.action {
        Action::SetSession { name } => name == "search_path" || name == "all",
        Action::SetRole => true,
        _ => {
            let text = change.text.to_ascii_lowercase();
            text.contains("set_config") || text.contains("search_path")
        }
    }
}

/// Every relation that the statement is about has its schema written.
fn schemas_are_named(change: &Change) -> bool {
    let relations = change.action.relations();
    !relations.is_empty() && relations.iter().all(|name| name.schema.is_some())
}

/// Nobody uses a table that the same run makes, so nothing on it blocks anybody; splitting would only cost the
/// migration its atomicity.
fn worth_rewriting(subject: &Subject<'_>, change: &Change, new_tables: &[Name]) -> bool {
    !subject.as_written
        && !change.action.tables().iter().any(|t| new_tables.contains(t))
        && !matches!(change.action, Action::CreateTable(_))
}

/// A sequence commits after each of its steps: if one of them could not be taken back, a failure of a later one
/// would leave it there, and its own, outside of a transaction, would need a person.
fn all_have_a_way_back(steps: &[SafeStep]) -> bool {
    !steps.iter().any(|step| matches!(step.undo, Undo::Impossible { .. }))
}

/// `a` to `z`, then `aa`, `ab` and so on: a statement of many clauses has more steps than the alphabet letters.
fn letters(index: usize) -> String {
    let last = char::from(b'a' + u8::try_from(index % 26).unwrap_or_default());
    match index / 26 {
        0 => last.to_string(),
        before => letters(before - 1) + &last.to_string(),
    }
}

/// It concerns only tables that this very migration makes: dropping them takes it back too.
fn goes_with(change: &Change, own_tables: &[Name]) -> bool {
    let tables = change.action.tables();
    let moves_away = match &change.action {
        Action::AlterTable { changes, .. } => {
            changes.iter().any(|c| matches!(c, TableChange::RenameTo { .. } | TableChange::SetSchema { .. }))
        }
        Action::CreateTable(_) | Action::DropTable { .. } => true,
        _ => false,
    };
    !tables.is_empty() && !moves_away && tables.iter().all(|t| own_tables.contains(t))
}

fn exists(subject: &Subject<'_>, name: Option<&Name>) -> bool {
    name.and_then(|n| subject.facts.table(n)).is_some_and(|t| t.exists)
}

fn parked(subject: &Subject<'_>, change: &Change, id: String, parking: Parking) -> Draft {
    let effect = locks::effect(change, Some(subject.facts));
    let title = park::title(&parking);
    let copies = matches!(parking.object, Object::Columns { .. });
    let (act, undo) = park::act_and_undo(parking);
    let togetherness = if loose_by_wish(subject) { Togetherness::Alone } else { Togetherness::Together };
    let mut step = step(subject, change, id, title, &effect, act, Probe::Nothing, undo);
    if copies {
        (step.blocks, step.estimate) = ("<1 s".into(), "<1 s".into());
    }
    Draft { step, togetherness }
}

fn of_sequence(subject: &Subject<'_>, change: &Change, id: String, safe: SafeStep) -> Draft {
    let togetherness = if safe.atomic { Togetherness::Alone } else { Togetherness::Loose };
    let step = step(subject, change, id, safe.title, &safe.effect, safe.act, safe.probe, safe.undo);
    Draft { step, togetherness }
}

fn as_written(subject: &Subject<'_>, change: &Change, id: String, loose: bool) -> Draft {
    let act = Act::Sql { sql: change.text.clone(), copy_rows: change.copy_rows.clone() };
    let effect = locks::effect(change, Some(subject.facts));
    let probe = match change.action {
        Action::SetSession { .. } | Action::SetRole => Probe::Session,
        _ => inverse::probe(change),
    };
    let undo = inverse::undo(change, subject.facts);
    let title = crate::title(change);
    let calls = matches!(change.action, Action::Call) && loose_by_wish(subject);
    let togetherness = match (loose || calls, loose_by_wish(subject)) {
        (true, _) => Togetherness::Loose,
        (false, true) => Togetherness::Alone,
        (false, false) => Togetherness::Together,
    };
    Draft { step: step(subject, change, id, title, &effect, act, probe, undo), togetherness }
}

#[allow(clippy::too_many_arguments, reason = "a step has these parts, and this is where they meet")]
fn step(
    subject: &Subject<'_>,
    change: &Change,
    id: String,
    title: String,
    effect: &Effect,
    act: Act,
    probe: Probe,
    undo: Undo,
) -> Step {
    let table = change.action.tables().first().and_then(|t| subject.facts.table(t));
    let (blocks, estimate) = locks::words(effect, table, Some(&subject.facts.server));
    Step {
        id,
        phase: Phase::Expanding,
        title,
        act,
        probe,
        undo,
        limits: subject.limits,
        lock: effect.lock.name().to_owned(),
        blocks,
        estimate,
        path: subject.migration.up.path.clone(),
        at: change.at,
    }
}

/// The check script as the last step, in the last transaction where there is one: what fails it is taken back.
fn check(subject: &Subject<'_>) -> Option<Draft> {
    let parsed = subject.check.filter(|c| !c.changes.is_empty())?;
    let script = subject.migration.check.as_ref()?;
    Some(Draft {
        step: Step {
            id: "check".into(),
            phase: Phase::Verifying,
            title: match parsed.changes.len() {
                1 => "check that a query returns no row".into(),
                several => format!("check that {several} queries return no row"),
            },
            act: Act::Check { queries: parsed.changes.iter().map(|c| c.text.to_string()).collect() },
            probe: Probe::Repeatable,
            undo: Undo::Nothing,
            limits: subject.limits,
            lock: String::new(),
            blocks: "nothing".into(),
            estimate: "not known".into(),
            path: script.path.clone(),
            at: parsed.changes.first().map(|c| c.at).unwrap_or_default(),
        },
        togetherness: if loose_by_wish(subject) { Togetherness::Alone } else { Togetherness::Together },
    })
}

/// See [`check`].
pub(crate) fn check_step(subject: &Subject<'_>) -> Option<Step> {
    check(subject).map(|draft| draft.step)
}

/// Gives every step its phase and groups what commits together.
fn finish(subject: &Subject<'_>, drafts: Vec<Draft>) -> Result<Plan, Box<Refusal>> {
    let mut units: Vec<Unit> = Vec::new();
    let mut phase = Phase::Expanding;
    let mut open = false;
    for Draft { mut step, togetherness } in drafts {
        if matches!(step.undo, Undo::Impossible { .. }) {
            phase = Phase::Contracting;
        } else if phase != Phase::Contracting {
            phase = step.phase;
        }
        step.phase = phase;
        match units.last_mut() {
            Some(unit) if open && togetherness == Togetherness::Together => unit.steps.push(step),
            _ => units.push(Unit { atomic: togetherness != Togetherness::Loose, steps: vec![step] }),
        }
        open = togetherness == Togetherness::Together;
    }
    Plan {
        strategy: STRATEGY.id.into(),
        key: subject.migration.key(),
        description: subject.migration.description.clone(),
        intent: Intent::Apply,
        units,
        losses: Vec::new(),
    }
    .checked()
    .map_err(|malformed| Box::new(Refusal::new(Code::Bug, malformed.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_lettered_past_the_alphabet() {
        let all: Vec<String> = [0, 25, 26, 51, 52, 701, 702].into_iter().map(letters).collect();
        assert_eq!(all, ["a", "z", "aa", "az", "ba", "zz", "aaa"]);
        let unique: std::collections::HashSet<String> = (0..2000).map(letters).collect();
        assert_eq!(unique.len(), 2000);
    }
}
