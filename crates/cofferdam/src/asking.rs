//! Asking something of an online change that another process is at work on: what `pause`, `resume`, `throttle`,
//! `cutover` and `abort` share.

use cofferdam_core::{Code, Online};
use cofferdam_core::{Phase, Refusal, Result};
use cofferdam_engines::{Asked, Session};
use cofferdam_runner::OpenChange;
use serde::Serialize;

use crate::context::Context;
use crate::output::status::HolderView;
use crate::runs;

/// The document of kind `Asked`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AskedView {
    pub(crate) run: String,
    pub(crate) table: String,
    pub(crate) asked: &'static str,
    /// Who is at work on the database and will read it; absent: nobody.
    pub(crate) at_work: Option<HolderView>,
    #[serde(skip)]
    text: String,
}

/// The online change that is meant, before its swap. Refuses one that is swapped: nothing of this concerns it.
pub(crate) async fn before_the_swap(session: &mut dyn Session, wanted: Option<&str>) -> Result<OpenChange> {
    let open = runs::open(session, wanted, ("before its swap", |one| moving(one.run.phase))).await?;
    if moving(open.run.phase) {
        return Ok(open);
    }
    let id = open.run.id;
    let refusal = Refusal::new(Code::NoSuchRun, format!("run {id} is in {:?}", open.run.phase));
    Err(match open.run.phase {
        Phase::Watching => refusal
            .cause("its tables are swapped, and nobody is at work on it")
            .help(format!("cofferdam rollback {id} swaps back, cofferdam finalize {id} drops the old table")),
        _ => refusal.cause("there is nothing left of it to steer").help("cofferdam status"),
    }
    .into())
}

/// Between its beginning and its swap.
fn moving(phase: Phase) -> bool {
    use Phase::{Copying, CuttingOver, Expanding, Planned, Ready, Requested, Verifying};
    matches!(phase, Requested | Planned | Expanding | Copying | Verifying | Ready | CuttingOver)
}

/// Writes down what is asked, and shows it. `then`: what happens once it is read.
pub(crate) async fn ask(context: &Context, wanted: Option<&str>, asked: &Asked, then: &str) -> Result<()> {
    let settings = context.settings()?;
    let mut session = context.open(&settings).await?;
    let open = before_the_swap(&mut *session, wanted).await?;
    let id = open.change().map(Online::id).unwrap_or_default();
    session.control(&id, asked).await?;
    let at_work = session.holder().await?.map(HolderView::from);
    show(context, &open, asked.word(), at_work, then);
    Ok(())
}

/// Shows what was asked.
pub(crate) fn show(
    context: &Context,
    open: &OpenChange,
    asked: &'static str,
    at_work: Option<HolderView>,
    then: &str,
) {
    let table = open.change().map(|change| change.table.to_string()).unwrap_or_default();
    let run = open.run.id.to_string();
    let what = match at_work {
        Some(_) => then.to_owned(),
        None => "nobody is at work on it; whoever goes on with it will heed this".to_owned(),
    };
    let text = format!("{asked} of {table} (run {run}): {what}");
    context.console.show("Asked", &AskedView { run, table, asked, at_work, text }, |view| view.text.clone());
}
