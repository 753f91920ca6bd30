//! The scheduler.

use super::{Component, words};
use crate::cluster::place::{HOST, path, program};
use crate::cluster::probe::Probe;

pub(super) static COMPONENT: Component = Component {
    name: "kube-scheduler",
    about: "gives Pods to the node",
    files: Vec::new,
    command: || {
        let kubeconfig = path("config/scheduler.kubeconfig");
        words(
            program("kube-scheduler"),
            &[
                format!("--kubeconfig={kubeconfig}"),
                format!("--authentication-kubeconfig={kubeconfig}"),
                format!("--authorization-kubeconfig={kubeconfig}"),
                format!("--bind-address={HOST}"),
                format!("--cert-dir={}", path("run")),
                "--leader-elect=false".into(),
            ],
        )
    },
    ready: Probe::Port(10259),
};
