//! The cluster, and the operator in it.

use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cofferdam_scratch::skipped;
use serde_json::{Value, json};

/// Where the operator is.
pub(crate) const SYSTEM: &str = "cofferdam-system";
/// Where the operator looks for a Prometheus on this machine; one test starts it.
pub(crate) const PROMETHEUS_PORT: u16 = 19090;
/// Where the mail server of notifications is on this machine, while a drill runs.
pub(crate) const MAIL_PORT: u16 = 19025;

/// How the cluster is reached, and under which address Pods reach this machine.
pub(crate) struct Cluster {
    kubectl: String,
    helm: String,
    /// The address of this machine, as Pods see it.
    pub(crate) host: String,
    /// The registry of the cluster, which is spoken to without TLS.
    pub(crate) registry: String,
}

/// The cluster with the operator installed; `None`, and the test is skipped, where there is none.
pub(crate) fn cluster(test: &str) -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let found = CLUSTER.get_or_init(|| {
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let cluster = Cluster {
            kubectl: variable("KUBECTL")?,
            helm: variable("HELM")?,
            host: variable("HOST_ADDRESS")?,
            registry: variable("COFFERDAM_IMAGE_REPOSITORY")?.split_once('/')?.0.to_owned(),
        };
        cluster.install(&variable("COFFERDAM_IMAGE_REPOSITORY")?, &variable("COFFERDAM_IMAGE_DIGEST")?);
        Some(cluster)
    });
    if found.is_none() {
        skipped(test, "there is no Kubernetes: cargo xtask test brings one up as root on Debian");
    }
    found.as_ref()
}

impl Cluster {
    /// As the README says, with our image: every namespace is watched, the webhook is on but where a namespace does
    /// without it, and there is a Prometheus.
    fn install(&self, repository: &str, digest: &str) {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/cofferdam");
        let (registry, name) = repository.split_once('/').unwrap();
        let output = Command::new(&self.helm)
            .args(["upgrade", "--install", "cofferdam", chart, "--namespace", SYSTEM, "--create-namespace"])
            .args([
                "--set",
                &format!("image.registry={registry},image.repository={name},image.digest={digest}"),
            ])
            .args(["--set-json", r#"watchNamespaces=["*"]"#])
            .args(["--set-json", &format!("webhook={}", webhook())])
            .args(["--set-json", &format!(r#"runner.plainHttpRegistries=["{registry}"]"#)])
            .args(["--set", &format!("metrics.prometheusUrl=http://{}:{PROMETHEUS_PORT}", self.host)])
            // Receivers of this machine: a mail server with TLS, and webhooks without.
            .args(["--set-json", &format!(r#"notifications.allow=["{}/32"]"#, self.host)])
            .args([
                "--set",
                &format!("notifications.smtp.host={},notifications.smtp.port={MAIL_PORT}", self.host),
            ])
            .args([
                "--set",
                "notifications.smtp.from=cofferdam@company.com,notifications.smtp.existingSecret=smtp",
            ])
            .args(["--wait", "--timeout", "180s"])
            .output()
            .unwrap();
        let told = self.try_kubectl(&["-n", SYSTEM, "get", "pods,events"]);
        assert!(output.status.success(), "{}\n{}", text(&output), text(&told));
    }

    /// The path of kubectl.
    pub(crate) fn program(&self) -> &str {
        &self.kubectl
    }

    pub(crate) fn helm(&self, arguments: &[&str]) -> Output {
        Command::new(&self.helm).args(arguments).output().unwrap()
    }

    pub(crate) fn try_kubectl(&self, arguments: &[&str]) -> Output {
        patiently(|| Command::new(&self.kubectl).args(arguments).output().unwrap())
    }

    /// What kubectl says; it must succeed.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(arguments);
        assert!(output.status.success(), "kubectl {arguments:?}\n{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// With a manifest on its standard input.
    pub(crate) fn try_with(&self, arguments: &[&str], manifest: &str) -> Output {
        patiently(|| self.once_with(arguments, manifest))
    }

    /// The same, whatever becomes of it.
    pub(crate) fn once_with(&self, arguments: &[&str], manifest: &str) -> Output {
        use std::io::Write;
        use std::process::Stdio;
        let mut child = Command::new(&self.kubectl)
            .args(arguments)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

/// Other tests kill the operator, and with it the webhook that all of them have.
fn patiently(run: impl Fn() -> Output) -> Output {
    let begin = Instant::now();
    loop {
        let output = run();
        let refused = !output.status.success() && text(&output).contains("failed calling webhook");
        if !refused || begin.elapsed() > Duration::from_secs(90) {
            return output;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The label of a namespace that the webhook of all tests is not for.
pub(crate) const WITHOUT_WEBHOOK: &str = "cofferdam.dev/e2e-webhook=none";

fn webhook() -> Value {
    let (key, value) = WITHOUT_WEBHOOK.split_once('=').unwrap();
    json!({
        "enabled": true,
        "namespaceSelector": { "matchExpressions": [{ "key": key, "operator": "NotIn", "values": [value] }] },
    })
}

/// What a program said on both ways.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
