//! `undrop`: brings back what was parked.

use cofferdam_core::park::Parked;
use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::Session;
use cofferdam_runner::parked::{Which, carry_out, chosen, undrop_plans};

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy;
use crate::context::Context;
use crate::output::parked::EndedView;
use crate::output::progress::Progress;

#[derive(Debug, clap::Args)]
struct Flags {
    /// The name among what is parked, or the table or column as it was called [default: the only one]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Show what would come back, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "undrop",
    aliases: &["unpark"],
    about: "Bring back a table or column that was parked in place of being dropped",
    more: "It comes back under its name, in its schema, with its rows, indexes, rights, foreign keys and publications. \
           Foreign keys are looked at afterwards, without stopping writers; one that does not hold any more stays NOT \
           VALID. The migration that dropped it stays in the history: cofferdam rollback takes that back too.",
    examples: &[
        ("cofferdam undrop --env prod orders", "the table that was called so"),
        ("cofferdam undrop --env prod users.plan", "the values of a column"),
        (
            "cofferdam undrop --env prod cofferdam_parked_20261122_orders",
            "by the name that cofferdam parked shows",
        ),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { undrop(&context, &flags(&matches)?).await }),
};

async fn undrop(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    let policy = policy::plain(&flags.limits, &settings);
    let mut session = context.open(&settings).await?;
    let database = session.facts(&[]).await?.server.database;
    let wanted = match &flags.name {
        Some(name) => chosen(&mut *session, &Which::Named(name.clone())).await?,
        None => only(&mut *session).await?,
    };
    if flags.dry_run {
        let view = EndedView::planned(&database, "would bring back", &wanted);
        context.console.show("UndropPlan", &view, EndedView::text);
        return Ok(Exit::DONE);
    }
    let plans = undrop_plans(&wanted, &policy)?;
    let progress = Progress::new(&context.console);
    let outcome = carry_out(&mut *session, plans, &policy, progress.reporter(), context.halt.driving()).await;
    progress.end();
    outcome?;
    let view = EndedView::done(&database, "brought back", &wanted, &session.parked().await?);
    context.console.show("Undropped", &view, EndedView::text);
    Ok(Exit::DONE)
}

async fn only(session: &mut dyn Session) -> Result<Vec<Parked>> {
    let mut all = session.parked().await?;
    all.retain(Parked::is_there);
    match all.len() {
        1 => Ok(all),
        0 => Err(Refusal::new(Code::NothingParked, "nothing is parked in this database")
            .help("cofferdam parked --all shows what was")
            .into()),
        _ => {
            let refusal = Refusal::new(Code::NothingParked, "more than one thing is parked")
                .help("say which one: cofferdam undrop NAME");
            Err(all
                .iter()
                .take(5)
                .fold(refusal, |r, one| r.note(format!("{}: {}", one.name, one.object)))
                .into())
        }
    }
}
