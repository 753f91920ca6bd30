//! Where the apiserver keeps everything.

use super::{Component, words};
use crate::cluster::place::{HOST, path};
use crate::cluster::probe::Probe;

pub(super) static COMPONENT: Component = Component {
    name: "etcd",
    about: "keeps what the apiserver knows",
    files: Vec::new,
    command: || {
        let address = format!("https://{HOST}:2379");
        words(
            "etcd".into(),
            &[
                format!("--data-dir={}", path("etcd")),
                format!("--listen-client-urls={address}"),
                format!("--advertise-client-urls={address}"),
                format!("--listen-peer-urls=http://{HOST}:2380"),
                format!("--listen-metrics-urls=http://{HOST}:2381"),
                format!("--cert-file={}", path("pki/etcd.crt")),
                format!("--key-file={}", path("pki/etcd.key")),
                // Whoever writes here is root on this machine by way of a Pod.
                "--client-cert-auth".into(),
                format!("--trusted-ca-file={}", path("pki/ca.crt")),
            ],
        )
    },
    ready: Probe::Http(2381, "/health"),
};
