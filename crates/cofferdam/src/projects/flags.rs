//! Flags that the commands of a project share.

use cofferdam_project::Release;

/// Which of the project's databases, and where.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct OfFlags {
    /// The type of database whose scripts are meant: postgresql [default: that of all of the project's databases]
    #[arg(long, value_name = "TYPE", requires = "project", help_heading = "Project")]
    pub(crate) database_type: Option<String>,
    /// The environment: that of cofferdam.yaml, as --env; where the file has none, a name for the audit
    #[arg(long, value_name = "NAME", requires = "project", help_heading = "Project")]
    pub(crate) environment: Option<String>,
    /// Only this database of project-config.yaml; may be repeated [default: all]
    #[arg(long, value_name = "NAME", requires = "project", help_heading = "Project")]
    pub(crate) database: Vec<String>,
}

/// Reads a version of a project.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn release(text: &str) -> Result<Release, String> {
    Release::parse(text).map_err(|why| format!("{text:?} is no version of a project: {why}"))
}
