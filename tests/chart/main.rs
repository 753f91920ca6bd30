//! The charts, and what is printed from them or hangs on them: rendered by Helm and compared with what is written down.
//! No cluster is needed. `UPDATE_DOCS=1` writes the files anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod examples;
mod helm;
mod objects;
mod values;

use std::collections::BTreeSet;
use std::fs;

use cofferdam_api::reason::{REASONS, Standing};
use cofferdam_scratch::skipped;
use serde_json::Value;

use helm::{Helm, copy, documents, expect_file, kubectl, read, root};

/// Everything that can be switched on, and every text with a value of its own.
const EVERYTHING: &[&str] = &[
    "replicaCount=2",
    r#"image={"registry":"mirror.example.com","repository":"team/cofferdam","tag":"1.2.3","pullPolicy":"Always"}"#,
    r#"imagePullSecrets=[{"name":"regcred"}]"#,
    r#"leaderElection={"leaseName":"the-leader"}"#,
    r#"serviceAccount={"name":"operator","annotations":{"example.com/a":"b"}}"#,
    r#"runner={"serviceAccount":{"name":"runner","annotations":{"eks.amazonaws.com/role-arn":"arn:aws:iam::123456789012:role/migrator"}},"imagePullSecrets":[{"name":"a"},{"name":"b"}],"resources":{"limits":{"memory":"1Gi"}},"podMetrics":true}"#,
    "rbac.aggregateToUserRoles=true",
    r#"nodeSelector={"kubernetes.io/os":"linux"}"#,
    r#"tolerations=[{"key":"dedicated","operator":"Exists"}]"#,
    r#"affinity={"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"kubernetes.io/hostname","labelSelector":{"matchLabels":{"app.kubernetes.io/name":"cofferdam"}}}]}}"#,
    r#"topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"topology.kubernetes.io/zone","whenUnsatisfiable":"ScheduleAnyway","labelSelector":{"matchLabels":{"app.kubernetes.io/name":"cofferdam"}}}]"#,
    r#"priorityClassName="system-cluster-critical""#,
    r#"podAnnotations={"example.com/pod":"a"}"#,
    r#"podLabels={"example.com/pod":"b"}"#,
    r#"extraEnv=[{"name":"RUST_BACKTRACE","value":"1"}]"#,
    r#"extraVolumes=[{"name":"more","emptyDir":{}}]"#,
    r#"extraVolumeMounts=[{"name":"more","mountPath":"/more"}]"#,
    r#"extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{ .Release.Name }}-more","namespace":"{{ .Release.Namespace }}"}},"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: text\n  namespace: {{ .Release.Namespace }}"]"#,
    r#"podDisruptionBudget={"enabled":true,"minAvailable":"50%"}"#,
    r#"networkPolicy={"enabled":true,"metricsFrom":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}],"apiServerCidrs":["10.0.0.1/32"],"apiServerPorts":[6443],"prometheusTo":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]}"#,
    r#"metrics={"prometheusUrl":"https://prometheus.monitoring.svc:9091/at","prometheusTokenFile":"/more/token","prometheusCaFile":"/more/ca.crt","service":{"annotations":{"prometheus.io/scrape":"true"}},"serviceMonitor":{"enabled":true,"labels":{"release":"prometheus"},"interval":"30s"},"prometheusRule":{"enabled":true,"labels":{"release":"prometheus"}}}"#,
    r#"grafanaDashboards={"enabled":true,"annotations":{"grafana_folder":"Databases"}}"#,
    r#"webhook={"enabled":true,"timeoutSeconds":3,"certificate":{"certManager":{"enabled":true}},"service":{"annotations":{"example.com/a":"b"}}}"#,
];

/// A name, the release's namespace, and values.
static CASES: &[(&str, &str, &[&str])] = &[
    ("defaults", "production", &[]),
    ("everything", "production", EVERYTHING),
    (
        "all-namespaces",
        "cofferdam-system",
        &[r#"watchNamespaces=["*"]"#, r#"runner.namespaces=["shop","billing"]"#],
    ),
    ("listed", "cofferdam-system", &[r#"watchNamespaces=["shop","billing","shop"]"#, "crds.install=false"]),
    (
        "webhook",
        "production",
        &[
            "webhook.enabled=true",
            r#"watchNamespaces=["shop","billing"]"#,
            r#"webhook.namespaceSelector={"matchLabels":{"team":"shop"},"matchExpressions":[{"key":"example.com/free","operator":"DoesNotExist"}]}"#,
        ],
    ),
    (
        "without-rights",
        "production",
        &["rbac.create=false", "serviceAccount.create=false", "runner.serviceAccount.create=false"],
    ),
];

/// Without the definitions, which are compared with their own files, and the dashboard.
fn shown(text: &str) -> String {
    let part = |part: &&str| !part.contains("\nkind: CustomResourceDefinition\n");
    let all: Vec<&str> = text.split("\n---\n").filter(part).collect();
    let mut text = all.join("\n---\n");
    if let Some((before, after)) = text.split_once("  cofferdam.json: |\n") {
        let end = after.find("\n---\n").map_or("", |end| &after[end..]);
        text = format!("{before}  cofferdam.json: |\n    (files/dashboards/cofferdam.json){end}");
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn what_is_rendered_is_what_was_looked_at_and_true_of_every_object() {
    let Some(helm) = Helm::find("what_is_rendered_is_what_was_looked_at_and_true_of_every_object") else {
        return;
    };
    for (name, namespace, set) in CASES {
        let text = helm.ours(namespace, set).unwrap();
        let problems: Vec<String> = documents(&text).iter().flat_map(objects::problems).collect();
        assert!(problems.is_empty(), "{name}: {problems:#?}");
        expect_file(&format!("tests/chart/golden/{name}.yaml"), &shown(&text));
    }
    let golden: BTreeSet<String> = fs::read_dir(root().join("tests/chart/golden"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let expected: BTreeSet<String> =
        CASES.iter().map(|(name, _, _)| *name).chain(["hook"]).map(|name| format!("{name}.yaml")).collect();
    assert_eq!(golden, expected);
}

#[test]
fn the_chart_has_no_warnings() {
    let Some(helm) = Helm::find("the_chart_has_no_warnings") else { return };
    for chart in ["charts/cofferdam", "charts/cofferdam-hook"] {
        helm.run(&["lint", "--strict", "--quiet", root().join(chart).to_str().unwrap()]).unwrap();
    }
}

/// One role for each that has rights, and nothing beyond these: a right that is added has to be added here, too.
#[test]
fn nobody_may_do_more_than_is_written_here() {
    let Some(helm) = Helm::find("nobody_may_do_more_than_is_written_here") else { return };
    let operator = [
        "cofferdam.dev/databasemigrations: get list watch",
        "cofferdam.dev/migrationapprovals: get list watch",
        "cofferdam.dev/databasemigrations/status: get patch",
        "cofferdam.dev/migrationapprovals/status: get patch",
        "batch/jobs: get list watch create patch delete",
        "pods: get list watch",
        "events: list",
        "events.k8s.io/events: create patch",
        "custom.metrics.k8s.io/*: get",
        "external.metrics.k8s.io/*: list",
    ];
    let leader = [
        "coordination.k8s.io/leases: create",
        "coordination.k8s.io/leases cofferdam-leader: get update patch",
    ];
    let runner =
        ["cofferdam.dev/databasemigrations: get", "cofferdam.dev/databasemigrations/status: get patch"];
    let secret = ["secrets cofferdam-webhook-tls: get create patch"];
    let configurations = [
        "admissionregistration.k8s.io/validatingwebhookconfigurations production-cofferdam-webhook: get patch",
        "admissionregistration.k8s.io/mutatingwebhookconfigurations production-cofferdam-webhook: get patch",
    ];
    for (name, namespace, set) in
        CASES.iter().filter(|(name, _, _)| !matches!(*name, "everything" | "without-rights"))
    {
        for role in documents(&helm.ours(namespace, set).unwrap()) {
            if !role["kind"].as_str().unwrap().ends_with("Role") {
                continue;
            }
            let expected: &[&str] = match role["metadata"]["name"].as_str().unwrap() {
                "cofferdam" => &operator,
                "cofferdam-leader" => &leader,
                "cofferdam-runner" => &runner,
                "cofferdam-webhook" => &secret,
                "production-cofferdam-webhook" => &configurations,
                other => panic!("{name}: {other}"),
            };
            assert_eq!(objects::rights(&role), expected, "{name}");
        }
    }
}

/// What is asked for only where the metrics API is.
#[test]
fn runners_look_at_pods_only_where_somebody_says_so() {
    let Some(helm) = Helm::find("runners_look_at_pods_only_where_somebody_says_so") else { return };
    for (set, kind) in [("watchNamespaces=[]", "Role"), (r#"watchNamespaces=["*"]"#, "ClusterRole")] {
        let objects = documents(&helm.ours("production", &["runner.podMetrics=true", set]).unwrap());
        let runner =
            |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == "cofferdam-runner";
        assert_eq!(
            objects::rights(objects.iter().find(runner).unwrap()),
            [
                "cofferdam.dev/databasemigrations: get",
                "cofferdam.dev/databasemigrations/status: get patch",
                "pods: list",
                "metrics.k8s.io/pods: list",
            ]
        );
    }
}

/// The component of kustomize gives what the value of the chart gives.
#[test]
fn the_component_of_kustomize_gives_runners_the_same_rights() {
    let test = "the_component_of_kustomize_gives_runners_the_same_rights";
    let Some(kubectl) = kubectl() else {
        return skipped(test, "there is no kubectl: `cargo xtask cluster up` builds it, KUBECTL names one");
    };
    for (base, kind) in [("namespaced", "Role"), ("all-namespaces", "ClusterRole")] {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("config"), &folder.path().join("config"));
        let own = folder.path().join("own");
        fs::create_dir(&own).unwrap();
        let text = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../config/{base}]\n\
             components: [../config/pod-metrics]\n"
        );
        fs::write(own.join("kustomization.yaml"), text).unwrap();
        let done = std::process::Command::new(&kubectl).arg("kustomize").arg(&own).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let objects = documents(&String::from_utf8(done.stdout).unwrap());
        let runner =
            |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == "cofferdam-runner";
        let rights = objects::rights(objects.iter().find(runner).unwrap());
        assert_eq!(rights[2..], ["pods: list", "metrics.k8s.io/pods: list"], "{base}");
        let others =
            objects.iter().filter(|o| o["kind"].as_str().unwrap().ends_with("Role")).filter(|o| !runner(o));
        for other in others {
            let rights = objects::rights(other);
            assert!(!rights.contains(&"metrics.k8s.io/pods: list".to_owned()), "{base}: {rights:?}");
        }
    }
}

/// Who is bound where: the operator to all of what is watched, a runner to its own namespace only.
#[test]
fn accounts_are_bound_where_they_work_and_nowhere_else() {
    let Some(helm) = Helm::find("accounts_are_bound_where_they_work_and_nowhere_else") else { return };
    let system = "cofferdam-system";
    for (set, expected) in [
        (
            r#"watchNamespaces=[]"#,
            "cofferdam-system:cofferdam cofferdam-system:cofferdam-leader cofferdam-system:cofferdam-runner",
        ),
        (
            r#"watchNamespaces=["a","b"]"#,
            "a:cofferdam a:cofferdam-runner b:cofferdam b:cofferdam-runner cofferdam-system:cofferdam-leader",
        ),
        (r#"watchNamespaces=["*"]"#, ":cofferdam cofferdam-system:cofferdam-leader"),
    ] {
        let mut bound = BTreeSet::new();
        for binding in documents(&helm.ours(system, &[set]).unwrap()) {
            if !binding["kind"].as_str().unwrap().ends_with("RoleBinding") {
                continue;
            }
            let place = binding["metadata"]["namespace"].as_str().unwrap_or_default();
            let role = binding["roleRef"]["name"].as_str().unwrap();
            bound.insert(format!("{place}:{role}"));
            let subjects = binding["subjects"].as_array().unwrap();
            let subject = (subjects[0]["name"].as_str().unwrap(), subjects[0]["namespace"].as_str().unwrap());
            let runs = role == "cofferdam-runner";
            assert_eq!(subject, if runs { (role, place) } else { ("cofferdam", system) }, "{set}");
            assert_eq!(subjects.len(), 1);
        }
        assert_eq!(bound.into_iter().collect::<Vec<_>>().join(" "), expected, "{set}");
    }
}

/// The operator must watch what it has rights in, and make runners under the account that is there.
#[test]
fn the_operator_is_told_what_the_roles_are_for() {
    let Some(helm) = Helm::find("the_operator_is_told_what_the_roles_are_for") else { return };
    let digest = format!("sha256:{}", "a".repeat(64));
    let by_digest = format!(r#"image={{"repository":"10.0.0.1:5000/cofferdam","digest":"{digest}"}}"#);
    let pinned = format!("10.0.0.1:5000/cofferdam@{digest}");
    for (set, variable, expected) in [
        ("replicaCount=1", "COFFERDAM_WATCH_NAMESPACES", "metadata.namespace"),
        (r#"watchNamespaces=["a"]"#, "COFFERDAM_WATCH_NAMESPACES", "a"),
        (r#"watchNamespaces=["a","b","a"]"#, "COFFERDAM_WATCH_NAMESPACES", "a,b"),
        (r#"watchNamespaces=["*"]"#, "COFFERDAM_WATCH_NAMESPACES", ""),
        (r#"fullnameOverride="x""#, "COFFERDAM_RUNNER_SERVICE_ACCOUNT", "x-runner"),
        (r#"fullnameOverride="x""#, "COFFERDAM_LEASE_NAME", "x-leader"),
        (r#"imagePullSecrets=[{"name":"a"},{"name":"b"}]"#, "COFFERDAM_RUNNER_PULL_SECRETS", "a,b"),
        (r#"runner.resources=null"#, "COFFERDAM_RUNNER_RESOURCES", "{}"),
        (&by_digest, "COFFERDAM_RUNNER_IMAGE", &pinned),
        (r#"image.registry="""#, "COFFERDAM_RUNNER_IMAGE", "cofferdam/cofferdam:0.1.0"),
        ("concurrency=3", "COFFERDAM_CONCURRENCY", "3"),
        ("runner.imageVolumes=true", "COFFERDAM_RUNNER_IMAGE_VOLUMES", "true"),
        (r#"metrics.cpuQuery="cpu{host='$host'}""#, "COFFERDAM_RUNNER_CPU_QUERY", "cpu{host='$host'}"),
        (r#"metrics.pushgatewayUrl="http://p:9091""#, "COFFERDAM_RUNNER_PUSHGATEWAY", "http://p:9091"),
        (
            r#"runner.plainHttpRegistries=["a:5000","b"]"#,
            "COFFERDAM_RUNNER_PLAIN_HTTP_REGISTRIES",
            "a:5000,b",
        ),
    ] {
        let objects = documents(&helm.ours("production", &[set]).unwrap());
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let found = container["env"].as_array().unwrap().iter().find(|one| one["name"] == variable).unwrap();
        let value = found["value"].as_str().or(found["valueFrom"]["fieldRef"]["fieldPath"].as_str()).unwrap();
        assert_eq!(value, expected, "{set}");
        if variable == "COFFERDAM_RUNNER_IMAGE" {
            assert_eq!(container["image"], expected, "{set}");
        }
    }
}

/// A certificate that others make is read and no more, and whoever makes it says who is to be trusted.
#[test]
fn the_webhook_has_a_certificate_by_one_of_three_ways() {
    let Some(helm) = Helm::find("the_webhook_has_a_certificate_by_one_of_three_ways") else { return };
    let pem = "-----BEGIN CERTIFICATE-----\\nx\\n-----END CERTIFICATE-----";
    let given = format!(r#"webhook.certificate={{"existingSecret":"mine","caBundle":"{pem}"}}"#);
    let by_manager = r#"webhook.certificate.certManager={"enabled":true,"issuerRef":{"kind":"ClusterIssuer","name":"ca"}}"#;
    for (set, secret, verbs, trust, kinds) in [
        ("webhook.certificate={}", "cofferdam-webhook-tls", "get create patch", "", "Secret ClusterRole"),
        (&given, "mine", "get", "bundle", ""),
        (by_manager, "cofferdam-webhook-tls", "get", "annotation", "Certificate"),
    ] {
        let objects = documents(&helm.ours("production", &["webhook.enabled=true", set]).unwrap());
        let of = |kind: &str| objects.iter().filter(|o| o["kind"] == kind).collect::<Vec<_>>();
        let role = of("Role").into_iter().find(|o| o["metadata"]["name"] == "cofferdam-webhook").unwrap();
        assert_eq!(objects::rights(role), [format!("secrets {secret}: {verbs}")], "{set}");
        for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
            let configuration = of(kind)[0];
            let webhook = &configuration["webhooks"][0];
            assert_eq!(webhook["clientConfig"]["caBundle"].is_string(), trust == "bundle", "{set}");
            let inject = &configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
            assert_eq!(inject == "production/cofferdam-webhook", trust == "annotation", "{set}");
            // Never of others, whatever else is set.
            assert_eq!(webhook["rules"][0]["apiGroups"], serde_json::json!(["cofferdam.dev"]));
            assert_eq!(webhook["failurePolicy"], "Fail");
        }
        let made = ["Secret", "ClusterRole", "Issuer", "Certificate"].into_iter();
        let made: Vec<&str> = made.filter(|kind| !of(kind).is_empty()).collect();
        assert_eq!(made.join(" "), kinds, "{set}");
        let deployment = of("Deployment")[0];
        let environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
        let variable = |name: &str| environment.iter().find(|one| one["name"] == name);
        assert_eq!(variable("COFFERDAM_WEBHOOK_SECRET").unwrap()["value"], secret, "{set}");
        assert_eq!(variable("COFFERDAM_WEBHOOK_CONFIGURATION").is_some(), trust.is_empty(), "{set}");
    }
}

#[test]
fn a_value_that_cannot_be_meant_is_refused() {
    let Some(helm) = Helm::find("a_value_that_cannot_be_meant_is_refused") else { return };
    for (set, message) in [
        ("replicas=2", "additional properties 'replicas' not allowed"),
        (r#"image.tagg="1""#, "additional properties 'tagg' not allowed"),
        (r#"webhook.certificate.existingSecret="A""#, "'A' does not match pattern"),
        (
            r#"webhook.certificate={"existingSecret":"a","certManager":{"enabled":true}}"#,
            "give existingSecret or certManager, not both",
        ),
        (r#"webhook.certificate.caBundle="-----BEGIN CERTIFICATE-----""#, "it goes with existingSecret"),
        ("webhook.timeoutSeconds=0", "want 1"),
        (r#"webhook.failurePolicy="Ignore""#, "additional properties 'failurePolicy' not allowed"),
        (r#"runner.resources.limit={}"#, "additional properties 'limit' not allowed"),
        (r#"replicaCount="2""#, "got string, want integer"),
        (r#"watchNamespaces="shop""#, "got string, want array"),
        (r#"watchNamespaces=["Shop"]"#, "'Shop' does not match pattern"),
        (r#"watchNamespaces=["*","shop"]"#, "leave the others out"),
        (r#"runner.namespaces=["shop"]"#, "has its runner already"),
        (r#"image.digest="1.2.3""#, "'1.2.3' does not match pattern"),
        (r#"image.repository="a@b""#, "'a@b' does not match pattern"),
        (r#"image.pullPolicy="always""#, "value must be one of"),
        (r#"metrics.serviceMonitor.interval="often""#, "'often' does not match pattern"),
        (r#"metrics.prometheusUrl="prometheus:9090""#, "does not match pattern"),
        (r#"metrics.prometheusUrl="http://me:secret@prometheus""#, "does not match pattern"),
        (r#"networkPolicy.apiServerCidrs=["kubernetes.default"]"#, "does not match pattern"),
        (r#"podDisruptionBudget.minAvailable="half""#, "does not match pattern"),
        (r#"extraEnv=[{"value":"1"}]"#, "missing property 'name'"),
        (r#"podLabels={"a":1}"#, "got number, want string"),
    ] {
        let said = helm.ours("production", &[set]).expect_err(set);
        assert!(said.contains(message), "{set}: {said}");
    }
}

/// The operator reaches the Prometheus that it is told of, and where none is named, none.
#[test]
fn the_operator_reaches_its_prometheus() {
    let Some(helm) = Helm::find("the_operator_reaches_its_prometheus") else { return };
    for (url, more, expected) in [
        ("", "", ""),
        ("http://prometheus.monitoring.svc:9090", "", "9090"),
        ("http://prometheus.monitoring.svc", "", "80"),
        ("https://[fd00::1]/at:8080", "", "443"),
        ("http://prometheus.monitoring.svc", "networkPolicy.prometheusPorts=[9090]", "9090"),
    ] {
        let url = format!(r#"metrics.prometheusUrl="{url}""#);
        let set = ["networkPolicy.enabled=true", &url, if more.is_empty() { "replicaCount=1" } else { more }];
        let objects = documents(&helm.ours("production", &set).unwrap());
        let policy = objects.iter().find(|object| object["kind"] == "NetworkPolicy").unwrap();
        let ports = policy["spec"]["egress"][2]["ports"][0]["port"].as_u64().map(|port| port.to_string());
        assert_eq!(ports.unwrap_or_default(), expected, "{url}");
    }
}

/// What is rendered of a definition is its file, with labels and what keeps it.
#[test]
fn the_definitions_are_those_of_the_types() {
    let Some(helm) = Helm::find("the_definitions_are_those_of_the_types") else { return };
    for (set, count, kept) in
        [("crds.install=true", 2, true), ("crds.keep=false", 2, false), ("crds.install=false", 0, false)]
    {
        let mut rendered = documents(&helm.ours("production", &[set]).unwrap());
        rendered.retain(|object| object["kind"] == "CustomResourceDefinition");
        assert_eq!(rendered.len(), count, "{set}");
        for crd in &mut rendered {
            let metadata = crd["metadata"].as_object_mut().unwrap();
            let annotations = metadata.remove("annotations");
            assert_eq!(
                annotations.is_some_and(|all| all["helm.sh/resource-policy"] == "keep"),
                kept,
                "{set}"
            );
            assert!(metadata.remove("labels").is_some());
            let name = metadata["name"].as_str().unwrap().split('.').next().unwrap().to_owned();
            let file = documents(&read(&format!("charts/cofferdam/files/crds/{name}.yaml"))).remove(0);
            assert!(*crd == file, "{name}");
        }
    }
}

/// config/ is what the chart renders, without the words of Helm.
#[test]
fn docs_the_bases_of_kustomize_are_printed_from_the_chart() {
    let Some(helm) = Helm::find("docs_the_bases_of_kustomize_are_printed_from_the_chart") else { return };
    let note = "# Printed from charts/cofferdam by `cargo xtask docs`; edit the chart.\n";
    let helms = ["# Source: ", "helm.sh/chart: ", "app.kubernetes.io/managed-by: "];
    for (base, set) in [
        ("namespaced", &["watchNamespaces=[]"][..]),
        ("all-namespaces", &[r#"watchNamespaces=["*"]"#]),
        ("webhook", &[r#"watchNamespaces=["*"]"#, "webhook.enabled=true"]),
    ] {
        let text = helm.ours("cofferdam-system", &[&["crds.install=false"], set].concat()).unwrap();
        let lines = text.lines().filter(|line| !helms.iter().any(|word| line.trim_start().starts_with(word)));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        expect_file(&format!("config/{base}/cofferdam.yaml"), &(note.to_owned() + &text));
    }
    for entry in fs::read_dir(root().join("charts/cofferdam/files/crds")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        expect_file(&format!("config/crds/{name}"), &read(&format!("charts/cofferdam/files/crds/{name}")));
        let list = read("config/crds/kustomization.yaml");
        assert!(list.contains(&format!("  - {name}\n")), "config/crds/kustomization.yaml lacks {name}");
    }
    for base in ["crds", "default", "namespaced", "all-namespaces", "webhook"] {
        let folder = root().join("config").join(base);
        let list = documents(&read(&format!("config/{base}/kustomization.yaml"))).remove(0);
        for resource in list["resources"].as_array().unwrap() {
            assert!(folder.join(resource.as_str().unwrap()).exists(), "config/{base}: {resource}");
        }
    }
}

#[test]
fn docs_the_pages_of_the_charts_list_every_value() {
    for chart in ["cofferdam", "cofferdam-hook"] {
        expect_file(&format!("charts/{chart}/README.md"), &values::readme(chart));
    }
}

/// A value that no template reads does nothing.
#[test]
fn every_value_is_read_and_has_its_place_in_the_schema() {
    for (chart, word) in [("cofferdam", ".Values"), ("cofferdam-hook", ".values")] {
        let folder = root().join(format!("charts/{chart}/templates"));
        let templates: String = fs::read_dir(folder)
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        // `$database` is a short name for one of them.
        let templates = templates.replace("$database.", &format!("{word}.database."));
        let schema: Value =
            serde_json::from_str(&read(&format!("charts/{chart}/values.schema.json"))).unwrap();
        let values = values::documented(chart);
        for value in &values {
            assert!(
                templates.contains(&format!("{word}.{}", value.path)),
                "{chart}: {} is read nowhere",
                value.path
            );
            let place = value.path.split('.').fold(&schema, |schema, key| &schema["properties"][key]);
            assert!(place.is_object(), "{chart}: the schema does not know {}", value.path);
        }
        for key in schema["properties"].as_object().unwrap().keys() {
            let known = values.iter().any(|value| value.path.split('.').next() == Some(key));
            assert!(
                known || matches!(key.as_str(), "enabled" | "global"),
                "{chart}: values.yaml lacks {key}"
            );
        }
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        closed(chart, &schema);
    }
}

/// Whatever has properties has no others.
fn closed(path: &str, schema: &Value) {
    if schema.get("properties").is_some() && schema.get("required").is_none() {
        assert_eq!(schema["additionalProperties"], false, "{path}");
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        closed(&format!("{path}.{key}"), inner);
    }
}

/// The metrics that the operator serves.
const METRICS: &[&str] = &[
    "cofferdam_operator_up",
    "cofferdam_operator_leader",
    "cofferdam_operator_reconciles_total",
    "cofferdam_operator_reconcile_errors_total",
    "cofferdam_operator_reconcile_duration_seconds_bucket",
    "cofferdam_operator_reconciles_active",
    "cofferdam_runs_total",
    "cofferdam_run_duration_seconds_bucket",
    "cofferdam_migrations",
    "cofferdam_webhook_certificate_expiry_seconds",
];

/// The reasons that only a MigrationApproval has, which no metric counts.
const OF_APPROVALS: &[&str] =
    &["ApprovalExpired", "ApprovalOutdated", "ApprovalEarly", "ApprovalIncomplete", "MigrationNotFound"];

#[test]
fn alerts_and_panels_ask_for_metrics_and_reasons_that_there_are() {
    let Some(helm) = Helm::find("alerts_and_panels_ask_for_metrics_and_reasons_that_there_are") else {
        return;
    };
    let dashboard: Value =
        serde_json::from_str(&read("charts/cofferdam/files/dashboards/cofferdam.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let of_panels =
        panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()).map(|target| &target["expr"]);
    let objects = documents(&helm.ours("production", &["metrics.prometheusRule.enabled=true"]).unwrap());
    let rule = objects.iter().find(|object| object["kind"] == "PrometheusRule").unwrap();
    let rules = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    let page = read("docs/kubernetes.md");
    let mut asked = BTreeSet::new();
    for expression in of_panels.chain(rules.iter().map(|rule| &rule["expr"])) {
        let text = expression.as_str().unwrap();
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("cofferdam_") {
                assert!(METRICS.contains(&word), "{text}: there is no {word}");
                asked.insert(word.to_owned());
            }
        }
        assert_eq!(text.matches(['{', '(', '[']).count(), text.matches(['}', ')', ']']).count(), "{text}");
    }
    assert_eq!(asked.len(), METRICS.len(), "{asked:?}");
    for metric in METRICS {
        assert!(page.contains(metric.trim_end_matches("_bucket")), "docs/kubernetes.md lacks {metric}");
    }
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        assert!(page.contains(&format!("`{name}`")), "docs/kubernetes.md lacks {name}");
    }
    // What a person must do, and what waits for something outside that should not be so.
    let listed = |alert: &str| -> Vec<String> {
        let rule = rules.iter().find(|rule| rule["alert"] == alert).unwrap();
        let (_, list) = rule["expr"].as_str().unwrap().split_once("reason=~\"").unwrap();
        list.split_once('"').unwrap().0.split('|').map(str::to_owned).collect()
    };
    let standing = |standing: Standing, warns: bool| -> Vec<String> {
        let of = REASONS.iter().filter(|doc| doc.standing == standing && (!warns || doc.reason.warns()));
        let of = of.filter(|doc| !OF_APPROVALS.contains(&doc.word));
        of.map(|doc| doc.word.to_owned()).collect()
    };
    assert_eq!(listed("CofferdamMigrationStalled"), standing(Standing::Person, false));
    assert_eq!(listed("CofferdamMigrationBlocked"), standing(Standing::Waiting, true));
}

#[test]
fn the_charts_have_the_version_of_the_product() {
    for chart in ["cofferdam", "cofferdam-hook"] {
        let about = documents(&read(&format!("charts/{chart}/Chart.yaml"))).remove(0);
        assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"), "{chart}");
    }
    let library = read("charts/cofferdam-hook/templates/_hook.tpl");
    let defined =
        format!("{{{{- define \"cofferdam-hook.version\" -}}}}{}{{{{- end -}}}}", env!("CARGO_PKG_VERSION"));
    assert!(library.contains(&defined), "cofferdam-hook.version is another one");
}
