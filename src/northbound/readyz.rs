//! `GET /readyz`: whether the service can do its work at this moment.

use std::fmt::Write;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use component::Check;
use futures_util::future::join_all;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;

use super::api::Northbound;

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
    let query = parts.uri.query().unwrap_or_default();
    let is_verbose = query.split('&').any(|pair| pair.split('=').next() == Some("verbose"));
    let mut text = String::new();
    let mut status = StatusCode::OK;
    for (check, result) in api.checks.iter().zip(join_all(api.checks.iter().map(Check::run)).await) {
        // Writing to a string cannot fail.
        let _ = match result {
            Ok(()) if is_verbose => writeln!(text, "{}: ok", check.name),
            Ok(()) => Ok(()),
            Err(error) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                tracing::warn!(check = check.name, error, "a readiness check fails");
                writeln!(text, "{}: {error}", check.name)
            }
        };
    }
    text += if status == StatusCode::OK { "ready\n" } else { "not ready\n" };
    let head = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, head, text).into_response()
}
