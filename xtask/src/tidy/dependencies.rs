//! Which crates may reach the outside world: drivers stand behind the engines, and the pure crates have none.

use super::packages::Package;
use super::{Check, House};

pub(super) static CHECK: Check = Check {
    name: "dependencies",
    about: "drivers in engines only, Kubernetes in api and operator only, the pure crates without input and output",
    problems: |house: &House| Ok(problems(&house.packages)),
};

const DRIVERS: &[&str] =
    &["tokio-postgres", "postgres", "mysql_async", "mysql", "mongodb", "sqlx", "tokio-postgres-rustls"];

/// Crates that may have a driver outside of their tests.
const MAY_HAVE_DRIVERS: &[&str] = &[
    "cofferdam-engines",
    // The demo's writers are an application, not a part of the migration: they speak to the database as one.
    "cofferdam",
];

/// The crates of Kubernetes, and who may have them: nothing below the operator knows that there is a cluster.
const KUBERNETES: &[&str] = &["kube", "kube-core", "kube-client", "kube-runtime", "k8s-openapi"];
const MAY_KNOW_KUBERNETES: &[&str] = &["cofferdam-api", "cofferdam-operator", "cofferdam"];

/// Their functions are of data to data; a test that runs a thousand of them takes a second.
const PURE: &[&str] = &[
    "cofferdam-core",
    "cofferdam-dialects",
    "cofferdam-api",
    "cofferdam-formats",
    "cofferdam-lint",
    "cofferdam-strategies",
    "cofferdam-project",
    "cofferdam-schema",
];

/// What a pure crate does not need, besides drivers.
const IMPURE: &[&str] =
    &["tokio", "async-trait", "futures", "kube-client", "kube-runtime", "reqwest", "hyper", "rustls"];

fn problems(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        for needed in package.dependencies.iter().filter(|d| !d.for_tests) {
            let needed = needed.name.as_str();
            if DRIVERS.contains(&needed) && !MAY_HAVE_DRIVERS.contains(&name) {
                problems
                    .push(format!("{name} must not depend on the driver {needed}: go through the engine"));
            }
            if KUBERNETES.contains(&needed) && !MAY_KNOW_KUBERNETES.contains(&name) {
                problems
                    .push(format!("{name} must not depend on {needed}: only the operator knows Kubernetes"));
            }
            if PURE.contains(&name) && IMPURE.contains(&needed) {
                problems.push(format!("{name} is pure and must not depend on {needed}"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::packages::tests::package;
    use super::*;

    #[test]
    fn a_driver_or_a_runtime_in_the_wrong_place_is_found() {
        let cases: &[(&str, &str, usize)] = &[
            ("cofferdam-engines", "tokio-postgres", 0),
            ("cofferdam-runner", "tokio-postgres", 1),
            ("cofferdam-runner", "?tokio-postgres", 0),
            ("cofferdam-runner", "tokio", 0),
            ("cofferdam-lint", "tokio", 1),
            ("cofferdam-strategies", "kube", 1),
            ("cofferdam-runner", "k8s-openapi", 1),
            ("cofferdam-api", "k8s-openapi", 0),
            ("cofferdam-api", "kube", 0),
            ("cofferdam-api", "tokio", 1),
            ("cofferdam-operator", "kube", 0),
            ("cofferdam-core", "mongodb", 1),
            ("cofferdam-core", "serde", 0),
        ];
        for (name, needed, count) in cases {
            assert_eq!(problems(&[package(name, &[needed])]).len(), *count, "{name} -> {needed}");
        }
    }
}
