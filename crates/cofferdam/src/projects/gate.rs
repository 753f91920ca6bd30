//! `verify --project`: the quality gate of projects.

use cofferdam_core::{Code, Fault, Result, Severity};
use cofferdam_project::{Finding, Project, Release, Verdict, gate, projects};
use serde::Serialize;

use crate::cli::Exit;
use crate::context::Context;
use crate::files;
use crate::output::error::{self, ErrorView};
use crate::output::words::count;

/// The document of kind `ProjectVerification`.
#[derive(Debug, Serialize)]
struct GateView {
    passed: bool,
    projects: Vec<ProjectView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProjectView {
    name: String,
    passed: bool,
    errors: usize,
    warnings: usize,
    versions: Vec<String>,
    scripts: usize,
    with_rollback: usize,
    with_validation: usize,
    findings: Vec<FindingView>,
    checksums: Vec<ChecksumView>,
    #[serde(skip)]
    told: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct FindingView {
    severity: Severity,
    path: String,
    #[serde(flatten)]
    refusal: ErrorView,
}

#[derive(Debug, Serialize)]
struct ChecksumView {
    path: String,
    sha256: String,
}

/// Judges the projects named, or all where none is.
pub(crate) fn verify(context: &Context, names: &[String], deny_warnings: bool) -> Result<Exit> {
    let settings = context.settings()?;
    let tree = files::tree(&settings.dir)?;
    let mut names = if names.is_empty() { projects(&tree) } else { names.to_vec() };
    names.sort();
    names.dedup();
    if names.is_empty() {
        // Refused with what to do: no project has no name.
        let refusal = cofferdam_core::Refusal::new(
            Code::NoSuchProject,
            format!("there is no project in {}", settings.dir.display()),
        )
        .cause("a project is a directory below projects/")
        .help("cofferdam new --project NAME --version v1.0.0 create_tables; --dir names another directory");
        return Err(refusal.into());
    }
    let read = |name: &String| Project::read(&tree, name).map_err(Fault::Refused);
    let projects = names.iter().map(read).collect::<Result<Vec<_>>>()?;
    let projects: Vec<_> = projects.iter().map(|project| ProjectView::new(project, gate(project))).collect();
    let view = GateView { passed: projects.iter().all(|project| project.passed), projects };
    let warned = deny_warnings && view.projects.iter().any(|project| project.warnings > 0);
    context.console.show("ProjectVerification", &view, GateView::text);
    Ok(if view.passed && !warned { Exit::DONE } else { Code::GateFailed.into() })
}

impl ProjectView {
    fn new(project: &Project, verdict: Verdict) -> Self {
        let items =
            project.editions.values().flat_map(|edition| edition.steps.values()).flat_map(|step| &step.items);
        let checksum = |item: &cofferdam_project::Item| ChecksumView {
            path: item.script.path.clone(),
            sha256: item.script.sha256.clone(),
        };
        let finding = |finding: &Finding| FindingView {
            severity: finding.severity,
            path: finding.path.clone(),
            refusal: error::view(&finding.refusal),
        };
        Self {
            name: project.name.clone(),
            passed: verdict.passed(),
            errors: verdict.count(Severity::Error),
            warnings: verdict.count(Severity::Warning),
            versions: project.editions.keys().map(Release::to_string).collect(),
            scripts: verdict.scripts,
            with_rollback: verdict.with_rollback,
            with_validation: verdict.with_validation,
            findings: verdict.findings.iter().map(finding).collect(),
            checksums: items.map(checksum).collect(),
            told: verdict.findings,
        }
    }

    fn text(&self) -> String {
        let mark = if self.passed { "✔" } else { "✖" };
        let mut out = format!(
            "{mark} {}: {}, {}, {} with rollback, {} with validation\n",
            self.name,
            count(self.versions.len(), "version"),
            count(self.scripts, "script"),
            self.with_rollback,
            self.with_validation,
        );
        if self.errors + self.warnings > 0 {
            out += &format!("  {}, {}\n", count(self.errors, "error"), count(self.warnings, "warning"));
        }
        for finding in &self.told {
            let mut refusal = finding.refusal.clone();
            if refusal.place.is_none() && !finding.path.is_empty() {
                refusal.notes.insert(0, format!("in {}", finding.path));
            }
            out += "\n";
            out += error::finding(&refusal, finding.severity).trim_end_matches('\n');
            out += "\n";
        }
        out
    }
}

impl GateView {
    fn text(&self) -> String {
        self.projects.iter().map(ProjectView::text).collect::<Vec<_>>().join("\n")
    }
}
