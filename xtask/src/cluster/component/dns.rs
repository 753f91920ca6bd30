//! Names of Services.

use super::{Component, words};
use crate::cluster::place::{DOMAIN, HOST, path, program};
use crate::cluster::probe::Probe;

pub(super) static COMPONENT: Component = Component {
    name: "coredns",
    about: "names of Services",
    files: || vec![("config/Corefile", configuration())],
    command: || words(program("coredns"), &["-conf".into(), path("config/Corefile")]),
    ready: Probe::Http(8181, "/ready"),
};

fn configuration() -> String {
    let kubeconfig = path("config/dns.kubeconfig");
    // Any other name does not exist, which is said at once: there is no way out from here.
    format!(
        "{DOMAIN} in-addr.arpa {{
    bind {HOST}
    errors
    ready {HOST}:8181
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {kubeconfig}
        ttl 1
    }}
}}
. {{
    bind {HOST}
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"
    )
}
