//! Conditions: set by pure functions, with the time as an argument.
//!
//! They follow kstatus, so that `kubectl wait`, Flux and Argo CD understand them: `Ready` with `observedGeneration`, and
//! `Stalled=True` exactly when a person is needed.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::closed::closed;
use crate::reason::{Reason, Standing};

closed! {
    /// What is judged.
    pub enum ConditionType {
        /// The database has what the spec asks for.
        Ready = "Ready",
        /// Work goes on without anybody's help.
        Progressing = "Progressing",
        /// Nothing more happens until a person acts; the message ends with the next command.
        Stalled = "Stalled",
        /// There is a plan for this spec.
        Planned = "Planned",
        /// Lint found no errors.
        LintPassed = "LintPassed",
        /// The plan was approved, or needs no approval.
        Approved = "Approved",
        /// A backup was made and verified, or none is asked for.
        BackedUp = "BackedUp",
        /// Both sides were compared and hold the same.
        Verified = "Verified",
        /// The change can be taken back with all that was written since.
        Reversible = "Reversible",
    }
}

/// Whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody can say.
    Unknown,
}

impl State {
    /// The word in a condition.
    pub fn word(self) -> &'static str {
        match self {
            State::True => "True",
            State::False => "False",
            State::Unknown => "Unknown",
        }
    }
}

impl From<bool> for State {
    fn from(so: bool) -> Self {
        if so { State::True } else { State::False }
    }
}

/// What is judged now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// What is judged.
    pub about: ConditionType,
    /// Whether it is so.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Why, for people.
    pub message: &'a str,
    /// The `metadata.generation` that it was judged for.
    pub generation: i64,
}

/// Longest message in bytes: longer ones are cut, because the apiserver would refuse the whole status.
const MESSAGE: usize = 4_096;

/// Sets one condition. `lastTransitionTime` is kept when the state does not change. Returns whether anything changed
/// beside nothing: a caller that writes only then writes nothing while nothing happens.
pub fn set(conditions: &mut Vec<Condition>, judged: &Judgement<'_>, now: Timestamp) -> bool {
    let new = Condition {
        type_: judged.about.word().to_owned(),
        status: judged.state.word().to_owned(),
        reason: judged.reason.word().to_owned(),
        message: cut(judged.message),
        observed_generation: Some(judged.generation),
        last_transition_time: Time(whole_seconds(now)),
    };
    match conditions.iter_mut().find(|old| old.type_ == new.type_) {
        None => {
            conditions.push(new);
            true
        }
        Some(old) => {
            let last_transition_time = match old.status == new.status {
                true => old.last_transition_time.clone(),
                false => new.last_transition_time.clone(),
            };
            let new = Condition { last_transition_time, ..new };
            let changed = *old != new;
            *old = new;
            changed
        }
    }
}

/// Sets Ready, Progressing and Stalled as the reason asks for: at most one of them is true. Where a person is needed and
/// the message does not say what to do, what the reason's documentation says is added with the object's name. Returns
/// whether anything changed.
pub fn stand(
    conditions: &mut Vec<Condition>,
    reason: Reason,
    message: &str,
    object: &str,
    generation: i64,
    now: Timestamp,
) -> bool {
    let standing = reason.standing();
    let message = match standing {
        Standing::Person => with_next(message, reason, object),
        _ => message.to_owned(),
    };
    let mut changed = false;
    for (about, so) in [
        (ConditionType::Ready, standing == Standing::Done),
        (ConditionType::Progressing, standing == Standing::Working),
        (ConditionType::Stalled, standing == Standing::Person),
    ] {
        let judged = Judgement { about, state: so.into(), reason, message: &message, generation };
        changed |= set(conditions, &judged, now);
    }
    changed
}

/// The condition of a type.
pub fn find(conditions: &[Condition], about: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == about.word())
}

/// Whether a condition is true for this generation of the spec. One that was judged for an older spec says nothing.
pub fn holds(conditions: &[Condition], about: ConditionType, generation: i64) -> bool {
    find(conditions, about).is_some_and(|condition| {
        condition.status == State::True.word() && condition.observed_generation == Some(generation)
    })
}

fn with_next(message: &str, reason: Reason, object: &str) -> String {
    let next = reason.doc().next.replace("NAME", object);
    if message.contains("kubectl ") || message.ends_with(&next) {
        return message.to_owned();
    }
    let message = cut_at(message.trim_end(), MESSAGE.saturating_sub(next.len() + 2));
    let between = if message.is_empty() || message.ends_with('.') { " " } else { ". " };
    format!("{message}{between}{next}").trim_start().to_owned()
}

fn cut(message: &str) -> String {
    cut_at(message, MESSAGE)
}

/// At most so many bytes, never within a character, and marked where something is missing.
fn cut_at(message: &str, most: usize) -> String {
    if message.len() <= most {
        return message.to_owned();
    }
    let mut end = most.saturating_sub('…'.len_utf8());
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &message[..end])
}

/// Kubernetes stores times of conditions in whole seconds; with more, every comparison with what was read would find a
/// difference.
fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::REASONS;

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second, 123_456_789).unwrap()
    }

    fn judged(about: ConditionType, state: State, message: &str, generation: i64) -> Judgement<'_> {
        Judgement { about, state, reason: Reason::MigrationInProgress, message, generation }
    }

    #[test]
    fn the_time_is_kept_while_the_state_stays() {
        // What is judged after (Planned, False, "a", generation 1) at second 100: does anything change, and the time?
        let cases: &[(State, &str, i64, bool, i64)] = &[
            (State::False, "a", 1, false, 100),
            (State::False, "b", 1, true, 100),
            (State::False, "a", 2, true, 100),
            (State::True, "a", 1, true, 200),
            (State::Unknown, "a", 1, true, 200),
        ];
        for (state, message, generation, changes, second) in cases {
            let mut conditions = Vec::new();
            assert!(set(&mut conditions, &judged(ConditionType::Planned, State::False, "a", 1), at(100)));
            let changed =
                set(&mut conditions, &judged(ConditionType::Planned, *state, message, *generation), at(200));
            assert_eq!(changed, *changes, "{state:?} {message} {generation}");
            assert_eq!(conditions.len(), 1);
            assert_eq!(conditions[0].last_transition_time.0, Timestamp::from_second(*second).unwrap());
            assert_eq!(conditions[0].message, *message);
        }
    }

    #[test]
    fn conditions_of_others_are_left_alone() {
        let mut conditions = Vec::new();
        for about in ConditionType::ALL {
            set(&mut conditions, &judged(*about, State::Unknown, "", 1), at(1));
        }
        let before = conditions.clone();
        set(&mut conditions, &judged(ConditionType::Verified, State::True, "", 1), at(2));
        let differ: Vec<_> = before.iter().zip(&conditions).filter(|(a, b)| a != b).collect();
        assert_eq!(differ.len(), 1);
        assert_eq!(differ[0].1.type_, "Verified");
    }

    #[test]
    fn every_reason_stands_as_kstatus_reads_it() {
        for doc in REASONS {
            let mut conditions = Vec::new();
            stand(&mut conditions, doc.reason, "what happened", "users", 3, at(1));
            let so = |about| holds(&conditions, about, 3);
            let (ready, working, stalled) =
                (so(ConditionType::Ready), so(ConditionType::Progressing), so(ConditionType::Stalled));
            assert_eq!(ready, doc.standing == Standing::Done, "{}", doc.word);
            assert_eq!(working, doc.standing == Standing::Working, "{}", doc.word);
            assert_eq!(stalled, doc.standing == Standing::Person, "{}", doc.word);
            assert!(conditions.iter().all(|c| c.reason == doc.word && c.status != "Unknown"), "{}", doc.word);
            let message = &find(&conditions, ConditionType::Stalled).unwrap().message;
            assert_eq!(
                message.ends_with(&doc.next.replace("NAME", "users")),
                stalled || doc.next.is_empty(),
                "{message}"
            );
            assert!(!message.contains("NAME"), "{message}");
            // A second time nothing is written.
            assert!(!stand(&mut conditions, doc.reason, "what happened", "users", 3, at(9)), "{}", doc.word);
        }
    }

    #[test]
    fn a_message_that_says_what_to_do_is_left_as_it_is() {
        let say = "lint found 1 error: kubectl logs job/users";
        let mut conditions = Vec::new();
        stand(&mut conditions, Reason::LintBlocked, say, "users", 1, at(1));
        assert_eq!(conditions[0].message, say);
        stand(&mut conditions, Reason::AwaitingCutover, "", "users", 1, at(1));
        assert!(conditions[0].message.starts_with("`kubectl patch dbm users "), "{}", conditions[0].message);
    }

    #[test]
    fn what_was_judged_for_an_older_spec_does_not_hold() {
        let mut conditions = Vec::new();
        stand(&mut conditions, Reason::MigrationComplete, "", "users", 1, at(1));
        assert!(holds(&conditions, ConditionType::Ready, 1));
        assert!(!holds(&conditions, ConditionType::Ready, 2));
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_between_characters() {
        let mut conditions = Vec::new();
        stand(&mut conditions, Reason::JobFailed, &"ü".repeat(40_000), "users", 1, at(1));
        for condition in &conditions {
            assert!(condition.message.len() <= MESSAGE, "{}", condition.message.len());
            assert!(condition.message.contains('…') && condition.message.contains("kubectl edit dbm users"));
        }
        set(&mut conditions, &judged(ConditionType::Planned, State::True, &"é".repeat(4_000), 1), at(1));
        assert!(find(&conditions, ConditionType::Planned).unwrap().message.ends_with('…'));
    }
}
