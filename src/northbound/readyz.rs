//! `GET /readyz`: whether the service can do its work at this moment.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;
use utoipa::IntoParams;

use super::api::Northbound;

/// What the answer is to tell.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Detail {
    /// With any value, each check has a line.
    verbose: Option<String>,
}

/// Tells whether the service is ready
///
/// Runs the readiness checks of all components. A load balancer looks at the status alone; people ask for `?verbose`.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    operation_id = "showReadiness",
    params(Detail),
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
pub(super) async fn show(State(api): State<Northbound>, Query(detail): Query<Detail>) -> Response {
    let mut text = String::new();
    let mut status = StatusCode::OK;
    for check in api.checks.iter() {
        match check.run().await {
            Ok(()) if detail.verbose.is_some() => text += &format!("{}: ok\n", check.name),
            Ok(()) => {}
            Err(error) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                text += &format!("{}: {error}\n", check.name);
            }
        }
    }
    text += if status == StatusCode::OK { "ready\n" } else { "not ready\n" };
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], text).into_response()
}
