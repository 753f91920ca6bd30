//! The compatibility matrix against the directories.

use std::collections::BTreeSet;

use cofferdam_core::Code;

use super::entries::is_announced;
use crate::config::Config;
use crate::finding::Finding;
use crate::layout::{Edition, Project};
use crate::matrix::Matrix;
use crate::release::Release;

/// What the matrix and the directories do not say alike.
pub(super) fn findings(project: &Project, config: &Config, matrix: &Matrix) -> Vec<Finding> {
    let mut findings = without_directory(project, config);
    let installable: Vec<&Release> =
        project.editions.values().filter(|e| e.is_installable()).map(|e| &e.release).collect();
    let reached: BTreeSet<Release> = installable.iter().flat_map(|release| matrix.above(release)).collect();
    let newest = project.editions.keys().max();
    for edition in project.editions.values() {
        let Some(entry) = config.entries.get(&edition.release) else {
            findings.push(without_entry(edition));
            continue;
        };
        findings.extend(upgrades(project, config, matrix, edition));
        let release = &edition.release;
        if !reached.contains(release) {
            findings.push(
                Finding::error(
                    &edition.dir,
                    Code::NoInstallPath,
                    format!("no database can get to {release}"),
                )
                .cause("it has no new-install/, and no version that has one leads to it by upgrades")
                .help(format!(
                    "let an earlier version upgrade to {release}, or write {}/new-install/",
                    edition.dir
                )),
            );
        }
        if let Some(newest) = newest
            && !matrix.above(release).contains(newest)
        {
            findings.push(
                Finding::error(
                    &config.path,
                    Code::DeadEnd,
                    format!("{release} is a dead end: no upgrades lead from it to {newest}"),
                )
                .at(config.place(entry.at))
                .help(format!("add a later version to upgrades_to of {release}, and write its scripts")),
            );
        }
    }
    findings
}

fn without_directory(project: &Project, config: &Config) -> Vec<Finding> {
    let missing = config.entries.iter().filter(|(release, _)| !project.editions.contains_key(release));
    missing
        .map(|(release, entry)| {
            let finding = Finding::error(
                &config.path,
                Code::MatrixOpen,
                format!("{release} has no directory below versions/"),
            )
            .at(config.place(entry.at));
            match is_announced(project, release) && !project.editions.is_empty() {
                true => finding
                    .help(format!("fine as an announcement; {release} is newer than all that is there"))
                    .lessened(),
                false => finding.help(format!(
                    "restore {}/versions/{release}/ from version control, or take its entry out",
                    project.dir
                )),
            }
        })
        .collect()
}

fn without_entry(edition: &Edition) -> Finding {
    let release = &edition.release;
    let from: Vec<String> =
        edition.upgrades.keys().map(|from| format!("{from:?}", from = from.to_string())).collect();
    let finding = Finding::error(
        &edition.dir,
        Code::MatrixOpen,
        format!("compatibility_matrix has no entry {release}"),
    )
    .help(format!("add it: {release}: {{upgrades_to: [], rollback_to: [{}]}}", from.join(", ")));
    match from.as_slice() {
        [] => finding,
        from => finding.cause(format!("and {} must have it in upgrades_to", from.join(", "))),
    }
}

/// The upgrades to a version: those that the matrix allows against those that have a directory.
fn upgrades(project: &Project, config: &Config, matrix: &Matrix, edition: &Edition) -> Vec<Finding> {
    let to = &edition.release;
    let mut findings = Vec::new();
    for (from, entry) in &config.entries {
        let Some(target) = entry.upgrades_to.iter().find(|target| target.release == *to) else { continue };
        if from >= to {
            continue;
        }
        if !edition.upgrades.contains_key(from) {
            let dir = format!("{}/upgrade/from-{from}/", edition.dir);
            findings.push(
                Finding::error(&config.path, Code::MissingUpgrade, format!("{from} upgrades to {to} without scripts for it"))
                    .at(config.place(target.at))
                    .cause(format!("{dir} is not there"))
                    .help(format!(
                        "cofferdam new --project {} --version {to} --from-version {from} NAME; where nothing changes, a README.md there says so",
                        project.name
                    )),
            );
        } else if config.policies.require_rollback && !matrix.below(to).contains(from) {
            findings.push(
                Finding::error(
                    &config.path,
                    Code::NoRollbackPath,
                    format!("{to} cannot be taken back to {from}"),
                )
                .at(config.place(target.at))
                .cause("the policy require_rollback wants a way back for every upgrade")
                .help(format!("add {from:?} to rollback_to of {to}", from = from.to_string())),
            );
        }
    }
    for (from, dir) in &edition.upgrades {
        if matrix.has(true, from, to) {
            continue;
        }
        let finding = Finding::error(
            dir,
            Code::MatrixOpen,
            format!("{dir} is for an upgrade that the matrix does not allow"),
        )
        .help(format!("add {to:?} to upgrades_to of {from}, or remove the directory", to = to.to_string()));
        findings.push(match from >= to {
            true => finding.cause(format!("{from} is not older than {to}")),
            false => finding,
        });
    }
    findings
}
