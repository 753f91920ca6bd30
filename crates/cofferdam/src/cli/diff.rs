//! `diff`: what is different between two schemas, and the statements that lead from the one to the other.

use std::collections::BTreeSet;

use cofferdam_core::{Code, Finding, Result, Script};
use cofferdam_schema::{compare, lead, mermaid};

use super::{Command, Exit, flags};
use crate::comparing::{self, CompareFlags, Source};
use crate::context::Context;
use crate::output::diff::DiffView;
use crate::wiring;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The schema as it is: a URL, an environment of cofferdam.yaml, a directory of migrations, an SQL
    /// file, or a schema that drift --record wrote
    #[arg(value_name = "FROM")]
    from: String,
    /// The schema as it is to be: the same
    #[arg(value_name = "TO")]
    to: String,
    /// Print the statements that lead from FROM to TO, as a script
    #[arg(long, conflicts_with = "mermaid")]
    sql: bool,
    /// Print the tables of TO as an ER diagram of Mermaid, with what is new and changed in it
    #[arg(long)]
    mermaid: bool,
    /// Print statements that drop or lose something as statements, and not as comments
    #[arg(long)]
    allow_drop: bool,
    /// Exit with 3 when there is a difference
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    compare: CompareFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "diff",
    aliases: &[],
    about: "Show what is different between two databases, directories of migrations or dumps",
    more: "Reads only. Directories and dumps are applied to a throw-away database, on a PostgreSQL that is started for it \
           or on the server of --dev-url. Nothing is guessed to be a rename: what has another name is dropped and made.",
    examples: &[
        (
            "cofferdam diff postgres://localhost/shop migrations/",
            "what the migrations would add to a database",
        ),
        ("cofferdam diff staging prod --sql", "the statements that make one environment like another"),
        (
            "cofferdam diff schema.sql migrations/ --exit-code",
            "for a pipeline: 3 when a dump is not what the files make",
        ),
        ("cofferdam diff old/ new/ --mermaid", "a picture for a pull request"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { diff(&context, &flags(&matches)?).await }),
};

async fn diff(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let sources = [Source::named(&flags.from, context)?, Source::named(&flags.to, context)?];
    let ([from, to], mut notes) = comparing::read(context, &settings, &flags.compare, sources).await?;
    let differences = compare(&from.schema, &to.schema);
    let way = lead(&from.schema, &to.schema);
    notes.extend(way.notes.iter().cloned());
    let script = way.script(&DiffView::head(&from.name, &to.name, &way), flags.allow_drop);
    if flags.sql {
        notes.extend(DiffView::advice(&findings(&script)));
    }
    notes.iter().for_each(|note| context.console.note(&format!("note: {note}")));
    let view = DiffView::new(&from.name, &to.name, &differences, way, notes);
    context.console.show("Diff", &view, |view| match (flags.sql, flags.mermaid) {
        (true, _) => script,
        (_, true) => mermaid::er(&to.schema, &differences),
        _ => view.text(),
    });
    Ok(if flags.exit_code && !differences.is_empty() { Code::Pending.into() } else { Exit::DONE })
}

/// What lint says of the statements, as far as it can without a database.
fn findings(text: &str) -> Vec<Finding> {
    let script = Script::new("diff.sql", text);
    // What cannot be read here is for lint to say, once it is a file.
    let Some(parsed) = wiring::dialect(None).ok().and_then(|dialect| (dialect.read)(&script).ok()) else {
        return Vec::new();
    };
    let options = cofferdam_lint::Options {
        facts: None,
        created: &BTreeSet::new(),
        only: &[],
        no_transaction: false,
        today: jiff::Zoned::now().date(),
        server_major: 14,
        naming: &[],
    };
    cofferdam_lint::lint(&script, &parsed, &options)
}
