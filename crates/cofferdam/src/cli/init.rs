//! `init`: a directory for migrations, and a cofferdam.yaml.

use std::path::PathBuf;

use cofferdam_core::Result;
use serde::Serialize;

use super::{Command, Exit, flags};
use crate::config::DEFAULT_DIRECTORY;
use crate::context::Context;
use crate::files;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The directory to make [default: migrations]
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Name files 001_name.up.sql instead of V1__name.sql
    #[arg(long)]
    plain: bool,
}

pub(crate) static COMMAND: Command = Command {
    name: "init",
    aliases: &[],
    about: "Make a directory for migrations and a cofferdam.yaml",
    more: "Nothing that is there is overwritten.",
    examples: &[
        ("cofferdam init", "migrations/ with files named as Flyway's"),
        ("cofferdam init db --plain", "db/ with files named 001_name.up.sql"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { init(&context, &flags(&matches)?) }),
};

/// The document of kind `Files`.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    pub(crate) files: Vec<String>,
}

impl Written {
    /// A line for each file.
    pub(crate) fn text(&self) -> String {
        self.files.iter().map(|file| format!("wrote {file}\n")).collect()
    }
}

fn init(context: &Context, flags: &Flags) -> Result<Exit> {
    let directory = flags
        .directory
        .clone()
        .or_else(|| context.common.dir.clone())
        .unwrap_or_else(|| PathBuf::from(DEFAULT_DIRECTORY));
    let shown = directory.display().to_string();
    let format = if flags.plain { "plain" } else { "flyway" };
    files::create("cofferdam.yaml".as_ref(), &configuration(&shown, format))?;
    files::make_directory(&directory)?;
    let written = Written { files: vec!["cofferdam.yaml".to_owned(), format!("{shown}/")] };
    context.console.show("Files", &written, Written::text);
    context.console.note("next: cofferdam new create_users");
    Ok(Exit::DONE)
}

fn configuration(directory: &str, format: &str) -> String {
    let quoted = serde_json::Value::from(directory);
    format!(
        "# What Cofferdam works on. Flags, COFFERDAM_* variables and DATABASE_URL come before this file.
dir: {quoted}
format: {format}
environments:
  local:
    url: postgres://localhost:5432/postgres
  # prod:
  #   url: env:PROD_DATABASE_URL     # or file:/run/secrets/url
  #   lockTimeout: 250ms
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for directory in ["migrations", "db: \"x\"", "ä b"] {
            let text = configuration(directory, "flyway");
            let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(read["dir"], directory);
            assert_eq!(read["environments"]["local"]["url"], "postgres://localhost:5432/postgres");
        }
    }
}
