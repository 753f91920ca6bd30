//! The node's agent.

use super::{Component, containerd_pid};
use crate::cluster::cgroup;
use crate::cluster::place::{DOMAIN, HOST, NODE, path, program};
use crate::cluster::probe::Probe;

pub(super) static COMPONENT: Component = Component {
    name: "kubelet",
    about: "the node",
    files: || vec![("config/kubelet.json", configuration())],
    command: || {
        let mut command: Vec<String> =
            ["nsenter", "--target", &containerd_pid(), "--mount", "--"].map(str::to_owned).to_vec();
        command.extend([
            program("kubelet"),
            format!("--config={}", path("config/kubelet.json")),
            format!("--kubeconfig={}", path("config/kubelet.kubeconfig")),
            format!("--hostname-override={NODE}"),
            format!("--node-ip={HOST}"),
        ]);
        command
    },
    ready: Probe::Node,
};

fn configuration() -> String {
    serde_json::json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": HOST,
        "healthzBindAddress": HOST,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": path("pki/ca.crt") },
        },
        "authorization": { "mode": "Webhook" },
        "containerRuntimeEndpoint": format!("unix://{}", path("run/containerd.sock")),
        "clusterDNS": [HOST],
        "clusterDomain": DOMAIN,
        // Pods ask for Services; names of the outside are none of theirs.
        "resolvConf": "",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup::PODS,
        // Developers' machines have swap, and build servers have cgroup v1.
        "failSwapOn": false,
        "failCgroupV1": false,
        // The machine is not only the node's: nothing is held back or thrown out for its sake.
        "enforceNodeAllocatable": [],
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": false,
        "makeIPTablesUtilChains": false,
        "volumePluginDir": path("kubelet-plugins"),
        // Nearly as many as there are addresses on the bridge.
        "maxPods": 200,
    })
    .to_string()
}
