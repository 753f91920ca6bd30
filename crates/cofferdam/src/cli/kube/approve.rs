//! `approve`: a person's word about the plan that there is.

use std::time::Duration;

use cofferdam_api::approval::Decision;
use cofferdam_api::value::Sha256;
use cofferdam_api::{DatabaseMigration, MigrationApproval, MigrationApprovalSpec, Phase, Reason};
use cofferdam_core::{Code, Fault, Refusal, Result};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::json;

use super::plan;
use crate::args::duration;
use crate::cli::{Command, Exit};
use crate::output::kube::plan::MigrationPlanView;
use crate::output::kube::status::StatusView;
use crate::plugin::next::reason;
use crate::plugin::steer::{not_now, plan_of};
use crate::plugin::words::Words;
use crate::plugin::{Plugin, agree, name, running, trial};

/// So many digits of a digest tell it from every other one that a person could mean.
const PREFIX: usize = 12;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The DatabaseMigration: NAME or dbm/NAME
    #[arg(value_name = "NAME", value_parser = name::parse)]
    name: String,
    /// The plan that was looked at, by its digest or the first 12 digits of it; nothing is asked then
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    plan: Option<String>,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Say no: this plan must not be carried out
    #[arg(long)]
    reject: bool,
    /// How long it is good; what has begun by then goes on
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    lasts: Option<Duration>,
    /// Then follow it until its end
    #[arg(short, long)]
    watch: bool,
}

pub(crate) static COMMAND: Command = Command {
    name: "approve",
    aliases: &[],
    about: "Agree to the plan of a migration, or reject it: makes a MigrationApproval for its digest",
    more: "Shows the plan and asks. What is agreed to is exactly the plan that was shown: one that changes meanwhile is \
           not approved. To create a MigrationApproval is a right of its own.",
    examples: &[
        ("kubectl cofferdam approve orders", "show the plan, ask, and agree to it"),
        ("kubectl cofferdam approve orders --reason CHG-1234 --yes --watch", "agree, and follow the run"),
        ("kubectl cofferdam approve orders --plan 9f2c4d1e0a7b", "only if the plan is still this one"),
        ("kubectl cofferdam approve orders --reject --reason 'wait for the sale to end'", "say no"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| running(context, matches, approve),
};

/// The document of kind `Approval`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ApprovalView {
    namespace: String,
    migration: String,
    plan_digest: String,
    decision: Decision,
    /// The MigrationApproval.
    approval: String,
    /// It was made now; false: it was there.
    changed: bool,
    next: String,
}

impl ApprovalView {
    fn text(&self) -> String {
        let word = match self.decision {
            Decision::Approve => "is approved",
            Decision::Reject => "is rejected",
        };
        let before = if self.changed { "" } else { " already" };
        format!(
            "{}: the plan {} {word}{before} (MigrationApproval {})\nnext: {}\n",
            self.migration, self.plan_digest, self.approval, self.next
        )
    }
}

async fn approve(plugin: &Plugin, flags: &Flags) -> Result<Exit> {
    let words = &plugin.words;
    let decision = if flags.reject { Decision::Reject } else { Decision::Approve };
    let seen = plugin.cluster.find(Some(&flags.name), words).await?;
    let approvals = plugin.cluster.approvals(&seen).await?;
    let plan = wanted(&seen, flags.plan.as_deref(), words)?;
    if let Some(there) = said(&seen, &approvals, decision, words)? {
        return show(plugin, flags, &seen, (&plan, decision, &there, false)).await;
    }
    if flags.plan.is_none() {
        let shown: MigrationPlanView = plan::view(plugin, &seen).await?;
        let verb = if flags.reject { "Reject" } else { "Agree to" };
        let question = format!("{}\n{verb} this plan?", MigrationPlanView { next: vec![], ..shown }.text());
        agree::ask(&plugin.context, &question).await?;
        same(&plugin.cluster.find(Some(&flags.name), words).await?, &seen, &plan, words)?;
    }
    let name = name_of(&flags.name, &plan, decision, &approvals);
    let made = plugin
        .cluster
        .create(&object(plugin, &seen, flags, &plan, &name, decision).await?, "approving the plan")
        .await?;
    // Whoever changed the plan in this moment must not find it agreed to by accident later.
    if let (Err(other), Some(made)) =
        (same(&plugin.cluster.find(Some(&flags.name), words).await?, &seen, &plan, words), &made)
    {
        plugin.cluster.remove(made, "taking the approval back").await?;
        return Err(other.into());
    }
    show(plugin, flags, &seen, (&plan, decision, &name, made.is_some())).await
}

async fn show(
    plugin: &Plugin,
    flags: &Flags,
    seen: &DatabaseMigration,
    (plan, decision, approval, changed): (&Sha256, Decision, &str, bool),
) -> Result<Exit> {
    let next = match decision {
        Decision::Approve => plugin.words.line(&format!("status {} --watch", flags.name)),
        Decision::Reject => format!(
            "kubectl delete mapp {approval} --namespace {}  # to think better of it",
            plugin.cluster.namespace
        ),
    };
    let view = ApprovalView {
        namespace: plugin.cluster.namespace.clone(),
        migration: flags.name.clone(),
        plan_digest: plan.as_str().to_owned(),
        decision,
        approval: approval.to_owned(),
        changed,
        next,
    };
    if !flags.watch || decision == Decision::Reject {
        plugin.context.console.show("Approval", &view, ApprovalView::text);
        return Ok(Exit::DONE);
    }
    plugin.context.console.note(view.text().lines().next().unwrap_or_default());
    let (end, exit) = plugin.follow(&flags.name, seen.status.as_ref().filter(|_| changed)).await?;
    let view = StatusView::new(&end, &plugin.words);
    plugin.context.console.show("MigrationStatus", &view, StatusView::text);
    Ok(exit)
}

/// The plan that is meant: the one that there is, if it waits for a word. Pure.
fn wanted(
    seen: &DatabaseMigration,
    given: Option<&str>,
    words: &Words,
) -> std::result::Result<Sha256, Box<Refusal>> {
    let not = |what: &str, help: &str| Err(not_now(seen, words, what, help));
    if !seen.spec.approval.required {
        return not("asks for no approval", "status NAME");
    }
    let Some(plan) = plan_of(seen) else { return not("has no plan yet", "status NAME --watch") };
    let fits = |given: &str| {
        let digits = |text: &str| text.trim_start_matches("sha256:").to_ascii_lowercase();
        digits(&plan).starts_with(&digits(given))
    };
    if let Some(given) = given.filter(|given| !fits(given)) {
        return Err(Box::new(other(seen, &format!("it is {plan}, and {given} was given"), words)));
    }
    let phase = seen.status.as_ref().and_then(|status| status.phase);
    match (reason(seen), phase) {
        (Some(Reason::ApprovalPending | Reason::PlanChanged | Reason::ApprovalRejected), _) => {
            Ok(Sha256(plan))
        }
        // What was said before may be said again: nothing comes of it.
        (Some(_), Some(Phase::Pending | Phase::Running | Phase::Succeeded)) => Ok(Sha256(plan)),
        (Some(_), _) => not("has no plan that waits for a word", "describe NAME"),
        (None, _) => not("was changed, and is planned anew", "status NAME --watch"),
    }
}

/// The MigrationApproval that says so already. Pure.
fn said(
    seen: &DatabaseMigration,
    approvals: &[MigrationApproval],
    decision: Decision,
    words: &Words,
) -> std::result::Result<Option<String>, Box<Refusal>> {
    let (no, yes) = (agree::rejected(seen, approvals), agree::approved(seen, approvals));
    let there = match (decision, no) {
        (Decision::Approve, Some(no)) => {
            let help = format!("kubectl delete mapp {}", no.name_any());
            return Err(not_now(seen, words, "has a plan that somebody rejects", &help));
        }
        (Decision::Approve, None) => yes,
        (Decision::Reject, no) => no,
    };
    let waits = matches!(
        reason(seen),
        Some(Reason::ApprovalPending | Reason::PlanChanged | Reason::ApprovalRejected)
    );
    if there.is_none() && !waits {
        return Err(not_now(seen, words, "has no plan that waits for a word", "describe NAME"));
    }
    Ok(there.map(ResourceExt::name_any))
}

/// The plan is still the one that was looked at. Pure.
fn same(
    now: &DatabaseMigration,
    seen: &DatabaseMigration,
    plan: &Sha256,
    words: &Words,
) -> std::result::Result<(), Box<Refusal>> {
    if now.uid() != seen.uid() {
        return Err(Box::new(other(now, "it was deleted and made again meanwhile", words)));
    }
    match plan_of(now) {
        Some(is) if is == plan.as_str() => Ok(()),
        Some(is) => Err(Box::new(other(now, &format!("it is {is} now, and was {}", plan.as_str()), words))),
        None => Err(Box::new(other(now, "it has none now", words))),
    }
}

fn other(migration: &DatabaseMigration, cause: &str, words: &Words) -> Refusal {
    let name = migration.name_any();
    Refusal::new(Code::OtherPlan, format!("the plan of {name} is not the one that was looked at"))
        .cause(cause)
        .help(words.line(&format!("plan {name}")))
}

/// So long from now, in whole seconds.
fn until(lasts: Duration) -> Time {
    let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
    let end = Timestamp::now().checked_add(lasts).unwrap_or(Timestamp::MAX);
    Time(Timestamp::from_second(end.as_second()).unwrap_or(end))
}

/// The name of the MigrationApproval. It follows from what is said, so that saying it twice makes one.
fn name_of(migration: &str, plan: &Sha256, decision: Decision, there: &[MigrationApproval]) -> String {
    let digits: String = plan.as_str().trim_start_matches("sha256:").chars().take(PREFIX).collect();
    let word = match decision {
        Decision::Approve => "yes",
        Decision::Reject => "no",
    };
    let first = format!("{migration}-{digits}-{word}");
    let more = (2..).map(|number| format!("{first}-{number}"));
    // Those that are there were not enough: they are over, or another person's where two must agree.
    let free = |name: &String| !there.iter().any(|approval| approval.name_any() == *name);
    std::iter::once(first.clone()).chain(more).find(free).unwrap_or(first)
}

async fn object(
    plugin: &Plugin,
    seen: &DatabaseMigration,
    flags: &Flags,
    plan: &Sha256,
    name: &str,
    decision: Decision,
) -> Result<MigrationApproval> {
    let migration_ref =
        serde_json::from_value(json!({ "name": flags.name })).map_err(|e| Fault::Bug(e.to_string()))?;
    let spec = MigrationApprovalSpec {
        migration_ref,
        plan_digest: plan.clone(),
        decision,
        comment: flags.reason.clone(),
        approved_by: plugin.cluster.who().await,
        expires_at: flags.lasts.filter(|_| decision == Decision::Approve).map(until),
    };
    let mut approval = MigrationApproval::new(name, spec);
    approval.metadata.namespace = Some(plugin.cluster.namespace.clone());
    // It goes with what it is about.
    let owner = trial::owner(seen).map(|owner| serde_json::from_value(json!([owner])));
    approval.metadata.owner_references = owner.transpose().map_err(|e| Fault::Bug(e.to_string()))?;
    Ok(approval)
}

fn digest(text: &str) -> std::result::Result<String, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    match (PREFIX..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "{text:?} is no digest of a plan; write it as status.planDigest has it, or its first {PREFIX} digits"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::plugin::trial::tests::{PLAN, approval, migration};

    fn waiting(reason: &str, phase: &str, more: impl FnOnce(&mut Value)) -> DatabaseMigration {
        migration(|m| {
            m["spec"]["approval"] = json!({ "required": true });
            m["status"] = json!({ "observedGeneration": 3, "phase": phase, "planDigest": PLAN, "conditions": [{
                "type": "Ready", "status": "False", "reason": reason, "message": "the plan waits",
                "observedGeneration": 3, "lastTransitionTime": "2026-11-21T10:00:00Z",
            }] });
            more(m);
        })
    }

    #[test]
    fn only_the_plan_that_there_is_can_be_agreed_to() {
        let words = Words::plain();
        let pending = waiting("ApprovalPending", "Pending", |_| {});
        for (given, fits) in [
            (None, true),
            (Some(PLAN), true),
            (Some("AAAAAAAAAAAA"), true),
            (Some("sha256:aaaaaaaaaaaaaa"), true),
            (Some("aaaaaaaaaaab"), false),
        ] {
            let found = wanted(&pending, given, &words);
            assert_eq!(found.is_ok(), fits, "{given:?}");
            if let Err(refusal) = found {
                assert_eq!((refusal.code, refusal.code.exit()), (Code::OtherPlan, 8));
            }
        }
        for migration in [
            waiting("ApprovalPending", "Pending", |m| m["spec"]["approval"]["required"] = json!(false)),
            waiting("ApprovalPending", "Pending", |m| m["status"]["planDigest"] = Value::Null),
            waiting("ApprovalPending", "Pending", |m| m["metadata"]["generation"] = json!(4)),
            waiting("JobFailed", "Failed", |_| {}),
        ] {
            let refusal = wanted(&migration, None, &words).unwrap_err();
            assert_eq!(refusal.code, Code::NotNow);
            assert!(refusal.help.unwrap().starts_with("kubectl cofferdam "));
        }
    }

    #[test]
    fn what_was_said_is_not_said_twice() {
        let words = Words::plain();
        let pending = waiting("ApprovalPending", "Pending", |_| {});
        let (yes, no) = (approval("yes", PLAN, "Approve"), approval("no", PLAN, "Reject"));
        let says = |approvals: &[MigrationApproval], decision| said(&pending, approvals, decision, &words);
        assert_eq!(says(&[], Decision::Approve), Ok(None));
        assert_eq!(says(std::slice::from_ref(&yes), Decision::Approve), Ok(Some("yes".into())));
        assert_eq!(says(std::slice::from_ref(&yes), Decision::Reject), Ok(None));
        assert_eq!(says(std::slice::from_ref(&no), Decision::Reject), Ok(Some("no".into())));
        let refused = says(&[yes.clone(), no], Decision::Approve).unwrap_err();
        assert_eq!(refused.help.as_deref(), Some("kubectl delete mapp no"));
        let done = waiting("MigrationComplete", "Succeeded", |_| {});
        assert_eq!(said(&done, &[yes], Decision::Approve, &words), Ok(Some("yes".into())));
        assert_eq!(said(&done, &[], Decision::Approve, &words).unwrap_err().code, Code::NotNow);
    }

    #[test]
    fn a_plan_that_changed_between_look_and_write_is_not_agreed_to() {
        let words = Words::plain();
        let plan = Sha256(PLAN.into());
        let seen = waiting("ApprovalPending", "Pending", |_| {});
        assert!(same(&seen, &seen, &plan, &words).is_ok());
        let changed = waiting("ApprovalPending", "Pending", |m| {
            m["status"]["planDigest"] = json!(PLAN.replace('a', "b"))
        });
        let again = waiting("ApprovalPending", "Pending", |m| m["metadata"]["uid"] = json!("u-2"));
        let none = waiting("ApprovalPending", "Pending", |m| m["status"]["planDigest"] = Value::Null);
        for now in [changed, again, none] {
            assert_eq!(same(&now, &seen, &plan, &words).unwrap_err().code, Code::OtherPlan);
        }
    }

    #[test]
    fn an_approval_is_named_after_what_it_says() {
        let plan = Sha256(PLAN.into());
        assert_eq!(name_of("users", &plan, Decision::Approve, &[]), "users-aaaaaaaaaaaa-yes");
        assert_eq!(name_of("users", &plan, Decision::Reject, &[]), "users-aaaaaaaaaaaa-no");
        let there = [approval("users-aaaaaaaaaaaa-yes", PLAN, "Approve")];
        assert_eq!(name_of("users", &plan, Decision::Approve, &there), "users-aaaaaaaaaaaa-yes-2");
        for (text, fits) in [(PLAN, true), ("9f2c4d1e0a7b", true), ("9f2c", false), ("9f2c4d1e0a7g", false)] {
            assert_eq!(digest(text).is_ok(), fits, "{text}");
        }
    }
}
