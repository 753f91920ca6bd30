//! Arrows between our crates run down only.

use super::packages::Package;
use super::{Check, House};

pub(super) static CHECK: Check = Check {
    name: "arrows",
    about: "crates depend on lower floors only",
    problems: |house: &House| Ok(problems(&house.packages)),
};

/// Each crate and its floor.
const FLOORS: &[(&str, u8)] = &[
    ("cofferdam-core", 1),
    ("cofferdam-dialects", 2),
    ("cofferdam-schema", 2),
    (KINDS, 2),
    ("cofferdam-formats", 3),
    ("cofferdam-lint", 3),
    ("cofferdam-strategies", 3),
    // It reads what the formats read, one floor up.
    ("cofferdam-project", 4),
    // These do not know each other.
    ("cofferdam-engines", 4),
    ("cofferdam-adapters", 4),
    ("cofferdam-runner", 5),
    (OPERATOR, 6),
    ("cofferdam", 7),
];

/// The words of Kubernetes. Only what stands above the runner knows that there is a cluster.
const KINDS: &str = "cofferdam-api";

/// It speaks to Kubernetes only, and never opens a database.
const OPERATOR: &str = "cofferdam-operator";

/// A leaf beside the house, which needs none of it: tests of every floor may use it, the `demo`, and
/// the benches among the tasks.
const SCRATCH: &str = "cofferdam-scratch";

/// The tasks know the words of the house, to print pages from them, and nothing above.
const TASKS: &str = "xtask";

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

fn problems(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages {
        if floor(&package.name).is_none() && package.name != SCRATCH && package.name != TASKS {
            problems.push(format!("{}: give it a floor in xtask/src/tidy/arrows.rs", package.name));
            continue;
        }
        for needed in package.dependencies.iter().filter(|d| d.ours) {
            if !allowed(&package.name, &needed.name, needed.for_tests) {
                problems.push(format!("{} must not depend on {}", package.name, needed.name));
            }
        }
    }
    problems
}

fn allowed(from: &str, to: &str, for_tests: bool) -> bool {
    if to == SCRATCH {
        return for_tests || from == "cofferdam" || from == TASKS;
    }
    if from == OPERATOR {
        return to == "cofferdam-core" || to == KINDS;
    }
    if to == KINDS {
        return floor(from) > floor("cofferdam-runner");
    }
    match (floor(from), floor(to)) {
        (Some(from), Some(to)) => to < from,
        (None, Some(to)) => from == TASKS && to == 1,
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::packages::tests::package;
    use super::*;

    #[test]
    fn only_arrows_down_pass() {
        let cases: &[(&str, &str, bool)] = &[
            ("cofferdam-lint", "*cofferdam-dialects", true),
            ("cofferdam-core", "*cofferdam-lint", false),
            ("cofferdam-core", "*?cofferdam-dialects", false),
            ("cofferdam-engines", "*cofferdam-adapters", false),
            ("cofferdam-project", "*cofferdam-formats", true),
            ("cofferdam-project", "*cofferdam-adapters", false),
            ("cofferdam-project", "*cofferdam-api", false),
            ("cofferdam-adapters", "*cofferdam-formats", true),
            ("cofferdam-engines", "*?cofferdam-scratch", true),
            ("cofferdam-engines", "*cofferdam-scratch", false),
            ("cofferdam", "*cofferdam-scratch", true),
            ("cofferdam-scratch", "*cofferdam-core", false),
            ("xtask", "*cofferdam-core", true),
            ("xtask", "*cofferdam-scratch", true),
            ("xtask", "*cofferdam-lint", false),
            ("cofferdam-api", "*cofferdam-core", true),
            ("cofferdam-api", "*cofferdam-dialects", false),
            ("cofferdam-core", "*cofferdam-api", false),
            ("cofferdam", "*cofferdam-api", true),
            ("cofferdam-operator", "*cofferdam-api", true),
            ("cofferdam-operator", "*cofferdam-engines", false),
            ("cofferdam-operator", "*cofferdam-runner", false),
            ("cofferdam-runner", "*cofferdam-api", false),
            ("cofferdam-adapters", "*cofferdam-api", false),
            ("xtask", "*cofferdam-api", false),
            ("cofferdam-core", "serde", true),
            ("cofferdam-new", "serde", false),
        ];
        for (from, to, fine) in cases {
            assert_eq!(problems(&[package(from, &[to])]).is_empty(), *fine, "{from} -> {to}");
        }
    }
}
