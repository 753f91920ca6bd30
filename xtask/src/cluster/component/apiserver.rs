//! The apiserver.

use super::{Component, words};
use crate::cluster::place::{HOST, SERVICES, path, program};
use crate::cluster::probe::Probe;

pub(super) static COMPONENT: Component = Component {
    name: "kube-apiserver",
    about: "the API",
    files: Vec::new,
    command: || {
        let pki = |name: &str| path(&format!("pki/{name}"));
        words(
            program("kube-apiserver"),
            &[
                format!("--advertise-address={HOST}"),
                format!("--bind-address={HOST}"),
                "--secure-port=6443".into(),
                format!("--tls-cert-file={}", pki("apiserver.crt")),
                format!("--tls-private-key-file={}", pki("apiserver.key")),
                format!("--cert-dir={}", path("run")),
                format!("--etcd-servers=https://{HOST}:2379"),
                format!("--etcd-cafile={}", pki("ca.crt")),
                format!("--etcd-certfile={}", pki("apiserver-to-etcd.crt")),
                format!("--etcd-keyfile={}", pki("apiserver-to-etcd.key")),
                format!("--service-cluster-ip-range={SERVICES}"),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                format!("--service-account-key-file={}", pki("accounts.crt")),
                format!("--service-account-signing-key-file={}", pki("accounts.key")),
                format!("--client-ca-file={}", pki("ca.crt")),
                format!("--token-auth-file={}", pki("tokens.csv")),
                "--authorization-mode=Node,RBAC".into(),
                "--enable-admission-plugins=NodeRestriction".into(),
                "--allow-privileged".into(),
                format!("--kubelet-client-certificate={}", pki("apiserver-to-kubelet.crt")),
                format!("--kubelet-client-key={}", pki("apiserver-to-kubelet.key")),
                "--kubelet-preferred-address-types=InternalIP".into(),
                // The aggregation layer. Pods are asked by their own addresses, as webhooks are.
                "--enable-aggregator-routing".into(),
                format!("--requestheader-client-ca-file={}", pki("front-proxy-ca.crt")),
                "--requestheader-allowed-names=front-proxy-client".into(),
                "--requestheader-username-headers=X-Remote-User".into(),
                "--requestheader-group-headers=X-Remote-Group".into(),
                "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
                format!("--proxy-client-cert-file={}", pki("front-proxy.crt")),
                format!("--proxy-client-key-file={}", pki("front-proxy.key")),
            ],
        )
    },
    ready: Probe::Apiserver,
};
