//! `/metrics`: the program in figures, for monitoring.

mod exposition;
mod process;
mod service;
mod state;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use super::api::Northbound;
use super::api_types::examples;

/// Show figures for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "showMetrics",
    responses((
        status = 200, description = "Text in the exposition format, version 0.0.4.",
        body = String, content_type = "text/plain", example = json!(examples::metrics()),
    )),
)]
pub(super) async fn show(State(api): State<Northbound>) -> impl IntoResponse {
    let mut all = service::metrics(&api);
    all.extend(state::metrics(&api).await);
    let started = api.process.started;
    // The system may take its time for a process with many open files.
    all.extend(tokio::task::spawn_blocking(move || process::metrics(started)).await.unwrap_or_default());
    let text: String = all.iter().map(ToString::to_string).collect();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
