//! Following a DatabaseMigration until nothing more happens without a person.

use std::io::Write;
use std::time::{Duration, Instant};

use cofferdam_api::cutover::CutoverMode;
use cofferdam_api::names::{ANNOTATION_FINALIZE, ANNOTATION_ROLLBACK};
use cofferdam_api::{ConditionType, DatabaseMigration, DatabaseMigrationStatus, Phase, Reason, Standing};
use cofferdam_api::{MigrationApproval, conditions};
use cofferdam_core::{Code, Result};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::agree::approved;
use super::next::{message, reason};
use super::{Plugin, refused};
use crate::args::common::Progress;
use crate::cli::Exit;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// So long the operator may take to see what was asked.
const HEED: Duration = Duration::from_secs(30);

/// Where a migration is, for somebody who waits for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// It goes on without a person.
    Work,
    /// Nothing more happens; the exit code says why.
    End(Exit),
}

/// Where it is. What a person asked for and the operator has not seen yet counts as work. Pure.
pub(crate) fn at(migration: &DatabaseMigration, approvals: &[MigrationApproval]) -> At {
    let (Some(status), Some(reason)) = (&migration.status, reason(migration)) else { return At::Work };
    let spec = &migration.spec;
    let asked = |annotation: &str| {
        let asked = migration.annotations().get(annotation);
        asked.is_some()
            && asked.map(String::as_str) == status.plan_digest.as_ref().map(|digest| digest.as_str())
    };
    let ended = matches!(status.phase, Some(Phase::Succeeded | Phase::Failed));
    match reason {
        _ if ended && asked(ANNOTATION_ROLLBACK) && reason.standing() == Standing::Done => At::Work,
        Reason::RevertWindowOpen if asked(ANNOTATION_FINALIZE) => At::Work,
        Reason::Suspended if !spec.suspend => At::Work,
        Reason::AwaitingCutover if spec.cutover.mode != CutoverMode::Manual => At::Work,
        Reason::ApprovalPending | Reason::PlanChanged if approved(migration, approvals).is_some() => At::Work,
        Reason::Suspended | Reason::AwaitingCutover | Reason::ApprovalPending | Reason::PlanChanged => {
            At::End(Exit::WAITS)
        }
        _ if status.phase == Some(Phase::RolledBack) => At::End(Code::RolledBack.into()),
        Reason::LintBlocked => At::End(Code::LintBlocked.into()),
        Reason::ChecksumDrift => At::End(Code::Drift.into()),
        other => match other.standing() {
            Standing::Done => At::End(Exit::DONE),
            Standing::Person => At::End(Exit::PERSON),
            Standing::Working | Standing::Waiting => At::Work,
        },
    }
}

/// What is said while it goes on; the same as before is not said again.
fn told(migration: &DatabaseMigration) -> Told {
    let status = migration.status.clone().unwrap_or_default();
    let progress = status.progress.unwrap_or_default();
    let ready = conditions::find(&status.conditions, ConditionType::Ready);
    Told {
        phase: status.phase.map_or("unseen", Phase::word),
        stage: status.stage.map(|stage| stage.word()),
        summary: progress.summary,
        reason: ready.map(|ready| ready.reason.clone()),
        message: message(migration).to_owned(),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
struct Told {
    phase: &'static str,
    stage: Option<&'static str>,
    summary: Option<String>,
    reason: Option<String>,
    message: String,
}

impl Told {
    /// `10:02:11  Running  Copying  62% 4m  Throttled: standby replica-1 is 80 MB behind`.
    fn line(&self, now: Timestamp) -> String {
        let mut line = format!("{}  {}", now.strftime("%H:%M:%S"), self.phase);
        for more in [self.stage, self.summary.as_deref()].into_iter().flatten() {
            line += &format!("  {more}");
        }
        match (&self.reason, self.message.lines().next()) {
            (Some(reason), Some(message)) if !message.is_empty() => line += &format!("  {reason}: {message}"),
            (Some(reason), _) => line += &format!("  {reason}"),
            (None, _) => {}
        }
        line
    }
}

impl Plugin {
    /// Follows it until its end, and returns it as it is then. `before`: what its status was when something was asked of
    /// it; as long as it is the same, the operator may not have seen it yet.
    pub(crate) async fn follow(
        &self,
        name: &str,
        before: Option<&DatabaseMigrationStatus>,
    ) -> Result<(DatabaseMigration, Exit)> {
        let (began, mut last, mut silent) = (Instant::now(), None, false);
        let mut uid = None;
        loop {
            let found = match self.cluster.find(Some(name), &self.words).await {
                Ok(found) => found,
                // An API server that is being replaced is waited for; the migration goes on meanwhile.
                Err(fault) if last.is_some() && refused::passes(&fault) => {
                    if !std::mem::replace(&mut silent, true) {
                        self.context.console.note(&format!("looking again: {fault}"));
                    }
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            silent = false;
            if *uid.get_or_insert_with(|| found.uid()) != found.uid() {
                self.context.console.note(&format!("{name} was deleted and made again meanwhile"));
                uid = Some(found.uid());
            }
            let says = told(&found);
            if last.as_ref() != Some(&says) {
                self.tell(&says);
                last = Some(says);
            }
            let approvals = match found.spec.approval.required {
                true => self.cluster.approvals(&found).await.unwrap_or_default(),
                false => Vec::new(),
            };
            let unheeded = before.is_some() && found.status.as_ref() == before && began.elapsed() < HEED;
            if let (At::End(exit), false) = (at(&found, &approvals), unheeded) {
                return Ok((found, exit));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn tell(&self, says: &Told) {
        let now = Timestamp::now();
        let line = match self.context.console.progress() {
            Progress::None => return,
            Progress::Json => {
                let mut object = json!(says);
                object["event"] = json!("migration");
                object["at"] = json!(now.to_string());
                object.to_string()
            }
            Progress::Auto | Progress::Bar | Progress::Plain => says.line(now),
        };
        // Nobody reads it any more: the waiting has its result all the same.
        let _ = writeln!(std::io::stderr(), "{}", crate::output::mask::text(&line));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::plugin::trial::tests::{PLAN, approval, migration};

    fn seen(reason: &str, phase: &str, more: impl FnOnce(&mut Value)) -> DatabaseMigration {
        migration(|m| {
            m["status"] = json!({ "observedGeneration": 3, "phase": phase, "planDigest": PLAN, "conditions": [{
                "type": "Ready", "status": "False", "reason": reason, "message": "why\nand more",
                "observedGeneration": 3, "lastTransitionTime": "2026-11-21T10:00:00Z",
            }] });
            more(m);
        })
    }

    #[test]
    fn the_end_says_why_by_its_exit_code() {
        let end = |code: u8| Some(code);
        let cases: &[(&str, &str, Option<u8>)] = &[
            ("MigrationComplete", "Succeeded", end(0)),
            ("RevertWindowOpen", "Succeeded", end(0)),
            ("RolledBack", "RolledBack", end(6)),
            ("VerificationMismatch", "RolledBack", end(6)),
            ("JobFailed", "Failed", end(7)),
            ("OutcomeUnknown", "Failed", end(7)),
            ("LintBlocked", "Failed", end(4)),
            ("ChecksumDrift", "Failed", end(9)),
            ("ApprovalPending", "Pending", end(8)),
            ("PlanChanged", "Pending", end(8)),
            ("AwaitingCutover", "Running", None),
            ("SecretNotFound", "Pending", None),
            ("MigrationInProgress", "Running", None),
            ("Throttled", "Running", None),
        ];
        for (reason, phase, code) in cases {
            let expected = code.map_or(At::Work, |code| At::End(Exit::of(code)));
            assert_eq!(at(&seen(reason, phase, |_| {}), &[]), expected, "{reason}");
        }
        let manual =
            seen("AwaitingCutover", "Running", |m| m["spec"]["cutover"] = json!({ "mode": "manual" }));
        assert_eq!(at(&manual, &[]), At::End(Exit::WAITS));
        let suspended = seen("Suspended", "Pending", |m| m["spec"]["suspend"] = json!(true));
        assert_eq!(at(&suspended, &[]), At::End(Exit::WAITS));
    }

    #[test]
    fn what_was_asked_for_and_not_seen_yet_is_work() {
        let annotated = |reason: &str, phase: &str, annotation: &str, digest: &str| {
            seen(reason, phase, |m| m["metadata"]["annotations"] = json!({ annotation: digest }))
        };
        for (migration, expected) in [
            (annotated("RevertWindowOpen", "Succeeded", ANNOTATION_ROLLBACK, PLAN), At::Work),
            (annotated("RevertWindowOpen", "Succeeded", ANNOTATION_FINALIZE, PLAN), At::Work),
            (annotated("MigrationComplete", "Succeeded", ANNOTATION_ROLLBACK, PLAN), At::Work),
            (annotated("MigrationComplete", "Succeeded", ANNOTATION_FINALIZE, PLAN), At::End(Exit::DONE)),
            (
                annotated("MigrationComplete", "Succeeded", ANNOTATION_ROLLBACK, "sha256:0"),
                At::End(Exit::DONE),
            ),
            (annotated("RolledBack", "RolledBack", ANNOTATION_ROLLBACK, PLAN), At::End(Exit::of(6))),
            (annotated("RollbackUnsafe", "Failed", ANNOTATION_ROLLBACK, PLAN), At::End(Exit::PERSON)),
            (seen("Suspended", "Pending", |_| {}), At::Work),
            (seen("JobFailed", "Failed", |m| m["metadata"]["generation"] = json!(4)), At::Work),
            (migration(|_| {}), At::Work),
        ] {
            assert_eq!(at(&migration, &[]), expected, "{migration:?}");
        }
        let waits =
            seen("ApprovalPending", "Pending", |m| m["spec"]["approval"] = json!({ "required": true }));
        assert_eq!(at(&waits, &[approval("yes", PLAN, "Approve")]), At::Work);
        assert_eq!(at(&waits, &[approval("no", PLAN, "Reject")]), At::End(Exit::WAITS));
    }

    #[test]
    fn a_line_says_all_in_one() {
        let says = told(&seen("Throttled", "Running", |m| {
            m["status"]["stage"] = json!("Copying");
            m["status"]["progress"] = json!({ "summary": "62% 4m" });
        }));
        let now = "2026-11-21T10:02:11Z".parse().unwrap();
        assert_eq!(says.line(now), "10:02:11  Running  Copying  62% 4m  Throttled: why");
        assert_eq!(told(&migration(|_| {})).line(now), "10:02:11  unseen");
    }
}
