//! `history`: what was applied, which runs there were, and what a run did.

use std::path::{Path, PathBuf};

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::{Runs, product};

use super::{Command, Exit, flags};
use crate::context::Context;
use crate::output::history::{AppliedView, HeadView, HistoryView, JournalView, RunsView};
use crate::output::report::page;
use crate::output::run::RunView;
use crate::runs;

#[derive(Debug, clap::Args)]
struct Flags {
    /// Show the journal of this run; the beginning of its id is enough
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// List the runs, newest first, instead of the migrations
    #[arg(long, conflicts_with = "run")]
    runs: bool,
    /// With RUN: write a page about it to this file, for a change ticket; -: to stdout
    #[arg(long, value_name = "FILE", requires = "run")]
    html: Option<PathBuf>,
}

pub(crate) static COMMAND: Command = Command {
    name: "history",
    aliases: &[],
    about: "Show what was applied, by whom and when, and what each run did",
    more: "Reads only. The page of --html is one file: it loads nothing, and has the plan, the journal and a picture of \
           the time. The last line is the hash of the journal's last row: kept outside of the database, it shows later \
           that nothing was cut off (cofferdam audit verify --head HASH).",
    examples: &[
        ("cofferdam history --env prod", "the migrations, in the order of applying"),
        ("cofferdam history --env prod --runs", "the runs, newest first"),
        ("cofferdam history --env prod 01932f0c", "the journal of a run"),
        ("cofferdam history --env prod 01932f0c --html change.html", "a page about it for a change ticket"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { history(&context, &flags(&matches)?).await }),
};

async fn history(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let mut session = context.open_keeping(&settings, None).await?;
    if let Some(wanted) = &flags.run {
        let run = runs::find(&mut *session, wanted).await?;
        let entries = session.journal(Some(run.id)).await?;
        if let Some(path) = &flags.html {
            let server = session.facts(&[]).await?.server;
            let named = format!("{} {}", product(session.dialect()), server.version_text);
            return written(context, path, &page(&server.database, &run, &entries, &named));
        }
        let head = HeadView::of(session.journal_head().await?);
        let view = JournalView { run: RunView::from(&run), entries, head };
        context.console.show("Journal", &view, JournalView::text);
    } else if flags.runs {
        let runs = session.runs(Runs::Last(runs::LISTED)).await?;
        let view = RunsView { runs: runs.iter().map(RunView::from).collect() };
        context.console.show("Runs", &view, RunsView::text);
    } else {
        let database = session.facts(&[]).await?.server.database;
        let migrations = session.history().await?.iter().map(AppliedView::from).collect();
        let head = HeadView::of(session.journal_head().await?);
        context.console.show("History", &HistoryView { database, migrations, head }, HistoryView::text);
    }
    Ok(Exit::DONE)
}

/// Writes the page; a file that is there is replaced at once or not at all.
fn written(context: &Context, path: &Path, page: &str) -> Result<Exit> {
    if path == Path::new("-") {
        context.console.bytes(page.as_bytes());
        return Ok(Exit::DONE);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let outcome = tempfile::NamedTempFile::new_in(folder)
        .and_then(|mut file| std::io::Write::write_all(&mut file, page.as_bytes()).map(|()| file))
        .and_then(|file| file.persist(path).map_err(|failed| failed.error));
    match outcome {
        Ok(_) => {
            context.console.note(&format!("written: {}", path.display()));
            Ok(Exit::DONE)
        }
        Err(why) => Err(Refusal::new(Code::UnreadableFile, format!("{} cannot be written", path.display()))
            .cause(why.to_string())
            .help("check the path and its rights")
            .into()),
    }
}
