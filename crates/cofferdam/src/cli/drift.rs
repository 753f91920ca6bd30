//! `drift`: whether a database is still what its migrations made.

use std::path::PathBuf;

use cofferdam_core::{Code, Result};
use cofferdam_schema::{compare, lead};

use super::{Command, Exit, flags};
use crate::comparing::record::Record;
use crate::comparing::{self, CompareFlags, Source, open};
use crate::context::Context;
use crate::output::diff::{DriftView, RecordedView};

#[derive(Debug, clap::Args)]
struct Flags {
    /// What is expected, in place of the migrations that are in force: a directory, an SQL file, a recorded schema, a
    /// URL or an environment
    #[arg(long, value_name = "SOURCE")]
    against: Option<String>,
    /// Compare nothing: write the schema as it is to FILE, for --against
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "sql", "allow_drop", "exit_code", "dev_url", "ignore"])]
    record: Option<PathBuf>,
    /// Print the statements that lead back to what is expected, as a script
    #[arg(long)]
    sql: bool,
    /// With --sql: print statements that drop or lose something as statements, and not as comments
    #[arg(long)]
    allow_drop: bool,
    /// Exit with 9 when there is drift
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    compare: CompareFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "drift",
    aliases: &[],
    about: "Show what somebody changed in a database beside its migrations",
    more: "Reads only. Expected is what the migrations make that are in force by the history; what is pending is not \
           expected yet. They are applied to a throw-away database. Without migrations --against FILE compares with what \
           --record FILE wrote down.",
    examples: &[
        ("cofferdam drift --env prod", "each object that is missing, unexpected or different"),
        ("cofferdam drift --env prod --exit-code -o json", "for a pipeline: 9 when there is drift"),
        ("cofferdam drift --env prod --against schema.sql", "against a dump that was made earlier"),
        (
            "cofferdam drift --env prod --record prod.json",
            "after a release: what is there now is expected from now on",
        ),
        (
            "cofferdam drift --env prod --against prod.json --exit-code",
            "against that, where there are no migrations",
        ),
        ("cofferdam drift --env prod --ignore grants --sql", "the statements that lead back"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { drift(&context, &flags(&matches)?).await }),
};

async fn drift(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    settings.need_database()?;
    let database = Source::of_settings(&settings);
    if let Some(path) = &flags.record {
        let record = Record::of(&database.name(), &mut *open(context, &settings).await?).await?;
        record.write(path)?;
        let view = RecordedView::new(&record, path);
        context.console.show("Recorded", &view, RecordedView::text);
        return Ok(Exit::DONE);
    }
    let (expected, mut notes) = match &flags.against {
        Some(text) => {
            let source = Source::named(text, context)?;
            let notes = match &source {
                Source::Recorded { record, .. } => {
                    record.notes(&mut *open(context, &settings).await?).await?
                }
                _ => Vec::new(),
            };
            (source, notes)
        }
        None => {
            let (bundle, notes) = comparing::in_force(context, &settings).await?;
            let name = format!("the migrations of {} that are in force", settings.dir.display());
            (Source::Migrations { name, bundle: Box::new(bundle) }, notes)
        }
    };
    let ([there, expected], more) =
        comparing::read(context, &settings, &flags.compare, [database, expected]).await?;
    notes.extend(more);
    let differences = compare(&expected.schema, &there.schema);
    let back = lead(&there.schema, &expected.schema);
    notes.extend(back.notes.iter().cloned());
    notes.iter().for_each(|note| context.console.note(&format!("note: {note}")));
    let view = DriftView::new(&there.name, &expected.name, &differences, notes);
    context.console.show("Drift", &view, |view| match flags.sql {
        true => {
            back.script(&[format!("from {}", there.name), format!("to {}", expected.name)], flags.allow_drop)
        }
        false => view.text(),
    });
    Ok(if flags.exit_code && !differences.is_empty() { Code::Drift.into() } else { Exit::DONE })
}
