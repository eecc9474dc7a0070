//! `GET /openapi.json`: the API as a document that is made from the code: from the handlers, and from the types that they show.

use axum::Json;
use std::sync::LazyLock;

use utoipa::OpenApi;
use utoipa::openapi;

use super::{events, index, problem, resumable, storage, transfers, views};

/// Where the document is.
pub(super) const PATH: &str = "/openapi.json";

static DOCUMENT: LazyLock<openapi::OpenApi> = LazyLock::new(Document::openapi);

#[derive(OpenApi)]
#[openapi(components(schemas(
    index::Index,
    views::Image,
    views::ImageInFull,
    views::Job,
    views::JobInFull,
    views::StoredFile,
    storage::Storage,
    resumable::UnfinishedUpload,
    transfers::Transfers,
    events::News,
    problem::Body,
)))]
struct Document;

/// `GET /openapi.json`: this document.
pub(super) async fn show() -> Json<&'static openapi::OpenApi> {
    Json(&DOCUMENT)
}
