//! `status --project`: which version each of a project's databases has. Reads only.

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::Session;
use cofferdam_project::deploy::Begun;
use cofferdam_project::{Matrix, Project, Release};
use cofferdam_runner::{in_window, is_alter};
use serde::Serialize;

use super::flags::OfFlags;
use super::reach::{One, Reached, reach};
use super::ready::{Looked, look};
use crate::cli::Exit;
use crate::context::Context;
use crate::output::run::RunView;
use crate::output::words::{count, minute};

/// The document of kind `ProjectStatus`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProjectStatusView {
    project: String,
    /// The newest version of the files.
    newest: Option<String>,
    /// Every database has it, and nothing is left over.
    up_to_date: bool,
    databases: Vec<PlaceView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceView {
    name: String,
    database: String,
    /// By project_metadata and the history; of an unfinished upgrade the version before it.
    version: Option<String>,
    /// Only a part of this version is applied.
    half_way_to: Option<String>,
    upgrades_to: Vec<String>,
    rollback_to: Vec<String>,
    /// What was applied, in order.
    legs: Vec<LegView>,
    /// Scripts whose text is another one than that which was applied.
    edited: Vec<String>,
    unfinished: Vec<RunView>,
    /// Who is at work now.
    at_work: Option<String>,
    /// What does not fit.
    problem: Option<String>,
    #[serde(skip)]
    help: Option<String>,
    #[serde(skip)]
    code: Option<Code>,
}

#[derive(Debug, Serialize)]
struct LegView {
    from: Option<String>,
    to: String,
    scripts: usize,
    at: String,
    by: String,
}

/// Looks at each database and shows it.
pub(crate) async fn status(context: &Context, project: &str, of: &OfFlags, exit_code: bool) -> Result<Exit> {
    let reached = reach(context, project, of)?;
    let newest = reached.project.editions.keys().next_back().cloned();
    let mut databases = Vec::new();
    for one in &reached.databases {
        let mut session = context.open(&one.settings).await?;
        databases.push(place(&mut *session, &reached, one).await?);
    }
    let newest = newest.map(|release| reached.project.as_written(&release).to_string());
    let up_to_date = databases.iter().all(|place| place.is_whole() && place.version == newest);
    let view = ProjectStatusView { project: project.to_owned(), newest, up_to_date, databases };
    context.console.show("ProjectStatus", &view, ProjectStatusView::text);
    Ok(match view.databases.iter().find_map(|place| place.code) {
        _ if !exit_code => Exit::DONE,
        Some(code) => code.into(),
        None if view.up_to_date => Exit::DONE,
        None => Code::Pending.into(),
    })
}

async fn place(session: &mut dyn Session, reached: &Reached, one: &One) -> Result<PlaceView> {
    let project = &reached.project;
    let looked = look(session, &project.name).await?;
    let (at, problem) = match looked.at(reached) {
        Ok(at) => (Some(at), None),
        Err(fault) => match fault.refusal() {
            Some(refusal) => (None, Some(refusal.clone())),
            None => return Err(fault),
        },
    };
    let version = at.as_ref().and_then(|at| at.version.clone());
    let half = at.and_then(|at| at.half_way_to);
    let told = |refusal: &Refusal| match &refusal.cause {
        Some(cause) => format!("{}: {cause}", refusal.what),
        None => refusal.what.clone(),
    };
    let unfinished = looked.unfinished.iter().filter(|run| !is_alter(run) && !in_window(run));
    Ok(PlaceView {
        name: one.name.clone(),
        database: session.facts(&[]).await?.server.database,
        upgrades_to: next(project, version.as_ref(), true),
        rollback_to: next(project, version.as_ref(), false),
        version: version.or_else(|| said(&looked)).map(|release| release.to_string()),
        half_way_to: half.map(|release| release.to_string()),
        legs: looked.begun.iter().map(|leg| leg_view(leg, &looked)).collect(),
        edited: project.edited(reached.kind, &looked.history),
        unfinished: unfinished.map(RunView::from).collect(),
        at_work: session.holder().await?.map(|holder| holder.to_string()),
        help: problem.as_ref().and_then(|refusal| refusal.help.clone()),
        code: problem.as_ref().map(|refusal| refusal.code),
        problem: problem.as_ref().map(told),
    })
}

/// What the table says, where it cannot be true.
fn said(looked: &Looked) -> Option<Release> {
    looked.metadata.version.as_deref().and_then(|text| Release::parse(text).ok())
}

/// What the matrix allows in one step, of what there are files for.
fn next(project: &Project, version: Option<&Release>, up: bool) -> Vec<String> {
    let (Some(version), Some(config)) = (version, &project.config) else { return Vec::new() };
    let Some(entry) = config.entries.get(version) else { return Vec::new() };
    let targets = if up { &entry.upgrades_to } else { &entry.rollback_to };
    let known = |release: &Release| Matrix::of(config).releases().any(|known| known == release);
    let targets = targets.iter().map(|target| &target.release);
    targets.filter(|release| known(release)).map(Release::to_string).collect()
}

fn leg_view(leg: &Begun, looked: &Looked) -> LegView {
    let rows = looked.history.iter().filter(|row| row.in_force() && leg.keys.contains(&row.key));
    let last = rows.max_by_key(|row| row.rank);
    LegView {
        from: leg.from.as_ref().map(Release::to_string),
        to: leg.to.to_string(),
        scripts: leg.keys.len(),
        at: last.map(|row| row.at.clone()).unwrap_or_default(),
        by: last.map(|row| row.by.clone()).unwrap_or_default(),
    }
}

impl PlaceView {
    fn is_whole(&self) -> bool {
        self.half_way_to.is_none()
            && self.unfinished.is_empty()
            && self.problem.is_none()
            && self.edited.is_empty()
    }

    fn text(&self, project: &str) -> String {
        let version = self.version.as_deref().unwrap_or("not installed");
        let mut out = format!("{project} in {} ({}): {version}", self.name, self.database);
        if let Some(half) = &self.half_way_to {
            out += &format!(", and a part of {half}");
        }
        out += "\n";
        for leg in &self.legs {
            let how = match &leg.from {
                Some(from) => format!("upgrade {from} → {}", leg.to),
                None => format!("install {}", leg.to),
            };
            out += &format!("  {how}: {}, {} by {}\n", count(leg.scripts, "script"), minute(&leg.at), leg.by);
        }
        for path in &self.edited {
            out += &format!("  edited since it was applied: {path}\n");
        }
        for run in &self.unfinished {
            out += &format!("  unfinished: {}\n", run.line());
        }
        if let Some(holder) = &self.at_work {
            out += &format!("  at work: {holder}\n");
        }
        if let Some(problem) = &self.problem {
            out += &format!("  problem: {problem}\n");
        }
        out + &self.next(project)
    }

    fn next(&self, project: &str) -> String {
        let command = |verb: &str, version: &str| {
            format!("  next: cofferdam {verb} --project {project} --version {version}\n")
        };
        if let Some(help) = &self.help {
            return format!("  next: {help}\n");
        }
        match (&self.half_way_to, &self.version, self.upgrades_to.first()) {
            (Some(half), Some(_), _) => command("upgrade", half),
            (Some(half), None, _) => command("install", half),
            (None, Some(_), Some(up)) => command("upgrade", up),
            _ => String::new(),
        }
    }
}

impl ProjectStatusView {
    fn text(&self) -> String {
        self.databases.iter().map(|place| place.text(&self.project)).collect()
    }
}
