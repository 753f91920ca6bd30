//! The compatibility matrix by itself: where its entries lead.

use cofferdam_core::Code;

use crate::config::{Config, Target};
use crate::finding::Finding;
use crate::layout::Project;
use crate::matrix::Matrix;
use crate::release::Release;

/// What is wrong with the entries.
pub(super) fn findings(project: &Project, config: &Config, matrix: &Matrix) -> Vec<Finding> {
    let mut check = Check { project, config, matrix, circles: Vec::new(), findings: Vec::new() };
    for (release, entry) in &config.entries {
        for target in &entry.upgrades_to {
            check.upgrade(release, target);
        }
        for target in &entry.rollback_to {
            check.rollback(release, target);
        }
    }
    check.findings
}

struct Check<'a> {
    project: &'a Project,
    config: &'a Config,
    matrix: &'a Matrix,
    /// Those that were shown, each by its versions in order: a circle has several edges.
    circles: Vec<Vec<Release>>,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn found(&mut self, target: &Target, code: Code, what: String) -> Finding {
        Finding::error(&self.config.path, code, what).at(self.config.place(target.at))
    }

    fn upgrade(&mut self, from: &Release, target: &Target) {
        let to = &target.release;
        if to <= from {
            return self.backwards(true, from, target);
        }
        if self.config.entries.contains_key(to) || self.project.editions.contains_key(to) {
            return;
        }
        let finding = self
            .found(
                target,
                Code::MatrixOpen,
                format!("{from} upgrades to {to}, which the project does not have"),
            )
            .cause(format!("compatibility_matrix has no entry {to}, and versions/ no directory of it"));
        self.findings.push(match is_announced(self.project, to) {
            true => finding
                .help(format!("fine as an announcement; {to} is newer than all that is there"))
                .lessened(),
            false => finding.help(format!("add an entry for {to}, or take it out of upgrades_to of {from}")),
        });
    }

    fn rollback(&mut self, from: &Release, target: &Target) {
        let to = &target.release;
        if to >= from {
            return self.backwards(false, from, target);
        }
        if !self.config.entries.contains_key(to) && !self.project.editions.contains_key(to) {
            let finding = self
                .found(
                    target,
                    Code::MatrixOpen,
                    format!("{from} rolls back to {to}, which the project does not have"),
                )
                .help(format!("add an entry for {to}, or take it out of rollback_to of {from}"));
            self.findings.push(finding);
            return;
        }
        let Some(edition) = self.project.editions.get(from) else { return };
        if !edition.upgrades.contains_key(to) {
            let finding = self
                .found(
                    target,
                    Code::MissingUpgrade,
                    format!("{from} rolls back to {to} without scripts for it"),
                )
                .cause(format!(
                    "{}/upgrade/from-{to}/ is not there, so nothing was written to be taken back",
                    edition.dir
                ))
                .help(format!(
                    "let {from} roll back to the version that it was upgraded from; a chain is followed"
                ));
            self.findings.push(finding);
        }
    }

    fn backwards(&mut self, upgrades: bool, from: &Release, target: &Target) {
        let to = &target.release;
        let key = if upgrades { "upgrades_to" } else { "rollback_to" };
        let Some(circle) = self.matrix.circle(upgrades, from, to) else {
            let (verb, is) = if upgrades { ("upgrades", "newer") } else { ("rolls back", "older") };
            let finding = self
                .found(target, Code::MatrixBackwards, format!("{from} {verb} to {to}, which is not {is}"))
                .help(format!("take {to} out of {key} of {from}"));
            self.findings.push(finding);
            return;
        };
        let mut members = circle.clone();
        members.sort();
        members.dedup();
        if self.circles.contains(&members) {
            return;
        }
        self.circles.push(members);
        let shown: Vec<String> = circle.iter().map(Release::to_string).collect();
        let finding = self
            .found(target, Code::MatrixCycle, format!("{key} goes round in a circle: {}", shown.join(" -> ")))
            .help(format!("take {to} out of {key} of {from}"));
        self.findings.push(finding);
    }
}

/// It is newer than every version that has a directory.
pub(super) fn is_announced(project: &Project, release: &Release) -> bool {
    project.editions.keys().all(|present| present < release)
}
