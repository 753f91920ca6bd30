//! What takes a database back to an earlier version: what is in force of later ones, by what was stored with it.

use cofferdam_core::{Code, Refusal};

use super::forward::half_way;
use super::{At, Begun};
use crate::layout::Project;
use crate::matrix::Matrix;
use crate::release::Release;

/// What is to be taken back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Retreat {
    /// The versions of the history, the last applied first.
    pub keys: Vec<String>,
    /// With which of them the project reaches which version, in the same order: the last one of each leg.
    pub reaches: Vec<(String, Release)>,
}

/// The way back to a version. The matrix says whether it may be gone, where it knows the version that is there; the
/// history, what there is to take back: so an older checkout can take back what a newer one applied.
///
/// # Errors
/// `ProjectNotInstalled`, `NotAppliedHere`, and those of [`Matrix::rollback`].
pub fn back(project: &Project, at: &At, begun: &[Begun], to: &Release) -> Result<Retreat, Box<Refusal>> {
    let name = &project.name;
    let Some(version) = &at.version else {
        return Err(Box::new(match &at.half_way_to {
            Some(half) => half_way(project, at, half),
            None => {
                Refusal::new(Code::ProjectNotInstalled, format!("{name} is not installed in this database"))
                    .cause("project_metadata has no row of it, and nothing of it was applied here")
                    .help(format!("cofferdam status --project {name}"))
            }
        }));
    };
    if version == to && at.half_way_to.is_none() {
        return Ok(Retreat::default());
    }
    let matrix = Matrix::of(project.configured()?);
    if version != to && (matrix.releases().any(|known| known == version) || to > version) {
        matrix.rollback(version, to)?;
    }
    let kept = match begun.iter().rposition(|leg| leg.to == *to) {
        Some(index) => index + 1,
        None if begun.first().is_some_and(|leg| leg.from.as_ref() == Some(to)) => 0,
        None => return Err(Box::new(not_applied(project, version, to, begun))),
    };
    let mut retreat = Retreat::default();
    for leg in begun.iter().skip(kept).rev() {
        retreat.keys.extend(leg.keys.iter().rev().cloned());
        if let (Some(last), Some(from)) = (leg.keys.first(), &leg.from) {
            retreat.reaches.push((last.clone(), project.as_written(from)));
        }
    }
    Ok(retreat)
}

fn not_applied(project: &Project, version: &Release, to: &Release, begun: &[Begun]) -> Refusal {
    let name = &project.name;
    let way: Vec<String> = begun
        .iter()
        .map(|leg| match &leg.from {
            Some(from) => format!("{from} to {}", leg.to),
            None => format!("installed {}", leg.to),
        })
        .collect();
    Refusal::new(
        Code::NotAppliedHere,
        format!("the way from {name} {to} to {version} was not gone in this database"),
    )
    .cause(match way.is_empty() {
        true => "nothing of the project was applied by Cofferdam here, so there are no stored ways back"
            .to_owned(),
        false => format!("what was applied: {}", way.join(", ")),
    })
    .help("restore a backup, or write an upgrade to a later version that does it")
}
