//! The container runtime, in a mount namespace of its own that the kubelet joins: whatever the two mount is gone
//! with their processes, also after a crash, and nothing of it is ever seen from outside.

use super::Component;
use crate::cluster::image;
use crate::cluster::place::{BRIDGE, HOST, PODS, path};
use crate::cluster::probe::Probe;

pub(super) static COMPONENT: Component = Component {
    name: "containerd",
    about: "runs containers and pulls images",
    files: || {
        vec![
            ("config/containerd.toml", configuration()),
            ("config/cni/10-cofferdam.conflist", pod_network()),
            ("config/certs.d/10.250.0.1:5000/hosts.toml", registry_hosts()),
        ]
    },
    command: || {
        let mut command: Vec<String> =
            ["unshare", "--mount", "--propagation", "slave", "--", "sh", "-c", NAMESPACE, "namespace"]
                .map(str::to_owned)
                .to_vec();
        command.push(path("node"));
        command.extend(COVERED.iter().map(|folder| (*folder).to_owned()));
        command.extend(["--".to_owned(), "containerd".to_owned(), "--config".to_owned()]);
        command.push(path("config/containerd.toml"));
        command
    },
    ready: Probe::Socket("run/containerd.sock"),
};

/// Folders of the machine that containerd, its shims, CNI and the kubelet use whatever they are told. The node
/// sees folders of the cluster in their place.
pub(in crate::cluster) static COVERED: &[&str] = &[
    "/run/containerd",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
];

/// Arguments: where the cluster's folders are, the folders to cover, `--`, the command to go on as.
/// What the machine unmounts later is unmounted here too; what is mounted here stays here.
const NAMESPACE: &str = r#"
set -e
mount --make-rshared /
base=$1
shift
while [ "$1" != -- ]; do
    mkdir -p "$1" "$base$1"
    mount --bind "$base$1" "$1"
    shift
done
shift
exec "$@"
"#;

fn configuration() -> String {
    let (root, run, pause) = (path("containerd"), path("run"), image::PAUSE);
    let (cni, certificates) = (path("config/cni"), path("config/certs.d"));
    format!(
        r#"version = 2
root = "{root}"
state = "/run/containerd/state"
oom_score = 0

[grpc]
address = "{run}/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Where the capability for it is missing, runc fails otherwise.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{cni}"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{certificates}"

[plugins."io.containerd.internal.v1.opt"]
path = "{root}/opt"
"#
    )
}

fn pod_network() -> String {
    serde_json::json!({
        "cniVersion": "1.0.0",
        "name": "cofferdam",
        "plugins": [{
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": true,
            // To the outside they have no way.
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": PODS, "gateway": HOST }]],
                // Services have no network of their own; this machine knows the way to them.
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }],
    })
    .to_string()
}

/// Our registry speaks plain HTTP.
fn registry_hosts() -> String {
    let registry = image::REGISTRY;
    format!(
        "server = \"http://{registry}\"\n\n[host.\"http://{registry}\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_known_under_its_address() {
        let folder = format!("config/certs.d/{}/hosts.toml", image::REGISTRY);
        assert!((COMPONENT.files)().iter().any(|(name, _)| *name == folder));
    }
}
