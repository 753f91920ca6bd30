//! The registry that the node pulls our image from.

use super::{Component, words};
use crate::cluster::image;
use crate::cluster::place::path;
use crate::cluster::probe::Probe;

pub(super) static COMPONENT: Component = Component {
    name: "registry",
    about: "images",
    files: || vec![("config/registry.yml", configuration())],
    command: || words("docker-registry".into(), &["serve".into(), path("config/registry.yml")]),
    ready: Probe::Http(5000, "/v2/"),
};

fn configuration() -> String {
    let (folder, address) = (path("registry"), image::REGISTRY);
    format!(
        "version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {folder:?}}}
  delete: {{enabled: true}}
http: {{addr: {address:?}}}
"
    )
}
