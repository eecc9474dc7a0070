//! `/iso`: the ISOs. `files.rs` has what both stores share.

use axum::extract::{Request, State};
use axum::response::Response;
use http_service::Problem;
use http_service::openapi::Bytes;
use model::stored_file::StoreKind;

use super::api::Northbound;
use super::api_types::examples;
use super::api_types::pages::{FilePages, Pages};
use super::api_types::parameters::{Conditions, DigestFields, FileFilter, FileName, IncomingFile};
use super::api_types::problems::{
    BadFilter, BadParameter, BodyRejected, ConditionFailed, EncodingRejected, FileRejected, FileStays,
};
use super::files;
use super::views::file::StoredFile;

/// List the ISOs, or the one named.
#[utoipa::path(
    get, path = "/iso", tag = "files", operation_id = "listIsos",
    params(FileFilter, Pages, FilePages),
    responses(
        (
            status = 200, description = "The files by name.",
            headers(
                ("Link" = String, description = "The next page, if there is one, with `rel=\"next\"` (RFC 8288)."),
                ("X-Total-Count" = u64, description = "How many there are on all pages."),
            ),
            body = Vec<StoredFile>, example = json!(examples::isos()),
        ),
        BadFilter,
    ),
)]
pub(super) async fn list(state: State<Northbound>, request: Request) -> Result<Response, Problem> {
    files::list::list(state, StoreKind::Iso, request).await
}

/// Upload an ISO.
///
/// The body is the file, whatever its Content-Type says. The answer is text that tells each tenth as it
/// comes, or, with `Accept: application/json`, the file at the end. If something fails after the text has
/// begun, it is cut, so that clients notice. The name is seen in the store when the file is complete and on
/// disk; an older file of that name stays until then.
///
/// If the store has this very file already, as a digest in the request says, nothing is done but to give it
/// the labels of the request.
#[utoipa::path(
    put, path = "/iso", tag = "files", operation_id = "uploadIso",
    params(IncomingFile, DigestFields, Conditions),
    request_body(content = inline(Bytes), content_type = "application/octet-stream", description = "The file."),
    responses(
        (status = 200, description = "The file is stored.", content(
            (String = "text/plain", example = json!(examples::uploaded())),
            (StoredFile = "application/json", example = json!(examples::iso())),
        )),
        BadParameter,
        FileRejected,
        EncodingRejected,
        ConditionFailed,
    ),
)]
pub(super) async fn put(state: State<Northbound>, request: Request) -> Result<Response, Problem> {
    files::put::put(state, StoreKind::Iso, request).await
}

/// Delete an ISO.
///
/// The parameter may be in the query or in a JSON body.
#[utoipa::path(
    delete, path = "/iso", tag = "files", operation_id = "deleteIso",
    params(FileName, Conditions),
    request_body(content = Option<FileName>, example = json!(examples::iso_name())),
    responses(
        (
            status = 200, description = "The file that was deleted.",
            body = StoredFile, example = json!(examples::iso()),
        ),
        BadParameter,
        BodyRejected,
        FileStays,
        ConditionFailed,
    ),
)]
pub(super) async fn delete(state: State<Northbound>, request: Request) -> Result<Response, Problem> {
    files::remove::delete(state, StoreKind::Iso, request).await
}
