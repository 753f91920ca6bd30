//! `--work apply`: what is pending is planned, agreed to, and carried out.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use cofferdam_adapters::checks::{self, Asked, Value};
use cofferdam_api::conditions::State;
use cofferdam_api::cutover::CutoverMode;
use cofferdam_api::source::{DropPolicy, Format, HistoryMode, Migration};
use cofferdam_api::validation::LintLevel;
use cofferdam_api::value::Sha256;
use cofferdam_api::{ConditionType, DatabaseMigrationSpec, Reason};
use cofferdam_core::bundle::Version;
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::online::{Gate, Proof};
use cofferdam_core::park::KEEP_SECONDS;
use cofferdam_core::plan::Plan;
use cofferdam_core::{Code, Fault, Refusal};
use cofferdam_engines::{Keeping, Kept, Run, Session};
use cofferdam_operator::outcome::{Ended, Outcome};
use cofferdam_runner::approval::Terms;
use cofferdam_runner::{Assessment, Policy, SharedReporter, Wishes, assess, refuse_blocking, with_windows};

use super::bundle::{self, Unreadable};
use super::ending::{Halted, message};
use super::log::Level;
use super::reach::{KEY, pause};
use super::{Job, consent, guard, image, insisting, window};
use crate::args::policy::{check_target, no_such_rule, version};

/// Carries everything out that is pending.
///
/// # Errors
/// What waiting would not change.
pub(crate) async fn apply(job: &Job) -> Result<Outcome, Halted> {
    let read = sources(job).await?;
    // The newest version before the first try.
    let first = OnceLock::new();
    insisting(job, async || once(job, &read, &first).await).await
}

/// The migrations. A ConfigMap that lacks a key is waited for.
async fn sources(job: &Job) -> Result<bundle::Read, Halted> {
    let source = &job.object.spec.migration;
    if let Some(name) = &source.image {
        let read = image::read(job, name).await?;
        job.report.with(|account, _| {
            account.source(&read.digest);
            account.goes_on();
        });
        return Ok(read);
    }
    loop {
        match bundle::read(&job.name, source, &job.folders.scripts, &job.folders.directory) {
            Ok(read) => {
                job.report.with(|account, _| {
                    account.source(&read.digest);
                    account.goes_on();
                });
                return Ok(read);
            }
            Err(Unreadable::Missing(what)) => {
                job.report.waits(Reason::SourceKeyMissing, &what);
                pause(KEY, &job.stop).await?;
            }
            Err(Unreadable::Because(reason, refusal)) => return Err(Halted::Because(reason, refusal)),
            Err(Unreadable::Refused(refusal)) => return Err(refusal.into()),
        }
    }
}

/// What `spec.validation.preChecks` asks for.
pub(super) fn checks(spec: &DatabaseMigrationSpec) -> Result<Vec<Asked>> {
    let mut all = Vec::new();
    for wanted in &spec.validation.pre_checks {
        let id = wanted.r#type.word();
        let bad =
            |why: String| Refusal::new(Code::BadCheck, format!("spec.validation.preChecks[{id}]: {why}"));
        let check = checks::check(id).ok_or_else(|| bad("this version does not know it".into()))?;
        let value = match (&wanted.threshold, &wanted.limit, &wanted.sql) {
            (Some(threshold), _, _) => Value::Bytes(threshold.parse().map_err(|why| bad(why.to_string()))?),
            (_, Some(limit), _) => Value::Age(limit.parse().map_err(|why| bad(why.to_string()))?),
            (_, _, Some(sql)) => Value::Sql(sql.clone()),
            _ => Value::Default,
        };
        all.push(Asked {
            check,
            name: wanted.name.clone().unwrap_or_default(),
            value,
            allow_unread: wanted.allow_unread.clone(),
        });
    }
    Ok(all)
}

/// What `spec.validation.dataIntegrityChecks` asks for.
fn proof(spec: &DatabaseMigrationSpec) -> Proof {
    let wanted = &spec.validation.data_integrity_checks;
    let percent = if wanted.checksum_validation { wanted.sample_percentage.clamp(1, 100) } else { 0 };
    // Without a reason the object is refused before a Job is made; were it not, all would be compared.
    let skipped = wanted.reason.clone().filter(|_| !wanted.enabled);
    Proof { percent, skipped }
}

/// For how many seconds `spec.migration` wants parked what statements drop; `None`: it is dropped.
fn park(spec: &DatabaseMigrationSpec) -> Result<Option<u64>> {
    let migration = &spec.migration;
    let bad = |why: String| Refusal::new(Code::Usage, format!("spec.migration.parkFor: {why}"));
    match (migration.drop, &migration.park_for) {
        (DropPolicy::Drop, None) => Ok(None),
        // The schema refuses it, too.
        (DropPolicy::Drop, Some(_)) => Err(bad("nothing is parked".into()).help("set drop to park").into()),
        (DropPolicy::Park, None) => Ok(Some(KEEP_SECONDS)),
        (DropPolicy::Park, Some(time)) => {
            Ok(Some(time.parse().map_err(|why| bad(why.to_string()))?.as_secs()))
        }
    }
}

/// Where `spec.migration` wants it kept what is applied.
pub(super) fn keeping(migration: &Migration) -> Keeping {
    let kept = migration.history.map(|mode| match mode {
        HistoryMode::Own => Kept::Own,
        HistoryMode::Tool => Kept::Tool,
        HistoryMode::Both => Kept::Both,
    });
    let wants_tool = matches!(kept, Some(Kept::Tool | Kept::Both));
    // Of golang-migrate the files alone do not tell; of others the name says no more than that the directory is theirs.
    let format = migration.format.filter(|format| wants_tool || *format == Format::GolangMigrate);
    Keeping { kept, tool: format.and_then(Format::tool).map(str::to_owned), ..Keeping::default() }
}

/// How bad `spec.validation.lint` wants findings to be.
fn levels(spec: &DatabaseMigrationSpec) -> Result<cofferdam_lint::Levels> {
    let rules = &spec.validation.lint.rules;
    if let Some(unknown) = rules.keys().find(|name| cofferdam_lint::rule(name).is_none()) {
        return Err(no_such_rule(unknown).note("it stands in spec.validation.lint.rules").into());
    }
    let level = |level| match level {
        LintLevel::Off => cofferdam_lint::Level::Off,
        LintLevel::Info => cofferdam_lint::Level::Info,
        LintLevel::Warning => cofferdam_lint::Level::Warning,
        LintLevel::Error => cofferdam_lint::Level::Error,
    };
    Ok(rules.iter().map(|(name, wanted)| (name.clone(), level(*wanted))).collect())
}

/// The policy of the spec.
pub(crate) fn policy(job: &Job) -> Result<Policy> {
    let spec = &job.object.spec;
    let gate = match (spec.cutover.mode, &spec.cutover.window) {
        (CutoverMode::Auto, _) => Gate::Auto,
        (CutoverMode::Manual, _) => Gate::Manual,
        (CutoverMode::Window, Some(window)) => {
            let (from, until) = window.0.split_once('-').unwrap_or_default();
            crate::args::online::gate(&format!("{from}-{until}"))
                .map_err(|why| Refusal::new(Code::Usage, format!("spec.cutover.window: {why}")))?
        }
        (CutoverMode::Window, None) => {
            return Err(Refusal::new(Code::Usage, "spec.cutover.window: mode window needs it")
                .help("write for example 22:00-04:00")
                .into());
        }
    };
    let to = spec.migration.target_version.as_deref().filter(|text| *text != "latest");
    Ok(Policy {
        strategy: spec.migration.strategy.word().to_owned(),
        to: to.map(version).transpose()?,
        wishes: Wishes {
            gate,
            workers: spec.throttle.workers,
            proof: proof(spec),
            park: park(spec)?,
            ..Wishes::default()
        },
        levels: levels(spec)?,
        checks: checks(spec)?,
        // Whoever agreed to the plans agreed to these, and not to what they may become on their way.
        approval: Terms { as_planned: spec.approval.required, ..Terms::default() },
        finalize: window::span(job)?.is_zero(),
        backups: super::backup::wanted(job)?,
        guarding: guard::guarding(job)?,
        who: job.who.clone(),
        ..Policy::default()
    })
}

/// One try, from reaching the database to the end.
async fn once(job: &Job, read: &bundle::Read, first: &OnceLock<Option<String>>) -> Result<Outcome, Halted> {
    let policy = policy(job)?;
    let report = &job.report;
    let mut session = job.reach.patiently(report, &job.stop).await?;
    let session = &mut *session;
    job.reached(session).await?;
    let bundle = Arc::new(read.bundle.clone());
    session.keep(Keeping { bundle, root: read.root.clone(), ..keeping(&job.object.spec.migration) }).await?;
    let assessment = assess(session, &read.bundle, &policy).await?;
    check_target(&policy, &assessment)?;
    let before = newest(job, &assessment.history);
    let from = first.get_or_init(|| before.clone()).clone();
    report.with(|account, _| account.version(before.clone()));
    if let Err(fault) = refuse_blocking(&assessment, &policy) {
        let fault = refused(job, session, &policy, fault).await?;
        return Err(fault.into());
    }
    judge_lint(job);
    let plans = plans(job, &assessment);
    let digest = consent::digest(&plans);
    if !plans.is_empty() {
        // Who is asked to agree reads here to what.
        for (plan, step) in plans.iter().flat_map(|plan| plan.steps().map(move |step| (plan, step))) {
            report.log.line(Level::Info, &format!("plan: {} step {}: {}", plan.key, step.id, step.title));
        }
        match consent::ask(job, &digest, &read.digest) {
            consent::Word::Given(digest) => report.with(|account, now| {
                account.planned(&digest);
                let text = format!("{} to apply", crate::output::words::count(plans.len(), "migration"));
                account.judge(ConditionType::Planned, State::True, Reason::MigrationInProgress, &text, now);
                let plans: Vec<&Plan> = plans.iter().map(|plan| &**plan).collect();
                account.begins(&plans, now);
            }),
            consent::Word::Awaited(outcome) => {
                let why = (Code::ApprovalNeeded, "nobody has approved this plan");
                consent::announce(job, session, (&plans, &digest), why).await;
                return Ok(*outcome);
            }
            consent::Word::Lost(refusal) => {
                let why = (Code::ApprovalOther, refusal.what.as_str());
                consent::announce(job, session, (&plans, &digest), why).await;
                return Err(Halted::Because(Reason::PlanChanged, refusal));
            }
        }
    }
    if job.object.spec.approval.required && !plans.is_empty() {
        // Were this Pod to die half-way, the one after it must know that what is left was agreed to.
        report.write_now(&job.view).await;
    }
    let reporter: SharedReporter = Arc::clone(&job.report) as SharedReporter;
    match cofferdam_runner::apply(session, &assessment, &policy, reporter, &job.stop).await {
        Ok(summary) => {
            for note in &summary.notes {
                report.log.line(Level::Info, &format!("note: {note}"));
            }
        }
        Err(fault) => return Err(refused(job, session, &policy, fault).await?.into()),
    }
    let history = with_windows(session.history().await?, &session.overview().await?.unfinished);
    let after = newest(job, &history);
    report.with(|account, now| {
        account.version(after.clone());
        if plans.is_empty() {
            account.judge(
                ConditionType::Planned,
                State::True,
                Reason::MigrationComplete,
                "nothing is pending",
                now,
            );
        }
    });
    let mut outcome = window::after(job, session, &policy, &history).await?;
    (outcome.from_version, outcome.to_version) = (from, after);
    outcome.plan_digest = (!plans.is_empty())
        .then(|| job.report.with(|account, _| account.kept().plan_digest.clone()))
        .flatten();
    Ok(outcome)
}

/// What becomes of a refusal. A change of this object's own that is in its revert window gives way to the next
/// migration of the same object: the window is ended, and it is tried once more.
async fn refused(
    job: &Job,
    session: &mut dyn Session,
    policy: &Policy,
    fault: Fault,
) -> Result<Fault, Halted> {
    let Some(refusal) = fault.refusal() else { return Ok(fault) };
    match refusal.code {
        Code::LintBlocked => {
            let text = message(refusal);
            job.report.with(|account, now| {
                account.judge(ConditionType::LintPassed, State::False, Reason::LintBlocked, &text, now);
            });
        }
        Code::ChangeInProgress => {
            let own = window::own(job, session).await?;
            if !own.is_empty() {
                job.report.log.line(
                    Level::Info,
                    &format!(
                        "the next migration is about the same table, so the revert window ends: {refusal}"
                    ),
                );
                window::end(job, session, policy, &own).await?;
            }
        }
        _ => {}
    }
    Ok(fault)
}

fn judge_lint(job: &Job) {
    job.report.with(|account, now| {
        account.judge(
            ConditionType::LintPassed,
            State::True,
            Reason::MigrationInProgress,
            "lint found no errors",
            now,
        );
    });
}

/// The plans of what is pending, in order. What this object has begun goes on as it was planned.
fn plans(job: &Job, assessment: &Assessment) -> Vec<Arc<Plan>> {
    let begun = |key: &str| assessment.unfinished.iter().find(|run| run.plan.key == key && run.by == job.who);
    assessment
        .pending
        .iter()
        .map(|pending| {
            begun(&pending.plan.key)
                .map_or_else(|| Arc::clone(&pending.plan), |run: &Run| Arc::clone(&run.plan))
        })
        .collect()
}

/// The newest version in force: of the object's scripts the last that was applied, of a directory the highest.
pub(crate) fn newest(job: &Job, history: &[Applied]) -> Option<String> {
    newest_of(history, job.object.spec.migration.scripts.as_ref().map(|_| job.name.as_str()))
}

fn newest_of(history: &[Applied], list: Option<&str>) -> Option<String> {
    let rows = history.iter().filter(|row| row.in_force());
    if let Some(list) = list {
        let own = |row: &&Applied| row.key.split_once('/').is_some_and(|(of, _)| of == list);
        return rows.filter(own).max_by_key(|row| row.rank).map(|row| row.key.clone());
    }
    let order = Version::sample(history.iter().filter_map(|row| row.version.as_deref()));
    let versions = rows.filter_map(|row| row.version.as_deref().and_then(|text| order.like(text)));
    versions.filter(|version| !version.is_listed()).max().map(|version| version.text)
}

/// The end of a run that has all that is wanted.
pub(crate) fn complete(text: &str) -> Outcome {
    Outcome::new(Ended::Succeeded, Reason::MigrationComplete, text)
}

/// The digest and what it is for.
pub(crate) fn with_plan(mut outcome: Outcome, digest: &Sha256) -> Outcome {
    outcome.plan_digest = Some(digest.clone());
    outcome
}

/// As the history has times.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use cofferdam_core::history::{AppliedKind, RollbackBundle};
    use serde_json::json;

    use super::*;

    fn row(rank: i64, key: &str, undone: bool) -> Applied {
        Applied {
            rank,
            key: key.into(),
            version: Some(key.into()),
            description: String::new(),
            kind: AppliedKind::Versioned,
            checksum: None,
            at: String::new(),
            by: String::new(),
            ms: 0,
            run: None,
            bundle: RollbackBundle::default(),
            undone_at: undone.then(String::new),
        }
    }

    #[test]
    fn the_newest_version_is_that_of_the_own_list_or_of_the_directory() {
        let history = [
            row(1, "1.10", false),
            row(2, "orders/z", false),
            row(3, "1.9", false),
            row(4, "orders/a", false),
            row(5, "orders-2/b", false),
            row(6, "orders/c", true),
            row(7, "2", true),
        ];
        for (list, expected) in [
            (None, Some("1.10")),
            (Some("orders"), Some("orders/a")),
            (Some("orders-2"), Some("orders-2/b")),
            (Some("x"), None),
        ] {
            assert_eq!(newest_of(&history, list).as_deref(), expected, "{list:?}");
        }
    }

    #[test]
    fn what_is_dropped_is_parked_only_where_the_spec_says_so() {
        let found = |more: serde_json::Value| {
            let mut migration = json!({ "scripts": [] });
            migration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let spec = json!({ "database": { "type": "postgresql", "connectionSecret": "db" }, "migration": migration });
            park(&serde_json::from_value(spec).unwrap()).ok()
        };
        assert_eq!(found(json!({})), Some(None));
        assert_eq!(found(json!({ "drop": "drop" })), Some(None));
        assert_eq!(found(json!({ "drop": "park" })), Some(Some(KEEP_SECONDS)));
        assert_eq!(found(json!({ "drop": "park", "parkFor": "14d" })), Some(Some(14 * 86_400)));
        assert_eq!(found(json!({ "drop": "park", "parkFor": "soon" })), None);
        assert_eq!(found(json!({ "parkFor": "14d" })), None);
    }

    fn spec(validation: serde_json::Value) -> DatabaseMigrationSpec {
        serde_json::from_value(json!({
            "database": { "type": "postgresql", "connectionSecret": "db" },
            "migration": { "scripts": [] }, "validation": validation,
        }))
        .unwrap()
    }

    #[test]
    fn the_rules_of_a_spec_are_those_of_lint() {
        let found = |rules: serde_json::Value| levels(&spec(json!({ "lint": { "rules": rules } })));
        let told = found(json!({ "drop-table": "error", "PG101": "off", "CF1031": "info" })).unwrap();
        assert_eq!(told.len(), 3);
        let refused = found(json!({ "drop-tabel": "off" })).unwrap_err();
        let refusal = refused.refusal().unwrap();
        assert_eq!(refusal.code, Code::NoSuchRule);
        assert!(
            refusal.to_string().contains("drop-tabel")
                && refusal.help.as_deref().unwrap().contains("drop-table")
        );
    }

    #[test]
    fn the_checks_of_a_spec_are_those_of_the_command_line() {
        let spec = spec(json!({ "preChecks": [
            { "type": "connection" }, { "type": "permissions" }, { "type": "pooler" },
            { "type": "disk-space", "threshold": "20GB", "allowUnread": "seen" },
            { "type": "replication", "limit": "1m30s" }, { "type": "long-transactions" },
            { "type": "custom", "name": "x", "sql": "SELECT true" }, { "type": "custom", "sql": "SELECT 1 = 1" },
        ] }));
        let found = checks(&spec).unwrap();
        let line = [
            "connection",
            "permissions",
            "pooler",
            "disk-space=20GB",
            "replication=90s",
            "long-transactions",
            "custom:x=SELECT true",
            "custom=SELECT 1 = 1",
        ];
        assert_eq!(found.len(), line.len());
        for (found, text) in found.iter().zip(line) {
            let asked = checks::parse(text).unwrap();
            assert_eq!((found.title(), &found.value), (asked.title(), &asked.value));
        }
        assert_eq!(found[3].allow_unread.as_deref(), Some("seen"));
        // Every type of the schema is a check, and every check is a type of the schema.
        let types: Vec<&str> =
            cofferdam_api::validation::PreCheckType::ALL.iter().map(|one| one.word()).collect();
        assert!(types.iter().all(|id| checks::check(id).is_some()), "{types:?}");
        assert_eq!(types.len(), checks::CHECKS.len());
    }

    #[test]
    fn less_than_all_is_compared_only_where_the_spec_says_so() {
        let found = |integrity: serde_json::Value| {
            let proof = proof(&spec(json!({ "dataIntegrityChecks": integrity })));
            (proof.percent, proof.skipped)
        };
        assert_eq!(found(json!({})), (100, None));
        assert_eq!(found(json!({ "enabled": true, "samplePercentage": 10 })), (10, None));
        assert_eq!(found(json!({ "samplePercentage": 10, "checksumValidation": false })), (0, None));
        assert_eq!(found(json!({ "enabled": false })), (100, None));
        assert_eq!(found(json!({ "enabled": false, "reason": "a copy" })), (100, Some("a copy".into())));
        assert_eq!(found(json!({ "reason": "not asked" })), (100, None));
    }
}
