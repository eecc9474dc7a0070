//! `GET /about`, and `GET /` for all but browsers: what there is.

use axum::extract::State;
use axum::{Extension, Json};
use http_service::browsers::Called;
use serde::Serialize;
use utoipa::ToSchema;

use super::api::Northbound;
use super::api_types::examples;

/// Where everything is. All but `service`, `version` and `southboundUrl` are paths.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Index {
    service: &'static str,
    version: &'static str,
    images: &'static str,
    jobs: &'static str,
    isos: &'static str,
    microkernels: &'static str,
    uploads: &'static str,
    storage: &'static str,
    events: &'static str,
    transfers: &'static str,
    metrics: &'static str,
    /// The page for people.
    gui: &'static str,
    /// The page about the API.
    docs: &'static str,
    /// The API as an OpenAPI document.
    openapi: &'static str,
    /// The path of the southbound's root.
    southbound: String,
    /// Where machines find the southbound's root.
    #[serde(rename = "southboundUrl")]
    southbound_url: String,
}

/// Show what there is.
#[utoipa::path(
    get, path = "/about", tag = "service", operation_id = "showAbout",
    responses((
        status = 200, description = "Where everything is.",
        body = Index, example = json!(examples::index()),
    )),
)]
pub(super) async fn show(State(api): State<Northbound>, called: Option<Extension<Called>>) -> Json<Index> {
    let host = called.as_ref().and_then(|called| called.host());
    Json(Index {
        service: "image-service",
        version: env!("CARGO_PKG_VERSION"),
        images: "/images",
        jobs: "/jobs",
        isos: "/iso",
        microkernels: "/microkernel",
        uploads: "/uploads",
        storage: "/storage",
        events: "/events",
        transfers: "/transfers",
        metrics: "/metrics",
        gui: "/gui/",
        docs: "/docs",
        openapi: "/openapi.json",
        southbound: format!("{}/", api.api_root),
        southbound_url: api.southbound.url(&api.api_root, host),
    })
}
