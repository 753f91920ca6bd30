//! The controllers: Jobs, Deployments, garbage, namespaces, service accounts and their tokens.

use super::{Component, words};
use crate::cluster::place::{HOST, path, program};
use crate::cluster::probe::Probe;

pub(super) static COMPONENT: Component = Component {
    name: "kube-controller-manager",
    about: "Jobs, Deployments, garbage, namespaces, service accounts",
    files: Vec::new,
    command: || {
        let kubeconfig = path("config/controller-manager.kubeconfig");
        words(
            program("kube-controller-manager"),
            &[
                format!("--kubeconfig={kubeconfig}"),
                format!("--authentication-kubeconfig={kubeconfig}"),
                format!("--authorization-kubeconfig={kubeconfig}"),
                format!("--bind-address={HOST}"),
                format!("--cert-dir={}", path("run")),
                // There is one of it.
                "--leader-elect=false".into(),
                "--use-service-account-credentials".into(),
                format!("--service-account-private-key-file={}", path("pki/accounts.key")),
                format!("--root-ca-file={}", path("pki/ca.crt")),
                format!("--cluster-signing-cert-file={}", path("pki/ca.crt")),
                format!("--cluster-signing-key-file={}", path("pki/ca.key")),
            ],
        )
    },
    ready: Probe::Port(10257),
};
