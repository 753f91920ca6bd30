//! From the files of a project and the history of a database to what is to be applied, or taken back. Pure.
//!
//! A script is a version of the history like any other: `PROJECT-v1.1.0/from-1.0.0-001`, or `.../install-001` of an
//! installation. So the history tells which legs were begun, from where, and whether they are whole.

mod at;
mod back;
mod down;
mod forward;
mod shipment;

use cofferdam_core::history::Applied;

use crate::config::DatabaseType;
use crate::layout::Project;
use crate::release::Release;

pub use at::At;
pub use back::{Retreat, back};
pub use down::down;
pub use forward::{install, upgrade};
pub use shipment::{Seat, Shipment, shipment};

/// The last part of the name of a leg that has no script.
const NO_SCRIPT: &str = "version";

/// The names of all versions of a project begin with this, and perhaps those of another project.
pub fn prefix(project: &str) -> String {
    format!("{project}-v")
}

/// What identifies a script, or a leg without one, in the history.
fn key(project: &str, from: Option<&Release>, to: &Release, tail: &str) -> String {
    let (list, name) = names(project, from, to, tail);
    format!("{list}/{name}")
}

fn names(project: &str, from: Option<&Release>, to: &Release, tail: &str) -> (String, String) {
    let name = match from {
        Some(from) => format!("from-{}-{tail}", from.plain()),
        None => format!("install-{tail}"),
    };
    (format!("{}{}", prefix(project), to.plain()), name)
}

/// However many zeros its number is written with, a script is the same one.
fn tail(number: u128) -> String {
    format!("{number:03}")
}

/// The leg that a row of the history belongs to: from where, and to where. `None` for those of others.
fn leg_of(project: &str, key: &str) -> Option<(Option<Release>, Release)> {
    let (list, name) = key.split_once('/')?;
    let to = named(list.strip_prefix(&prefix(project))?)?;
    let from = match name.strip_prefix("from-") {
        Some(rest) => Some(named(rest.split_once('-')?.0)?),
        None => name.strip_prefix("install-").map(|_| None)?,
    };
    Some((from, to))
}

fn named(plain: &str) -> Option<Release> {
    Release::parse(&format!("v{plain}")).ok()
}

/// A leg that was begun, and of which something is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// The version before; `None` of an installation.
    pub from: Option<Release>,
    /// The version after.
    pub to: Release,
    /// What is in force of it, in the order of applying.
    pub keys: Vec<String>,
}

impl Begun {
    /// It leads to an earlier version, by the rollbacks of the files.
    pub(crate) fn is_down(&self) -> bool {
        self.from.as_ref().is_some_and(|from| *from > self.to)
    }
}

/// What of a project is in force, in the order in which its legs were begun.
pub fn begun(project: &str, history: &[Applied]) -> Vec<Begun> {
    let mut rows: Vec<&Applied> = history.iter().filter(|row| row.in_force()).collect();
    rows.sort_by_key(|row| row.rank);
    let mut legs: Vec<Begun> = Vec::new();
    for row in rows {
        let Some((from, to)) = leg_of(project, &row.key) else { continue };
        match legs.iter_mut().find(|leg| leg.from == from && leg.to == to) {
            Some(leg) => leg.keys.push(row.key.clone()),
            None => legs.push(Begun { from, to, keys: vec![row.key.clone()] }),
        }
    }
    legs
}

impl Project {
    /// A version as the project writes it.
    pub fn as_written(&self, release: &Release) -> Release {
        let config = self.config.iter().flat_map(|config| config.entries.keys());
        let known = config.chain(self.editions.keys()).find(|known| *known == release);
        known.unwrap_or(release).clone()
    }

    /// What the history has once a leg is whole; `None` where its files are not here.
    fn whole(&self, kind: DatabaseType, from: Option<&Release>, to: &Release) -> Option<Vec<String>> {
        // The scripts between two versions lie with the later one.
        let (later, earlier) = match from {
            Some(from) if from > to => (from, Some(to)),
            from => (to, from),
        };
        let edition = self.editions.get(later)?;
        let step = edition.steps.get(&(earlier.cloned(), kind));
        if step.is_none() && !earlier.is_some_and(|earlier| edition.upgrades.contains_key(earlier)) {
            return None;
        }
        let items = step.iter().flat_map(|step| step.forwards());
        let keys: Vec<String> = items.map(|item| key(&self.name, from, to, &tail(item.number))).collect();
        Some(if keys.is_empty() { vec![key(&self.name, from, to, NO_SCRIPT)] } else { keys })
    }

    /// Scripts whose text is another one than that which was applied: their paths.
    pub fn edited(&self, kind: DatabaseType, history: &[Applied]) -> Vec<String> {
        use cofferdam_core::Checksum;
        let mut edited = Vec::new();
        for (to, edition) in &self.editions {
            for ((from, _), step) in edition.steps.iter().filter(|((_, of), _)| *of == kind) {
                for item in step.forwards() {
                    let key = key(&self.name, from.as_ref(), to, &tail(item.number));
                    let row = history.iter().rev().find(|row| row.in_force() && row.key == key);
                    let was = row.and_then(|row| row.checksum.as_ref());
                    if was.is_some_and(|was| *was != Checksum::Sha256(item.script.sha256.clone())) {
                        edited.push(item.script.path.clone());
                    }
                }
            }
        }
        edited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Release {
        Release::parse(text).unwrap()
    }

    #[test]
    fn a_row_says_which_leg_it_belongs_to_and_other_projects_rows_none() {
        for (project, from, to) in [("shop", None, "v1.0.0"), ("e-commerce-api", Some("v1.0.0"), "1.1.0")] {
            let from = from.map(v);
            let key = key(project, from.as_ref(), &v(to), &tail(7));
            assert!(cofferdam_core::bundle::Version::parse(&key).is_some_and(|v| v.is_listed()), "{key}");
            assert_eq!(leg_of(project, &key), Some((from, v(to))), "{key}");
        }
        assert_eq!(key("shop", Some(&v("1.0.0")), &v("v1.1.0"), &tail(100)), "shop-v1.1.0/from-1.0.0-100");
        for other in [
            "shop-v2-v1.0.0/install-001",
            "shop/schema",
            "1.0.0",
            "shop-v1.0/install-001",
            "shop-v1.0.0/001",
            "shop-v1.0.0/from-1.0-001",
            "shop-v1.0.0/from-1.0.0",
            "my-shop-v1.0.0/install-001",
        ] {
            assert_eq!(leg_of("shop", other), None, "{other}");
        }
    }
}
