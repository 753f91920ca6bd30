//! `alter`: one change of one table, without a migration.

use std::collections::BTreeSet;
use std::sync::Arc;

use cofferdam_core::bundle::{Checksum, Migration, MigrationKind, Version};
use cofferdam_core::fault::Result;
use cofferdam_core::online::Examined;
use cofferdam_core::{Code, Facts, Fault, Online, Plan, Refusal, Script};
use cofferdam_dialects::mysql::Flavour;
use cofferdam_dialects::mysql::online::{Obstacle, not_to_be_tried};
use cofferdam_engines::{Ability, Record, Run, Runs, Session};
use cofferdam_formats::nearest;
use cofferdam_strategies::{About, Subject, online_plan, shadow_table};

use crate::approval::{self, Matter};
use crate::assess::refuse_missing_rights;
use crate::guard::{Stop, listen_while_claiming};
use crate::online::{as_planned, change_of, in_progress, in_window, is_alter, waits};
use crate::precheck::{self, Ground};
use crate::window::{go_on, summary_of};
use crate::{News, Policy, SharedReporter, Summary};

/// So many runs are looked through for one that used an approval.
pub const LOOKED_THROUGH: u32 = 1_000;

/// What a change of a table would be.
#[derive(Debug, Clone)]
pub struct Alteration {
    /// The change, with the table as the server resolves it.
    pub change: Online,
    /// What looking at the table found. Empty where an earlier run goes on.
    pub examined: Examined,
    /// What would be done; of a run that goes on, the plan that was stored.
    pub plan: Arc<Plan>,
    /// Why it would be done in this way; a sentence each.
    pub why: Vec<String>,
    /// The run that would go on.
    pub goes_on: Option<Run>,
    /// Of the server and the table.
    pub facts: Facts,
}

impl Alteration {
    /// That the run goes on otherwise than is asked for now, in a sentence. `None`: it does not, or all of that is over.
    pub fn otherwise(&self) -> Option<String> {
        let run = self.goes_on.as_ref().filter(|run| !in_window(run))?;
        as_planned(run, &self.change)
    }
}

/// Looks at the table and plans. Reads only.
///
/// # Errors
/// A table that is not there or is none, an ALTER that the server refuses, what cannot be done online, what would
/// lose values that nobody agreed to lose, and another change of the same table.
pub async fn look(session: &mut dyn Session, wanted: &Online, policy: &Policy) -> Result<Alteration> {
    Ability::Alter.needed(session.abilities(), session.dialect())?;
    let facts = session.facts(std::slice::from_ref(&wanted.table)).await?;
    let table = match facts.table(&wanted.table) {
        Some(found) if found.exists => found,
        _ => return Err(no_such_table(session, wanted).await),
    };
    if facts.server.read_only {
        return Err(Refusal::new(Code::ReadOnlyServer, "the server takes no writes")
            .cause(match Flavour::of(session.dialect()) {
                Some(_) => "read_only is on, as on a replica",
                None => "it is a standby, or default_transaction_read_only is on",
            })
            .help("connect to the primary")
            .into());
    }
    let resolved = table.resolved.clone().unwrap_or_else(|| wanted.table.clone());
    let change = Online { table: resolved, clauses: wanted.clauses.trim().to_owned(), ..wanted.clone() };
    // A table of another engine than InnoDB is one, too: what to do with it first is known when it was looked at.
    if !matches!(table.kind.as_str(), "table" | "partitioned table") && !table.kind.starts_with("table of ") {
        return Err(Refusal::new(Code::NotOnline, format!("{} is a {}", change.table, table.kind))
            .cause("an online change is one of a table that holds rows of its own")
            .help("name a table")
            .into());
    }
    one_alteration(&change, language(session.dialect()))?;
    let unfinished = session.runs(Runs::Unfinished).await?;
    if let Some(run) = unfinished_of(&unfinished, &change)? {
        let (plan, why) = (run.plan.clone(), Vec::new());
        let examined = Examined::default();
        return Ok(Alteration { change, examined, plan, why, goes_on: Some(run), facts });
    }
    let examined = examined(session, &change).await?;
    let (plan, why) = planned(&change, &examined, &facts, wanted, policy)?;
    Ok(Alteration { change, examined, plan: plan.into(), why, goes_on: None, facts })
}

/// Looks at the table and tries the clauses on an empty copy of it; not those that would reach beyond the copy.
pub(crate) async fn examined(session: &mut dyn Session, change: &Online) -> Result<Examined> {
    let dialect = language(session.dialect());
    if Flavour::of(dialect).is_some() {
        let read = crate::sql::read(dialect, &statement(change, dialect)?)?;
        let found = read.changes.iter().flat_map(|change| not_to_be_tried(&change.action));
        let told = |o: &Obstacle| format!("{}: {}; {}", o.what, o.why, o.instead);
        let obstacles: Vec<String> = found.map(told).collect();
        if !obstacles.is_empty() {
            return Ok(Examined { rewrites: true, obstacles, ..Examined::default() });
        }
    }
    session.examine(change).await
}

/// What the clauses are written in: an engine that has no language of its own takes PostgreSQL's.
fn language(dialect: &str) -> &str {
    if Flavour::of(dialect).is_some() { dialect } else { "postgresql" }
}

/// The text must be what `ALTER TABLE` takes behind the table's name, and nothing behind that.
fn one_alteration(change: &Online, dialect: &str) -> Result<()> {
    let script = statement(change, dialect)?;
    let statements = (crate::sql::reader(dialect)?.split)(&script).map_err(Fault::Refused)?.len();
    if statements == 1 && !change.clauses.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(Code::Usage, "the text is not that of one ALTER TABLE")
        .cause(format!("{:?} makes it {statements} statements", change.clauses))
        .help(match Flavour::of(dialect) {
            Some(_) => "write what stands behind the table's name: \"MODIFY COLUMN id bigint, ADD COLUMN note text\"",
            None => "write what stands behind the table's name: \"ALTER COLUMN id TYPE bigint, ADD COLUMN note text\"",
        })
        .into())
}

fn statement(change: &Online, dialect: &str) -> Result<Script> {
    let table = crate::sql::table(dialect, &change.table)?;
    Ok(Script::new("", format!("ALTER TABLE {table} {}", change.clauses)))
}

/// The unfinished run that this very change goes on with. Refuses where something else must be finished first.
fn unfinished_of(unfinished: &[Run], change: &Online) -> Result<Option<Run>> {
    let key = key(change);
    for run in unfinished {
        let theirs = change_of(run);
        if run.plan.key == key || theirs.is_some_and(|theirs| theirs.table == change.table) {
            let same = match theirs {
                Some(theirs) => {
                    (&theirs.clauses, &theirs.forward, &theirs.backward)
                        == (&change.clauses, &change.forward, &change.backward)
                }
                None => run.plan.description == change.clauses,
            };
            if same && is_alter(run) {
                return Ok(Some(run.clone()));
            }
            return Err(in_progress(run, "another change was asked for").into());
        }
    }
    match unfinished.iter().find(|run| !is_alter(run) && !in_window(run)) {
        Some(run) => {
            Err(Refusal::new(Code::RunUnfinished, format!("the run of {} was cut off", run.plan.key))
                .cause(format!("run {} is in {:?}", run.id, run.phase))
                .help("finish it first: cofferdam apply")
                .into())
        }
        None => Ok(None),
    }
}

fn key(change: &Online) -> String {
    format!("alter {}", change.table)
}

fn planned(
    change: &Online,
    examined: &Examined,
    facts: &Facts,
    wanted: &Online,
    policy: &Policy,
) -> Result<(Plan, Vec<String>)> {
    let dialect = language(&facts.server.engine);
    let about = About {
        key: key(change),
        description: change.clauses.clone(),
        path: String::new(),
        at: Default::default(),
        limits: policy.limits,
        server: Flavour::of(dialect),
    };
    // As a migration with this one statement, of which the strategies know what to do.
    let up = statement(change, dialect)?;
    let parsed = crate::sql::read(dialect, &up)?;
    let migration = Migration {
        version: Version::parse("0"),
        description: change.clauses.clone(),
        kind: MigrationKind::Versioned,
        checksum: Checksum::Sha256(up.sha256.clone()),
        up,
        down: None,
        check: None,
        no_transaction: false,
    };
    let mut facts = facts.clone();
    if let Some(table) = facts.tables.get(&wanted.table.to_string()).cloned() {
        facts.tables.insert(change.table.to_string(), table);
    }
    let created = BTreeSet::new();
    let found = [(change.table.clone(), examined.clone())];
    let wishes =
        cofferdam_strategies::Wishes { allow_loss: change.allow_loss.clone(), ..policy.wishes.clone() };
    let subject = Subject {
        migration: &migration,
        parsed: &parsed,
        check: None,
        facts: &facts,
        created: &created,
        as_written: policy.as_written,
        limits: policy.limits,
        examined: &found,
        wishes: &wishes,
    };
    let chosen = cofferdam_strategies::plan(&policy.strategy, &subject).map_err(Fault::Refused)?;
    let why = shadow_table::why(&chosen, &subject);
    if chosen.strategy == shadow_table::ID {
        return Ok((online_plan(change, examined, about).map_err(Fault::Refused)?, why));
    }
    shadow_table::refuse_losses(change, examined).map_err(Fault::Refused)?;
    Ok((Plan { key: about.key, description: about.description, ..chosen }, why))
}

/// The refusal of a table that is not there, with the one that may have been meant.
async fn no_such_table(session: &mut dyn Session, wanted: &Online) -> Fault {
    const TABLES: &str = "SELECT n.nspname || '.' || c.relname, c.relname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$|cofferdam)'";
    const MYSQL: &str = "SELECT TABLE_NAME FROM information_schema.TABLES
        WHERE TABLE_SCHEMA = DATABASE() AND LEFT(TABLE_NAME, 11) <> '_cofferdam_'";
    let (tables, place) = match Flavour::of(session.dialect()) {
        Some(_) => (MYSQL, "the database of the connection has no such table"),
        None => (TABLES, "the role's search_path, or the schema that was given, has no such table"),
    };
    let refusal = Refusal::new(Code::NotOnline, format!("there is no table {}", wanted.table)).cause(place);
    let known = session.rows(tables, 10_000).await.unwrap_or_default().rows;
    let names: Vec<&str> = known.iter().flatten().flatten().map(String::as_str).collect();
    match nearest(&wanted.table.to_string(), names.iter().copied()) {
        Some(near) => refusal.help(format!("did you mean --table {near}?")),
        None if tables == MYSQL => refusal.help("connect to the database that has it"),
        None => refusal.help("name it with its schema: --table app.orders"),
    }
    .into()
}

/// Who approved the change. One that was carried out already, and taken back, was approved for that once.
async fn insist(
    session: &mut dyn Session,
    alteration: &Alteration,
    policy: &Policy,
) -> Result<Option<String>> {
    if !policy.approval.required {
        return Ok(None);
    }
    let runs = session.runs(Runs::Last(LOOKED_THROUGH)).await?;
    approval::insist(session, &Matter::alteration(alteration, &runs), policy).await
}

/// Carries the change out, or goes on with it, until it is swapped and in its revert window, or, where the policy
/// says so, to its end.
pub async fn alter(
    session: &mut dyn Session,
    alteration: &Alteration,
    policy: &Policy,
    reporter: SharedReporter,
    stop: &Stop,
) -> Result<Summary> {
    reporter.tell(&News::Planned { runs: 1, steps: alteration.plan.steps().count() });
    let mut notes = Vec::new();
    let mut approved_by = None;
    if alteration.goes_on.is_some() {
        refuse_missing_rights(session, &[&alteration.plan]).await?;
    } else {
        approved_by = insist(session, alteration, policy).await?;
        let table = vec![alteration.change.table.clone()];
        let ground = Ground::new(vec![&alteration.plan], table, &alteration.facts);
        notes = precheck::refuse(session, &policy.checks, &ground).await?;
    }
    listen_while_claiming(session, &reporter, stop);
    session.claim(policy.lock_wait).await?;
    // Read again under the lock: another runner may have been here since.
    let unfinished = session.runs(Runs::Unfinished).await?;
    let run = match (unfinished_of(&unfinished, &alteration.change)?, &alteration.goes_on) {
        (Some(run), _) => {
            if !policy.finalize && waits(session, &run).await? {
                session.release().await?;
                return Ok(Summary { runs: vec![summary_of(&run)], ..Summary::default() });
            }
            run
        }
        // It ended meanwhile; the table is no longer the one that was looked at.
        (None, Some(gone)) => {
            return Err(Refusal::new(Code::NoSuchRun, format!("run {} has ended meanwhile", gone.id))
                .cause("another runner was at work on it")
                .help(format!("cofferdam history {}", gone.id))
                .into());
        }
        (None, None) => {
            let policy = approval::signed(policy, approved_by.as_deref());
            crate::apply::run(alteration.plan.clone(), Record::Nothing, &policy)
        }
    };
    let mut summary = go_on(session, run, policy, policy.finalize, &reporter, stop).await?;
    summary.notes.splice(0..0, notes);
    Ok(summary)
}
