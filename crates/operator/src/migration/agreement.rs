//! What approvals say of a plan. Pure: the operator decides by it, and the plugin shows by it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::ResourceExt;

use cofferdam_api::MigrationApproval;
use cofferdam_api::approval::Decision;
use cofferdam_api::cutover::ApprovalRule;

/// What is said of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Agreement<'a> {
    /// It may be carried out, by this word and those before it.
    Given(&'a MigrationApproval),
    /// It must not be.
    Rejected(&'a MigrationApproval),
    /// Somebody said something, which is not enough; what is missing, for people.
    Lacking(String),
    /// Nobody said anything about it.
    Nothing,
}

/// What the approvals say of the plan with this digest at this time.
pub fn of<'a>(
    approvals: &'a [MigrationApproval],
    plan: &str,
    rule: &ApprovalRule,
    now: Timestamp,
) -> Agreement<'a> {
    let of_it: Vec<&MigrationApproval> =
        approvals.iter().filter(|approval| approval.spec.plan_digest.as_str() == plan).collect();
    if let Some(no) = of_it.iter().find(|approval| approval.spec.decision == Decision::Reject) {
        return Agreement::Rejected(no);
    }
    let over =
        |approval: &&&MigrationApproval| approval.spec.expires_at.as_ref().is_some_and(|end| end.0 <= now);
    let good: Vec<&MigrationApproval> = of_it.iter().filter(|approval| !over(approval)).copied().collect();
    let Some(last) = good.last() else {
        return match of_it.iter().find(over) {
            Some(gone) => Agreement::Lacking(format!(
                "MigrationApproval {} of plan {plan} is over since {}",
                gone.name_any(),
                gone.spec.expires_at.as_ref().map(|end| end.0.to_string()).unwrap_or_default()
            )),
            None => Agreement::Nothing,
        };
    };
    if !rule.two_persons {
        return Agreement::Given(last);
    }
    let names: BTreeSet<&str> =
        good.iter().filter_map(|approval| approval.spec.approved_by.as_deref()).collect();
    match names.len() {
        2.. => Agreement::Given(last),
        1 => Agreement::Lacking(format!(
            "plan {plan} is approved by {}, and spec.approval.twoPersons asks for a second person",
            names.first().copied().unwrap_or_default()
        )),
        _ => Agreement::Lacking(format!(
            "plan {plan} is approved by nobody who has a name (spec.approvedBy, which the webhook writes), and \
             spec.approval.twoPersons asks for two persons"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAN: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn approval(
        name: &str,
        plan: &str,
        by: Option<&str>,
        until: Option<&str>,
        decision: &str,
    ) -> MigrationApproval {
        let mut object = json!({
            "metadata": { "name": name },
            "spec": { "migrationRef": { "name": "users" }, "planDigest": plan, "decision": decision },
        });
        if let Some(by) = by {
            object["spec"]["approvedBy"] = json!(by);
        }
        if let Some(until) = until {
            object["spec"]["expiresAt"] = json!(until);
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn two_persons_are_two_names_and_a_word_ends_in_time() {
        let yes =
            |name: &str, by: Option<&str>, until: Option<&str>| approval(name, PLAN, by, until, "Approve");
        let (alice, bob) = (yes("a", Some("alice"), None), yes("b", Some("bob"), None));
        let again = yes("c", Some("alice"), None);
        let nameless = yes("d", None, None);
        let late = yes("e", Some("bob"), Some("2026-11-21T12:00:00Z"));
        let no = approval("n", PLAN, Some("carol"), None, "Reject");
        let other = approval("o", &PLAN.replace('a', "b"), Some("bob"), None, "Approve");
        let found = |all: &[&MigrationApproval], two_persons: bool, hour: &str| {
            let all: Vec<MigrationApproval> = all.iter().copied().cloned().collect();
            let rule = ApprovalRule { required: true, two_persons };
            let now = format!("2026-11-21T{hour}:00:00Z").parse().unwrap();
            match of(&all, PLAN, &rule, now) {
                Agreement::Given(by) => format!("given {}", by.name_any()),
                Agreement::Rejected(by) => format!("rejected {}", by.name_any()),
                Agreement::Lacking(what) if what.contains("is over since") => "over".into(),
                Agreement::Lacking(what) if what.contains("nobody who has a name") => "nameless".into(),
                Agreement::Lacking(what) if what.contains("second person") => "one".into(),
                Agreement::Lacking(what) => what,
                Agreement::Nothing => "nothing".into(),
            }
        };
        for (all, two, hour, expected) in [
            (vec![], false, "10", "nothing"),
            (vec![&other], false, "10", "nothing"),
            (vec![&alice], false, "10", "given a"),
            (vec![&nameless], false, "10", "given d"),
            (vec![&alice, &no], false, "10", "rejected n"),
            (vec![&late], false, "11", "given e"),
            (vec![&late], false, "12", "over"),
            (vec![&late, &alice], false, "13", "given a"),
            (vec![&alice], true, "10", "one"),
            (vec![&alice, &again], true, "10", "one"),
            (vec![&nameless, &alice], true, "10", "one"),
            (vec![&nameless], true, "10", "nameless"),
            (vec![&alice, &bob], true, "10", "given b"),
            (vec![&alice, &late], true, "11", "given e"),
            (vec![&alice, &late], true, "13", "one"),
            (vec![&alice, &other], true, "10", "one"),
            (vec![&alice, &bob, &no], true, "10", "rejected n"),
        ] {
            assert_eq!(found(&all, two, hour), expected, "{two} {hour}");
        }
    }
}
