//! Whether somebody agreed to what is to be done.
//!
//! A word stands in the journal of the database that it is about, signed by who said it. It is good for plans with the
//! digests that it names, in their order, as long as the tables are made as they were, until its time is over, and for
//! one carrying out. What begins is asked about; what has begun goes on: it was agreed to when it began.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use cofferdam_core::approval::{Agreed, Approval, Decision, essence, of_digests, stands};
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::What;
use cofferdam_core::{Code, Facts, Phase, Plan, Refusal};
use cofferdam_dialects::mysql::Flavour;
use cofferdam_engines::{Run, Session};

use crate::assess::refuse_missing_rights;
use crate::{Alteration, Assessment, Policy};

mod awaited;
#[cfg(test)]
mod tests;

pub use awaited::announce;

/// So far the server's clock may be behind what it was when a word was said.
const BEHIND: SignedDuration = SignedDuration::from_secs(60);

/// What is asked for before something begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Nothing begins without an approval.
    pub required: bool,
    /// Whoever approves must be somebody else than whoever applies.
    pub two_persons: bool,
    /// The command that approves, for whoever is refused.
    pub command: String,
    /// Somebody agreed elsewhere to the plans as they were shown: one that becomes another while it is carried out is
    /// refused.
    pub as_planned: bool,
    /// Somebody is to be told that a plan waits: that is written into the journal.
    pub announced: bool,
}

/// A word of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// Who said it: `alice@host`.
    pub by: String,
    /// What.
    pub approval: Approval,
}

/// What is to begin, and where.
#[derive(Debug, Clone)]
pub struct Matter {
    /// The plans in their order.
    pub plans: Vec<Agreed>,
    /// Keys that are in force.
    in_force: BTreeSet<String>,
    /// Keys that were applied and taken back, and when they had been applied, RFC 3339.
    undone: Vec<(String, String)>,
    database: String,
    role: String,
}

impl Matter {
    /// What is pending.
    pub fn pending(assessment: &Assessment) -> Self {
        let facts = &assessment.facts;
        let plans = assessment.pending.iter();
        let plans = plans.map(|p| Agreed::new(&p.plan, &p.relations.named, facts)).collect();
        Self::new(plans, &assessment.history, facts)
    }

    /// A change of a table without a migration. `runs`: the last of them; such a change is in no history.
    pub fn alteration(alteration: &Alteration, runs: &[Run]) -> Self {
        let table = std::slice::from_ref(&alteration.change.table);
        let plans = vec![Agreed::new(&alteration.plan, table, &alteration.facts)];
        let mut matter = Self::new(plans, &[], &alteration.facts);
        let swapped = |run: &&Run| run.plan.key == alteration.plan.key && run.phase != Phase::Refused;
        let done = runs.iter().filter(swapped).filter(|run| run.phase.terminal());
        matter.undone = done.map(|run| (run.plan.key.clone(), run.started_at.clone())).collect();
        matter
    }

    fn new(plans: Vec<Agreed>, history: &[Applied], facts: &Facts) -> Self {
        let (server, undone) = (&facts.server, history.iter().filter(|row| !row.in_force()));
        Self {
            plans,
            in_force: history.iter().filter(|row| row.in_force()).map(|row| row.key.clone()).collect(),
            undone: undone.map(|row| (row.key.clone(), row.at.clone())).collect(),
            database: match server.identity.as_str() {
                "" => String::new(),
                identity => format!("{identity}/{}", server.database),
            },
            role: server.role.clone(),
        }
    }

    /// What is left of it, with the history as it is by now.
    pub(crate) fn left(self, plans: Vec<Agreed>, history: &[Applied]) -> Self {
        let in_force = history.iter().filter(|row| row.in_force()).map(|row| row.key.clone()).collect();
        Self { plans, in_force, ..self }
    }

    /// What names all of it.
    pub fn digest(&self) -> String {
        of_digests(self.plans.iter().map(|plan| plan.digest.clone()))
    }
}

/// How a word stands to a matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It approves it.
    Good,
    /// It rejects it.
    Rejects,
    /// Its time is over.
    Expired,
    /// What it approved was applied, and taken back since.
    Used,
    /// It was said later than it is now: the server's clock was set back, and nobody knows how old it is.
    Ahead,
    /// These tables are made in another way than they were.
    Changed(Vec<String>),
    /// It is about other plans.
    OtherPlan,
    /// It was said in another database, of which this one is a copy.
    OtherDatabase,
}

impl State {
    /// In a word or two, for lists.
    pub fn word(&self) -> &'static str {
        match self {
            State::Good => "approved",
            State::Rejects => "rejected",
            State::Expired => "expired",
            State::Used => "used",
            State::Ahead => "ahead of the clock",
            State::Changed(_) => "tables changed",
            State::OtherPlan => "another plan",
            State::OtherDatabase => "another database",
        }
    }
}

/// How a word stands to a matter at this time. Pure.
pub fn state(word: &Word, matter: &Matter, now: Timestamp) -> State {
    let approval = &word.approval;
    let Some(before) = place(approval, matter) else { return State::OtherPlan };
    if !approval.database.is_empty() && !matter.database.is_empty() && approval.database != matter.database {
        return State::OtherDatabase;
    }
    if approval.decision == Decision::Reject {
        return State::Rejects;
    }
    let read = |text: &str| text.parse::<Timestamp>().ok();
    let Some(at) = read(&approval.at) else { return State::Ahead };
    if now + BEHIND < at {
        return State::Ahead;
    }
    // A time that cannot be read is over.
    if approval.until.as_ref().is_some_and(|until| read(until).is_none_or(|until| until <= now)) {
        return State::Expired;
    }
    let used = |key: &str| {
        matter.undone.iter().any(|(undone, when)| undone == key && read(when).is_some_and(|when| when >= at))
    };
    if matter.plans.iter().any(|plan| used(&plan.key)) {
        return State::Used;
    }
    // What its own earlier plans have done to a table is no surprise.
    let touched: BTreeSet<&String> = approval.plans[..before].iter().flat_map(|p| p.tables.keys()).collect();
    let mut changed = BTreeSet::new();
    for (agreed, plan) in approval.plans[before..].iter().zip(&matter.plans) {
        let differs = |(table, definition): &(&String, &String)| {
            !touched.contains(table) && agreed.tables.get(*table) != Some(*definition)
        };
        changed.extend(plan.tables.iter().filter(differs).map(|(table, _)| table.clone()));
    }
    if changed.is_empty() { State::Good } else { State::Changed(changed.into_iter().collect()) }
}

/// Where in the plans of the word those of the matter stand, all in their order and with those before them in force.
fn place(approval: &Approval, matter: &Matter) -> Option<usize> {
    let wanted = &matter.plans;
    let places = 0..=approval.plans.len().checked_sub(wanted.len())?;
    let same = |at: &usize| {
        approval.plans[*at..].iter().zip(wanted).all(|(a, w)| (&a.key, &a.digest) == (&w.key, &w.digest))
    };
    let done = |at: &usize| approval.plans[..*at].iter().all(|plan| matter.in_force.contains(&plan.key));
    if wanted.is_empty() { None } else { places.into_iter().find(|at| same(at) && done(at)) }
}

/// The person in `alice@host (ci)`: the same one on another machine is the same one.
fn person(who: &str) -> &str {
    who.split('@').next().unwrap_or(who).trim()
}

/// Whether it may begin, by these words; the one that says so. Pure.
///
/// # Errors
/// Why not, and what would help.
pub fn judge<'a>(
    words: &'a [Word],
    matter: &Matter,
    terms: &Terms,
    who: &str,
    now: Timestamp,
) -> Result<&'a Word, Box<Refusal>> {
    let digest = matter.digest();
    // Of each person the last word counts.
    let mut last: BTreeMap<&str, (&Word, State)> = BTreeMap::new();
    let mut others = Vec::new();
    for word in words {
        match state(word, matter, now) {
            state @ (State::OtherPlan | State::OtherDatabase) => others.push((word, state)),
            state => drop(last.insert(person(&word.by), (word, state))),
        }
    }
    let refusal = |code, what: String| Refusal::new(code, what).note(format!("the plan is {digest}"));
    let anew = |refusal: Refusal| Err(Box::new(refusal.help(terms.command.clone())));
    if let Some((word, _)) = last.values().find(|(_, state)| *state == State::Rejects) {
        let why = word.approval.comment.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let refusal = refusal(Code::ApprovalRejected, format!("{} rejected the plan{why}", word.by))
            .cause(format!("said at {}; an approval by somebody else changes nothing", word.approval.at))
            .help(format!("change the migration, or let {} approve it after all", person(&word.by)));
        return Err(Box::new(refusal));
    }
    let same_person = |word: &Word| terms.two_persons && person(&word.by) == person(who);
    let good = |word: &Word, state: &State| *state == State::Good && !same_person(word);
    if let Some((word, _)) = last.values().find(|(word, state)| good(word, state)) {
        return Ok(word);
    }
    if let Some((word, state)) = last.values().next() {
        let of = |what: &str| format!("the approval by {} {what}", word.by);
        return anew(match state {
            State::Good => refusal(Code::TwoPersons, of("is by the person who applies"))
                .cause("the rule of two persons is on: somebody else must approve"),
            State::Used => refusal(Code::ApprovalExpired, of("was used"))
                .cause("the migration was applied after it, and taken back since"),
            State::Ahead => refusal(Code::ApprovalExpired, of("was said later than it is now"))
                .cause("the server's clock was set back, so that nobody knows how old it is"),
            State::Changed(tables) => refusal(
                Code::ApprovalOther,
                format!("{} changed since the plan was approved", tables.join(", ")),
            )
            .cause(of(&format!("of {} is about these tables as they were then", word.approval.at))),
            _ => refusal(Code::ApprovalExpired, of("is over")).cause(format!(
                "it was good until {}",
                word.approval.until.as_deref().unwrap_or("an unknown time")
            )),
        });
    }
    let keys: BTreeSet<&String> = matter.plans.iter().map(|plan| &plan.key).collect();
    let about = |word: &Word| word.approval.plans.iter().any(|plan| keys.contains(&plan.key));
    let approves = |word: &Word| word.approval.decision == Decision::Approve;
    match others.iter().rev().find(|(word, _)| about(word) && approves(word)) {
        Some((word, State::OtherDatabase)) => anew(
            refusal(Code::ApprovalOther, format!("the approval by {} is of another database", word.by))
                .cause("this database is a copy of the one in which it was given"),
        ),
        Some((word, _)) => anew(
            refusal(Code::ApprovalOther, "the plan is not the one that was approved".into())
                .cause(format!(
                    "{} approved {}: files, flags or the database changed since",
                    word.by, word.approval.digest
                ))
                .note("cofferdam plan shows what would be done now"),
        ),
        None => anew(
            refusal(Code::ApprovalNeeded, "the plan waits for an approval".into())
                .cause("approvals are required here, and nobody has approved this plan"),
        ),
    }
}

/// The words of the journal, the oldest first. Reads only.
pub async fn words(session: &mut dyn Session) -> Result<Vec<Word>> {
    let entries = session.journal(Some(Uuid::nil())).await?;
    let word = |entry: cofferdam_core::journal::Entry| match entry.what {
        What::Approved { approval } => Some(Word { by: entry.who, approval: *approval }),
        _ => None,
    };
    Ok(entries.into_iter().filter_map(word).collect())
}

/// Who approved what is to begin; `None`: no approval is asked for.
///
/// # Errors
/// See [`judge`].
pub(crate) async fn insist(
    session: &mut dyn Session,
    matter: &Matter,
    policy: &Policy,
) -> Result<Option<String>> {
    if !policy.approval.required || matter.plans.is_empty() {
        return Ok(None);
    }
    let words = words(session).await?;
    let now = clock(session).await?;
    let refusal = match judge(&words, matter, &policy.approval, &policy.who, now) {
        Ok(word) => return Ok(Some(word.by.clone())),
        Err(refusal) => refusal,
    };
    let waits = awaited::of(&refusal, matter, &policy.approval).filter(|_| policy.approval.announced);
    if let Some(waits) = waits
        && let Err(fault) = announce(session, waits).await
    {
        return Err(refusal.note(format!("nobody is told that it waits: {fault}")).into());
    }
    Err(refusal.into())
}

/// Refuses a plan that became another one than was agreed to, because what came before it left the table in another
/// state than was foreseen.
pub(crate) fn same_plan(agreed: &Plan, now: &Plan, terms: &Terms) -> Result<()> {
    if stands(agreed, now) {
        return Ok(());
    }
    let (agreed, now) = (essence(agreed).digest(), essence(now).digest());
    Err(Refusal::new(Code::ApprovalOther, "the plan is not the one that was approved")
        .cause("an earlier migration of the same command left its tables in another state than was foreseen")
        .note(format!("approved: {agreed}"))
        .note(format!("now:      {now}"))
        .help(terms.command.clone())
        .into())
}

/// The policy of what was agreed to: its runs say by whom.
pub(crate) fn signed(policy: &Policy, by: Option<&str>) -> Policy {
    let who = by.map_or_else(|| policy.who.clone(), |by| format!("{}, approved by {by}", policy.who));
    Policy { who, ..policy.clone() }
}

/// Writes a word about a matter into the journal. Returns it, and whether it is new: said twice it stands once.
///
/// # Errors
/// Rights that are missing, and a run lock that another runner holds.
pub async fn decide(
    session: &mut dyn Session,
    matter: &Matter,
    decision: Decision,
    lasts: Option<Duration>,
    comment: Option<String>,
    policy: &Policy,
) -> Result<(Approval, bool)> {
    refuse_missing_rights(session, &[]).await?;
    session.claim(policy.lock_wait).await?;
    let now = clock(session).await?;
    let until = lasts.map(|lasts| {
        let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
        now.checked_add(lasts).unwrap_or(Timestamp::MAX).to_string()
    });
    let said = words(session).await?;
    let own = said
        .iter()
        .rev()
        .find(|word| person(&word.by) == person(&policy.who) && state(word, matter, now) != State::OtherPlan);
    let again = own.filter(|word| {
        let stands = matches!(state(word, matter, now), State::Good | State::Rejects);
        let (old, lasts) =
            (&word.approval, word.approval.until.is_none() || until.as_ref() <= word.approval.until.as_ref());
        stands
            && old.decision == decision
            && old.comment == comment
            && (until.is_none() == old.until.is_none())
            && lasts
    });
    let (approval, is_new) = match again {
        Some(word) => (word.approval.clone(), false),
        None => {
            let approval = Approval {
                decision,
                digest: matter.digest(),
                plans: matter.plans.clone(),
                database: matter.database.clone(),
                role: matter.role.clone(),
                at: now.to_string(),
                until: until.clone(),
                comment,
            };
            session.append(What::Approved { approval: Box::new(approval.clone()) }).await?;
            (approval, true)
        }
    };
    session.release().await?;
    Ok((approval, is_new))
}

/// The server's time, which is the same for whoever approves and whoever applies. An engine that has no words for it
/// gives ours.
pub async fn clock(session: &mut dyn Session) -> Result<Timestamp> {
    const POSTGRES: &str = "SELECT pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', \
                            'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    const MYSQL: &str = "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')";
    let now = if Flavour::of(session.dialect()).is_some() { MYSQL } else { POSTGRES };
    let text = match session.rows(now, 1).await {
        Ok(rows) => rows.rows.into_iter().flatten().flatten().next(),
        Err(fault) if fault.refusal().is_some_and(|why| why.code == Code::StatementFailed) => None,
        Err(fault) => return Err(fault),
    };
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or_else(Timestamp::now))
}
