//! The servers that a cluster is made of, each a file here: what it is, how it is started, when it is ready.

mod apiserver;
mod containerd;
mod controller_manager;
mod dns;
mod etcd;
mod kubelet;
mod proxy;
mod registry;
mod scheduler;

use std::fs;
use std::process::{Command, Stdio};

use super::probe::Probe;
use super::{cgroup, place};
use crate::machine::wide_path;

/// A server of the cluster.
pub(super) struct Component {
    /// The name of its log and of its line in the status.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
    /// Its configuration: files in the state folder and what stands in them.
    files: fn() -> Vec<(&'static str, String)>,
    /// The program and its arguments.
    command: fn() -> Vec<String>,
    /// How one sees that it is ready.
    pub(super) ready: Probe,
}

/// Every component, in the order of starting: those of a stage need only what stands in the stages before it.
pub(super) static STAGES: &[&[&Component]] = &[
    &[&etcd::COMPONENT, &registry::COMPONENT, &containerd::COMPONENT],
    &[&apiserver::COMPONENT],
    &[
        &controller_manager::COMPONENT,
        &scheduler::COMPONENT,
        &kubelet::COMPONENT,
        &proxy::COMPONENT,
        &dns::COMPONENT,
    ],
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Component> {
    STAGES.iter().flat_map(|stage| stage.iter().copied())
}

/// Folders of the machine in whose place the node sees ones of the cluster. On the machine they stay empty.
pub(in crate::cluster) use containerd::COVERED;

/// Becomes one of the components, says its number, and goes on as the program in a session of its own, so that
/// no terminal ends it.
const STARTER: &str = r#"echo $$ >"$1" && echo $$ >"$2" && shift 2 && exec setsid "$@""#;

impl Component {
    /// Starts it and does not wait until it is ready.
    pub(super) fn start(&self) -> Result<(), String> {
        let cannot = |why: String| format!("cannot start {}: {why}", self.name);
        for (name, text) in (self.files)() {
            place::write(name, &text).map_err(cannot)?;
        }
        let log = place::log(self.name);
        let log = fs::File::create(&log).map_err(|e| cannot(format!("{}: {e}", log.display())))?;
        let errors = log.try_clone().map_err(|e| cannot(e.to_string()))?;
        Command::new("sh")
            .args(["-c", STARTER, "start"])
            .args([cgroup::components()?, place::state(&self.pid_file())])
            .args((self.command)())
            .env("PATH", wide_path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|e| cannot(format!("sh: {e}")))?;
        Ok(())
    }

    /// The number of its process, if it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(place::state(&self.pid_file())).ok()?;
        text.trim().parse().ok().filter(|pid| cgroup::has_component(*pid))
    }

    /// Whether it was started and runs no more.
    pub(super) fn has_ended(&self) -> bool {
        place::state(&self.pid_file()).exists() && self.pid().is_none()
    }

    fn pid_file(&self) -> String {
        format!("run/{}.pid", self.name)
    }
}

/// The process in whose mount namespace the node lives.
fn containerd_pid() -> String {
    // It is started before any that asks; without it the one that asked fails, and says so in its log.
    containerd::COMPONENT.pid().unwrap_or_default().to_string()
}

/// Flags and arguments as a command.
fn words(program: String, arguments: &[String]) -> Vec<String> {
    let mut all = vec![program];
    all.extend_from_slice(arguments);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_of_the_folder_is_in_the_table_under_a_name_of_its_own() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cluster/component");
        let files = fs::read_dir(folder).unwrap().count() - 1;
        assert_eq!(files, all().count());
        for (index, component) in all().enumerate() {
            assert!(all().take(index).all(|other| other.name != component.name), "{}", component.name);
        }
    }

    #[test]
    fn configuration_lies_in_the_folder_for_it_and_is_written_by_one() {
        let mut seen = Vec::new();
        for component in all() {
            for (name, text) in (component.files)() {
                assert!(name.starts_with("config/") && !text.is_empty() && !seen.contains(&name), "{name}");
                seen.push(name);
            }
        }
    }
}
