//! Where the cluster is: its folders and its addresses. There is one on a machine, because it has a bridge.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Everything of a running cluster, and of a stopped one its logs. Sockets lie in it, so the path is short.
const STATE: &str = "/var/lib/cofferdam-cluster";

/// The bridge that the Pods hang on.
pub(super) const BRIDGE: &str = "cofferdam0";

/// The address of this machine on the bridge. Every server of the cluster listens here and nowhere else.
pub(super) const HOST: &str = "10.250.0.1";

/// The addresses of the bridge and the Pods.
pub(super) const PODS: &str = "10.250.0.0/24";

/// The addresses of Services.
pub(super) const SERVICES: &str = "10.96.0.0/16";

/// The first of them, which the Service `kubernetes` gets.
pub(super) const KUBERNETES_SERVICE: &str = "10.96.0.1";

/// The name of the only node.
pub(super) const NODE: &str = "node1";

/// The domain of Service names.
pub(super) const DOMAIN: &str = "cluster.local";

/// Where the apiserver is.
pub(super) fn server() -> String {
    format!("https://{HOST}:6443")
}

/// A file or folder of the cluster.
pub(super) fn state(inside: &str) -> PathBuf {
    Path::new(STATE).join(inside)
}

/// The same, as text for a flag or a configuration file.
pub(super) fn path(inside: &str) -> String {
    format!("{STATE}/{inside}")
}

/// A program of the Kubernetes binary, by its name.
pub(super) fn program(name: &str) -> String {
    path(&format!("bin/{name}"))
}

/// The kubeconfig of the cluster's administrator.
pub(super) fn kubeconfig() -> PathBuf {
    state("kubeconfig")
}

/// The log of a component.
pub(super) fn log(component: &str) -> PathBuf {
    state("logs").join(format!("{component}.log"))
}

/// What was said by the process that takes the cluster down after tests. Outside of the state folder, which is made
/// after that process is started.
pub(super) fn keeper_log() -> &'static str {
    "/run/cofferdam-cluster-keeper.log"
}

/// Writes a file of the cluster that only root may read, with its folders.
pub(super) fn write(inside: &str, text: &str) -> Result<(), String> {
    let file = state(inside);
    let at = |e: std::io::Error| format!("cannot write {}: {e}", file.display());
    fs::create_dir_all(file.parent().unwrap_or(Path::new(STATE))).map_err(at)?;
    fs::write(&file, text).map_err(at)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(at)
}

/// An empty state folder that only root may enter, with the folders that a component wants to find.
pub(super) fn make() -> Result<(), String> {
    let at = |e: std::io::Error| format!("cannot make {STATE}: {e}");
    remove()?;
    let _ = fs::remove_dir_all(state("logs"));
    fs::create_dir_all(STATE).map_err(at)?;
    fs::set_permissions(STATE, fs::Permissions::from_mode(0o700)).map_err(at)?;
    ["bin", "logs", "run", "registry"].iter().try_for_each(|name| fs::create_dir_all(state(name)).map_err(at))
}

/// Removes everything but the logs, which say what happened to a cluster that is gone.
pub(super) fn remove() -> Result<(), String> {
    let Ok(entries) = fs::read_dir(STATE) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.file_name() != "logs") {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|e| format!("cannot remove {}: {e}", path.display()))?;
    }
    Ok(())
}
