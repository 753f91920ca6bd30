//! The admission webhook: it refuses what the schema cannot, and says who approves.
//!
//! It is a convenience and no boundary: what it refuses the operator refuses too, later and with the same words.

pub mod certificates;
pub mod defaults;
mod keep;
pub mod review;
pub mod rotate;
pub mod serve;
pub mod validate;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kube::Client;
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::settings::Settings;

/// Serves and keeps the certificate until `closing` says true and the last request is answered; without a webhook it only
/// waits. `leads` says whether this replica does, `ready` is told once requests can be answered.
///
/// # Errors
/// The port is taken.
pub async fn run(
    client: &Client,
    settings: &Settings,
    metrics: Arc<Metrics>,
    (leads, ready): (Arc<AtomicBool>, Arc<AtomicBool>),
    closing: watch::Receiver<bool>,
) -> Result<(), String> {
    let Some(webhook) = &settings.webhook else {
        std::future::pending::<()>().await;
        return Ok(());
    };
    let port = webhook.port;
    let listener = tokio::net::TcpListener::bind(("0.0.0.0", port)).await;
    let listener = listener.map_err(|e| format!("port {port}: {e}"))?;
    let shown = Arc::new(serve::Shown::default());
    let keeper = keep::Keeper::new(client, (webhook, settings), (shown.clone(), metrics), (leads, ready));
    tokio::select! {
        ended = serve::serve(listener, shown, closing) => ended.map_err(|why| format!("the webhook: {why}")),
        () = keeper.keep() => Ok(()),
    }
}
