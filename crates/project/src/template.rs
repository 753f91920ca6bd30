//! Files around a project: the image, the pipelines, the schema for editors.

use cofferdam_core::{Code, Refusal};

use crate::config::DatabaseType;
use crate::layout::{K8S, PROJECTS, Project};
use crate::scaffold::NewFile;

/// A file that is written from a template.
pub struct Template {
    /// What `--template` takes.
    pub id: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Where it goes.
    path: fn(&Subject<'_>) -> String,
    /// What it says, with names between two `@`.
    text: fn() -> String,
}

/// What a template is filled with.
struct Subject<'a> {
    project: &'a str,
    /// The directory of the migrations, as the user would type it.
    dir: &'a str,
    /// Its newest version.
    version: String,
}

/// All of them, in the order of their names.
pub static TEMPLATES: &[&Template] = &[
    &Template {
        id: "docker",
        about: "the image with the project's migrations, which is built only when the gate passes",
        path: |of| format!("{}/docker/postgresql-migrator/Dockerfile", project_dir(of)),
        text: || include_str!("../templates/docker").to_owned(),
    },
    &Template {
        id: "github",
        about: "a workflow of GitHub Actions",
        path: |of| format!(".github/workflows/{}-migrations.yml", of.project),
        text: || include_str!("../templates/github").to_owned(),
    },
    &Template {
        id: "gitlab",
        about: "jobs of GitLab CI, for `include: local`",
        path: |of| format!(".gitlab/{}-migrations.yml", of.project),
        text: || include_str!("../templates/gitlab").to_owned(),
    },
    &Template {
        id: "helm",
        about: "values of the Job that migrates before each release of a chart",
        path: |of| format!("{}/{K8S}/{PROJECTS}/{}/values.yaml", of.dir, of.project),
        text: || include_str!("../templates/helm").to_owned(),
    },
    &Template {
        id: "jenkins",
        about: "a declarative pipeline of Jenkins",
        path: |of| format!("jenkins/{}-migrations.Jenkinsfile", of.project),
        text: || include_str!("../templates/jenkins").to_owned(),
    },
    &Template {
        id: "schema",
        about: "the JSON Schema of project-config.yaml, for editors",
        path: |of| format!("{}/project-config.schema.json", of.dir),
        text: schema_text,
    },
];

fn project_dir(of: &Subject<'_>) -> String {
    format!("{}/{PROJECTS}/{}", of.dir, of.project)
}

/// The JSON Schema of project-config.yaml as a file.
pub fn schema_text() -> String {
    format!("{:#}\n", crate::config::schema())
}

/// The file of a template for a project. `dir` is the directory of the migrations, `tool` the version of this program.
///
/// # Errors
/// `Usage` for names that a shell would not take as they are, `WrongDatabaseType` where the project has no database that can be migrated in this way, and what makes its
/// configuration unreadable.
pub fn file(template: &Template, project: &Project, dir: &str, tool: &str) -> Result<NewFile, Box<Refusal>> {
    let config = project.configured()?;
    if !config.types().contains(&DatabaseType::Postgresql) {
        return Err(Refusal::new(
            Code::WrongDatabaseType,
            format!("{} has no PostgreSQL database", project.name),
        )
        .cause("the image and the pipelines are those of PostgreSQL")
        .into());
    }
    // They go into shell commands and YAML as they are.
    let plain = |text: &str| {
        text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/'))
    };
    if let Some(odd) =
        [project.name.as_str(), dir].into_iter().find(|text| !plain(text) || text.starts_with('-'))
    {
        return Err(Refusal::new(Code::Usage, format!("{odd:?} cannot stand in a template"))
            .help("use letters, digits, points, - and _ in the names of directories")
            .into());
    }
    let newest = project.editions.keys().next_back().or_else(|| config.entries.keys().next());
    let version = newest.map(|release| project.as_written(release).to_string()).unwrap_or_default();
    let subject = Subject { project: &project.name, dir: dir.trim_end_matches('/'), version };
    let text = (template.text)()
        .replace("@PROJECT@", subject.project)
        .replace("@DIR@", subject.dir)
        .replace("@VERSION@", &subject.version)
        .replace("@TOOL@", tool);
    Ok(NewFile { path: (template.path)(&subject), text })
}
