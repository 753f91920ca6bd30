//! `validate`: whether the files can be applied, and fit what was applied.

use cofferdam_core::bundle::Bundle;
use cofferdam_core::{Refusal, Result, Script};
use cofferdam_dialects::Dialect;
use cofferdam_engines::Runs;
use cofferdam_formats::Options;
use cofferdam_runner::{standing, with_windows};
use serde::Serialize;

use super::{Command, Exit};
use crate::context::Context;
use crate::output::error::{self, ErrorView};
use crate::output::words::count;
use crate::wiring;

pub(crate) static COMMAND: Command = Command {
    name: "validate",
    aliases: &["check"],
    about: "Check that every file can be read, and that the files fit the history",
    more: "Without a database only the files are checked. Reads only.",
    examples: &[
        ("cofferdam validate", "the files alone"),
        ("cofferdam validate --env prod", "the files, and the history of a database beside them"),
    ],
    arguments: |command| command,
    run: |context, _| Box::pin(async move { validate(&context).await }),
};

/// The document of kind `Validation`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ValidationView {
    valid: bool,
    files: usize,
    /// The history was compared, too.
    history: bool,
    problems: Vec<ErrorView>,
    #[serde(skip)]
    text: String,
}

async fn validate(context: &Context) -> Result<Exit> {
    let settings = context.settings()?;
    let bundle = context.bundle(&settings)?;
    let promised = wiring::dialect_of_url(settings.url.as_deref())?;
    let mut session = match settings.has_database {
        true => Some(context.open_keeping(&settings, Some(&bundle)).await?),
        false => None,
    };
    // What answers behind mysql:// may be a MariaDB.
    let dialect = session.as_ref().map_or(promised.id, |session| session.dialect());
    let (files, mut problems) = unreadable(&bundle, wiring::dialect(Some(dialect))?);
    if let Some(session) = &mut session {
        let unfinished = session.runs(Runs::Unfinished).await?;
        let history = with_windows(session.history().await?, &unfinished);
        problems.extend(standing(&**session, &bundle, &history, &Options::default(), &unfinished).problems);
    }
    let view = ValidationView {
        valid: problems.is_empty(),
        files,
        history: settings.has_database,
        text: text(&problems, files, settings.has_database),
        problems: problems.iter().map(error::view).collect(),
    };
    context.console.show("Validation", &view, |v| v.text.clone());
    Ok(problems.first().map_or(Exit::DONE, |problem| problem.code.into()))
}

/// Every script that cannot be read, not only the first.
fn unreadable(bundle: &Bundle, dialect: &Dialect) -> (usize, Vec<Refusal>) {
    let scripts: Vec<&Script> = bundle
        .migrations
        .iter()
        .flat_map(|m| [Some(&m.up), m.down.as_ref(), m.check.as_ref()])
        .flatten()
        .collect();
    let problems = scripts.iter().filter_map(|script| (dialect.read)(script).err()).map(|refusal| *refusal);
    (scripts.len(), problems.collect())
}

fn text(problems: &[Refusal], files: usize, history: bool) -> String {
    let what = if history { "fit the history" } else { "can be read" };
    match problems.len() {
        0 => format!("valid: {} {what}", count(files, "file")),
        number => {
            let frames: String = problems.iter().map(|p| error::text(p) + "\n\n").collect();
            format!("{frames}{} in {}", count(number, "problem"), count(files, "file"))
        }
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Code;
    use cofferdam_formats::{File, Tree, read};

    use super::*;

    #[test]
    fn every_unreadable_script_is_named() {
        let file = |path: &str, text: &str| File { path: path.into(), bytes: text.into() };
        let files = vec![
            file("U1__a.sql", "select 'open"),
            file("V1__a.sql", "select 1;"),
            file("V2__b.sql", "select $$open"),
        ];
        let bundle = read(&Tree { root: "m".into(), files }, None).unwrap();
        let (scripts, problems) = unreadable(&bundle, wiring::dialect(None).unwrap());
        assert_eq!(scripts, 3);
        assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), [Code::NotSplit, Code::NotSplit]);
        assert!(text(&problems, scripts, false).ends_with("2 problems in 3 files"));
    }
}
