//! Which version a database has: by its table `project_metadata`, and by its history.

use cofferdam_core::{Code, Refusal};

use super::Begun;
use crate::config::DatabaseType;
use crate::layout::Project;
use crate::release::Release;

/// Where a database is.
#[derive(Debug, Clone, PartialEq)]
pub struct At {
    /// The version that it has, or had when the unfinished leg began; `None`: the project is not there.
    pub version: Option<Release>,
    /// The version that a leg leads to of which only a part is applied.
    pub half_way_to: Option<Release>,
}

impl At {
    /// Puts together what the table says and what the history does. Rows that were written by another program count
    /// as long as the history has nothing to say against them.
    ///
    /// # Errors
    /// `VersionDisagrees` where both cannot be true.
    pub fn of(
        project: &Project,
        kind: DatabaseType,
        begun: &[Begun],
        metadata: Option<&str>,
    ) -> Result<Self, Box<Refusal>> {
        let said = match metadata.map(Release::parse) {
            Some(Err(why)) => {
                let text = metadata.unwrap_or_default();
                let what = format!("project_metadata says that {} is at {text:?}", project.name);
                return Err(Box::new(
                    Refusal::new(Code::VersionDisagrees, what)
                        .cause(why)
                        .help("correct project_version of its row"),
                ));
            }
            Some(Ok(said)) => Some(said),
            None => None,
        };
        let Some(last) = begun.last() else { return Ok(Self { version: said, half_way_to: None }) };
        let whole = match project.whole(kind, last.from.as_ref(), &last.to) {
            Some(keys) => keys.iter().all(|key| last.keys.contains(key)),
            // The files are those of another checkout: the version is written with the last script.
            None => said.as_ref() == Some(&last.to),
        };
        let written = |release: &Release| project.as_written(release);
        match (whole, said) {
            (true, Some(said)) if said == last.to => {
                Ok(Self { version: Some(written(&last.to)), half_way_to: None })
            }
            // A script may write the version of its own accord, before the last one is applied or taken back.
            (false, said) if said == last.from || said.as_ref() == Some(&last.to) => {
                Ok(Self { version: last.from.as_ref().map(written), half_way_to: Some(written(&last.to)) })
            }
            (_, said) => Err(Box::new(disagrees(project, last, whole, said))),
        }
    }
}

fn disagrees(project: &Project, last: &Begun, whole: bool, said: Option<Release>) -> Refusal {
    let said = said.map_or_else(|| "has no version of it".to_owned(), |said| format!("says {said}"));
    let (to, part) = (&last.to, if whole { "all" } else { "a part" });
    let right = if whole { Some(to) } else { last.from.as_ref() };
    let refusal = Refusal::new(
        Code::VersionDisagrees,
        format!("project_metadata and the history disagree about {}", project.name),
    )
    .cause(format!("project_metadata {said}, and {part} of {to} is applied here, newer than anything else"));
    match right {
        Some(right) => refusal.help(format!(
            "if nobody else changed the database: UPDATE project_metadata SET project_version = '{}' WHERE project_name = '{}'",
            project.as_written(right),
            project.name
        )),
        None => refusal.help(format!(
            "if nobody else changed the database: DELETE FROM project_metadata WHERE project_name = '{}'",
            project.name
        )),
    }
    .note("what another program changed is not in the history: cofferdam history shows what is")
}
