//! `POST /uploads/{id}`: another method, for clients whose proxies let only GET and POST pass.

use axum::extract::{Request, State};
use axum::response::Response;
use http_service::openapi::Bytes;
use http_service::{Problem, UrlPath};

use super::append::patch;
use super::discard::delete;
use super::fields;
use super::progress::head;
use super::response::tus;
use crate::northbound::api::Northbound;
use crate::northbound::api_types::parameters::MethodOverride;
use crate::northbound::api_types::problems::{
    BytesRejected, FileRejected, NoPiece, NoSuchUpload, OtherChecksum, OtherVersion, UploadLocked,
};
use crate::northbound::api_types::upload_progress::{AsByHead, AsByPatchOrDelete};

/// Do what another method does, for clients whose proxies let only GET and POST pass.
#[utoipa::path(
    post, path = "/uploads/{id}", tag = "uploads", operation_id = "overrideUploadMethod",
    params(("id" = String, Path, description = "The upload's id."), MethodOverride),
    request_body(
        content = inline(Option<Bytes>), content_type = "application/offset+octet-stream", description = "What that method takes.",
    ),
    responses(
        AsByHead,
        AsByPatchOrDelete,
        FileRejected,
        NoSuchUpload,
        OtherVersion,
        UploadLocked,
        BytesRejected,
        NoPiece,
        OtherChecksum,
    ),
)]
pub(in crate::northbound) async fn post(
    state: State<Northbound>,
    path: UrlPath<String>,
    request: Request,
) -> Response {
    let method = fields::text(request.headers(), "x-http-method-override").map(str::to_owned);
    match method.as_deref() {
        Some("PATCH") => patch(state, path, request).await,
        Some("DELETE") => delete(state, path, request.headers().clone()).await,
        Some("HEAD") => head(state, path, request.headers().clone()).await,
        _ => tus(Problem::method_not_allowed("GET, HEAD, PUT, PATCH, DELETE, OPTIONS")),
    }
}
