//! `rehearse`: what is pending, there, back and there again, on a copy that nobody uses.

use cofferdam_core::Result;
use cofferdam_runner::backup::Backups;
use cofferdam_runner::{Policy, assess, refuse_blocking, rehearse};

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy::{PolicyFlags, check_target};
use crate::context::Context;
use crate::output::rehearsal::RehearsalView;
use crate::rehearsing::{Asked, Ground, on_copy};
use crate::throwaway::DevUrl;

#[derive(Debug, clap::Args)]
struct Flags {
    #[command(flatten)]
    policy: PolicyFlags,
    /// Bring at most N rows of each table that is changed, and the rows that they refer to
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sample_rows: Option<u32>,
    #[command(flatten)]
    dev: DevUrl,
    /// In the database itself, in a transaction that is taken back; refuses what a transaction does not take back or
    /// what takes long
    #[arg(long, conflicts_with_all = ["sample_rows", "dev_url", "pg"])]
    in_transaction: bool,
    /// The version of the throw-away server [default: that of the database]
    #[arg(long, value_name = "MAJOR", conflicts_with = "dev_url",
          value_parser = clap::value_parser!(u32).range(12..=99))]
    pg: Option<u32>,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "rehearse",
    aliases: &[],
    about: "Try what is pending on a copy: there, back and there again, with the locks that were really taken",
    more: "Makes a throw-away PostgreSQL with the schema of the database, runs the plan that apply would run, takes it \
           back and runs it again; says of each statement which locks it took, what it wrote anew and read, how much \
           write-ahead log it made and how long it took, what differs in the schema afterwards, and where the plan \
           was wrong. The database itself is only read. Nothing is left behind, also when this is killed. Exits with \
           0 only where it may be applied: 1 for a failure or a difference, 4 for lint errors and for what takes more \
           than the plan says.",
    examples: &[
        ("cofferdam rehearse --env prod", "everything that is pending, on an empty copy of the schema"),
        (
            "cofferdam rehearse --env prod --sample-rows 1000",
            "with rows, so that reading and writing them shows",
        ),
        (
            "cofferdam rehearse --env prod --dev-url postgres://dev@localhost/postgres",
            "on a server with your extensions",
        ),
        ("cofferdam rehearse --env prod --in-transaction", "in the database itself, taken back"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { rehearse_pending(&context, &flags(&matches)?).await }),
};

async fn rehearse_pending(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    settings.need_database()?;
    // What is dropped on a copy is nobody's: nothing of it goes where the environment keeps its backups.
    let policy = Policy { backups: Backups::default(), ..flags.policy.policy(&flags.limits, &settings)? };
    let bundle = context.bundle(&settings)?;
    let mut session = context.open_keeping(&settings, Some(&bundle)).await?;
    let assessment = assess(&mut *session, &bundle, &policy).await?;
    check_target(&policy, &assessment)?;
    refuse_blocking(&assessment, &policy)?;
    rehearse::refuse_unfinished(&assessment)?;
    if assessment.pending.is_empty() {
        context.console.show("Rehearsal", &RehearsalView::nothing(), RehearsalView::text);
        return Ok(Exit::DONE);
    }
    let (found, ground) = if flags.in_transaction {
        let found = rehearse::in_transaction(&mut *session, &assessment).await?;
        (found, Ground::transaction())
    } else {
        let asked = Asked {
            sample: flags.sample_rows,
            // A version that is asked for is that of a server of our own.
            dev_url: if flags.pg.is_some() { None } else { flags.dev.or_of(&settings)? },
            major: flags.pg.unwrap_or(assessment.facts.server.major()),
        };
        on_copy(context, &settings, &mut *session, (&assessment, &policy), asked).await?
    };
    let view = RehearsalView::new(&assessment.facts.server.database, found.clone(), ground);
    context.console.show("Rehearsal", &view, RehearsalView::text);
    found.refuse()?;
    Ok(Exit::DONE)
}
