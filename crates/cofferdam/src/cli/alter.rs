//! `alter`: changes one table online, without a migration.

use std::sync::Arc;

use cofferdam_core::online::Conversion;
use cofferdam_core::{Code, Name, Online, Refusal, Result};
use cofferdam_engines::Runs;
use cofferdam_runner::approval::Matter;
use cofferdam_runner::{LOOKED_THROUGH, Policy, alter as carry_out, look};

use super::approve::{self, Saying};
use super::{Command, Exit, flags};
use crate::args::backup::BackupFlags;
use crate::args::before::{BeforeFlags, this_command_as};
use crate::args::guard::GuardFlags;
use crate::args::limits::LimitFlags;
use crate::args::online::{self, DATA_LOSS, OnlineFlags};
use crate::args::{allow, duration, name, policy};
use crate::beside::Beside;
use crate::context::Context;
use crate::output::alter::{AlterSummaryView, AlterView};
use crate::output::plan::DatabaseView;
use crate::output::progress::Progress;

#[derive(Debug, clap::Args)]
struct Flags {
    /// What ALTER TABLE is to do, as it stands behind the table's name
    #[arg(value_name = "CLAUSES")]
    clauses: String,
    /// The table, with its schema where search_path does not find it
    #[arg(long, value_name = "TABLE", value_parser = name::parse)]
    table: Name,
    /// A column's value in the new table, where the server's cast is not what is wanted; may be repeated
    #[arg(long, value_name = "COLUMN=EXPR", alias = "forward", value_parser = online::conversion)]
    up: Vec<Conversion>,
    /// A column's value in the old table while the swap can be taken back; may be repeated
    #[arg(long, value_name = "COLUMN=EXPR", alias = "backward", value_parser = online::conversion)]
    down: Vec<Conversion>,
    /// Agree to what would get lost, and say why: data-loss="reason"
    #[arg(long, value_name = "data-loss=REASON", value_parser = allow::parse)]
    allow: Vec<(String, String)>,
    /// How the change is made: shadow-table, direct, or auto, which takes direct where the table is not rewritten
    /// or small
    #[arg(long, value_name = "NAME", default_value = "shadow-table")]
    strategy: String,
    /// Show the plan and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait for a server that cannot be reached yet
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    online: OnlineFlags,
    #[command(flatten)]
    backup: BackupFlags,
    #[command(flatten)]
    guard: GuardFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    before: BeforeFlags,
    /// Approve the change rather than make it
    #[arg(long, conflicts_with = "dry_run")]
    approve: bool,
    /// With --approve: how long the approval is good
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, requires = "approve")]
    lasts: Option<std::time::Duration>,
}

pub(crate) static COMMAND: Command = Command {
    name: "alter",
    aliases: &[],
    about: "Change one table online: copied, kept in sync, compared, swapped, and swapped back on demand",
    more: "Needs no directory of migrations and leaves no row in the history. Reads and writes go on meanwhile. Called \
           again after a crash or Ctrl-C it goes on with the same run. After the swap the old table is kept current: \
           finalize drops it, rollback swaps back without losing what was written since.",
    examples: &[
        ("cofferdam alter --table orders 'ALTER COLUMN id TYPE bigint'", "swapped as soon as it can be"),
        ("cofferdam alter --table orders 'ADD x text' --up 'x=upper(y)'", "filled from another column"),
        ("cofferdam alter --table orders 'DROP old' --allow data-loss=unused", "agree to what gets lost"),
        (
            "cofferdam alter --table orders 'ADD x int' --sample 10",
            "a tenth of the rows is compared, all are counted",
        ),
        ("cofferdam alter --table orders 'ADD x int' --cutover 22:00-04:00", "swapped at night"),
        (
            "cofferdam alter --table orders 'ADD x int' --bake 60s --max-slowdown 3",
            "swapped back where it slows down",
        ),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { alter(&context, &flags(&matches)?).await }),
};

async fn alter(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    settings.need_database()?;
    policy::check_strategy(&flags.strategy)?;
    if let Some((what, _)) =
        flags.allow.iter().find(|(what, _)| !policy::others_than_rules().any(|known| known == what))
    {
        return Err(Refusal::new(Code::NoSuchRule, format!("{what} is nothing that alter asks for"))
            .help(format!("--allow {DATA_LOSS}=\"reason\""))
            .into());
    }
    let wishes = flags.online.wishes(&settings, &flags.allow)?;
    let wanted = Online {
        table: flags.table.clone(),
        clauses: flags.clauses.clone(),
        capture: wishes.capture,
        gate: wishes.gate.clone(),
        forward: flags.up.clone(),
        backward: flags.down.clone(),
        allow_loss: wishes.allow_loss.clone(),
        workers: wishes.workers,
        proof: wishes.proof.clone(),
    };
    let policy = Policy {
        strategy: flags.strategy.clone(),
        finalize: flags.online.finalize,
        backups: flags.backup.backups(&settings, &flags.allow)?,
        guarding: flags.guard.guarding(&settings, Arc::new(Beside::new(&settings)))?,
        wishes,
        checks: flags.before.checks(&settings, &flags.allow)?,
        approval: flags.before.terms(&settings, approving()),
        ..policy::plain(&flags.limits, &settings)
    };
    let mut session =
        if flags.wait { context.open_patiently(&settings).await? } else { context.open(&settings).await? };
    let alteration = look(&mut *session, &wanted, &policy).await?;
    if let Some(otherwise) = alteration.otherwise() {
        context.console.note(&format!("note: {otherwise}"));
    }
    if flags.dry_run {
        let database = DatabaseView::new(&alteration.facts, settings.url.as_deref());
        context.console.show("AlterPlan", &AlterView::new(database, &alteration), AlterView::text);
        return Ok(Exit::DONE);
    }
    if flags.approve {
        let runs = session.runs(Runs::Last(LOOKED_THROUGH)).await?;
        let matter = Matter::alteration(&alteration, &runs);
        let word = Saying { lasts: flags.lasts.or(settings.approval.lasts), ..Saying::default() };
        return approve::say(context, &mut *session, &matter, &policy, word).await;
    }
    for note in alteration.examined.notes.iter().filter(|note| !alteration.why.contains(note)) {
        context.console.note(&format!("note: {note}"));
    }
    if alteration.goes_on.is_none() && !alteration.examined.rewrites && flags.strategy == "shadow-table" {
        context
            .console
            .note("note: the server does not rewrite the table for this; --strategy direct is done at once");
    }
    let database = alteration.facts.server.database.clone();
    let progress = Progress::new(&context.console);
    let outcome =
        carry_out(&mut *session, &alteration, &policy, progress.reporter(), context.halt.driving()).await;
    progress.end();
    let summary = outcome?;
    summary.notes.iter().for_each(|note| context.console.note(&format!("note: {note}")));
    let view = AlterSummaryView::new(&database, summary).compared(&alteration);
    context.console.show("AlterSummary", &view, AlterSummaryView::text);
    Ok(Exit::DONE)
}

/// The command that approves what this one wants to do.
fn approving() -> String {
    this_command_as("alter", &["alter"], "--approve")
}
