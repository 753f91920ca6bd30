//! How a run ends, in the words of Kubernetes.

use cofferdam_api::Reason;
use cofferdam_core::{Code, Fault, Refusal};
use cofferdam_operator::outcome::{Ended, Outcome};

use crate::output::{error, mask};

/// Why a run was asked to stop by its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `spec.suspend` is true.
    Suspended,
    /// The object was deleted.
    Gone,
}

/// What a part of a run ends with before its end.
#[derive(Debug)]
pub(crate) enum Halted {
    /// The database, or the plan, says so.
    Fault(Fault),
    /// It is refused for a reason that no code of an error says as well.
    Because(Reason, Box<Refusal>),
}

impl From<Fault> for Halted {
    fn from(fault: Fault) -> Self {
        Halted::Fault(fault)
    }
}

impl From<Box<Refusal>> for Halted {
    fn from(refusal: Box<Refusal>) -> Self {
        Halted::Fault(Fault::Refused(refusal))
    }
}

/// An end, and the exit code of the process.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    /// The code whose exit code it is; `None`: 0.
    pub(crate) code: Option<Code>,
}

impl End {
    /// All is well, or it stopped because that was wanted.
    pub(crate) fn well(outcome: Outcome) -> Self {
        Self { outcome, code: None }
    }
}

/// The end of a run that was halted. `began`: something was journalled, so that a refusal is no refusal to begin.
pub(crate) fn end(halted: &Halted, wanted: Option<Wanted>, began: bool) -> End {
    let (reason, refusal) = match halted {
        Halted::Because(reason, refusal) => (*reason, (**refusal).clone()),
        Halted::Fault(fault) => {
            let refusal = error::refusal(fault);
            (Reason::from(refusal.code), refusal)
        }
    };
    if refusal.code == Code::Interrupted {
        return match wanted {
            Some(Wanted::Suspended) => stopped("stopped at a safe point: spec.suspend is true"),
            Some(Wanted::Gone) => stopped("stopped at a safe point: the DatabaseMigration was deleted"),
            None => End {
                outcome: Outcome::new(
                    Ended::Stopped,
                    Reason::PodEvicted,
                    "stopped at a safe point after SIGTERM",
                ),
                code: Some(Code::Interrupted),
            },
        };
    }
    let ended = match refusal.code.exit() {
        7 if refusal.code != Code::RollbackUnsafe => Ended::Stuck,
        6 => Ended::RolledBack,
        124 => Ended::Stopped,
        _ if began => Ended::Failed,
        _ => Ended::Refused,
    };
    End { outcome: Outcome::new(ended, reason, message(&refusal)), code: Some(refusal.code) }
}

/// It stopped because its object asks for that.
fn stopped(message: &str) -> End {
    End::well(Outcome::new(Ended::Stopped, Reason::Suspended, message))
}

/// A refusal in one text: what, where, why, and what helps.
pub(crate) fn message(refusal: &Refusal) -> String {
    let mut text = refusal.to_string();
    for note in &refusal.notes {
        text += &format!("; {note}");
    }
    if let Some(help) = &refusal.help {
        text += &format!(". {help}");
    }
    mask::text(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_end() {
        let cases: &[(Code, bool, Ended, Reason)] = &[
            (Code::LintBlocked, false, Ended::Refused, Reason::LintBlocked),
            (Code::ChecksumChanged, false, Ended::Refused, Reason::ChecksumDrift),
            (Code::BadUrl, false, Ended::Refused, Reason::SpecInvalid),
            (Code::PermissionMissing, false, Ended::Refused, Reason::PermissionMissing),
            (Code::RolledBack, true, Ended::RolledBack, Reason::RolledBack),
            (Code::Mismatch, true, Ended::RolledBack, Reason::VerificationMismatch),
            (Code::OutcomeUnknown, true, Ended::Stuck, Reason::OutcomeUnknown),
            (Code::RollbackFailed, true, Ended::Stuck, Reason::JobFailed),
            (Code::RollbackUnsafe, true, Ended::Failed, Reason::RollbackUnsafe),
            (Code::NoWayBack, false, Ended::Refused, Reason::RollbackUnsafe),
            (Code::Bug, true, Ended::Failed, Reason::JobFailed),
        ];
        for (code, began, ended, reason) in cases {
            let halted = Halted::Fault(Refusal::new(*code, "what").into());
            let found = end(&halted, None, *began);
            assert_eq!((found.outcome.ended, found.outcome.reason()), (*ended, *reason), "{code:?}");
            assert_eq!(found.code, Some(*code));
        }
        let question = cofferdam_core::Question { what: "did it end?".into(), look_at: "the log".into() };
        let found = end(&Halted::Fault(Fault::Unknown(question)), None, true);
        assert_eq!((found.outcome.ended, found.code.map(Code::exit)), (Ended::Stuck, Some(7)));
    }

    #[test]
    fn whoever_is_asked_to_stop_says_by_whom() {
        let halted = Halted::Fault(Refusal::new(Code::Interrupted, "stopped").into());
        for (wanted, exit) in [(Some(Wanted::Suspended), None), (Some(Wanted::Gone), None), (None, Some(130))]
        {
            let found = end(&halted, wanted, true);
            assert_eq!(
                (found.outcome.ended, found.code.map(Code::exit)),
                (Ended::Stopped, exit),
                "{wanted:?}"
            );
        }
    }

    #[test]
    fn a_message_has_all_and_no_password() {
        let refusal = Refusal::new(Code::ConnectFailed, "no way to postgres://u:canary@h/d")
            .cause("refused")
            .note("first")
            .help("look");
        assert_eq!(message(&refusal), "CF2202: no way to postgres://u:***@h/d: refused; first. look");
    }
}
