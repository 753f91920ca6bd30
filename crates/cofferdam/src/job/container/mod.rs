//! `spec.migration.container`: what comes before a container of the user, and what after it.
//!
//! `apply` looks before the first start and after each end; [`open`] is the init container that writes a start down.
//! What became of it is what the version signal says.

mod hints;
mod login;
mod next;

use std::sync::Arc;

use sha2::{Digest, Sha256 as Hasher};

use cofferdam_api::conditions::State;
use cofferdam_api::names::ANNOTATION_RETRY;
use cofferdam_api::source::Container;
use cofferdam_api::value::{ImageReference, Sha256};
use cofferdam_api::{ConditionType, Reason, Stage};
use cofferdam_core::fault::{Question, Result};
use cofferdam_core::{Code, Plan, Refusal};
use cofferdam_engines::{Runs, Session};
use cofferdam_operator::contract::{How, Left};
use cofferdam_operator::migration::work;
use cofferdam_operator::outcome::{Ended, Outcome};
use cofferdam_runner::foreign::{self, About, Open, Reading, Signal, Start};
use cofferdam_runner::precheck;
use cofferdam_runner::{News, Policy, Reporter, RunSummary};

use super::apply::{complete, policy};
use super::ending::Halted;
use super::log::Level;
use super::{Job, consent, image};
use next::{Known, Next, next};

/// The object is another one than the one that its Pod was made for.
pub(crate) const ANOTHER_SPEC: &str = "the spec was changed since this Pod was made; nothing was started";

/// What is asked for.
struct Order<'a> {
    container: &'a Container,
    signal: Signal,
    /// What stands still while it is carried out, as a digest.
    digest: String,
    plan: Arc<Plan>,
    policy: Policy,
}

impl<'a> Order<'a> {
    /// `pinned`: the image by its digest, where that is known.
    fn of(job: &Job, container: &'a Container, pinned: Option<&str>) -> Result<Self> {
        let given = &container.signal;
        let signal = Signal {
            table: Signal::table(&given.table),
            column: given.column.clone(),
            value: given.value.clone(),
        };
        let about = About {
            key: format!("{}/{}", job.name, plain(&given.value)),
            title: title(container, pinned),
            image: format!("container {}", pinned.unwrap_or(&container.image.0)),
        };
        let plan = Arc::new(foreign::plan(&about, &signal)?);
        Ok(Self { container, signal, digest: work::base(&job.object), plan, policy: policy(job)? })
    }
}

/// A value as the last part of a version's name.
fn plain(value: &str) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    value.chars().map(|c| c.to_ascii_lowercase()).map(|c| if fits(c) { c } else { '-' }).collect()
}

/// Image, program and arguments, and which variables it gets: what an approval is for.
fn title(container: &Container, pinned: Option<&str>) -> String {
    let mut title = format!("run {}", pinned.unwrap_or(&container.image.0));
    for word in container.command.iter().chain(&container.args).flatten() {
        title += &format!(" {word}");
    }
    let env = serde_json::to_string(&container.env).unwrap_or_default();
    if !container.env.is_empty() {
        title += &format!(" (env {})", &hex::encode(Hasher::digest(env))[..12]);
    }
    title
}

/// Runs that are not over: that of this object, and one of somebody else.
struct Unfinished {
    own: Option<Open>,
    other: Option<Refusal>,
}

async fn unfinished(job: &Job, session: &mut dyn Session) -> Result<Unfinished> {
    let mut found = Unfinished { own: None, other: None };
    for run in session.runs(Runs::Unfinished).await? {
        if foreign::is_foreign(&run) && run.by == job.who {
            found.own = Some(foreign::look(session, run).await?);
        } else if foreign::is_foreign(&run) {
            found.other = Some(foreign::at_work(&run));
        } else {
            let what =
                format!("{} is not finished on this database, and a container begins after it", run.plan.key);
            let refusal = Refusal::new(Code::ChangeInProgress, what)
                .cause(format!("run {} by {} is in {:?}", run.id, run.by, run.phase))
                .help("wait for it, or see cofferdam status for how to end it");
            found.other = Some(refusal);
        }
    }
    Ok(found)
}

/// Before the first start, and after each end.
///
/// # Errors
/// What waiting would not change: the container failed, or the signal does not say that it worked.
pub(crate) async fn apply(job: &Job, container: &Container) -> Result<Outcome, Halted> {
    let order = Order::of(job, container, None)?;
    let mut session = job.reach.patiently(&job.report, &job.stop).await?;
    let session = &mut *session;
    job.reached(session).await?;
    let reading = order.signal.read(session).await?;
    job.report.with(|account, _| account.version(reading.value.clone()));
    let found = unfinished(job, session).await?;
    let last = found.own.as_ref().and_then(Open::last);
    let known = Known {
        reached: reading.reached,
        unchanged: last.is_none_or(|start| start.signal == reading.digest),
        open: match &found.own {
            None => next::Open::No,
            Some(open) if open.told() || last.is_none_or(|start| start.order != order.digest) => {
                next::Open::Earlier
            }
            Some(open) if open.stuck() => next::Open::Stuck,
            Some(_) => next::Open::Started,
        },
        left: how(job.left.as_ref(), last),
        idempotent: container.idempotent,
    };
    let step = next(known);
    job.report.log.line(Level::Info, &format!("{}; {known:?}: {step:?}", reading.shown));
    match step {
        Next::Start => start(job, &order, session, found).await,
        Next::Done => done(job, &order, session, found, &reading).await,
        Next::Missing | Next::Failed | Next::Unknown => {
            Err(failed(job, &order, session, (found, step), &reading).await?)
        }
    }
}

/// What the cluster says of the last start that the journal knows. Of another Job's it says nothing.
fn how(left: Option<&Left>, last: Option<&Start>) -> Option<How> {
    let left = left?;
    match last {
        Some(start) if start.job != left.job => None,
        _ => Some(left.how),
    }
}

/// All is made ready for the container.
async fn start(
    job: &Job,
    order: &Order<'_>,
    session: &mut dyn Session,
    found: Unfinished,
) -> Result<Outcome, Halted> {
    if let Some(other) = found.other {
        return Err(Box::new(other).into());
    }
    // What is signed is what is agreed to and what is started: a tag may mean another image by then.
    let signed = image::signed(job, &order.container.image).await?;
    let order = &Order::of(job, order.container, signed.as_ref().map(|signed| signed.pinned.as_str()))?;
    foreign::ready(session, &order.plan).await?;
    let checks = super::apply::checks(&job.object.spec)?;
    if !checks.is_empty() {
        precheck::refuse(session, &checks, &precheck::Ground::default()).await?;
    }
    let login = login::look(&job.object.spec.database, &job.folders.database)?;
    held(job, hints::hold(session, &order.container.hints, &order.policy).await)?;
    let plans = [Arc::clone(&order.plan)];
    let digest = consent::digest(&plans);
    let step = &order.plan.units[0].steps[0];
    job.report.log.line(Level::Info, &format!("plan: {} step {}: {}", order.plan.key, step.id, step.title));
    let source = Sha256(signed.as_ref().map_or_else(|| order.plan.digest(), |signed| signed.digest.clone()));
    job.report.with(|account, _| account.source(&source));
    match consent::ask(job, &digest, &source) {
        consent::Word::Given(digest) => job.report.with(|account, now| {
            account.planned(&digest);
            let text = "a container is to be started";
            account.judge(ConditionType::Planned, State::True, Reason::MigrationInProgress, text, now);
            account.begins(&[&order.plan], now);
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
    if let Some(mut open) = found.own {
        session.claim(order.policy.lock_wait).await?;
        // What it was to bring may be there, although something else is wanted by now.
        if foreign::reached(session, &open).await? {
            foreign::done(session, &mut open, "the signal says so").await?;
        } else {
            let why = match open.stuck() {
                true => format!("started again, because it was asked for by {}", job.who),
                false => "what it was to do is started anew".to_owned(),
            };
            foreign::give_up(session, &mut open, &why).await?;
        }
        session.release().await?;
    }
    let text = format!("{} is to be started", order.container.image.0);
    let mut outcome = Outcome::new(Ended::Prepared, Reason::MigrationInProgress, text);
    outcome.plan_digest = Some(digest);
    outcome.login = Some(Box::new(login));
    outcome.image = signed.map(|signed| signed.pinned);
    Ok(outcome)
}

/// What lint said of the hints.
fn held(job: &Job, said: Result<Vec<String>>) -> Result<()> {
    let (state, reason, text) = match &said {
        Ok(warnings) => {
            warnings.iter().for_each(|warning| job.report.log.line(Level::Warn, warning));
            (State::True, Reason::MigrationInProgress, "lint found no errors in the hints".to_owned())
        }
        Err(fault) => match fault.refusal().filter(|refusal| refusal.code == Code::LintBlocked) {
            Some(refusal) => (State::False, Reason::LintBlocked, super::ending::message(refusal)),
            None => return said.map(drop),
        },
    };
    job.report.with(|account, now| account.judge(ConditionType::LintPassed, state, reason, &text, now));
    said.map(drop)
}

/// The signal has the value.
async fn done(
    job: &Job,
    order: &Order<'_>,
    session: &mut dyn Session,
    found: Unfinished,
    reading: &Reading,
) -> Result<Outcome, Halted> {
    let key = &order.plan.key;
    let text = match (&job.left, &found.own) {
        (Some(left), Some(_)) if left.how == How::Failed => {
            format!("{}, although its container ended otherwise: {}", reading.shown, words(left))
        }
        (_, Some(_)) => reading.shown.clone(),
        (Some(left), None) if left.how == How::Complete => reading.shown.clone(),
        _ => format!("{} already; the container was not started", reading.shown),
    };
    let recorded = session.history().await?.iter().any(|row| row.in_force() && row.key == *key);
    if found.own.is_some() || !recorded {
        if let (None, Some(other)) = (&found.own, found.other) {
            return Err(Box::new(other).into());
        }
        foreign::ready(session, &order.plan).await?;
        session.claim(order.policy.lock_wait).await?;
        let mut open = match found.own {
            Some(open) => open,
            None => {
                let start = Start {
                    order: order.digest.clone(),
                    job: "none".into(),
                    pod: "none".into(),
                    index: 0,
                    signal: reading.digest.clone(),
                };
                foreign::begin(session, Arc::clone(&order.plan), &order.policy, &start).await?
            }
        };
        begun(job, order, &open);
        let summary = foreign::done(session, &mut open, "the signal says so").await?;
        ended(job, &summary);
        session.release().await?;
    }
    job.report.with(|account, now| {
        account.version(Some(order.signal.value.clone()));
        let text = "the signal has its value";
        account.judge(ConditionType::Planned, State::True, Reason::MigrationComplete, text, now);
        account.judge(ConditionType::Verified, State::True, Reason::MigrationComplete, &reading.shown, now);
        let text = "what a container did can be taken back by another container only";
        account.judge(ConditionType::Reversible, State::False, Reason::MigrationComplete, text, now);
        account.ends(Some(Stage::Done), now);
    });
    let mut outcome = complete(&text);
    outcome.to_version = Some(order.signal.value.clone());
    outcome.plan_digest = job.report.with(|account, _| account.kept().plan_digest.clone());
    Ok(outcome)
}

fn begun(job: &Job, order: &Order<'_>, open: &Open) {
    job.report.tell(&News::RunBegan { run: open.run.id, plan: &order.plan, resumed: true });
}

fn ended(job: &Job, summary: &RunSummary) {
    if summary.steps > 0 {
        let step = foreign::STEP;
        job.report.tell(&News::StepEnded { step, title: &summary.key, ms: summary.ms });
    }
    job.report.tell(&News::RunEnded(summary));
}

/// The container did not do its work, or it is not known. Where it may run twice the run is closed; else a person is
/// asked.
async fn failed(
    job: &Job,
    order: &Order<'_>,
    session: &mut dyn Session,
    (found, step): (Unfinished, Next),
    reading: &Reading,
) -> Result<Halted> {
    let before = found.own.as_ref().and_then(Open::last).map(|start| start.signal == reading.digest);
    let signal = match before {
        Some(true) => format!("{}, as before", reading.shown),
        Some(false) => format!("{}, which it was not before", reading.shown),
        None => reading.shown.clone(),
    };
    let image = &order.container.image.0;
    let (reason, what) = match (step, &job.left) {
        (Next::Missing, _) => {
            (Reason::SignalMissing, format!("{image} ended well, but the signal does not say so"))
        }
        (Next::Failed, Some(left)) => {
            let reason = match left.reason.as_deref() {
                Some("DeadlineExceeded") => Reason::DeadlineExceeded,
                _ => Reason::JobFailed,
            };
            let never = found.own.is_none() && !order.container.idempotent;
            let how = if never { "was not started" } else { "failed" };
            (reason, format!("{image} {how}: {}", words(left)))
        }
        _ => (Reason::OutcomeUnknown, format!("{image} was started, and how it ended is not known")),
    };
    // Without a run it was never started, or, where it may run twice, a runner closed it that did not live to say so.
    let asks = found.own.is_some() && (!order.container.idempotent || step == Next::Unknown);
    let again = format!("kubectl annotate dbm {} {}=1 --overwrite", job.name, ANNOTATION_RETRY);
    let look = format!("kubectl logs --selector cofferdam.dev/migration={} --container migration", job.name);
    let help = match asks {
        true => format!(
            "see what it did ({look}; and the database). If it is to be started once more: {again}, or correct the \
             spec: kubectl edit dbm {0}. If it is done by hand, bring the signal to its value first",
            job.name
        ),
        false => {
            format!("{look}; then correct the spec: kubectl edit dbm {}, or try it again: {again}", job.name)
        }
    };
    let code = if asks { Code::OutcomeUnknown } else { Code::ContainerFailed };
    let refusal = Refusal::new(code, what.clone()).cause(signal.clone()).help(help.clone());
    if let Some(mut open) = found.own {
        session.claim(order.policy.lock_wait).await?;
        begun(job, order, &open);
        if asks {
            let question = Question {
                what: format!("did {image} do what it was to do? {what}; {signal}"),
                look_at: help,
            };
            foreign::ask(session, &mut open, question).await?;
        } else {
            let summary = foreign::give_up(session, &mut open, &what).await?;
            ended(job, &summary);
        }
        session.release().await?;
    }
    job.report.with(|account, now| {
        account.judge(ConditionType::Verified, State::False, reason, &what, now);
    });
    Ok(Halted::Because(reason, Box::new(refusal)))
}

/// What the cluster says of an end, in words.
fn words(left: &Left) -> String {
    let mut text = match (left.exit_code, left.reason.as_deref()) {
        (_, Some("DeadlineExceeded")) => {
            "it took longer than spec.runner.activeDeadlineSeconds and was ended".to_owned()
        }
        (_, Some("OOMKilled")) => {
            "it was killed because it used more memory than spec.runner.resources.limits.memory".to_owned()
        }
        (Some(code), Some(reason)) => format!("exit code {code} ({reason})"),
        (Some(code), None) => format!("exit code {code}"),
        (None, Some(reason)) => reason.to_owned(),
        (None, None) => "its Pod is gone with what it had to say".to_owned(),
    };
    if let Some(lines) = &left.lines {
        text += &format!(": {lines}");
    }
    text
}

/// `--work rollback`: nobody here knows what a container did.
pub(crate) fn no_way_back(job: &Job) -> Box<Refusal> {
    let refusal = Refusal::new(Code::NoWayBack, "a container made this change, and only a container can take it back")
        .cause("it is not known what it did")
        .help(format!(
            "make another DatabaseMigration whose container takes it back (alembic downgrade) and whose signal has the \
             earlier value, with previous: {}",
            job.name
        ));
    Box::new(refusal)
}

/// `--work container`: the init container. It writes the start down, and only then may the container start.
///
/// # Errors
/// What waiting would not change.
pub(crate) async fn open(job: &Job, container: &Container) -> Result<Outcome, Halted> {
    let stopped = |text: &str| Ok(Outcome::new(Ended::Stopped, Reason::PodEvicted, text));
    let pinned = job.place.image.as_deref();
    let order = Order::of(job, container, pinned)?;
    if order.digest != job.place.order {
        return stopped(ANOTHER_SPEC);
    }
    if job.object.spec.migration.verify.is_some() {
        signed(job, pinned).await?;
    }
    let mut session = job.reach.patiently(&job.report, &job.stop).await?;
    let session = &mut *session;
    job.reached(session).await?;
    foreign::ready(session, &order.plan).await?;
    session.claim(order.policy.lock_wait).await?;
    let reading = order.signal.read(session).await?;
    let found = unfinished(job, session).await?;
    let started = found.own.as_ref().is_some_and(|open| !open.starts.is_empty());
    // Beside others it may be that one of them has brought the signal to its value already.
    if reading.reached && (container.parallelism == 1 || !started) {
        return stopped(&format!("{} already; the container was not started", reading.shown));
    }
    if let Some(other) = found.other {
        return Err(Box::new(other).into());
    }
    let place = &job.place;
    let start = Start {
        order: order.digest.clone(),
        job: place.job.clone(),
        pod: place.pod.clone(),
        index: place.index,
        signal: reading.digest.clone(),
    };
    let opened = match found.own {
        None => foreign::begin(session, Arc::clone(&order.plan), &order.policy, &start).await?,
        Some(open) if open.stuck() || open.told() => {
            return stopped("an earlier start waits for a person; nothing was started");
        }
        Some(open) if !container.idempotent && !beside(&open, &start) => {
            return stopped("it was started before and may not run twice; nothing was started");
        }
        Some(mut open) => {
            // That the signal is as it was counts from before the first start.
            let signal = open.starts.first().map_or(start.signal.clone(), |first| first.signal.clone());
            foreign::started(session, &mut open, &Start { signal, ..start }).await?;
            open
        }
    };
    begun(job, &order, &opened);
    session.release().await?;
    let text = format!("the way is open for {}", container.image.0);
    Ok(Outcome::new(Ended::Prepared, Reason::MigrationInProgress, text))
}

/// The image that this Pod is going to start is one by its digest, and signed. It was asked before; but what the Pod is
/// made of went through other hands since.
async fn signed(job: &Job, pinned: Option<&str>) -> Result<(), Halted> {
    let by_digest = pinned.filter(|image| image.contains("@sha256:")).ok_or_else(|| {
        Box::new(
            Refusal::new(Code::ImageSignature, "the container of this Pod is not pinned to a digest")
                .cause("spec.migration.verify asks for a signature, and a tag may mean another image by now")
                .help("bring the operator to the version of its runner's image"),
        )
    })?;
    image::signed(job, &ImageReference(by_digest.to_owned())).await.map(drop)
}

/// The other starts are those of Pods that work side by side with this one.
fn beside(open: &Open, start: &Start) -> bool {
    open.starts.iter().all(|other| other.job == start.job && other.index != start.index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_part_of_a_version() {
        assert_eq!(plain("27c6a30d7c24"), "27c6a30d7c24");
        assert_eq!(plain("Add Users: v2"), "add-users--v2");
    }

    #[test]
    fn what_is_agreed_to_has_everything_that_is_started() {
        let container = |change: serde_json::Value| -> String {
            let mut value = json!({
                "image": "registry/m:1", "command": ["alembic"], "args": ["upgrade", "head"],
                "signal": { "table": "t", "column": "c", "value": "1" },
            });
            for (key, given) in change.as_object().unwrap() {
                value[key] = given.clone();
            }
            title(&serde_json::from_value(value).unwrap(), None)
        };
        let title = container(json!({}));
        assert_eq!(title, "run registry/m:1 alembic upgrade head");
        for other in [
            json!({ "image": "registry/m:2" }),
            json!({ "args": ["upgrade", "1"] }),
            json!({ "env": [{ "name": "A", "value": "1" }] }),
        ] {
            assert_ne!(container(other), title);
        }
    }

    #[test]
    fn an_end_is_told_in_words() {
        let left = |code: Option<i32>, reason: Option<&str>, lines: Option<&str>| Left {
            job: "j".into(),
            how: How::Failed,
            exit_code: code,
            reason: reason.map(str::to_owned),
            lines: lines.map(str::to_owned),
        };
        for (left, expected) in [
            (left(Some(1), Some("Error"), Some("no such table")), "exit code 1 (Error): no such table"),
            (left(Some(137), Some("OOMKilled"), None), "it was killed because it used more memory"),
            (left(None, Some("DeadlineExceeded"), None), "it took longer than spec.runner"),
            (left(None, None, None), "its Pod is gone"),
        ] {
            assert!(words(&left).starts_with(expected), "{}", words(&left));
        }
    }

    #[test]
    fn of_another_job_the_cluster_says_nothing() {
        let left = Left { job: "b".into(), how: How::Never, exit_code: None, reason: None, lines: None };
        let start = |job: &str| Start {
            order: String::new(),
            job: job.into(),
            pod: String::new(),
            index: 0,
            signal: String::new(),
        };
        assert_eq!(how(Some(&left), Some(&start("b"))), Some(How::Never));
        assert_eq!(how(Some(&left), Some(&start("a"))), None);
        assert_eq!(how(Some(&left), None), Some(How::Never));
        assert_eq!(how(None, Some(&start("a"))), None);
    }
}
