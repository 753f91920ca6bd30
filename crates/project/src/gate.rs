//! The quality gate: what must be right before a project is deployed.

mod directories;
mod entries;
mod scripts;

use cofferdam_core::Severity;

use crate::finding::Finding;
use crate::layout::Project;
use crate::matrix::Matrix;
pub(crate) use scripts::{directory, file_name};

/// What the gate says of a project.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What is wrong: errors before warnings, then by path.
    pub findings: Vec<Finding>,
    /// How many scripts make a change.
    pub scripts: usize,
    /// How many of them can be taken back.
    pub with_rollback: usize,
    /// How many of them are proved.
    pub with_validation: usize,
}

impl Verdict {
    /// How many findings are this bad.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Nothing stands against deploying it.
    pub fn passed(&self) -> bool {
        self.count(Severity::Error) == 0
    }
}

/// Judges a project.
pub fn gate(project: &Project) -> Verdict {
    let mut findings = project.findings.clone();
    if let Some(config) = &project.config {
        let matrix = Matrix::of(config);
        findings.extend(entries::findings(project, config, &matrix));
        findings.extend(directories::findings(project, config, &matrix));
    }
    let policies = project.config.as_ref().map(|config| config.policies).unwrap_or_default();
    findings.extend(scripts::findings(project, policies));
    findings.sort_by(|a, b| (b.severity, &a.path).cmp(&(a.severity, &b.path)));
    let steps = || project.editions.values().flat_map(|edition| edition.steps.iter());
    let count = |wanted: &dyn Fn(&crate::layout::Step, &crate::script::Item, bool) -> bool| {
        let of = |((_, kind), step): (&(_, crate::config::DatabaseType), &crate::layout::Step)| {
            step.forwards().filter(|item| wanted(step, item, kind.is_sql())).count()
        };
        steps().map(of).sum()
    };
    Verdict {
        findings,
        scripts: count(&|_, _, _| true),
        with_rollback: count(&|step, item, sql| scripts::has_rollback(step, item, sql)),
        with_validation: count(&|step, item, _| step.validation_of(item).is_some()),
    }
}
