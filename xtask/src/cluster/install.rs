//! Our chart in the cluster, with the image of this working tree.

use std::process::Command;

use super::image::Image;
use super::place;
use super::probe::kubectl;
use crate::machine::{root, stream};

const NAMESPACE: &str = "cofferdam-system";

/// Installs it, or brings what is installed to this state.
pub(super) fn install(image: &Image) -> Result<(), String> {
    let chart = root().join("charts/cofferdam");
    if !chart.join("Chart.yaml").is_file() {
        return Err(format!(
            "there is no chart in {}; the image {}@{} is in the registry",
            chart.display(),
            image.repository,
            image.digest
        ));
    }
    println!("cluster: installing the chart; about 15 seconds");
    let code = stream(
        Command::new(place::program("helm"))
            .args(["upgrade", "--install", "cofferdam"])
            .arg(&chart)
            .args(["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "2m"])
            .args(["--set-string", &format!("image.repository={}", image.repository)])
            .args(["--set-string", &format!("image.tag={}", image.tag)])
            .args(["--set-string", &format!("image.digest={}", image.digest)])
            .env("KUBECONFIG", place::kubeconfig())
            // What a person has set for helm is for his own clusters.
            .envs(HELM_FOLDERS.map(|(variable, folder)| (variable, place::path(folder)))),
    )?;
    if code == 0 { Ok(()) } else { Err(failure()) }
}

/// Where helm keeps what it needs.
const HELM_FOLDERS: [(&str, &str); 3] =
    [("HELM_CACHE_HOME", "helm/cache"), ("HELM_CONFIG_HOME", "helm/config"), ("HELM_DATA_HOME", "helm/data")];

/// What the cluster tells of an installation that did not become ready.
fn failure() -> String {
    let look =
        |arguments: &[&str]| kubectl(&[&["--namespace", NAMESPACE], arguments].concat()).unwrap_or_default();
    let pods = look(&["get", "pods", "--output", "wide"]);
    let events = look(&["get", "events", "--sort-by=.lastTimestamp"]);
    let last: Vec<&str> = events.lines().rev().take(10).collect();
    let events: String = last.iter().rev().map(|line| format!("  {line}\n")).collect();
    format!(
        "helm could not install the chart; what it said stands above\n{pods}the last events:\n{events}\
         next: kubectl --kubeconfig {} --namespace {NAMESPACE} describe pods",
        place::kubeconfig().display()
    )
}
