//! Whether somebody agreed to the plan.

use std::sync::Arc;

use cofferdam_api::conditions::State;
use cofferdam_api::value::Sha256;
use cofferdam_api::{ConditionType, Reason};
use cofferdam_core::approval::Awaited;
use cofferdam_core::plan::Plan;
use cofferdam_core::{Code, Refusal};
use cofferdam_engines::Session;
use cofferdam_operator::outcome::{Ended, Outcome};

use super::Job;
use super::apply::with_plan;
use super::log::Level;

/// What is agreed to: the plans in their order.
pub(crate) fn digest(plans: &[Arc<Plan>]) -> Sha256 {
    Sha256(cofferdam_core::approval::digest(plans.iter().map(|plan| &**plan)))
}

/// What somebody said.
#[derive(Debug)]
pub(crate) enum Word {
    /// It may begin. The digest is the one that was agreed to.
    Given(Sha256),
    /// Nobody said anything yet.
    Awaited(Box<Outcome>),
    /// It was agreed to another plan.
    Lost(Box<Refusal>),
}

/// Whether plans with this digest, from a source with that one, may be carried out.
pub(crate) fn ask(job: &Job, digest: &Sha256, source: &Sha256) -> Word {
    let status = job.object.status.clone().unwrap_or_default();
    let under_way = status.start_time.is_some()
        && status.completion_time.is_none()
        && status.source_digest.as_ref() == Some(source);
    let approved = job.approved.as_ref();
    match approved {
        _ if !job.object.spec.approval.required => Word::Given(digest.clone()),
        Some(approved) if approved == digest => Word::Given(digest.clone()),
        // Cut off half-way: what is left of the plan that was agreed to.
        Some(approved) if under_way && status.plan_digest.as_ref() == Some(approved) => {
            Word::Given(approved.clone())
        }
        Some(approved) => {
            planned(job, digest);
            let refusal = Refusal::new(
                Code::Usage,
                format!("the plan is {}, and not the one that was approved", digest.0),
            )
            .cause(format!("{} was approved: the database or the source changed since", approved.0));
            Word::Lost(Box::new(refusal))
        }
        None => {
            planned(job, digest);
            let text = format!("the plan {} waits for a MigrationApproval", digest.0);
            let outcome = Outcome::new(Ended::WaitsForApproval, Reason::ApprovalPending, text);
            Word::Awaited(Box::new(with_plan(outcome, digest)))
        }
    }
}

/// Says in the journal that the plan waits, where the object names somebody who is to be told. That it cannot be said
/// changes nothing else.
pub(crate) async fn announce(
    job: &Job,
    session: &mut dyn Session,
    (plans, digest): (&[Arc<Plan>], &Sha256),
    (code, why): (Code, &str),
) {
    let told = &job.object.spec.notifications;
    if told.slack.is_none() && told.email.is_none() && told.webhook.is_none() {
        return;
    }
    let namespace = job.object.metadata.namespace.as_deref().unwrap_or("default");
    let name = job.object.metadata.name.as_deref().unwrap_or_default();
    let awaited = Awaited {
        digest: digest.0.clone(),
        keys: plans.iter().map(|plan| plan.key.clone()).collect(),
        code: code.id().to_owned(),
        why: why.to_owned(),
        next: format!("kubectl cofferdam approve {name} --namespace {namespace}"),
    };
    if let Err(fault) = cofferdam_runner::approval::announce(session, awaited).await {
        job.report.log.line(Level::Warn, &format!("nobody is told that the plan waits: {fault}"));
    }
}

fn planned(job: &Job, digest: &Sha256) {
    job.report.with(|account, now| {
        account.planned(digest);
        let text = format!("the plan is {}", digest.0);
        account.judge(ConditionType::Planned, State::True, Reason::ApprovalPending, &text, now);
    });
}

#[cfg(test)]
mod tests {
    use cofferdam_core::online::{Examined, Gate, Online};
    use cofferdam_core::{Limits, Name, Span};
    use cofferdam_strategies::{About, online_plan};

    use super::*;

    fn plan(key: &str, clauses: &str, rows: u64, gate: Gate, workers: u32) -> Arc<Plan> {
        let change = Online {
            table: Name::qualified("public", "orders"),
            clauses: clauses.into(),
            capture: Default::default(),
            gate,
            forward: vec![],
            backward: vec![],
            allow_loss: None,
            workers,
            proof: Default::default(),
        };
        let about = About {
            key: key.into(),
            description: String::new(),
            path: String::new(),
            at: Span::default(),
            limits: Limits::default(),
            server: None,
        };
        let examined = Examined { rows, bytes: rows * 100, rewrites: true, ..Examined::default() };
        Arc::new(online_plan(&change, &examined, about).unwrap())
    }

    #[test]
    fn a_digest_is_that_of_what_is_done_and_not_of_estimates() {
        let one = || plan("o/a", "ADD COLUMN x int", 1_000, Gate::Auto, 0);
        let base = digest(&[one()]);
        assert!(base.parse().is_ok());
        let same = [
            plan("o/a", "ADD COLUMN x int", 9_000_000, Gate::Auto, 0),
            plan("o/a", "ADD COLUMN x int", 1_000, Gate::Manual, 0),
            plan("o/a", "ADD COLUMN x int", 1_000, Gate::Auto, 4),
        ];
        for other in same {
            assert_eq!(digest(&[other]), base);
        }
        let other = || plan("o/b", "ADD COLUMN x int", 1_000, Gate::Auto, 0);
        for plans in [
            vec![plan("o/a", "ADD COLUMN y int", 1_000, Gate::Auto, 0)],
            vec![other()],
            vec![one(), other()],
            vec![other(), one()],
            vec![],
        ] {
            assert_ne!(digest(&plans), base);
        }
        assert_ne!(digest(&[one(), other()]), digest(&[other(), one()]));
    }
}
