//! Words, what is to begin, and what follows: a table of what may happen between an approval and an apply.

use super::*;

const NOON: &str = "2026-11-21T12:00:00Z";

fn at(hours: i64) -> Timestamp {
    NOON.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

fn plan(key: &str, digest: &str, definition: &str) -> Agreed {
    let tables = BTreeMap::from([("orders".to_owned(), definition.to_owned())]);
    Agreed { key: key.into(), digest: digest.into(), tables }
}

fn matter(plans: &[Agreed]) -> Matter {
    Matter {
        plans: plans.to_vec(),
        in_force: BTreeSet::new(),
        undone: vec![],
        database: "1/shop".into(),
        role: "app".into(),
    }
}

fn word(by: &str, plans: &[Agreed]) -> Word {
    let approval = Approval {
        decision: Decision::Approve,
        digest: matter(plans).digest(),
        plans: plans.to_vec(),
        database: "1/shop".into(),
        role: "app".into(),
        at: NOON.into(),
        until: Some(at(24).to_string()),
        comment: None,
    };
    Word { by: by.into(), approval }
}

fn reject(mut word: Word) -> Word {
    word.approval.decision = Decision::Reject;
    word
}

fn terms(two_persons: bool) -> Terms {
    Terms { required: true, two_persons, command: "cofferdam approve".into(), ..Terms::default() }
}

#[test]
fn what_happens_between_the_word_and_the_deed_decides() {
    let (a, b) = (plan("1", "da", "t1"), plan("2", "db", "t1"));
    let both = [a.clone(), b.clone()];
    let alice = || word("alice@home", &both);
    let done = |keys: &[&str], plans: &[Agreed]| Matter {
        in_force: keys.iter().map(|key| (*key).to_owned()).collect(),
        ..matter(plans)
    };
    let undone = |when: i64| Matter { undone: vec![("1".into(), at(when).to_string())], ..matter(&both) };
    let elsewhere = Matter { database: "2/shop".into(), ..matter(&both) };
    let unread = Matter { database: String::new(), ..matter(&both) };
    type Case = (&'static str, Vec<Word>, Matter, bool, i64, Option<Code>);
    let cases: Vec<Case> = vec![
        ("nobody said anything", vec![], matter(&both), false, 1, Some(Code::ApprovalNeeded)),
        ("approved", vec![alice()], matter(&both), false, 1, None),
        ("approved twice", vec![alice(), alice()], matter(&both), false, 1, None),
        ("the first of two", vec![alice()], matter(&both[..1]), false, 1, None),
        ("the second, the first is done", vec![alice()], done(&["1"], &both[1..]), false, 1, None),
        ("the second alone", vec![alice()], matter(&both[1..]), false, 1, Some(Code::ApprovalOther)),
        (
            "another order",
            vec![alice()],
            matter(&[b.clone(), a.clone()]),
            false,
            1,
            Some(Code::ApprovalOther),
        ),
        (
            "one more",
            vec![word("alice@home", &both[..1])],
            matter(&both),
            false,
            1,
            Some(Code::ApprovalOther),
        ),
        (
            "another plan",
            vec![alice()],
            matter(&[plan("1", "dx", "t1"), b.clone()]),
            false,
            1,
            Some(Code::ApprovalOther),
        ),
        (
            "other keys",
            vec![word("alice@home", &[plan("9", "d9", "t1")])],
            matter(&both),
            false,
            1,
            Some(Code::ApprovalNeeded),
        ),
        (
            "a table changed",
            vec![alice()],
            matter(&[plan("1", "da", "t2"), b.clone()]),
            false,
            1,
            Some(Code::ApprovalOther),
        ),
        (
            "a table that its own first plan changed",
            vec![alice()],
            done(&["1"], &[plan("2", "db", "t2")]),
            false,
            1,
            None,
        ),
        ("at its last second", vec![alice()], matter(&both), false, 23, None),
        ("over", vec![alice()], matter(&both), false, 24, Some(Code::ApprovalExpired)),
        ("the clock was set back", vec![alice()], matter(&both), false, -1, Some(Code::ApprovalExpired)),
        ("used and taken back", vec![alice()], undone(1), false, 2, Some(Code::ApprovalExpired)),
        ("taken back before it", vec![alice()], undone(-1), false, 2, None),
        ("a copy of the database", vec![alice()], elsewhere, false, 1, Some(Code::ApprovalOther)),
        ("a server that does not say who it is", vec![alice()], unread, false, 1, None),
        ("rejected", vec![reject(alice())], matter(&both), false, 1, Some(Code::ApprovalRejected)),
        (
            "rejected by one, approved by another",
            vec![reject(alice()), word("carol@home", &both)],
            matter(&both),
            false,
            1,
            Some(Code::ApprovalRejected),
        ),
        ("thought better of it", vec![reject(alice()), alice()], matter(&both), false, 1, None),
        (
            "taken back by its author",
            vec![alice(), reject(alice())],
            matter(&both),
            false,
            1,
            Some(Code::ApprovalRejected),
        ),
        ("two persons", vec![alice()], matter(&both), true, 1, None),
        ("the same person", vec![word("bob@home", &both)], matter(&both), true, 1, Some(Code::TwoPersons)),
        ("the same person, one asks for one", vec![word("bob@home", &both)], matter(&both), false, 1, None),
        ("the same person and another", vec![word("bob@home", &both), alice()], matter(&both), true, 1, None),
    ];
    for (what, words, matter, two, hours, expected) in cases {
        let found = judge(&words, &matter, &terms(two), "bob@work (ci)", at(hours));
        let code = found.as_ref().err().map(|refusal| refusal.code);
        assert_eq!(code, expected, "{what}: {found:?}");
        if let Err(refusal) = found {
            assert_eq!(refusal.code.exit(), 8, "{what}");
            assert!(
                refusal.help.is_some() && refusal.notes[0].contains(&matter.digest()),
                "{what}: {refusal:?}"
            );
        }
    }
}

#[test]
fn a_time_that_cannot_be_read_is_no_approval() {
    let plans = [plan("1", "d", "t")];
    for (said, until) in [("soon", None), (NOON, Some("whenever")), ("", Some(""))] {
        let mut word = word("alice", &plans);
        word.approval.at = said.into();
        word.approval.until = until.map(str::to_owned);
        assert_ne!(state(&word, &matter(&plans), at(1)), State::Good, "{said} {until:?}");
    }
}

#[test]
fn nothing_to_do_is_nothing_to_agree_to() {
    assert_eq!(state(&word("alice", &[plan("1", "d", "t")]), &matter(&[]), at(1)), State::OtherPlan);
    assert_eq!(state(&word("alice", &[]), &matter(&[]), at(1)), State::OtherPlan);
}

#[test]
fn a_person_is_the_same_on_every_machine() {
    for (who, name) in
        [("alice@home", "alice"), ("alice@ci (github 7)", "alice"), ("alice", "alice"), ("", "")]
    {
        assert_eq!(person(who), name);
    }
}
