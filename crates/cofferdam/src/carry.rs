//! Carries out what was assessed, and tells those who want to know: the screen, traces, a Pushgateway.

use std::sync::Arc;
use std::time::Instant;

use cofferdam_adapters::metrics::{Group, Pushgateway};
use cofferdam_core::Result;
use cofferdam_engines::Session;
use cofferdam_runner::{Assessment, Policy, SharedReporter, Summary, apply};

use crate::context::Context;
use crate::figures::Counting;
use crate::output::progress::Progress;
use crate::spans::Spans;

/// Applies what is pending. `database` is its name, for those who are told.
///
/// # Errors
/// Those of [`apply`]. Whoever could not be told is named on stderr and fails nothing.
pub(crate) async fn carry_out(
    context: &Context,
    session: &mut dyn Session,
    (assessment, policy): (&Assessment, &Policy),
    database: &str,
    gateway: Option<&Pushgateway>,
) -> Result<Summary> {
    let progress = Progress::new(&context.console);
    let spans = Spans::start("cofferdam").unwrap_or_else(|why| {
        context.console.note(&format!("there are no traces: {why}"));
        Spans::default()
    });
    let counting = Counting::new(progress.reporter(), spans);
    let reporter = Arc::clone(&counting) as SharedReporter;
    let began = Instant::now();
    let outcome = apply(session, assessment, policy, reporter, context.halt.driving()).await;
    progress.end();
    counting.spans.close().await;
    if let Some(gateway) = gateway {
        let told = counting.told(&outcome, began.elapsed().as_secs_f64());
        let group = Group::new([("database", database.to_owned())]);
        if let Err(why) = gateway.push(&group, &told).await {
            context.console.note(&format!("the Pushgateway was not told: {why}"));
        }
    }
    outcome
}
