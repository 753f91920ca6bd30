//! The way back of a version that was installed directly: nothing is stored that leads to an earlier one, but the files of
//! its upgrade have scripts that do.

use cofferdam_core::{Code, Refusal};

use super::{At, Begun};
use crate::config::DatabaseType;
use crate::layout::Project;
use crate::release::Release;
use crate::route::Route;

/// The legs that lead back by the rollbacks of the files, applied as scripts are: what they do is in the history, too, so
/// that the same command goes on after a kill, and a later upgrade begins from there. `None` where what is stored
/// leads there, or where nothing of the project was installed here.
///
/// # Errors
/// Those of [`Project::rollback`]: the matrix does not lead there, or a script has no rollback.
pub fn down(
    project: &Project,
    kind: DatabaseType,
    at: &At,
    begun: &[Begun],
    to: &Release,
) -> Result<Option<Route>, Box<Refusal>> {
    let (Some(version), Some(last)) = (&at.version, begun.last()) else { return Ok(None) };
    let leads_there = begun.iter().any(|leg| leg.to == *to && at.half_way_to.as_ref() != Some(to))
        || begun.first().is_some_and(|leg| leg.from.as_ref() == Some(to));
    if leads_there || version <= to {
        return Ok(None);
    }
    // A rollback of this kind that was cut off goes on; one to another version does not begin in its midst.
    if let Some(half) = at.half_way_to.as_ref().filter(|half| !last.is_down() || *half != to) {
        return Err(Box::new(super::forward::half_way(project, at, half)));
    }
    if !last.is_down() && last.from.is_some() {
        return Err(Box::new(above(project, begun, version, to)));
    }
    project.rollback(version, to, kind).map(Some)
}

/// What was upgraded since the installation has its way back stored, and comes first.
fn above(project: &Project, begun: &[Begun], version: &Release, to: &Release) -> Refusal {
    let name = &project.name;
    let installed = begun.iter().rev().find(|leg| leg.from.is_none() || leg.is_down()).map(|leg| &leg.to);
    let refusal = Refusal::new(
        Code::NotAppliedHere,
        format!("the way from {name} {to} to {version} was not gone in this database"),
    );
    match installed {
        Some(installed) => {
            refusal.cause(format!("{installed} was installed directly, and upgraded since")).help(format!(
                "cofferdam rollback --project {name} --version {} first, and then to {to}",
                project.as_written(installed)
            ))
        }
        None => refusal
            .cause("what is below the first upgrade was not made by Cofferdam")
            .help("restore a backup, or write an upgrade to a later version that does it"),
    }
}
