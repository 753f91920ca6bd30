//! `new --project`: scripts and files from templates.

use cofferdam_core::{Code, Fault, Refusal, Result};
use cofferdam_formats::{Tree, nearest};
use cofferdam_project::Project;
use cofferdam_project::scaffold::{NewFile, Request, scripts};
use cofferdam_project::template::{self, TEMPLATES};
use serde::Serialize;

use crate::cli::Exit;
use crate::context::Context;
use crate::files;

/// The flags of `new` that are about a project.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "For a project")]
pub(crate) struct NewFlags {
    /// Write into projects/PROJECT: a script, its rollback and its validation; begins the project where it is not
    /// there
    #[arg(long, value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// The version that is upgraded from [default: the one that leads to --version]
    #[arg(long, value_name = "VERSION", requires = "project")]
    from_version: Option<String>,
    /// schema, data, indexes; pre-upgrade, schema-changes, data-migration, post-upgrade
    #[arg(long, value_name = "STAGE", requires = "project")]
    stage: Option<String>,
    /// postgresql, mysql, mariadb, mongodb [default: that of the project's first database]
    #[arg(long, value_name = "TYPE", requires = "project")]
    database_type: Option<String>,
    /// Write a file from a template instead: docker, github, gitlab, helm, jenkins, schema; may be repeated
    #[arg(long, visible_alias = "ci", value_name = "TEMPLATE", requires = "project")]
    pub(crate) template: Vec<String>,
}

/// The document of kind `Files`.
#[derive(Debug, Serialize)]
struct FilesView {
    files: Vec<String>,
    unchanged: Vec<String>,
}

impl FilesView {
    fn text(&self) -> String {
        let wrote = self.files.iter().map(|file| format!("wrote {file}\n"));
        wrote.chain(self.unchanged.iter().map(|file| format!("{file} is as it should be\n"))).collect()
    }
}

/// Writes what is asked for, or nothing.
pub(crate) fn new(
    context: &Context,
    project: &str,
    version: Option<&str>,
    name: Option<&str>,
    flags: &NewFlags,
) -> Result<Exit> {
    let settings = context.settings()?;
    let dir = settings.dir.display().to_string();
    let tree = match files::tree(&settings.dir) {
        Ok(tree) => tree,
        // The first project begins the directory.
        Err(Fault::Refused(refusal))
            if matches!(refusal.code, Code::NoSuchDirectory | Code::EmptyDirectory)
                && (refusal.code == Code::EmptyDirectory || settings.dir_is_default) =>
        {
            Tree { root: dir.clone(), files: Vec::new() }
        }
        Err(fault) => return Err(fault),
    };
    let (wanted, notes) = if flags.template.is_empty() {
        let missing = |what: &str| {
            Refusal::new(Code::Usage, format!("a script of a project needs {what}"))
                .help(format!("cofferdam new --project {project} --version v1.0.0 create_tables"))
        };
        let moment = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S").to_string();
        let request = Request {
            project,
            version: version.ok_or_else(|| missing("--version"))?,
            name: name.ok_or_else(|| missing("a name"))?,
            from: flags.from_version.as_deref(),
            stage: flags.stage.as_deref(),
            database_type: flags.database_type.as_deref(),
            moment: &moment,
        };
        let scaffold = scripts(&tree, request).map_err(Fault::Refused)?;
        (scaffold.files, scaffold.notes)
    } else {
        (from_templates(&tree, project, &dir, &flags.template)?, Vec::new())
    };
    let view = write(wanted)?;
    context.console.show("Files", &view, FilesView::text);
    for note in notes {
        context.console.note(&format!("next: {note}"));
    }
    Ok(Exit::DONE)
}

fn from_templates(tree: &Tree, project: &str, dir: &str, ids: &[String]) -> Result<Vec<NewFile>> {
    let project = Project::read(tree, project).map_err(Fault::Refused)?;
    let file = |id: &String| {
        let template =
            TEMPLATES.iter().find(|template| template.id == id).ok_or_else(|| no_such_template(id))?;
        template::file(template, &project, dir, env!("CARGO_PKG_VERSION")).map_err(Fault::Refused)
    };
    ids.iter().map(file).collect()
}

fn no_such_template(id: &str) -> Refusal {
    let refusal = Refusal::new(Code::Usage, format!("there is no template {id}"));
    let refusal = match nearest(id, TEMPLATES.iter().map(|template| template.id)) {
        Some(near) => refusal.help(format!("did you mean --template {near}?")),
        None => refusal,
    };
    TEMPLATES
        .iter()
        .fold(refusal, |refusal, template| refusal.note(format!("{}: {}", template.id, template.about)))
}

/// Writes files that are not there. One that is there with this text is fine; with another one nothing is written.
fn write(wanted: Vec<NewFile>) -> Result<FilesView> {
    let (mut fresh, mut unchanged) = (Vec::new(), Vec::new());
    for file in wanted {
        match std::fs::read(&file.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh.push(file),
            Ok(there) if there == file.text.as_bytes() => unchanged.push(file.path),
            Ok(_) => {
                return Err(Refusal::new(
                    Code::FileDiffers,
                    format!("{} is there and says something else", file.path),
                )
                .cause("nothing was written")
                .help("move it away to have it written anew")
                .into());
            }
            Err(error) => {
                return Err(Refusal::new(Code::UnreadableFile, format!("{} cannot be read", file.path))
                    .cause(error.to_string())
                    .help("check the path and its rights")
                    .into());
            }
        }
    }
    for file in &fresh {
        files::create(file.path.as_ref(), &file.text)?;
    }
    Ok(FilesView { files: fresh.into_iter().map(|file| file.path).collect(), unchanged })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_where_one_file_differs_none_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| NewFile {
            path: directory.path().join(name).display().to_string(),
            text: text.to_owned(),
        };
        assert_eq!(write(vec![file("a", "1"), file("b", "2")]).unwrap().files.len(), 2);
        let again = write(vec![file("a", "1"), file("c", "3")]).unwrap();
        assert_eq!((again.files.len(), again.unchanged.len()), (1, 1));
        let refused = write(vec![file("d", "4"), file("b", "other")]).unwrap_err();
        assert_eq!(refused.refusal().unwrap().code, Code::FileDiffers);
        assert!(!directory.path().join("d").exists());
        assert_eq!(std::fs::read_to_string(directory.path().join("b")).unwrap(), "2");
    }

    #[test]
    fn the_help_names_every_template() {
        let help =
            <NewFlags as clap::Args>::augment_args(clap::Command::new("x")).render_long_help().to_string();
        for template in TEMPLATES {
            assert!(help.contains(template.id), "{}: {help}", template.id);
        }
        assert!(no_such_template("githab").help.unwrap().contains("github"));
    }
}
