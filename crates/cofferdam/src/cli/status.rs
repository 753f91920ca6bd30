//! `status`: where the database is.

use std::io::IsTerminal;
use std::time::Duration;

use cofferdam_core::{Bundle, Code, Fault, Refusal, Result};
use cofferdam_engines::{Run, Runs, Session};
use cofferdam_formats::{Options, Standing};
use cofferdam_runner::{change_of, open_changes, standing, with_windows};

use super::{Command, Exit, flags, plan};
use crate::config::Settings;
use crate::context::Context;
use crate::output::online::OnlineView;
use crate::output::plan::DatabaseView;
use crate::output::status::StatusView;
use crate::projects::{self, OfFlags};

/// Between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(1);
/// Empties the terminal and goes to its first line.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

#[derive(Debug, clap::Args)]
struct Flags {
    /// Exit with 3 when something is pending
    #[arg(long)]
    exit_code: bool,
    /// Show it again every second until no online change is at work
    #[arg(long)]
    watch: bool,
    /// Show which version this project has in each of its databases instead
    #[arg(long, value_name = "PROJECT", conflicts_with = "watch", help_heading = "Project")]
    project: Option<String>,
    #[command(flatten)]
    of: OfFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "status",
    aliases: &["info"],
    about: "Show the version of the database, what is pending, and what is unfinished or at work",
    more: "Reads only.",
    examples: &[
        ("cofferdam status --url postgres://localhost/shop", "versions, and what to do next"),
        ("cofferdam status --env prod -o json", "for programs: upToDate, pending, version"),
        ("cofferdam status --env prod --exit-code -q", "3 when something is pending"),
        ("cofferdam status --env prod --watch", "follow an online change"),
        ("cofferdam status --project e-commerce-api --environment staging", "the version of a project"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { status(&context, &flags(&matches)?).await }),
};

async fn status(context: &Context, flags: &Flags) -> Result<Exit> {
    if let Some(project) = &flags.project {
        return projects::status(context, project, &flags.of, flags.exit_code).await;
    }
    let settings = context.settings()?;
    settings.need_database()?;
    let read = match context.bundle(&settings) {
        Ok(bundle) => Ok(bundle),
        // Online changes need no directory, so their status does not either.
        Err(Fault::Refused(why)) if none_needed(&settings, why.code) => Err(why),
        Err(fault) => return Err(fault),
    };
    let mut session = context.open_keeping(&settings, read.as_ref().ok()).await?;
    loop {
        let (view, problem) = look(&mut *session, &settings, &read).await?;
        let goes_on = flags.watch && view.online.iter().any(|online| online.at_work);
        if flags.watch && !context.console.wants_document() && std::io::stdout().is_terminal() {
            context.console.result(CLEAR);
        }
        context.console.show("Status", &view, StatusView::text);
        if !goes_on {
            return Ok(match problem {
                _ if !flags.exit_code => Exit::DONE,
                Some(problem) => problem.into(),
                None if view.pending > 0 => Code::Pending.into(),
                None => Exit::DONE,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn none_needed(settings: &Settings, why: Code) -> bool {
    why == Code::EmptyDirectory || why == Code::NoSuchDirectory && settings.dir_is_default
}

/// What is there now, and the first thing that does not fit.
async fn look(
    session: &mut dyn Session,
    settings: &Settings,
    read: &Result<Bundle, Box<Refusal>>,
) -> Result<(StatusView, Option<Code>)> {
    let facts = session.facts(&[]).await?;
    let unfinished = session.runs(Runs::Unfinished).await?;
    let history = with_windows(session.history().await?, &unfinished);
    let open = open_changes(session).await?;
    let holder = session.holder().await?;
    let standing = match read {
        Ok(bundle) => standing(&*session, bundle, &history, &Options::default(), &unfinished),
        Err(why)
            if open.is_empty() && (!history.is_empty() || session.runs(Runs::Last(1)).await?.is_empty()) =>
        {
            return Err(Fault::Refused(why.clone()));
        }
        // What is under way is shown. What is applied cannot be held against files.
        Err(why) => {
            let problems = if history.is_empty() { Vec::new() } else { vec![(**why).clone()] };
            Standing { rows: Vec::new(), pending: Vec::new(), problems }
        }
    };
    let online = open.iter().filter_map(|open| OnlineView::new(open, holder.is_some())).collect();
    let others: Vec<Run> = unfinished.into_iter().filter(|run| change_of(run).is_none()).collect();
    let view = StatusView::new(
        DatabaseView::new(&facts, settings.url.as_deref()),
        plan::newest(&history),
        &standing,
        &others,
        holder,
        online,
    );
    Ok((view, standing.problems.first().map(|problem| problem.code)))
}
