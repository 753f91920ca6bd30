//! `new`: the files of a new migration.

use cofferdam_core::bundle::{Bundle, Version};
use cofferdam_core::{Code, Fault, Refusal, Result};
use cofferdam_formats::{FORMATS, Format};

use super::init::Written;
use super::{Command, Exit, flags};
use crate::args::policy;
use crate::config::Settings;
use crate::context::Context;
use crate::files;
use crate::projects::{self, NewFlags};

#[derive(Debug, clap::Args)]
struct Flags {
    /// What the migration is for: create_users, "add plan to users"
    #[arg(value_name = "NAME", required_unless_present = "template")]
    name: Option<String>,
    /// Its version [default: the one after the newest]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Write a check script, too: queries that must return no row afterwards
    #[arg(long)]
    with_check: bool,
    #[command(flatten)]
    of_project: NewFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "new",
    aliases: &["create"],
    about: "Write the files of a new migration: the change and the way back",
    more: "The files are named as the others in the directory. With --project they are those of a version in \
           projects/PROJECT, with a validation beside the rollback, and --template writes files around it. Nothing that \
           is there is overwritten.",
    examples: &[
        ("cofferdam new create_users", "the version after the newest"),
        (
            "cofferdam new 'add plan to users' --version 1.6.0 --with-check",
            "this version, with a check script",
        ),
        ("cofferdam new --project shop --version v1.1.0 add_orders", "a script of a project"),
        ("cofferdam new --project shop --template docker --ci github", "its image and its pipeline"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { new(&context, &flags(&matches)?) }),
};

/// The format of a directory that has no file yet.
const FIRST: &str = "flyway";

const UP: &str = "-- The change. `cofferdam lint` says what it would do to a live database.\n";
const DOWN: &str = "-- The way back. Without this file Cofferdam derives it where it can.\n";
const CHECK: &str = "-- Queries that must return no row once the change is made.\n";

fn new(context: &Context, flags: &Flags) -> Result<Exit> {
    let (name, version) = (flags.name.as_deref(), flags.version.as_deref());
    if let Some(project) = &flags.of_project.project {
        return projects::new(context, project, version, name, &flags.of_project);
    }
    let settings = context.settings()?;
    let (format, newest) = directory(&settings)?;
    let version = match &flags.version {
        Some(text) => policy::version(text)?.text,
        None => next(newest.as_deref(), format.id),
    };
    let Some(name_new) = format.name_new else { return Err(by_its_tool(format).into()) };
    let names = name_new(&version, name.unwrap_or_default());
    let up = if names.text.is_empty() { UP } else { names.text };
    let mut wanted = vec![(names.up, up)];
    wanted.extend(names.down.map(|down| (down, DOWN)));
    if flags.with_check {
        let Some(check) = names.check else {
            return Err(Refusal::new(
                Code::Usage,
                format!("a directory of {} has no check scripts", format.id),
            )
            .cause(format!("{} would take the file for a migration", format.id))
            .help("leave --with-check out")
            .into());
        };
        wanted.push((check, CHECK));
    }
    let mut written = Vec::new();
    for (name, text) in wanted {
        let path = settings.dir.join(name);
        files::create(&path, text)?;
        written.push(path.display().to_string());
    }
    context.console.show("Files", &Written { files: written }, Written::text);
    Ok(Exit::DONE)
}

/// A file alone makes no migration there.
fn by_its_tool(format: &Format) -> Refusal {
    Refusal::new(Code::Usage, format!("a new migration of {} is not written by Cofferdam", format.id))
        .cause(
            "the directory keeps a list or a sum of its files, which the tool writes together with the file",
        )
        .help(match format.id {
            "atlas" => "atlas migrate new NAME",
            _ => "drizzle-kit generate",
        })
}

/// The directory's format and its newest version.
fn directory(settings: &Settings) -> Result<(&'static Format, Option<String>)> {
    match files::bundle(settings) {
        Ok(bundle) => Ok((format(bundle.format)?, newest(&bundle))),
        // An empty directory has no format yet: the one that is asked for, or this one.
        Err(Fault::Refused(refusal)) if refusal.code == Code::EmptyDirectory => match &settings.format {
            Some(id) => Ok((format(id)?, None)),
            None => Ok((format(FIRST)?, None)),
        },
        Err(fault) => Err(fault),
    }
}

fn format(id: &str) -> Result<&'static Format> {
    FORMATS
        .iter()
        .copied()
        .find(|f| f.id == id)
        .ok_or_else(|| Refusal::new(Code::UnknownFormat, format!("there is no format {id}")).into())
}

fn newest(bundle: &Bundle) -> Option<String> {
    bundle.migrations.iter().filter_map(|m| m.version.as_ref()).max().map(|v: &Version| v.text.clone())
}

/// The version after the newest: its last part and one, as wide as it was. A moment (14 digits) is followed by
/// the present one.
fn next(newest: Option<&str>, format: &str) -> String {
    let Some(newest) = newest else { return if format == "plain" { "001" } else { "1" }.to_owned() };
    if newest.len() == 14 && newest.bytes().all(|b| b.is_ascii_digit()) {
        return jiff::Timestamp::now().strftime("%Y%m%d%H%M%S").to_string();
    }
    let (before, last) = newest.rsplit_once('.').map_or(("", newest), |(before, last)| (before, last));
    let number = last.parse::<u128>().unwrap_or_default().saturating_add(1);
    let point = if before.is_empty() { "" } else { "." };
    format!("{before}{point}{number:0width$}", width = last.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_version_is_written_like_the_newest() {
        for (newest, format, expected) in [
            (None, "flyway", "1"),
            (None, "plain", "001"),
            (Some("1"), "flyway", "2"),
            (Some("009"), "plain", "010"),
            (Some("999"), "plain", "1000"),
            (Some("1.1.0.003"), "flyway", "1.1.0.004"),
        ] {
            assert_eq!(next(newest, format), expected, "{newest:?}");
        }
        let moment = next(Some("20240101120000"), "flyway");
        assert!(moment.len() == 14 && moment.as_str() > "20240101120000", "{moment}");
    }
}
