//! `/metrics`, `/healthz` and `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::metrics::Metrics;

/// Serves them until the future is dropped. `ready` says whether `/readyz` does.
///
/// # Errors
/// The port is taken.
pub async fn serve(port: u16, metrics: Arc<Metrics>, ready: Arc<AtomicBool>) -> std::io::Result<()> {
    let readyz = move || {
        let answer = match ready.load(Ordering::Relaxed) {
            true => (StatusCode::OK, "ok\n"),
            false => {
                (StatusCode::SERVICE_UNAVAILABLE, "the webhook has no certificate that is trusted yet\n")
            }
        };
        std::future::ready(answer)
    };
    let routes = Router::new()
        .route("/metrics", get(text))
        // A process that answers is alive, and one that does not lead is ready to. Requests to the webhook must not
        // come to one that cannot answer them.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(metrics);
    let listener = tokio::net::TcpListener::bind(("0.0.0.0", port)).await?;
    axum::serve(listener, routes).await
}

async fn text(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.text())
}
