//! The table of another tool beside our own history: whether anything may be applied, and taking it over.

use std::collections::BTreeSet;

use cofferdam_core::history::{Applied, How, Unfinished};
use cofferdam_core::plan::{Plan, Probe, Seen, Step, Undo};
use cofferdam_core::{Bundle, Checksum, Code, Migration, Refusal, Result};
use cofferdam_dialects::Parsed;
use cofferdam_engines::{Beside, Run, Runs, Session};
use cofferdam_formats::beside::{self, Files, with_history};
use cofferdam_formats::{Options, Standing};
use cofferdam_strategies::{Subject, Wishes};

use crate::Policy;

/// Files against history, and the tool's table against our own history. `unfinished`: runs that did not end, whose
/// marks in the tool's table are ours.
pub fn standing(
    session: &dyn Session,
    bundle: &Bundle,
    history: &[Applied],
    options: &Options,
    unfinished: &[Run],
) -> Standing {
    let mut standing = cofferdam_formats::standing(bundle, history, options);
    if let Some(beside) = session.beside() {
        let keys: Vec<&str> = unfinished.iter().map(|run| run.plan.key.as_str()).collect();
        let files = std::mem::take(&mut standing.problems);
        standing.problems = beside.problems(&keys);
        standing.problems.extend(files);
    }
    standing
}

/// Refuses what came up since it was looked at: under the lock the tool may be found to have left something unfinished,
/// or to have changed its history. `unfinished_only`: what is taken back needs no agreement of the two.
pub(crate) fn refuse(session: &dyn Session, unfinished: &[Run], unfinished_only: bool) -> Result<()> {
    let Some(beside) = session.beside() else { return Ok(()) };
    if let Some(refusal) = beside.busy() {
        return Err(refusal.into());
    }
    let keys: Vec<&str> = unfinished.iter().map(|run| run.plan.key.as_str()).collect();
    let problems = beside.problems(&keys);
    let first = problems.into_iter().find(|problem| !unfinished_only || problem.code == Code::Unfinished);
    first.map_or(Ok(()), |problem| Err(problem.into()))
}

/// Whose word counts where the two histories differ in what is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Believe {
    /// Our own: what the tool's table does not have is written there, and checksums become ours.
    Own,
    /// The tool's: what its table does not have counts as taken back, and checksums become the tool's.
    Tool,
}

/// What taking over found and did.
#[derive(Debug, Clone)]
pub struct Import {
    /// What the two histories said before.
    pub before: Beside,
    /// Rows of ours that the tool's table does not have, with what the catalog says of their files.
    pub ours: Vec<(Applied, Evidence)>,
    /// What the tool left unfinished, with what the catalog says of its file and what is to be done.
    pub unfinished: Vec<(Unfinished, Evidence, Vec<String>)>,
    /// Files that the tool would pass over in silence, a sentence each.
    pub late: Vec<String>,
    /// What of the files does not fit the history after it.
    pub problems: Vec<Refusal>,
    /// How many files are pending after it.
    pub pending: usize,
    /// What was written, a sentence each. Empty: there was nothing to do, or nothing was to be done.
    pub done: Vec<String>,
}

/// What the catalog says of a file.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Each statement, and whether its effect is there.
    pub statements: Vec<(String, Seen)>,
    /// The statements that take back what is there, the last first; empty where that is not known of each.
    pub back: Vec<String>,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is there.
    All,
    /// Nothing of it is there.
    Nothing,
    /// Some of it is there.
    Part,
    /// The catalog cannot tell: there is no file, or statements that leave no trace in the catalog.
    Unclear,
}

impl Verdict {
    /// In words, after "the catalog: ".
    pub fn words(self) -> &'static str {
        match self {
            Verdict::All => "all of it is there",
            Verdict::Nothing => "nothing of it is there",
            Verdict::Part => "some of it is there",
            Verdict::Unclear => "it cannot be told",
        }
    }
}

impl Evidence {
    /// What follows from it. One statement of which the catalog cannot tell leaves open what the others say alike.
    pub fn verdict(&self) -> Verdict {
        let any = |wanted: fn(&Seen) -> bool| self.statements.iter().any(|(_, seen)| wanted(seen));
        let there = any(|seen| matches!(seen, Seen::Done | Seen::Partly(_)));
        let missing = any(|seen| matches!(seen, Seen::NotDone | Seen::Partly(_)));
        match (there, missing) {
            (true, true) => Verdict::Part,
            _ if any(|seen| matches!(seen, Seen::Unclear(_))) => Verdict::Unclear,
            (true, false) => Verdict::All,
            (false, true) => Verdict::Nothing,
            (false, false) => Verdict::Unclear,
        }
    }
}

/// Looks at both histories, and, unless it is only to look, takes over what the tool did. Nothing of the data is
/// touched.
///
/// # Errors
/// `Undecided` where no table of a tool is kept.
pub async fn import(
    session: &mut dyn Session,
    bundle: &Bundle,
    believe: Option<Believe>,
    look_only: bool,
    policy: &Policy,
) -> Result<Import> {
    let history = session.history().await?;
    let unfinished_runs = session.runs(Runs::Unfinished).await?;
    let Some(before) = session.beside().cloned() else {
        return Err(Refusal::new(Code::Undecided, "there is no history of another tool to take over")
            .cause("no table of the database is that of a tool for this directory")
            .help("cofferdam apply begins with Cofferdam's own history; cofferdam baseline VERSION says what is there")
            .into());
    };
    if let Some(refusal) = before.busy() {
        return Err(refusal.into());
    }
    let files = Files::of(bundle);
    let working: Vec<&str> = unfinished_runs.iter().map(|run| run.plan.key.as_str()).collect();
    let left = before.difference.unfinished.iter().filter(|what| !working.contains(&what.key.as_str()));
    let left: Vec<&Unfinished> = left.collect();
    let of_left = |what: &&Unfinished| bundle.migrations.iter().find(|migration| migration.key() == what.key);
    let asked: Vec<Option<&Migration>> =
        before.difference.ours.iter().map(|row| files.about(row)).chain(left.iter().map(of_left)).collect();
    let mut evidence = evidence(session, &asked, policy).await?.into_iter();
    let ours = before.difference.ours.iter().cloned().zip(evidence.by_ref()).collect();
    let unfinished = left.into_iter().zip(evidence).map(|(what, evidence)| {
        let fix = fix(&before, what, &evidence, bundle);
        (what.clone(), evidence, fix)
    });
    let unfinished = unfinished.collect();
    let anything = !before.difference.theirs.is_empty()
        || !before.difference.taken_back.is_empty()
        || believe.is_some() && !before.difference.is_none();
    let mut done = Vec::new();
    let mut history = history;
    if anything && !look_only {
        done = carry_out(session, &before, believe, policy).await?;
        history = session.history().await?;
    }
    let options = Options { out_of_order: policy.out_of_order, target: None };
    let standing = cofferdam_formats::standing(bundle, &history, &options);
    Ok(Import {
        late: cofferdam_formats::late(before.codec.id, bundle, &history),
        before,
        ours,
        unfinished,
        pending: standing.pending.len(),
        problems: standing.problems,
        done,
    })
}

async fn carry_out(
    session: &mut dyn Session,
    before: &Beside,
    believe: Option<Believe>,
    policy: &Policy,
) -> Result<Vec<String>> {
    let (codec, table, difference) = (before.codec, &before.table, &before.difference);
    let (mut done, mut changes) = (Vec::new(), Vec::new());
    // To claim takes over what the tool did: that is what every command does that writes.
    session.claim(policy.lock_wait).await?;
    if !difference.theirs.is_empty() {
        done.push(format!("{} taken over from {table}", count(difference.theirs.len(), "migration")));
    }
    for (row, _) in &difference.taken_back {
        done.push(format!("{} {}: taken back by {}, and so it is here", row.key, row.description, codec.id));
    }
    match believe {
        None => {}
        Some(Believe::Own) => {
            if !difference.ours.is_empty() {
                let note =
                    format!("written into {table} of {}: {}", codec.id, beside::keys(&difference.ours));
                session.tell_tool(&difference.ours, &note).await?;
                done.push(note);
            }
            changes.extend(difference.drift.iter().map(|(ours, theirs)| {
                let note = drift_note(ours, theirs.checksum.as_ref(), ours.checksum.as_ref(), "there");
                (ours.clone(), note)
            }));
        }
        Some(Believe::Tool) => {
            let at = Some(jiff::Timestamp::now().to_string());
            changes.extend(difference.ours.iter().map(|row| {
                let note = format!(
                    "{} {}: {} does not have it, and so it counts as taken back",
                    row.key, row.description, codec.id
                );
                (Applied { undone_at: at.clone(), ..row.clone() }, note)
            }));
            changes.extend(difference.drift.iter().map(|(ours, theirs)| {
                let note = drift_note(ours, ours.checksum.as_ref(), theirs.checksum.as_ref(), "here");
                (Applied { checksum: theirs.checksum.clone(), ..ours.clone() }, note)
            }));
        }
    }
    if !changes.is_empty() {
        session.amend_history(&changes).await?;
        done.extend(changes.into_iter().map(|(_, note)| note));
    }
    session.release().await?;
    Ok(done)
}

fn drift_note(row: &Applied, from: Option<&Checksum>, to: Option<&Checksum>, place: &str) -> String {
    let text = |checksum: Option<&Checksum>| checksum.map_or("none".to_owned(), Checksum::to_string);
    format!("{} {}: checksum {} is now {} {place}, too", row.key, row.description, text(from), text(to))
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Asks the catalog for the effect of each statement of these files, of all together: there may be thousands.
async fn evidence(
    session: &mut dyn Session,
    files: &[Option<&Migration>],
    policy: &Policy,
) -> Result<Vec<Evidence>> {
    let plans = planned(session, files, policy).await?;
    let steps = || plans.iter().flatten().flat_map(Plan::steps);
    let probes: Vec<&Probe> = steps().map(|step| &step.probe).collect();
    let mut seen = session.probes(&probes).await?.into_iter();
    let found =
        plans.iter().map(|plan| plan.as_ref().map_or_else(Evidence::default, |plan| of(plan, &mut seen)));
    Ok(found.collect())
}

/// What was seen of the steps of a plan, which is next in `seen`.
fn of(plan: &Plan, seen: &mut impl Iterator<Item = Seen>) -> Evidence {
    let mut found = Evidence::default();
    let mut back = Some(Vec::new());
    for (step, seen) in plan.steps().zip(seen) {
        if matches!(seen, Seen::Done | Seen::Partly(_)) {
            back = back.and_then(|mut all: Vec<String>| {
                let mut acts = undo(step)?;
                acts.append(&mut all);
                Some(acts)
            });
        }
        found.statements.push((step.title.clone(), seen));
    }
    found.back = back.unwrap_or_default();
    found
}

fn undo(step: &Step) -> Option<Vec<String>> {
    match &step.undo {
        Undo::Nothing => Some(Vec::new()),
        Undo::Acts { acts, .. } => Some(acts.iter().map(cofferdam_core::plan::Act::text).collect()),
        Undo::Impossible { .. } => None,
    }
}

/// The statements of each file as they are written, each with its question to the catalog. `None`: there is no file, or
/// nobody can read it.
async fn planned(
    session: &mut dyn Session,
    files: &[Option<&Migration>],
    policy: &Policy,
) -> Result<Vec<Option<Plan>>> {
    let read = |file: &Migration| crate::sql::read(session.dialect(), &file.up).ok();
    let parsed: Vec<Option<Parsed>> = files.iter().map(|file| file.and_then(read)).collect();
    let changes = parsed.iter().flatten().flat_map(|parsed| &parsed.changes);
    let names: BTreeSet<_> = changes.flat_map(|change| change.action.relations()).collect();
    let names: Vec<_> = names.into_iter().collect();
    let facts = if names.is_empty() && parsed.iter().all(Option::is_none) {
        None
    } else {
        Some(session.facts(&names).await?)
    };
    let wishes = Wishes::default();
    let plan = |(file, parsed): (&Option<&Migration>, &Option<Parsed>)| {
        let subject = Subject {
            migration: (*file)?,
            parsed: parsed.as_ref()?,
            check: None,
            facts: facts.as_ref()?,
            created: &BTreeSet::new(),
            as_written: true,
            limits: policy.limits,
            examined: &[],
            wishes: &wishes,
        };
        cofferdam_strategies::plan("direct", &subject).ok()
    };
    Ok(files.iter().zip(&parsed).map(plan).collect())
}

/// What is to be done about what the tool left unfinished, in the order of doing it: the tool's own commands, and SQL
/// where it has none.
fn fix(beside: &Beside, what: &Unfinished, evidence: &Evidence, bundle: &Bundle) -> Vec<String> {
    let (tool, key) = (beside.codec.id, &what.key);
    let table = crate::sql::table(beside.dialect, &beside.table);
    let table = table.unwrap_or_else(|_| beside.table.to_string());
    let column = beside.codec.key.first().copied().unwrap_or_default();
    if let How::Partial { .. } = what.how {
        return vec![
            "correct the statement that failed".to_owned(),
            "atlas migrate hash && atlas migrate apply, which goes on with it".to_owned(),
        ];
    }
    let number = key.trim_start_matches('0');
    let value = if number.is_empty() { "0" } else { number };
    let none = match tool {
        "flyway" => "flyway repair, which deletes the row; the next run applies the file".to_owned(),
        "golang-migrate" => {
            let known = with_history(bundle, &beside.theirs.applied);
            let below = known.migrations.iter().filter_map(|m| m.version.as_ref());
            let below =
                below.filter(|version| version.like(key).is_some_and(|dirty| **version < dirty)).max();
            let below = below.map_or("-1", |version| version.text.as_str());
            format!("migrate force {below}")
        }
        _ => format!("DELETE FROM {table} WHERE {column} = {value}"),
    };
    let all = match tool {
        "flyway" => format!("UPDATE {table} SET success = true WHERE version = '{key}' AND NOT success"),
        "golang-migrate" => format!("migrate force {value}"),
        _ => format!("UPDATE {table} SET success = true WHERE {column} = {value}"),
    };
    match evidence.verdict() {
        Verdict::All => vec![all],
        Verdict::Nothing => vec![none],
        Verdict::Part if !evidence.back.is_empty() => {
            evidence.back.iter().map(|sql| format!("{sql};")).chain([none]).collect()
        }
        Verdict::Part => vec!["take back by hand what is there of it".to_owned(), none],
        Verdict::Unclear => {
            vec![format!("if nothing of it is there: {none}"), format!("if all of it is there: {all}")]
        }
    }
}
