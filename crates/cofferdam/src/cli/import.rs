//! `import`: takes over from another tool.

use cofferdam_core::{Bundle, Code, Fault, Refusal, Result};
use cofferdam_engines::Kept;
use cofferdam_formats::tables::{self, Found, Tool};
use cofferdam_runner::{Believe, import as carry_out};

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy;
use crate::config::Settings;
use crate::context::Context;
use crate::files;
use crate::output::import::ImportView;

/// Whose word counts.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Whose {
    /// Cofferdam's own history.
    Own,
    /// The tool's table.
    Tool,
}

#[derive(Debug, clap::Args)]
struct Flags {
    /// Where the two histories differ: whose word counts
    #[arg(long, value_enum, value_name = "WHOSE")]
    believe: Option<Whose>,
    /// Show what differs and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "import",
    aliases: &["adopt"],
    about: "Take over a database from Flyway, Atlas, golang-migrate, goose, dbmate, Drizzle or sqlx",
    more: "Finds the tool by the directory and by its table, shows what differs, and writes Cofferdam's own history from \
           the tool's, with the way back of each file. The data and the tool's table are not touched. A migration that \
           the tool left unfinished is explained by the catalog, with what is to be done. A second run finds nothing to \
           do. From then on each change is written into both, so that the tool can be used as before.",
    examples: &[
        ("cofferdam import --env prod --dry-run", "what both histories say, and what would be taken over"),
        ("cofferdam import --env prod", "take it over"),
        (
            "cofferdam import --tool goose --history-table app.goose_db_version",
            "where there is more than one",
        ),
        ("cofferdam import --believe tool", "the tool took something back: so it is here"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { import(&context, &flags(&matches)?).await }),
};

async fn import(context: &Context, flags: &Flags) -> Result<Exit> {
    let mut settings = context.settings()?;
    settings.need_database()?;
    let mut policy = policy::plain(&flags.limits, &settings);
    policy.out_of_order = settings.out_of_order;
    let mut session = context.open(&settings).await?;
    let found = session.tool_tables().await?;
    let tools = tables::found(&found);
    let bundle = directory(context, &mut settings, &tools)?;
    refuse_other_tools(&settings, &bundle, &tools)?;
    let mut keeping = settings.keeping(Some(&bundle));
    let there =
        tools.iter().any(|found| matches!(found.tool, Tool::Known(_))) || settings.history_table.is_some();
    if there || settings.tool.is_some() {
        keeping.kept = keeping.kept.or(Some(Kept::Both));
    }
    session.keep(keeping).await?;
    let believe = flags.believe.map(|whose| match whose {
        Whose::Own => Believe::Own,
        Whose::Tool => Believe::Tool,
    });
    let outcome = carry_out(&mut *session, &bundle, believe, flags.dry_run, &policy).await;
    let outcome = outcome.map_err(|fault| with_others(fault, &tools))?;
    let database = session.facts(&[]).await?.server.database;
    let view = ImportView::new(database, bundle.format, &outcome, &tools, flags.dry_run);
    context.console.show("Import", &view, ImportView::text);
    Ok(
        match (
            &outcome.unfinished[..],
            believe,
            outcome.before.difference.ours.is_empty(),
            &outcome.problems[..],
        ) {
            ([_, ..], ..) => Code::Unfinished.into(),
            (_, None, false, _) => Code::HistoriesDiffer.into(),
            (.., [problem, ..]) => problem.code.into(),
            _ => Exit::DONE,
        },
    )
}

/// The directory. Where its names decide nothing, as those of sqlx, the one tool whose table is there does.
fn directory(context: &Context, settings: &mut Settings, tools: &[Found<'_>]) -> Result<Bundle> {
    let known: Vec<_> = tools
        .iter()
        .filter_map(|found| match found.tool {
            Tool::Known(codec) => Some(codec),
            Tool::Foreign(..) => None,
        })
        .filter(|codec| settings.tool.as_deref().is_none_or(|tool| tool == codec.id))
        .collect();
    let read = context.bundle(settings);
    let (None, [codec]) = (&settings.format, known.as_slice()) else { return read };
    let fits = |bundle: &Bundle| codec.formats.contains(&bundle.format);
    let unrecognised = |fault: &Fault| fault.refusal().is_some_and(|why| why.code == Code::UnknownFormat);
    match &read {
        Ok(bundle) if fits(bundle) => return read,
        Err(fault) if !unrecognised(fault) => return read,
        Ok(_) | Err(_) => {}
    }
    let Some(format) = codec.formats.first() else { return read };
    let other = Settings { format: Some((*format).to_owned()), ..settings.clone() };
    match files::bundle(&other) {
        Ok(bundle) => {
            context.console.note(&format!(
                "note: the directory is read as that of {}: say --format {format} from now on, or format: {format} in cofferdam.yaml",
                codec.id
            ));
            *settings = other;
            Ok(bundle)
        }
        Err(_) => read,
    }
}

/// Refuses where the database's tools are others than the directory's, and more than one could be meant.
fn refuse_other_tools(settings: &Settings, bundle: &Bundle, tools: &[Found<'_>]) -> Result<()> {
    let known = || tools.iter().filter(|found| matches!(found.tool, Tool::Known(_)));
    let fits = |found: &&Found<'_>| matches!(found.tool, Tool::Known(codec) if codec.formats.contains(&bundle.format));
    if settings.tool.is_some() || settings.history_table.is_some() || known().count() == 0 {
        return Ok(());
    }
    if known().any(|found| fits(&found)) {
        return Ok(());
    }
    let listed: Vec<String> = known().map(|found| place(found)).collect();
    let first = known().next().map_or("", |found| found.tool.name());
    Err(Refusal::new(
        Code::Undecided,
        format!(
            "the directory has the format {}, and the database has the history of another tool",
            bundle.format
        ),
    )
    .cause(listed.join(", "))
    .help(format!("name the directory of that tool with --dir; or say whose history it is: --tool {first}"))
    .into())
}

/// What could not be taken over says which tools there are that only they themselves can read.
fn with_others(fault: Fault, tools: &[Found<'_>]) -> Fault {
    match fault {
        Fault::Refused(mut refusal) if refusal.code == Code::Undecided => {
            refusal.notes.extend(tools.iter().map(place));
            Fault::Refused(refusal)
        }
        other => other,
    }
}

fn place(found: &Found<'_>) -> String {
    format!("{}.{} of {}", found.table.schema, found.table.name, found.tool.name())
}
