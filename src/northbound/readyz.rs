//! `GET /livez` and `GET /readyz`: whether the loops turn, and whether the service can do its work.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;

use super::api::Northbound;
use super::health::Verdict;

/// Tell whether the service is alive.
///
/// Whether the loops of the program turn. If it is not alive, only a restart helps.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "service",
    operation_id = "showLiveness",
    params(("verbose" = Option<String>, Query, description = "With any value, each check has a line.")),
    responses(
        (status = OK, description = "All loops turn.", body = String, content_type = "text/plain"),
        (
            status = SERVICE_UNAVAILABLE,
            description = "One does not; its line says why.",
            body = String,
            content_type = "text/plain",
        ),
    ),
)]
pub(super) async fn live(State(api): State<Northbound>, parts: Parts) -> Response {
    response(api.health.is_live(parts.uri.query()).await)
}

/// Tell whether the service is ready.
///
/// Runs the readiness checks of all components. A load balancer reads the status alone; people ask for
/// `?verbose`.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    operation_id = "showReadiness",
    params(("verbose" = Option<String>, Query, description = "With any value, each check has a line.")),
    responses(
        (status = OK, description = "All checks pass.", body = String, content_type = "text/plain"),
        (
            status = SERVICE_UNAVAILABLE,
            description = "A check fails; its line says why.",
            body = String,
            content_type = "text/plain",
        ),
    ),
)]
pub(super) async fn show(State(api): State<Northbound>, parts: Parts) -> Response {
    response(api.health.is_ready(parts.uri.query()).await)
}

fn response(verdict: Verdict) -> Response {
    let status = if verdict.is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let head = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, head, verdict.text).into_response()
}
