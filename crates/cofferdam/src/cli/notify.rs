//! `notify`: who is told of runs, and what they were not told yet.

use std::time::Duration;

use cofferdam_core::notice::{self, Told};
use cofferdam_core::plan::Intent;
use cofferdam_core::{Code, Notice, Phase, Refusal, Result};
use cofferdam_engines::{Mark, Sent, Session};
use cofferdam_runner::courier::{Account, Scope, flush, left};
use serde::Serialize;

use super::{Command, Exit, flags};
use crate::config::Settings;
use crate::context::Context;
use crate::output::table::Columns;
use crate::output::words;
use crate::{telling, wiring};

/// How long one `flush` tells.
const FLUSH: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Deliver what waits
    Flush,
    /// Show each place, and how much waits for it
    List,
    /// Send an example to each place
    Test,
    /// Leave the next event out that a place does not take
    Skip,
}

#[derive(Debug, clap::Args)]
struct Flags {
    /// What to do
    #[arg(value_name = "WHAT", value_enum, default_value_t = What::List)]
    what: What,
    /// Only this place: slack, email, webhook
    #[arg(long, value_name = "ID", required_if_eq("what", "skip"))]
    sink: Option<String>,
}

pub(crate) static COMMAND: Command = Command {
    name: "notify",
    aliases: &[],
    about: "Show who is told of runs, deliver what waits, and try the places out",
    more: "Under notifications in cofferdam.yaml, at its top or in an environment: slack: {webhook: env:NAME}, email: \
           {host, from, recipients, username, password: env:NAME}, webhook: {url: env:NAME, signingKey: env:NAME}. \
           Commands that change something tell beside their run, and never wait for it longer than some seconds.",
    examples: &[
        ("cofferdam notify list --env prod", "what waits to be delivered, and why"),
        ("cofferdam notify flush --env prod", "deliver it, in order"),
        ("cofferdam notify test --env prod", "send an example to each place"),
        ("cofferdam notify skip --sink slack --env prod", "leave the next event out for one place"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { notify(&context, &flags(&matches)?).await }),
};

/// The document of kind `Notifications`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlacesView {
    places: Vec<PlaceView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceView {
    #[serde(flatten)]
    mark: Mark,
    /// So many events wait.
    waiting: u64,
}

/// The document of kind `Deliveries`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveriesView {
    deliveries: Vec<Account>,
}

async fn notify(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    match flags.what {
        What::Test => test(context, &settings, flags).await,
        What::Flush => deliver(context, &settings, flags).await,
        What::List => list(context, &settings).await,
        What::Skip => skip(context, &settings, flags.sink.as_deref().unwrap_or_default()).await,
    }
}

fn chosen(settings: &Settings, flags: &Flags) -> Result<Vec<Box<dyn cofferdam_adapters::notify::Sink>>> {
    let mut sinks = telling::configured(settings)?;
    sinks.retain(|sink| flags.sink.as_ref().is_none_or(|id| id == sink.id()));
    if sinks.is_empty() {
        let id = flags.sink.as_deref().unwrap_or_default();
        let refusal = Refusal::new(Code::NoSinks, format!("notifications has no {id}"));
        return Err(refusal.cause("no such place is configured").help("cofferdam notify list").into());
    }
    Ok(sinks)
}

async fn test(context: &Context, settings: &Settings, flags: &Flags) -> Result<Exit> {
    let mut deliveries = Vec::new();
    for sink in chosen(settings, flags)? {
        let outcome = sink.deliver(&example(settings)).await;
        deliveries.push(Account {
            sink: sink.id().to_owned(),
            place: sink.place(),
            delivered: u64::from(outcome.is_ok()),
            error: outcome.err().map(|why| why.0),
            held: false,
        });
    }
    ended(context, deliveries)
}

/// An event that is none.
fn example(settings: &Settings) -> Notice {
    let id = uuid::Uuid::now_v7();
    Notice {
        id: format!("{id}/0"),
        kind: Told::Began,
        title: "a test of notifications: nothing happened".into(),
        database: "none".into(),
        run: id,
        seq: 0,
        at: jiff::Timestamp::now().to_string(),
        who: wiring::who(settings.environment.as_deref()),
        environment: settings.environment.clone(),
        key: "test".into(),
        description: String::new(),
        intent: Intent::Apply,
        strategy: "none".into(),
        digest: String::new(),
        phase: Phase::Requested,
        why: None,
        next: None,
        hash: String::new(),
    }
}

async fn deliver(context: &Context, settings: &Settings, flags: &Flags) -> Result<Exit> {
    settings.need_database()?;
    let sinks = chosen(settings, flags)?;
    let engine = wiring::engine(settings.url.as_deref())?;
    context.heed_signals();
    let target = settings.target("cofferdam notify");
    // A database that cannot be reached is said in its own words.
    drop(engine.open(&target).await?);
    ended(context, flush(telling::opener(engine, &target), sinks, Scope::all(), FLUSH).await)
}

fn ended(context: &Context, deliveries: Vec<Account>) -> Result<Exit> {
    let failed = deliveries.iter().filter(|one| one.error.is_some() || one.held).count();
    let view = DeliveriesView { deliveries };
    context.console.show("Deliveries", &view, |view| {
        let mut table = Columns::new(&["SINK", "PLACE", "DELIVERED", "WAITS BECAUSE"]).right(2);
        for one in &view.deliveries {
            let why = match (&one.error, one.held) {
                (Some(error), _) => error.as_str(),
                (None, true) => "another process is telling it",
                (None, false) => "–",
            };
            table.row([one.sink.as_str(), &one.place, &one.delivered.to_string(), why]);
        }
        table.text()
    });
    Ok(if failed == 0 { Exit::DONE } else { Code::NotDelivered.into() })
}

async fn list(context: &Context, settings: &Settings) -> Result<Exit> {
    let mut session = context.open(settings).await?;
    let mut places = Vec::new();
    for mark in session.marks().await? {
        let by = mark.sink.split_once(" of ").map(|(_, by)| by.to_owned());
        let waiting = left(&mut *session, &mark, by.as_deref()).await?;
        places.push(PlaceView { mark, waiting });
    }
    context.console.show("Notifications", &PlacesView { places }, PlacesView::text);
    Ok(Exit::DONE)
}

impl PlacesView {
    fn text(&self) -> String {
        if self.places.is_empty() {
            return "nobody was told of anything yet".to_owned();
        }
        let mut table =
            Columns::new(&["SINK", "WAITING", "TRIES", "LAST DELIVERED", "WAITS BECAUSE"]).right(1).right(2);
        for place in &self.places {
            let mark = &place.mark;
            table.row([
                mark.sink.clone(),
                place.waiting.to_string(),
                mark.attempts.to_string(),
                mark.sent_at.as_deref().map_or_else(|| "–".to_owned(), words::minute),
                mark.error.clone().unwrap_or_else(|| "–".to_owned()),
            ]);
        }
        table.text()
    }
}

/// Moves a mark past its next event.
async fn skip(context: &Context, settings: &Settings, sink: &str) -> Result<Exit> {
    let mut session = context.open(settings).await?;
    let known = session.marks().await?.into_iter().any(|mark| mark.sink == sink);
    let refusal = || {
        Refusal::new(Code::NoSinks, format!("{sink} was never told of anything"))
            .help("cofferdam notify list")
    };
    if !known {
        return Err(refusal().into());
    }
    let now = jiff::Timestamp::now().to_string();
    let Some(mark) = session.take_mark(sink, &now).await? else {
        return Err(Refusal::new(Code::NotDelivered, format!("another process is telling {sink}"))
            .cause("its place is held")
            .help("wait until it has ended, and try again")
            .into());
    };
    let next = next(&mut *session, &mark).await?;
    if let Some((seq, _)) = &next {
        session.set_mark(sink, &Sent::Passed(*seq)).await?;
    }
    session.leave_mark(sink).await?;
    let text = match next {
        Some((_, title)) => format!("left out: {title}"),
        None => "nothing waits".to_owned(),
    };
    context.console.show("Skipped", &serde_json::json!({ "sink": sink, "text": text }), |_| text.clone());
    Ok(Exit::DONE)
}

/// The next event behind a mark.
async fn next(session: &mut dyn Session, mark: &Mark) -> Result<Option<(i64, String)>> {
    let by = mark.sink.split_once(" of ").map(|(_, by)| by.to_owned());
    let mut seq = mark.sent;
    loop {
        let rows = session.journal_after(seq, 200).await?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(None) };
        for row in rows.iter().filter(|row| !row.what.moves().is_empty()) {
            let runs = session.runs(cofferdam_engines::Runs::One(row.run)).await?;
            let Some(run) = runs.first().filter(|run| by.as_ref().is_none_or(|by| *by == run.by)) else {
                continue;
            };
            if let Some(kind) = notice::told(&row.what, &run.plan) {
                return Ok(Some((row.seq, format!("{} {} (row {})", run.plan.key, kind.word(), row.seq))));
            }
        }
        seq = last;
    }
}
