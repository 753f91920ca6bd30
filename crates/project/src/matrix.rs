//! Paths through the compatibility matrix.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::{Code, Refusal};
use cofferdam_formats::nearest;

use crate::config::{Config, Entry};
use crate::release::Release;

/// The compatibility matrix of a project.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    up: Edges,
    down: Edges,
}

/// The versions that each version leads to.
type Edges = BTreeMap<Release, BTreeSet<Release>>;

impl Matrix {
    /// That of a configuration.
    pub fn of(config: &Config) -> Self {
        let edges = |targets: fn(&Entry) -> &[crate::config::Target]| {
            let to = |entry: &Entry| targets(entry).iter().map(|target| target.release.clone()).collect();
            config.entries.iter().map(|(release, entry)| (release.clone(), to(entry))).collect()
        };
        Self { up: edges(|entry| &entry.upgrades_to), down: edges(|entry| &entry.rollback_to) }
    }

    /// The versions that it has an entry for, in order.
    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        self.up.keys()
    }

    /// The versions from `from` to `to`, both included, by as few upgrades as there can be. Of paths with the same
    /// number the one whose first difference is the newer version, so that the answer is always one.
    ///
    /// # Errors
    /// `NoSuchProjectVersion`; `MatrixBackwards` where `to` is older; `NoUpgradePath` with what is missing.
    pub fn upgrade(&self, from: &Release, to: &Release) -> Result<Vec<Release>, Box<Refusal>> {
        self.known(from)?;
        self.known(to)?;
        if to < from {
            return Err(Box::new(
                Refusal::new(
                    Code::MatrixBackwards,
                    format!("{to} is older than {from}, so it is no upgrade"),
                )
                .help(format!("cofferdam rollback takes {from} back to {to}")),
            ));
        }
        path(&self.up, from, to).ok_or_else(|| Box::new(self.no_upgrade(from, to)))
    }

    /// The versions from `from` back to `to`, both included, by as few rollbacks as there can be.
    ///
    /// # Errors
    /// `NoSuchProjectVersion`; `MatrixBackwards` where `to` is newer; `NoRollbackPath` with what is missing.
    pub fn rollback(&self, from: &Release, to: &Release) -> Result<Vec<Release>, Box<Refusal>> {
        self.known(from)?;
        self.known(to)?;
        if to > from {
            return Err(Box::new(
                Refusal::new(
                    Code::MatrixBackwards,
                    format!("{to} is newer than {from}, so it is no rollback"),
                )
                .help(format!("cofferdam upgrade takes {from} to {to}")),
            ));
        }
        path(&self.down, from, to).ok_or_else(|| Box::new(self.no_rollback(from, to)))
    }

    /// The version to install and the upgrades from there: the installable one that is nearest to `to`; of several the
    /// newest.
    ///
    /// # Errors
    /// `NoSuchProjectVersion`; `NoInstallPath`.
    pub fn install<'a>(
        &self,
        to: &Release,
        installable: impl IntoIterator<Item = &'a Release>,
    ) -> Result<Vec<Release>, Box<Refusal>> {
        self.known(to)?;
        let mut paths: Vec<_> = installable.into_iter().filter_map(|from| path(&self.up, from, to)).collect();
        paths.sort_by(|a, b| (a.len(), b.first()).cmp(&(b.len(), a.first())));
        paths.into_iter().next().ok_or_else(|| {
            Box::new(
                Refusal::new(Code::NoInstallPath, format!("nothing installs {to}"))
                    .cause("it has no new-install/, and no version that has one leads to it by upgrades")
                    .help(format!(
                        "write versions/{to}/new-install/, or let an installable version upgrade to {to}"
                    )),
            )
        })
    }

    /// Everything that upgrades lead to from here, itself included.
    pub(crate) fn above(&self, from: &Release) -> BTreeSet<Release> {
        reachable(&self.up, from)
    }

    /// Everything that rollbacks lead to from here, itself included.
    pub(crate) fn below(&self, from: &Release) -> BTreeSet<Release> {
        reachable(&self.down, from)
    }

    /// The way round from a version to itself by this edge first: `[a, b, ..., a]`.
    pub(crate) fn circle(&self, upgrades: bool, from: &Release, to: &Release) -> Option<Vec<Release>> {
        let rest = path(if upgrades { &self.up } else { &self.down }, to, from)?;
        Some(std::iter::once(from.clone()).chain(rest).collect())
    }

    /// Whether one leads to the other in one step.
    pub(crate) fn has(&self, upgrades: bool, from: &Release, to: &Release) -> bool {
        let edges = if upgrades { &self.up } else { &self.down };
        edges.get(from).is_some_and(|targets| targets.contains(to))
    }

    fn known(&self, release: &Release) -> Result<(), Box<Refusal>> {
        if self.up.contains_key(release) {
            return Ok(());
        }
        let names: Vec<String> = self.releases().map(Release::to_string).collect();
        let refusal =
            Refusal::new(Code::NoSuchProjectVersion, format!("the project has no version {release}"))
                .cause(format!("compatibility_matrix has {}", list(&names)));
        let near = nearest(&release.to_string(), names.iter().map(String::as_str)).map(str::to_owned);
        Err(Box::new(match near {
            Some(near) => refusal.help(format!("did you mean {near}?")),
            None => refusal.help(format!("add {release} to compatibility_matrix of project-config.yaml")),
        }))
    }

    fn no_upgrade(&self, from: &Release, to: &Release) -> Refusal {
        let ends = self.above(from);
        let begins: BTreeSet<&Release> =
            self.releases().filter(|release| self.above(release).contains(to)).collect();
        let last = ends.iter().filter(|end| *end < to).max().unwrap_or(from);
        let first = begins.into_iter().find(|begin| *begin > last).unwrap_or(to);
        missing(Refusal::new(Code::NoUpgradePath, format!("no upgrades lead from {from} to {to}")), from, last)
            .help(format!(
                "let {last} upgrade to {first}: add {first} to its upgrades_to, and write versions/{first}/upgrade/from-{last}/"
            ))
    }

    fn no_rollback(&self, from: &Release, to: &Release) -> Refusal {
        let last = self.below(from).into_iter().find(|end| end > to).unwrap_or_else(|| from.clone());
        missing(Refusal::new(Code::NoRollbackPath, format!("no rollbacks lead from {from} to {to}")), from, &last).help(
            format!(
                "add {to} to rollback_to of {last}, where its scripts in versions/{last}/upgrade/from-{to}/rollback/ allow it"
            ),
        )
    }
}

fn missing(refusal: Refusal, from: &Release, last: &Release) -> Refusal {
    refusal.cause(match last == from {
        true => format!("{from} leads to no version on the way"),
        false => format!("they end at {last}"),
    })
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no version".to_owned() } else { names.join(", ") }
}

fn reachable(edges: &Edges, from: &Release) -> BTreeSet<Release> {
    let mut seen = BTreeSet::from([from.clone()]);
    let mut open = vec![from.clone()];
    while let Some(next) = open.pop() {
        for to in edges.get(&next).into_iter().flatten() {
            if seen.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    seen
}

/// The shortest path: how far each version is from the end, and then always a step nearer.
fn path(edges: &Edges, from: &Release, to: &Release) -> Option<Vec<Release>> {
    let mut distance = BTreeMap::from([(to.clone(), 0_usize)]);
    let mut edge = vec![to.clone()];
    for steps in 1.. {
        if edge.is_empty() || distance.contains_key(from) {
            break;
        }
        let leads = |targets: &BTreeSet<Release>| edge.iter().any(|next| targets.contains(next));
        let before =
            edges.iter().filter(|(release, targets)| !distance.contains_key(*release) && leads(targets));
        edge = before.map(|(release, _)| release.clone()).collect();
        distance.extend(edge.iter().map(|release| (release.clone(), steps)));
    }
    let mut left = *distance.get(from)?;
    let mut path = vec![from.clone()];
    while left > 0 {
        left -= 1;
        let next = edges.get(path.last()?)?.iter().rev().find(|next| distance.get(*next) == Some(&left))?;
        path.push(next.clone());
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Release {
        Release::parse(text).unwrap()
    }

    /// `1.0.0 > 1.1.0 2.0.0 < 0.9.0`: upgrades behind `>`, rollbacks behind `<`.
    fn matrix(lines: &[&str]) -> Matrix {
        let mut matrix = Matrix::default();
        for line in lines {
            let (rest, down) = line.split_once('<').unwrap_or((line, ""));
            let (key, up) = rest.split_once('>').unwrap_or((rest, ""));
            let set = |text: &str| text.split_whitespace().map(v).collect();
            matrix.up.insert(v(key.trim()), set(up));
            matrix.down.insert(v(key.trim()), set(down));
        }
        matrix
    }

    fn texts(path: &[Release]) -> String {
        path.iter().map(Release::plain).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_shortest_path_is_taken_and_always_the_same() {
        let matrix = matrix(&[
            "1.0.0 > 1.1.0 1.2.0 1.0.1",
            "1.0.1 > 2.0.0",
            "1.1.0 > 1.2.0 2.0.0 < 1.0.0",
            "1.2.0 > 2.0.0 < 1.1.0 1.0.0",
            "2.0.0 > 3.0.0 < 1.2.0",
            "3.0.0 < 2.0.0",
        ]);
        let up = |from, to| texts(&matrix.upgrade(&v(from), &v(to)).unwrap());
        assert_eq!(up("1.0.0", "3.0.0"), "1.0.0 1.2.0 2.0.0 3.0.0");
        assert_eq!(up("1.1.0", "2.0.0"), "1.1.0 2.0.0");
        assert_eq!(up("2.0.0", "2.0.0"), "2.0.0");
        assert_eq!(texts(&matrix.rollback(&v("3.0.0"), &v("1.0.0")).unwrap()), "3.0.0 2.0.0 1.2.0 1.0.0");
        let install = |to: &str, from: &[&str]| {
            let from: Vec<Release> = from.iter().map(|text| v(text)).collect();
            matrix.install(&v(to), &from).map(|path| texts(&path))
        };
        assert_eq!(install("2.0.0", &["1.0.0", "1.1.0", "1.2.0"]).unwrap(), "1.2.0 2.0.0");
        assert_eq!(install("2.0.0", &["2.0.0", "1.0.0"]).unwrap(), "2.0.0");
        assert_eq!(install("1.0.0", &["2.0.0"]).unwrap_err().code, Code::NoInstallPath);
    }

    #[test]
    fn what_has_no_path_is_refused_with_what_is_missing() {
        let matrix = matrix(&["1.0.0 > 1.1.0", "1.1.0 < 1.0.0", "2.0.0 > 2.1.0", "2.1.0 < 2.0.0"]);
        let up = |from, to| *matrix.upgrade(&v(from), &v(to)).unwrap_err();
        let refusal = up("1.0.0", "2.1.0");
        assert_eq!(refusal.code, Code::NoUpgradePath);
        assert_eq!(refusal.cause.as_deref(), Some("they end at 1.1.0"));
        assert!(refusal.help.unwrap().starts_with("let 1.1.0 upgrade to 2.0.0"));
        assert_eq!(up("1.1.0", "2.0.0").cause.unwrap(), "1.1.0 leads to no version on the way");
        assert_eq!(up("1.1.0", "1.0.0").code, Code::MatrixBackwards);
        let unknown = up("1.0.0", "2.2.0");
        assert_eq!(
            (unknown.code, unknown.help.as_deref()),
            (Code::NoSuchProjectVersion, Some("did you mean 2.0.0?"))
        );
        let back = *matrix.rollback(&v("2.1.0"), &v("1.0.0")).unwrap_err();
        assert_eq!((back.code, back.cause.as_deref()), (Code::NoRollbackPath, Some("they end at 2.0.0")));
        assert_eq!(matrix.rollback(&v("1.0.0"), &v("1.1.0")).unwrap_err().code, Code::MatrixBackwards);
    }

    #[test]
    fn a_circle_ends_no_search_and_is_shown() {
        let matrix = matrix(&["1.0.0 > 1.1.0", "1.1.0 > 1.2.0", "1.2.0 > 1.0.0", "2.0.0"]);
        assert_eq!(matrix.upgrade(&v("1.0.0"), &v("2.0.0")).unwrap_err().code, Code::NoUpgradePath);
        let circle = matrix.circle(true, &v("1.2.0"), &v("1.0.0")).unwrap();
        assert_eq!(texts(&circle), "1.2.0 1.0.0 1.1.0 1.2.0");
        assert_eq!(matrix.above(&v("1.1.0")).len(), 3);
    }
}
