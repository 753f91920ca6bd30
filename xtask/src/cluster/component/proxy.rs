//! What makes Services reachable, as rules of the kernel in a table of its own.

use super::{Component, words};
use crate::cluster::place::{BRIDGE, HOST, NODE, path, program};
use crate::cluster::probe::Probe;

pub(super) static COMPONENT: Component = Component {
    name: "kube-proxy",
    about: "Services",
    files: || vec![("config/proxy.json", configuration())],
    command: || words(program("kube-proxy"), &[format!("--config={}", path("config/proxy.json"))]),
    ready: Probe::Http(10256, "/healthz"),
};

fn configuration() -> String {
    serde_json::json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": { "kubeconfig": path("config/proxy.kubeconfig") },
        "hostnameOverride": NODE,
        "bindAddress": HOST,
        "healthzBindAddress": format!("{HOST}:10256"),
        "metricsBindAddress": format!("{HOST}:10249"),
        "nodePortAddresses": [format!("{HOST}/32")],
        "mode": "nftables",
        // Pods are neighbours on the bridge, so an answer would otherwise not pass by here, where the address of
        // the Service is put back into it.
        "nftables": { "masqueradeAll": true },
        "detectLocalMode": "BridgeInterface",
        "detectLocal": { "bridgeInterface": BRIDGE },
        // The machine's own settings stay.
        "conntrack": { "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
    })
    .to_string()
}
