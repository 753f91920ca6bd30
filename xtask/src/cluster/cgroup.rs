//! The control group that every process of the cluster is in, and by which it is found again: no number of a
//! process has to be remembered, and none can be mistaken for another's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The group, under the root of each hierarchy.
const GROUP: &str = "cofferdam-cluster";

/// The part for the components.
const COMPONENTS: &str = "components";

/// The part for the Pods, as the kubelet names it.
pub(super) const PODS: &str = "/cofferdam-cluster/pods";

/// Makes the group in every hierarchy.
pub(super) fn make() -> Result<(), String> {
    for hierarchy in hierarchies()? {
        let group = hierarchy.folder.join(GROUP);
        for part in [COMPONENTS, "pods"] {
            let part = group.join(part);
            fs::create_dir_all(&part).map_err(|e| format!("cannot make {}: {e}", part.display()))?;
        }
        if hierarchy.unified {
            for folder in [&hierarchy.folder, &group, &group.join("pods")] {
                pass_controllers_on(folder);
            }
        }
    }
    Ok(())
}

/// The file to which a process writes its number to be one of the components.
pub(super) fn components() -> Result<PathBuf, String> {
    Ok(tracking()?.join(COMPONENTS).join("cgroup.procs"))
}

/// Whether that process is a component that runs.
pub(super) fn has_component(pid: u32) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `12 (name) S 1 ...`; a zombie has ended.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    groups.contains(&format!("/{GROUP}/{COMPONENTS}")) && state.is_some_and(|state| state != 'Z')
}

/// Every process of the cluster: components, shims, and what runs in Pods.
pub(super) fn processes() -> Vec<u32> {
    tracking().map(|group| processes_in(&group)).unwrap_or_default()
}

/// Ends every process of the cluster at once, then removes the group.
pub(super) fn end() -> Result<(), String> {
    // A process may start another while it is looked for, thus more than one round.
    for _ in 0..200 {
        let running = processes();
        if running.is_empty() {
            return remove();
        }
        // The shell's own `kill` is on every machine. One that has ended meanwhile is what we want.
        let _ = Command::new("sh")
            .args(["-c", "kill -9 \"$@\"", "kill"])
            .args(running.iter().map(u32::to_string))
            .stderr(Stdio::null())
            .status();
        sleep(Duration::from_millis(50));
    }
    Err(format!(
        "processes of the cluster do not end: {:?}; next: see what they wait for with ps",
        processes()
    ))
}

fn remove() -> Result<(), String> {
    // Beside the trees of version 1, runc makes its groups in the tree of version 2 too.
    for hierarchy in mounted(&mounts()?) {
        remove_tree(&hierarchy.folder.join(GROUP));
    }
    Ok(())
}

/// A group is removed as a folder once it has neither processes nor groups; its files go with it. What cannot be
/// removed yet holds an ended process that its parent has not waited for, and is taken over by the next start.
fn remove_tree(group: &Path) {
    for inner in folders(group) {
        remove_tree(&inner);
    }
    let _ = fs::remove_dir(group);
}

fn processes_in(group: &Path) -> Vec<u32> {
    let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut found: Vec<u32> = own.lines().filter_map(|line| line.parse().ok()).collect();
    found.extend(folders(group).iter().flat_map(|inner| processes_in(inner)));
    found
}

fn folders(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// The group in the hierarchy in which the components stand.
fn tracking() -> Result<PathBuf, String> {
    let all = hierarchies()?;
    let chosen = all.iter().find(|h| h.unified || h.folder.ends_with("pids")).or(all.first());
    chosen.map(|h| h.folder.join(GROUP)).ok_or_else(|| "no control groups are mounted on this machine".into())
}

/// A tree of control groups.
#[derive(Debug, PartialEq)]
struct Hierarchy {
    folder: PathBuf,
    /// Version 2: one tree for all controllers.
    unified: bool,
}

/// Those that have controllers.
fn hierarchies() -> Result<Vec<Hierarchy>, String> {
    Ok(with_controllers(mounted(&mounts()?)))
}

fn mounts() -> Result<String, String> {
    fs::read_to_string("/proc/self/mounts").map_err(|e| format!("/proc/self/mounts: {e}"))
}

fn mounted(mounts: &str) -> Vec<Hierarchy> {
    let hierarchy = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (folder, kind) = (words.next()?, words.next()?);
        matches!(kind, "cgroup" | "cgroup2")
            .then(|| Hierarchy { folder: folder.into(), unified: kind == "cgroup2" })
    };
    mounts.lines().filter_map(hierarchy).collect()
}

/// Those of version 1 where there are any: beside them, the tree of version 2 has none.
fn with_controllers(all: Vec<Hierarchy>) -> Vec<Hierarchy> {
    let (unified, first): (Vec<_>, Vec<_>) = all.into_iter().partition(|hierarchy| hierarchy.unified);
    if first.is_empty() { unified } else { first }
}

/// Lets the groups in this one use its controllers. Those that cannot be are missed by the kubelet, which says so.
fn pass_controllers_on(group: &Path) {
    let controllers = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        let _ = fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_with_controllers_are_found() {
        let both =
            "cgroup /sys/fs/cgroup/pids cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let cases = [
            (both, vec![("/sys/fs/cgroup/pids", false)]),
            (
                "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
                vec![("/sys/fs/cgroup", true)],
            ),
            ("proc /proc proc rw 0 0\n", vec![]),
        ];
        for (mounts, expected) in cases {
            let expected: Vec<Hierarchy> = expected
                .into_iter()
                .map(|(folder, unified)| Hierarchy { folder: folder.into(), unified })
                .collect();
            assert_eq!(with_controllers(mounted(mounts)), expected, "{mounts}");
        }
    }
}
