//! Who may do what: no more than the documentation says.

use crate::cluster::{SYSTEM, cluster};
use crate::namespace::Namespace;

/// What an account may do in a namespace, by the apiserver's own words: resource and verbs.
fn rights(here: &Namespace, account: &str) -> Vec<(String, String)> {
    let list = here.kubectl(&["auth", "can-i", "--list", "--no-headers", "--as", account]);
    let mut rights: Vec<(String, String)> = list
        .lines()
        .filter_map(|line| {
            let resource = line.split_whitespace().next()?;
            let verbs = line.rsplit_once('[')?.1.trim_end_matches(']');
            // What everybody may: asking what he may do, and reading the API's own description.
            let of_everybody = resource.starts_with('[') || resource.starts_with("selfsubject");
            (!of_everybody).then(|| (resource.to_owned(), verbs.to_owned()))
        })
        .collect();
    rights.sort();
    rights
}

fn expected(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> =
        list.iter().map(|(resource, verbs)| ((*resource).to_owned(), (*verbs).to_owned())).collect();
    list.sort();
    list
}

#[test]
fn the_runner_reads_its_kind_and_writes_its_status() {
    let Some(here) = Namespace::new("e2e-rights") else { return };
    let runner = format!("system:serviceaccount:{}:cofferdam-runner", here.name);
    // The apiserver hears of a new binding a moment after it took it.
    here.until("the role is in force", || !rights(&here, &runner).is_empty());
    assert_eq!(
        rights(&here, &runner),
        expected(&[
            ("databasemigrations.cofferdam.dev", "get"),
            ("databasemigrations.cofferdam.dev/status", "get patch"),
        ])
    );
}

#[test]
fn the_operator_reads_no_secret() {
    let Some(here) = Namespace::new("e2e-operator-rights") else { return };
    let account = here.cluster.kubectl(&[
        "--namespace",
        SYSTEM,
        "get",
        "deployment",
        "cofferdam",
        "--output",
        "jsonpath={.spec.template.spec.serviceAccountName}",
    ]);
    let operator = format!("system:serviceaccount:{SYSTEM}:{account}");
    assert_eq!(
        rights(&here, &operator),
        expected(&[
            ("databasemigrations.cofferdam.dev", "get list watch"),
            ("databasemigrations.cofferdam.dev/status", "get patch"),
            ("migrationapprovals.cofferdam.dev", "get list watch"),
            ("migrationapprovals.cofferdam.dev/status", "get patch"),
            ("jobs.batch", "get list watch create patch delete"),
            ("pods", "get list watch"),
            ("events", "list"),
            ("events.events.k8s.io", "create patch"),
            // Its own, by their name.
            ("validatingwebhookconfigurations.admissionregistration.k8s.io", "get patch"),
            ("mutatingwebhookconfigurations.admissionregistration.k8s.io", "get patch"),
            ("*.custom.metrics.k8s.io", "get"),
            ("*.external.metrics.k8s.io", "list"),
        ])
    );
    // Of Secrets only the one with the webhook's certificate.
    for (resource, verb, may) in [
        ("secrets/cofferdam-webhook-tls", "get", true),
        ("secrets/cofferdam-webhook-tls", "create", true),
        ("secrets/cofferdam-webhook-tls", "update", false),
        ("secrets/other", "get", false),
        ("secrets/other", "create", false),
        ("secrets", "list", false),
        ("secrets", "create", false),
    ] {
        let asked = ["--namespace", SYSTEM, "auth", "can-i", verb, resource, "--as", &operator];
        let said = crate::cluster::text(&here.cluster.try_kubectl(&asked));
        assert_eq!(said.trim_end().ends_with("yes"), may, "{verb} {resource}: {said}");
    }
}

#[test]
fn the_chart_needs_no_values() {
    let Some(cluster) = cluster("the_chart_needs_no_values") else { return };
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/cofferdam");
    let output = cluster.helm(&["template", "cofferdam", chart, "--kube-version", "1.35.4"]);
    assert!(output.status.success(), "{}", crate::cluster::text(&output));
}
