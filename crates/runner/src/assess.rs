//! Looking and planning. Nothing is written.

use std::collections::BTreeSet;
use std::time::Duration;

use cofferdam_core::bundle::Bundle;
use cofferdam_core::facts::{DataAnswer, DataQuestion};
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::online::Examined;
use cofferdam_core::park::{self, Deed};
use cofferdam_core::plan::Act;
use cofferdam_core::{Code, Facts, Fault, Finding, Migration, Name, Phase, Plan, Refusal};
use cofferdam_dialects::Parsed;
use cofferdam_engines::{Overview, Record, Run, Session, held_by_other};
use cofferdam_formats::standing;
use cofferdam_strategies::{Subject, back, shadow_table};
use jiff::civil::Date;

use crate::online::{as_planned, change_of};
use crate::{Assessment, Pending, Policy, Relations, sql};

/// A migration whose text is understood.
struct Understood {
    migration: Migration,
    parsed: Parsed,
    check: Option<Parsed>,
    relations: Relations,
}

/// What is there, what is pending and what would happen.
pub async fn assess(session: &mut dyn Session, bundle: &Bundle, policy: &Policy) -> Result<Assessment> {
    let Overview { history, unfinished } = session.overview().await?;
    let options = standing::Options { out_of_order: policy.out_of_order, target: policy.to.clone() };
    let history = crate::online::with_windows(history, &unfinished);
    let standing = crate::beside::standing(&*session, bundle, &history, &options, &unfinished);
    let mut pending: Vec<Migration> =
        standing.pending.iter().filter_map(|i| bundle.migrations.get(*i).cloned()).collect();
    pending.truncate(policy.most.unwrap_or(usize::MAX));
    if pending.is_empty() {
        return Ok(Assessment {
            facts: Facts::default(),
            history,
            standing,
            pending: Vec::new(),
            unfinished,
        });
    }
    let dialect = session.dialect();
    let understood =
        pending.into_iter().map(|migration| understand(migration, dialect)).collect::<Result<Vec<_>>>()?;
    let names: BTreeSet<Name> = understood.iter().flat_map(|u| u.relations.named.iter().cloned()).collect();
    let names: Vec<Name> = names.into_iter().collect();
    let Some(mut facts) = facts(session, &names, policy).await? else {
        // Another runner was at work meanwhile: what it did counts.
        return Box::pin(assess(session, bundle, policy)).await;
    };
    if facts.server.read_only {
        return Err(Refusal::new(Code::ReadOnlyServer, "the server takes no writes")
            .cause("it is a standby, or default_transaction_read_only is on")
            .help("connect to the primary")
            .into());
    }
    let parsed: Vec<&Parsed> = understood.iter().map(|u| &u.parsed).collect();
    facts.answers = answers(session, &facts, &parsed, &BTreeSet::new()).await?;
    let mut created = BTreeSet::new();
    let mut planned = Vec::new();
    for understood in understood {
        if let Some((run, record)) = begun(&unfinished, &understood.migration) {
            created.extend(understood.relations.created.iter().cloned());
            planned.push(as_begun(understood, run, record, policy));
            continue;
        }
        let examined = examined(session, &understood, &facts, &created, policy, planned.is_empty()).await?;
        let pending = plan_one(understood, &facts, &created, policy, &examined)?;
        created.extend(pending.relations.created.iter().cloned());
        planned.push(pending);
    }
    Ok(Assessment { facts, history, standing, pending: planned, unfinished })
}

/// The run that goes on with a migration, and what its history will say. What it did already is there, so planned anew
/// the migration would be another one, or there would be no plan for it at all.
fn begun<'r>(unfinished: &'r [Run], migration: &Migration) -> Option<(&'r Run, &'r Applied)> {
    let forward = [Phase::Expanding, Phase::Copying, Phase::Verifying, Phase::Ready];
    let key = migration.key();
    unfinished
        .iter()
        .filter(|run| run.plan.key == key && forward.contains(&run.phase) && !crate::foreign::is_foreign(run))
        .find_map(|run| match &run.record {
            Record::Applied(record) if record.checksum.as_ref() == Some(&migration.checksum) => {
                Some((run, &**record))
            }
            _ => None,
        })
}

/// Neither lint nor anything else holds back what has begun. It goes on as it was planned.
fn as_begun(understood: Understood, run: &Run, record: &Applied, policy: &Policy) -> Pending {
    let asked = change_of(run).map(|change| policy.wishes.of(change));
    Pending {
        migration: understood.migration,
        plan: run.plan.clone(),
        relations: understood.relations,
        bundle: record.bundle.clone(),
        findings: Vec::new(),
        why: asked.and_then(|asked| as_planned(run, &asked)).into_iter().collect(),
    }
}

/// What the rows say, as far as the scripts depend on it: the same questions that `lint` asks. `created`: tables that
/// earlier migrations made in the same command.
async fn answers(
    session: &mut dyn Session,
    facts: &Facts,
    scripts: &[&Parsed],
    created: &BTreeSet<Name>,
) -> Result<Vec<(DataQuestion, DataAnswer)>> {
    let mut created = created.clone();
    let mut questions = Vec::new();
    for parsed in scripts {
        questions.extend(cofferdam_lint::questions(parsed, facts, &created));
        created.extend(cofferdam_lint::created_tables(parsed));
    }
    questions.sort();
    questions.dedup();
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let answers = session.answers(facts, &questions).await?;
    Ok(questions.into_iter().zip(answers).collect())
}

/// Facts of these tables. `None`: another runner held locks on them, and is done now.
async fn facts(session: &mut dyn Session, names: &[Name], policy: &Policy) -> Result<Option<Facts>> {
    let locked = match session.facts(names).await {
        Ok(facts) => return Ok(Some(facts)),
        Err(Fault::Again { why, .. }) if why.code == Code::LockNotObtained => why,
        Err(fault) => return Err(fault),
    };
    let began = tokio::time::Instant::now();
    let mut waited = false;
    while let Some(holder) = session.holder().await? {
        if began.elapsed() >= policy.lock_wait {
            return Err(held_by_other(Some(&holder), session.dialect()).into());
        }
        waited = true;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    if waited { Ok(None) } else { Err(Fault::Refused(locked)) }
}

fn understand(migration: Migration, dialect: &str) -> Result<Understood> {
    let parsed = sql::read(dialect, &migration.up)?;
    let check = migration.check.as_ref().map(|check| sql::read(dialect, check)).transpose()?;
    let relations = Relations::of(&parsed);
    Ok(Understood { migration, parsed, check, relations })
}

fn plan_one(
    understood: Understood,
    facts: &Facts,
    created: &BTreeSet<Name>,
    policy: &Policy,
    examined: &[(Name, Examined)],
) -> Result<Pending> {
    let Understood { migration, parsed, .. } = &understood;
    let dialect = parsed.engine;
    let mut findings = cofferdam_lint::lint(
        &migration.up,
        parsed,
        &cofferdam_lint::Options {
            facts: Some(facts),
            created,
            only: &[],
            no_transaction: migration.no_transaction,
            today: today(policy, parsed),
            server_major: facts.server.major(),
            naming: &policy.naming,
        },
    );
    cofferdam_lint::grade(&policy.levels, &mut findings);
    let subject = subject(&understood, facts, created, policy, examined);
    // What lint refuses would often not get a plan either, and lint says it better: it comes first.
    let plan = match cofferdam_strategies::plan(&policy.strategy, &subject) {
        Ok(plan) => plan,
        Err(refusal) => {
            let plan = empty_plan(migration).into();
            let Understood { migration, relations, .. } = understood;
            let bundle = Default::default();
            let unplanned = Pending { migration, plan, relations, bundle, findings, why: Vec::new() };
            let blocked = unplanned.blocking(policy).next().is_some();
            return if blocked { Ok(unplanned) } else { Err(Fault::Refused(refusal)) };
        }
    };
    if plan.strategy == shadow_table::ID {
        let cared_for = |f: &&mut Finding| shadow_table::TAKES_CARE_OF.contains(&f.rule);
        findings.iter_mut().filter(cared_for).for_each(|finding| finding.handled = true);
    }
    cared_for(&plan, &mut findings);
    let bundle = back::bundle(&plan, &subject);
    let why = shadow_table::why(&plan, &subject);
    let Understood { migration, relations, .. } = understood;
    let plan = crate::rider::seat(plan, &policy.riders, policy.limits, dialect)?.into();
    Ok(Pending { plan, migration, relations, bundle, findings, why })
}

/// What is parked is not lost.
fn cared_for(plan: &Plan, findings: &mut [Finding]) {
    for step in plan.steps() {
        let Act::Park { parking, deed: Deed::Park } = &step.act else { continue };
        let inside = |f: &Finding| f.at.start >= step.at.start && f.at.end <= step.at.end;
        let of = |f: &Finding| matches!(f.rule, "drop-table" | "drop-column");
        for finding in findings.iter_mut().filter(|f| of(f) && inside(f)) {
            finding.handled = true;
            finding.notes.push(format!(
                "nothing is lost: it is parked for {}, and cofferdam undrop brings it back",
                park::for_so_long(parking.keep_seconds)
            ));
        }
    }
}

fn subject<'a>(
    understood: &'a Understood,
    facts: &'a Facts,
    created: &'a BTreeSet<Name>,
    policy: &'a Policy,
    examined: &'a [(Name, Examined)],
) -> Subject<'a> {
    Subject {
        migration: &understood.migration,
        parsed: &understood.parsed,
        check: understood.check.as_ref(),
        facts,
        created,
        as_written: policy.as_written,
        limits: policy.limits,
        examined,
        wishes: &policy.wishes,
    }
}

/// Looks at the table that may be changed online. `first`: no other pending migration comes before; else the table
/// may not be yet what the statement needs, and is looked at again when it is its turn.
async fn examined(
    session: &mut dyn Session,
    understood: &Understood,
    facts: &Facts,
    created: &BTreeSet<Name>,
    policy: &Policy,
    first: bool,
) -> Result<Vec<(Name, Examined)>> {
    let subject = subject(understood, facts, created, policy, &[]);
    let Some(change) = shadow_table::to_examine(&policy.strategy, &subject) else { return Ok(Vec::new()) };
    match crate::alter::examined(session, &change).await {
        Ok(examined) => Ok(vec![(change.table, examined)]),
        Err(Fault::Refused(why)) if !first && why.code == Code::StatementFailed => {
            let examined = Examined { rewrites: true, ..Examined::default() };
            Ok(vec![(change.table, examined)])
        }
        Err(fault) => Err(fault),
    }
}

/// The day on which `until` of an allow is judged. To ask for it means to read the time zones of the machine, which
/// takes longer than the look at a database with nothing pending: only where there is one to be judged.
fn today(policy: &Policy, parsed: &Parsed) -> Date {
    let judged = parsed.directives.allows.iter().any(|allow| allow.until.is_some());
    match policy.today {
        Some(today) => today,
        None if judged => jiff::Zoned::now().date(),
        None => Date::default(),
    }
}

fn empty_plan(migration: &Migration) -> Plan {
    Plan {
        strategy: "none".into(),
        key: migration.key(),
        description: migration.description.clone(),
        intent: cofferdam_core::plan::Intent::Apply,
        units: Vec::new(),
        losses: Vec::new(),
    }
}

/// Plans once more with fresh facts where an earlier migration of the same command changed what this one is
/// about; `None` where nothing did. `touched` and `created`: what the earlier ones were about, and the tables that
/// they made, which nobody uses yet: the plan stays the one that was shown.
pub(crate) async fn replan(
    session: &mut dyn Session,
    pending: &Pending,
    (touched, created): (&BTreeSet<Name>, &BTreeSet<Name>),
    assessment: &Assessment,
    policy: &Policy,
) -> Result<Option<Pending>> {
    let own = &pending.relations.named;
    if !own.iter().any(|name| touched.contains(name)) {
        return Ok(None);
    }
    let understood = understand(pending.migration.clone(), session.dialect())?;
    let mut facts = session.facts(own).await?;
    facts.server = assessment.facts.server.clone();
    facts.answers = answers(session, &facts, &[&understood.parsed], created).await?;
    let examined = examined(session, &understood, &facts, created, policy, true).await?;
    plan_one(understood, &facts, created, policy, &examined).map(Some)
}

/// Refuses what must not be applied: files that do not fit the history, and findings that are errors.
pub fn refuse_blocking(assessment: &Assessment, policy: &Policy) -> Result<()> {
    crate::online::refuse_assessed(assessment)?;
    if let Some(problem) = assessment.standing.problems.first() {
        let mut refusal = problem.clone();
        for other in assessment.standing.problems.iter().skip(1) {
            refusal = refusal.note(format!("also: {other}"));
        }
        return Err(refusal.into());
    }
    let blocking: Vec<_> = assessment.pending.iter().flat_map(|p| p.blocking(policy)).collect();
    let Some(first) = blocking.first() else { return Ok(()) };
    let mut refusal = Refusal::new(
        Code::LintBlocked,
        format!("lint found {} error{}; nothing was changed", blocking.len(), plural(blocking.len())),
    );
    for finding in &blocking {
        let at = finding.at;
        refusal = refusal.note(format!(
            "{}:{}:{}: {} [{}]",
            finding.path, at.line, at.column, finding.message, finding.rule
        ));
    }
    let way_out = match blocking.iter().find(|f| f.fix.is_some()) {
        Some(_) => "cofferdam lint --fix".to_owned(),
        None => first.help.clone().unwrap_or_else(|| format!("cofferdam explain {}", first.code)),
    };
    Err(refusal
        .help(format!(
            "{way_out}; or agree to it: --allow {}=\"reason\" (or `-- cofferdam:allow {} reason=\"...\"` above \
             the statement)",
            first.rule, first.rule
        ))
        .into())
}

/// Refuses, before anything is done, what the role may not do; all of it at once, with the statements that give
/// the rights.
pub(crate) async fn refuse_missing_rights(session: &mut dyn Session, plans: &[&Plan]) -> Result<()> {
    let missing = session.missing_rights(plans).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let whats: Vec<&str> = missing.iter().map(|m| m.what.as_str()).collect();
    let mut refusal = Refusal::new(Code::PermissionMissing, "rights are missing; nothing was changed")
        .cause(whats.join("; "))
        .help("as the owner or a superuser run the statements below, then the same command again");
    for missing in &missing {
        refusal = refusal.note(format!("{};", missing.grant.trim_end_matches(';')));
    }
    Err(refusal.into())
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
