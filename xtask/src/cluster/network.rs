//! The bridge and what the kernel has to do for it.

use std::fs;
use std::process::Command;

use super::place::{self, BRIDGE, HOST, PODS};
use crate::machine::{output, wide_path};

/// The bridge's own hardware address. A bridge that was given none takes that of one of its ports, and another one
/// when that port goes with its Pod. A Pod that has just asked for the address then sends to nobody, and a `connect`
/// of its at that moment fails after 131 s.
const HARDWARE: &str = "02:cf:0a:fa:00:01";

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Rules in front of the machine's own, `iptables -I`, thus the last of a chain comes first.
/// Pods reach each other and this machine; what they send to any other address is refused at once.
static RULES: &[(&str, &[&str])] = &[
    ("INPUT", &["-i", BRIDGE, "-j", "ACCEPT"]),
    ("FORWARD", &["-i", BRIDGE, "-j", "REJECT"]),
    ("FORWARD", &["-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT"]),
];

/// Tables that kube-proxy makes.
static TABLES: &[[&str; 2]] = &[["ip", "kube-proxy"], ["ip6", "kube-proxy"]];

/// Makes the bridge.
pub(super) fn make() -> Result<(), String> {
    refuse_taken_addresses()?;
    ip(&adding(BRIDGE))?;
    ip(&["address", "add", &format!("{HOST}/24"), "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])?;
    // Services are reached by way of this machine, which sends the packets on to a Pod.
    let before = fs::read_to_string(FORWARDING).map_err(|e| format!("{FORWARDING}: {e}"))?;
    place::write("forwarding-before", &before)?;
    fs::write(FORWARDING, "1").map_err(|e| format!("{FORWARDING}: {e}"))?;
    RULES.iter().try_for_each(|(chain, rule)| iptables("-I", chain, rule))
}

/// Arguments that add a bridge which keeps its hardware address, whatever hangs on it.
fn adding(bridge: &str) -> [&str; 7] {
    ["link", "add", bridge, "address", HARDWARE, "type", "bridge"]
}

/// Removes the bridge, the rules, and what kube-proxy left. What is not there is no error.
pub(super) fn remove() -> Result<(), String> {
    for (chain, rule) in RULES {
        // One that was killed half way may have left a rule twice.
        while iptables("-D", chain, rule).is_ok() {}
    }
    for table in TABLES {
        let _ = output(tool("nft").args(["delete", "table"]).args(table));
    }
    // The node's address is theirs no more, but a connection that was sent on is still known.
    let _ = output(tool("conntrack").args(["--delete", "--src", PODS]));
    if let Ok(before) = fs::read_to_string(place::state("forwarding-before")) {
        let _ = fs::write(FORWARDING, before);
    }
    if !is_made() {
        return Ok(());
    }
    ip(&["link", "delete", BRIDGE])
}

/// Whether the bridge is there.
pub(super) fn is_made() -> bool {
    fs::exists(format!("/sys/class/net/{BRIDGE}")).unwrap_or(false)
}

/// A machine whose own network has these addresses would lose sight of it.
fn refuse_taken_addresses() -> Result<(), String> {
    let routes = output(tool("ip").args(["route", "show", "to", "match", HOST]))?;
    match routes.lines().find(|route| !route.starts_with("default")) {
        None => Ok(()),
        Some(taken) => Err(format!(
            "this machine has a route to {PODS} already (`{}`), which the cluster's bridge would take; \
             next: `ip route show to match {HOST}` says whose it is",
            taken.trim()
        )),
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    output(tool("ip").args(arguments)).map(|_| ())
}

fn iptables(how: &str, chain: &str, rule: &[&str]) -> Result<(), String> {
    let comment = ["-m", "comment", "--comment", "cofferdam test cluster"];
    output(tool("iptables").args(["--wait", how, chain]).args(rule).args(comment)).map(|_| ())
}

/// A program for root, which need not be on our search path.
fn tool(name: &str) -> Command {
    let mut command = Command::new("env");
    command.arg(name).env("PATH", wide_path());
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::is_root;

    #[test]
    fn the_bridge_keeps_its_address_while_pods_come_and_go() {
        if !is_root() {
            eprintln!("skipped: only root may make a bridge");
            return;
        }
        // In a network of its own, which is gone with the shell.
        let script = format!(
            "ip {} && ip link set b0 up
             for n in 1 2; do
                 ip link add v$n address 02:00:00:00:00:0$n type veth peer name p$n && ip link set v$n master b0
             done
             ip link delete v1 && ip -oneline link show b0",
            adding("b0").join(" ")
        );
        let shown = output(tool("unshare").args(["--net", "sh", "-e", "-c", &script])).unwrap();
        assert!(shown.contains(HARDWARE), "{shown}");
    }
}
