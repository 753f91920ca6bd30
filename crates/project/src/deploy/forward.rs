//! The legs of an installation or an upgrade from where a database is.

use cofferdam_core::{Code, Refusal};

use super::At;
use crate::config::DatabaseType;
use crate::layout::Project;
use crate::release::Release;
use crate::route::{Leg, Route};

/// What makes a database of this version. `asked`: an installation of this very version was asked for by the last
/// command about the project, so that what is there already is the beginning of it.
///
/// # Errors
/// `ProjectThere` where another version is there, `ProjectHalfWay`, and those of [`Project::install`].
pub fn install(
    project: &Project,
    kind: DatabaseType,
    at: &At,
    to: &Release,
    asked: bool,
) -> Result<Route, Box<Refusal>> {
    let name = &project.name;
    match (&at.version, &at.half_way_to) {
        (None, None) => project.install(to, kind),
        (None, Some(half)) => {
            let mut legs = project.install(half, kind)?.legs;
            legs.extend(rest(project, kind, half, to)?);
            Ok(route(project, kind, legs))
        }
        (Some(version), None) if version == to => Ok(route(project, kind, Vec::new())),
        (Some(_), _) if asked => onwards(project, kind, at, to),
        (Some(version), None) => Err(Box::new(
            Refusal::new(Code::ProjectThere, format!("{name} {version} is installed here"))
                .cause(format!("{to} is to be installed, which needs a database without the project"))
                .help(match version < to {
                    true => format!("cofferdam upgrade --project {name} --version {to}"),
                    false => format!("cofferdam rollback --project {name} --version {to}"),
                }),
        )),
        (Some(_), Some(half)) => Err(Box::new(half_way(project, at, half))),
    }
}

/// What brings a database to a later version. `from`: what the caller believes that it has.
///
/// # Errors
/// `ProjectNotInstalled`, `StaleFromVersion`, `ProjectHalfWay`, and those of [`Project::upgrade`].
pub fn upgrade(
    project: &Project,
    kind: DatabaseType,
    at: &At,
    to: &Release,
    from: Option<&Release>,
) -> Result<Route, Box<Refusal>> {
    let name = &project.name;
    let Some(version) = &at.version else {
        return Err(Box::new(match &at.half_way_to {
            Some(half) => half_way(project, at, half),
            None => {
                Refusal::new(Code::ProjectNotInstalled, format!("{name} is not installed in this database"))
                    .cause("project_metadata has no row of it, and nothing of it was applied here")
                    .help(format!("cofferdam install --project {name} --version {to}"))
            }
        }));
    };
    let there = at.half_way_to.is_none() && version == to;
    if let Some(from) = from.filter(|from| *from != version && !there) {
        let refusal =
            Refusal::new(Code::StaleFromVersion, format!("the database does not have {name} {from}"));
        return Err(Box::new(match &at.half_way_to {
            Some(half) => refusal
                .cause(format!("it has {version}, and a part of {half}"))
                .help(format!("cofferdam upgrade --project {name} --version {half} --from-version {version}")),
            None => refusal.cause(format!("it has {version}")).help(format!(
                "cofferdam upgrade --project {name} --version {to} --from-version {version}, if that is what is wanted"
            )),
        }));
    }
    if there { Ok(route(project, kind, Vec::new())) } else { onwards(project, kind, at, to) }
}

/// From an installed version, by way of the leg that is begun, if one is.
fn onwards(project: &Project, kind: DatabaseType, at: &At, to: &Release) -> Result<Route, Box<Refusal>> {
    let Some(version) = &at.version else { return project.install(to, kind) };
    let Some(half) = &at.half_way_to else { return project.upgrade(version, to, kind) };
    if to < half || half < version {
        return Err(Box::new(half_way(project, at, half)));
    }
    let mut legs = project.upgrades(&[version.clone(), half.clone()], kind)?;
    legs.extend(rest(project, kind, half, to)?);
    Ok(route(project, kind, legs))
}

fn rest(
    project: &Project,
    kind: DatabaseType,
    half: &Release,
    to: &Release,
) -> Result<Vec<Leg>, Box<Refusal>> {
    if half == to { Ok(Vec::new()) } else { Ok(project.upgrade(half, to, kind)?.legs) }
}

fn route(project: &Project, kind: DatabaseType, legs: Vec<Leg>) -> Route {
    Route { project: project.name.clone(), kind, legs }
}

/// The refusal for a database in which another leg was begun.
pub(super) fn half_way(project: &Project, at: &At, half: &Release) -> Refusal {
    let name = &project.name;
    let refusal = Refusal::new(Code::ProjectHalfWay, format!("only a part of {name} {half} is applied here"));
    match &at.version {
        Some(version) if half < version => refusal
            .cause(format!("a rollback from {version} to {half} began and did not end"))
            .help(format!("cofferdam rollback --project {name} --version {half} goes on with it")),
        Some(version) => refusal
            .cause(format!("an upgrade from {version} to {half} began and did not end"))
            .help(format!(
                "cofferdam upgrade --project {name} --version {half} goes on with it; cofferdam rollback --project {name} --version {version} takes it back"
            )),
        None => refusal
            .cause("its installation began and did not end")
            .help(format!("cofferdam install --project {name} --version {half} goes on with it")),
    }
}
