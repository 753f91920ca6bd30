//! What rides along with a migration, in its own transactions: steps that belong to the run and not to its script.
//!
//! A migration of a project writes the project's version in the transaction of its last statements, so that no crash
//! comes between the two.

use std::collections::BTreeMap;

use cofferdam_core::change::Span;
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::What;
use cofferdam_core::plan::{Act, Plan, Probe, Step, Undo, Unit};
use cofferdam_core::{Code, Fault, Limits, Phase, Refusal, Script};
use cofferdam_engines::Session;

use crate::sql;

/// Steps that are added to the plan of one migration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rider {
    /// Before its first statement, in one transaction with it where it has one.
    pub before: Vec<Ride>,
    /// After its last statement, in one transaction with it where it has one. Statements come before the migration's
    /// own check, checks after it.
    pub after: Vec<Ride>,
}

/// The step that writes which version a project has. It has its own way back, so no backup is taken for it.
pub const VERSION: &str = "version";

/// By the key of the migration.
pub type Riders = BTreeMap<String, Rider>;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Ride {
    /// A statement that can run in a transaction, and twice.
    Sql {
        /// What the step is called, as no step of a script is: not a number, not `check`.
        id: String,
        /// What it does, in a few words.
        title: String,
        /// The statement.
        sql: String,
        /// What takes it back; `None`: nothing has to.
        back: Option<String>,
    },
    /// Queries that must return no row.
    Check {
        /// See above.
        id: String,
        /// See above.
        title: String,
        /// The queries.
        script: Script,
    },
}

/// What a command saw of the database before it had the run lock, and what must still be so once it has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ground {
    /// The versions in the history that are looked at begin with this.
    pub prefix: String,
    /// Those in force, in the order of the history.
    pub in_force: Vec<String>,
    /// A query of one value.
    pub query: String,
    /// What it returned; `None`: no row, or NULL.
    pub answer: Option<String>,
    /// Written into the journal before the first run, as a row that belongs to none.
    pub note: String,
}

impl Ride {
    fn id(&self) -> &str {
        match self {
            Ride::Sql { id, .. } | Ride::Check { id, .. } => id,
        }
    }

    fn step(&self, phase: Phase, limits: Limits, path: &str, dialect: &str) -> Result<Step> {
        let (title, act, undo, path, at) = match self {
            Ride::Sql { title, sql, back, .. } => {
                let undo = match back {
                    Some(back) => {
                        Undo::Acts { acts: vec![Act::sql(back.as_str())], atomic: true, loses: None }
                    }
                    None => Undo::Nothing,
                };
                (title, Act::sql(sql.as_str()), undo, path, Span::default())
            }
            Ride::Check { title, script, .. } => {
                let parsed = sql::read(dialect, script)?;
                let queries = parsed.changes.iter().map(|change| change.text.to_string()).collect();
                let at = parsed.changes.first().map(|change| change.at).unwrap_or_default();
                (title, Act::Check { queries }, Undo::Nothing, script.path.as_str(), at)
            }
        };
        Ok(Step {
            id: self.id().to_owned(),
            phase,
            title: title.clone(),
            act,
            probe: Probe::Repeatable,
            undo,
            limits,
            lock: String::new(),
            blocks: "nothing".into(),
            estimate: "instant".into(),
            path: path.to_owned(),
            at,
        })
    }
}

/// The plan with what rides along with it, in the words of this dialect.
pub(crate) fn seat(mut plan: Plan, riders: &Riders, limits: Limits, dialect: &str) -> Result<Plan> {
    let Some(rider) = riders.get(&plan.key) else { return Ok(plan) };
    let path = plan.steps().next().map(|step| step.path.clone()).unwrap_or_default();
    let step = |ride: &Ride, phase| ride.step(phase, limits, &path, dialect);
    let before = rider.before.iter().map(|ride| step(ride, Phase::Expanding)).collect::<Result<Vec<_>>>()?;
    if !before.is_empty() {
        match plan.units.first_mut() {
            Some(unit) if unit.atomic => drop(unit.steps.splice(0..0, before)),
            _ => plan.units.insert(0, Unit { atomic: true, steps: before }),
        }
    }
    for ride in &rider.after {
        let end = end(&plan);
        let own_check = end.checked_sub(1).filter(|at| is_check(&plan.units[*at]));
        let (at, behind) = match (ride, own_check) {
            (Ride::Sql { .. }, Some(at)) => (at, false),
            _ => (end, true),
        };
        let phase = phase_before(&plan, at, behind);
        let phase = match (ride, phase) {
            (Ride::Check { .. }, Phase::Expanding) => Phase::Verifying,
            (_, phase) => phase,
        };
        let step = step(ride, phase)?;
        match (plan.units.get_mut(at), behind) {
            // In front of the check, which is the unit's last step.
            (Some(unit), false) if unit.atomic => {
                let last = unit.steps.len().saturating_sub(1);
                unit.steps.insert(last, step);
            }
            _ => match at.checked_sub(1).and_then(|last| plan.units.get_mut(last)) {
                Some(unit) if unit.atomic => unit.steps.push(step),
                _ => plan.units.insert(at, Unit { atomic: true, steps: vec![step] }),
            },
        }
    }
    plan.checked().map_err(|malformed| Fault::Bug(malformed.to_string()))
}

/// Where a plan ends for what rides along: before the end of an online change's revert window, which may be days away.
fn end(plan: &Plan) -> usize {
    let ends_window = |unit: &Unit| {
        let online = |step: &Step| matches!(step.act, Act::Online { .. });
        unit.steps.first().is_some_and(|step| online(step) && step.phase == Phase::Contracting)
    };
    plan.units.iter().position(ends_window).unwrap_or(plan.units.len())
}

fn is_check(unit: &Unit) -> bool {
    unit.steps.last().is_some_and(|step| step.id == "check")
}

/// The phase of the step before the place: the one before the last of the unit at `at`, or the last of the one before.
fn phase_before(plan: &Plan, at: usize, behind: bool) -> Phase {
    let within = plan.units.get(at).filter(|unit| !behind && unit.atomic);
    let within = within.and_then(|unit| unit.steps.iter().rev().nth(1));
    let before = || at.checked_sub(1).and_then(|last| plan.units.get(last)?.steps.last());
    within.or_else(before).map_or(Phase::Expanding, |step| step.phase)
}

/// Refuses to go on where another runner was here since the command looked, and notes what begins. Called under the run
/// lock.
pub(crate) async fn begin(session: &mut dyn Session, ground: Option<&Ground>) -> Result<()> {
    let Some(ground) = ground else { return Ok(()) };
    let history = session.history().await?;
    if in_force(&history, &ground.prefix) == ground.in_force
        && answer(session, &ground.query).await? == ground.answer
    {
        return session.append(What::Noted { text: ground.note.clone() }).await;
    }
    session.release().await?;
    Err(Refusal::new(Code::ProjectMoved, "the project was changed by another command meanwhile")
        .cause("what is to be done was worked out from what was there before; nothing was changed by this command")
        .help("run the same command again")
        .into())
}

/// The versions in force that begin with this, in the order of the history.
pub fn in_force(history: &[Applied], prefix: &str) -> Vec<String> {
    let ours = |row: &&Applied| row.in_force() && row.key.starts_with(prefix);
    history.iter().filter(ours).map(|row| row.key.clone()).collect()
}

/// The one value of a query; `None`: no row, NULL, or no such table.
///
/// # Errors
/// What keeps the database from being asked.
pub async fn answer(session: &mut dyn Session, query: &str) -> Result<Option<String>> {
    match session.rows(query, 1).await {
        Ok(rows) => Ok(rows.rows.into_iter().next().and_then(|row| row.into_iter().next().flatten())),
        Err(Fault::Refused(refusal)) if refusal.code == Code::StatementFailed => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::plan::Intent;

    use super::*;

    fn step(id: &str, phase: Phase, act: Act) -> Step {
        Step {
            id: id.into(),
            phase,
            title: id.into(),
            act,
            probe: Probe::Nothing,
            undo: Undo::Nothing,
            limits: Limits::default(),
            lock: String::new(),
            blocks: String::new(),
            estimate: String::new(),
            path: "p.sql".into(),
            at: Span::default(),
        }
    }

    /// `1 2 | ~3 | check`: units, of which those with `~` run outside of transactions.
    fn plan(units: &str, last: Phase) -> Plan {
        let unit = |text: &str| {
            let text = text.trim();
            let steps = text.trim_start_matches('~').split_whitespace().map(|id| {
                let act = if id == "check" { Act::Check { queries: vec![] } } else { Act::sql("SELECT 1") };
                step(id, if id == "check" || id == "last" { last } else { Phase::Expanding }, act)
            });
            Unit { atomic: !text.starts_with('~'), steps: steps.collect() }
        };
        Plan {
            strategy: "direct".into(),
            key: "p-v1.0.0/install-001".into(),
            description: String::new(),
            intent: Intent::Apply,
            units: units.split('|').filter(|unit| !unit.trim().is_empty()).map(unit).collect(),
            losses: Vec::new(),
        }
    }

    fn riders() -> Riders {
        let sql = |id: &str| Ride::Sql {
            id: id.into(),
            title: id.into(),
            sql: "SELECT 2".into(),
            back: Some("SELECT 3".into()),
        };
        let check = |id: &str| Ride::Check {
            id: id.into(),
            title: id.into(),
            script: Script::new("c.sql", "SELECT 1 WHERE false; SELECT 2 WHERE false;"),
        };
        let rider =
            Rider { before: vec![sql("made"), check("pre")], after: vec![sql("version"), check("post")] };
        Riders::from([("p-v1.0.0/install-001".to_owned(), rider)])
    }

    fn shown(plan: &Plan) -> String {
        let unit = |unit: &Unit| {
            let ids: Vec<&str> = unit.steps.iter().map(|step| step.id.as_str()).collect();
            format!("{}{}", if unit.atomic { "" } else { "~" }, ids.join(" "))
        };
        plan.units.iter().map(unit).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn riders_share_the_transactions_of_the_script() {
        for (units, last, expected) in [
            ("1 2", Phase::Expanding, "made pre 1 2 version post"),
            ("1 check", Phase::Verifying, "made pre 1 version check post"),
            ("1 last check", Phase::Contracting, "made pre 1 last version check post"),
            ("~1", Phase::Expanding, "made pre | ~1 | version post"),
            ("~1 | check", Phase::Verifying, "made pre | ~1 | version check post"),
            ("1 | ~2 | 3", Phase::Expanding, "made pre 1 | ~2 | 3 version post"),
            ("~1 | ~last", Phase::Contracting, "made pre | ~1 | ~last | version post"),
            ("", Phase::Expanding, "made pre version post"),
        ] {
            let seated = seat(plan(units, last), &riders(), Limits::default(), "postgresql").unwrap();
            assert_eq!(shown(&seated), expected, "{units}");
        }
        let other = plan("1", Phase::Expanding);
        let other = Plan { key: "p-v1.0.0/install-002".into(), ..other };
        assert_eq!(seat(other.clone(), &riders(), Limits::default(), "postgresql").unwrap(), other);
    }

    #[test]
    fn the_revert_window_of_an_online_change_ends_after_the_riders() {
        let change = cofferdam_core::Online {
            table: cofferdam_core::Name::plain("t"),
            clauses: String::new(),
            capture: Default::default(),
            gate: Default::default(),
            forward: vec![],
            backward: vec![],
            allow_loss: None,
            workers: 1,
            proof: Default::default(),
        };
        let part = |part, phase, id: &str| Unit {
            atomic: false,
            steps: vec![step(id, phase, Act::Online { change: Box::new(change.clone()), part })],
        };
        use cofferdam_core::online::Part;
        let mut online = plan("", Phase::Expanding);
        online.units = vec![
            part(Part::Swap, Phase::CuttingOver, "swap"),
            part(Part::Settle, Phase::Watching, "settle"),
            Unit {
                atomic: false,
                steps: vec![step("check", Phase::Watching, Act::Check { queries: vec![] })],
            },
            part(Part::Finish, Phase::Contracting, "finish"),
        ];
        let seated = seat(online, &riders(), Limits::default(), "postgresql").unwrap();
        assert_eq!(shown(&seated), "made pre | ~swap | ~settle | version | ~check | post | ~finish");
        let version = seated.step("version").unwrap();
        assert_eq!(version.phase, Phase::Watching);
        assert!(matches!(&version.undo, Undo::Acts { acts, .. } if acts == &[Act::sql("SELECT 3")]));
    }

    #[test]
    fn a_check_has_its_queries_and_its_place() {
        let seated = seat(plan("1", Phase::Expanding), &riders(), Limits::default(), "postgresql").unwrap();
        let check = seated.step("post").unwrap();
        assert!(matches!(&check.act, Act::Check { queries } if queries.len() == 2), "{:?}", check.act);
        assert_eq!((check.path.as_str(), check.phase), ("c.sql", Phase::Verifying));
    }
}
