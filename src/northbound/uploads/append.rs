//! `PATCH` and `PUT /uploads/{id}`: more bytes for an upload.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::{StatusCode, request};
use http_service::openapi::Bytes;
use http_service::request_body::{RequestBody, check_headers, refuse_form};
use http_service::{Problem, RequestId, UrlPath, complete};
use model::unfinished_file::UnfinishedFileId;

use super::fields::{self, Checksum, Piece};
use super::receive::{Appended, receive};
use super::response::{self, known, tus};
use crate::northbound::api::{Northbound, client};
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::{PieceChecksum, PieceFields, RangeFields, TusVersionRequired};
use crate::northbound::api_types::problems::{
    BytesRejected, EncodingRejected, FileRejected, NoPiece, NoSuchUpload, OtherChecksum, OtherVersion,
    UploadLocked,
};
use crate::northbound::api_types::upload_progress::{PieceStored, PieceStoredByPut};
use crate::northbound::views::file::StoredFile;

/// The body of a piece by tus.
const PIECE: &str = "application/offset+octet-stream";

/// Bring more bytes, by tus.
///
/// What came stays, also if the request breaks off, unless it has a checksum: then all counts or nothing.
/// With the last byte the file is in its store.
#[utoipa::path(
    patch, path = "/uploads/{id}", tag = "uploads", operation_id = "appendToUpload",
    params(
        ("id" = String, Path, description = "The upload's id."),
        TusVersionRequired, PieceFields, PieceChecksum,
    ),
    request_body(content = inline(Bytes), content_type = "application/offset+octet-stream", description = "The bytes."),
    responses(
        PieceStored,
        FileRejected,
        NoSuchUpload,
        OtherVersion,
        UploadLocked,
        BytesRejected,
        NoPiece,
        OtherChecksum,
    ),
)]
pub(in crate::northbound) async fn patch(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let piece = tus_piece(&parts.headers).and_then(|piece| Ok((known(&api, id)?, piece)));
    match piece {
        Ok((id, piece)) => answer(&api, &id, append(&api, &id, &parts, body, Some(piece)).await),
        Err(problem) => tus(problem),
    }
}

/// Bring more bytes, or all of them, by plain clients.
///
/// What came stays, also if the request breaks off.
#[utoipa::path(
    put, path = "/uploads/{id}", tag = "uploads", operation_id = "putUpload",
    params(("id" = String, Path, description = "The upload's id."), RangeFields, PieceChecksum),
    request_body(content = inline(Bytes), content_type = "application/octet-stream", description = "The bytes, whatever the Content-Type says."),
    responses(
        (status = 200, description = "All bytes are here, and the file is in its store.",
            headers(
                ("Tus-Resumable" = String, description = "`1.0.0`."),
                ("Upload-Offset" = u64, description = "Bytes that the upload has: all."),
            ),
            body = StoredFile, example = json!(examples::iso())),
        PieceStoredByPut,
        FileRejected,
        EncodingRejected,
        NoSuchUpload,
        UploadLocked,
        BytesRejected,
        OtherChecksum,
    ),
)]
pub(in crate::northbound) async fn put(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let piece = refuse_form(&parts, "")
        .and_then(|()| plain_piece(&parts.headers))
        .and_then(|piece| Ok((known(&api, id)?, piece)));
    match piece {
        Ok((id, piece)) => {
            let appended = append(&api, &id, &parts, body, piece).await;
            let stored = appended.as_ref().ok().and_then(|appended| appended.stored.clone());
            let mut answer = answer(&api, &id, appended);
            if let Some(stored) = stored {
                let complete = Json(stored).into_response();
                *answer.status_mut() = StatusCode::OK;
                answer.headers_mut().extend(complete.headers().clone());
                *answer.body_mut() = complete.into_body();
            }
            answer
        }
        Err(problem) => tus(problem),
    }
}

/// Appends the body of a request to an upload. Without a piece, the body is the whole file.
pub(super) async fn append(
    api: &Northbound,
    id: &UnfinishedFileId,
    parts: &request::Parts,
    body: Body,
    piece: Option<Piece>,
) -> Result<Appended, Problem> {
    let body = RequestBody::new(parts, body);
    let checksum = Checksum::of(&parts.headers)?;
    let client = client(&parts.extensions);
    let token = api.running.take_over(id);
    let (catalog, id) = (api.catalog.clone(), id.clone());
    // The task goes on if the client goes away, so that all bytes that arrived are kept.
    let appended = complete(async move {
        // The next request finds none to end.
        let _over = token.clone().drop_guard();
        receive(&catalog, (client, &id), body, piece, checksum, token).await
    });
    appended.await.unwrap_or_else(|error| {
        let request = RequestId::current().map(tracing::field::display);
        tracing::error!(request, %error, "an upload ended early");
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the upload ended early; go on with it"))
    })
}

/// Whether the body of a request is a piece by tus. Some HTTP libraries add a charset.
pub(super) fn is_piece(headers: &HeaderMap) -> bool {
    let found = fields::text(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(PIECE)
}

/// Refuses a body that is no piece: the client would take its bytes for received.
pub(super) async fn refuse_other_bytes(parts: &request::Parts, body: Body) -> Result<(), Problem> {
    let begun = RequestBody::new(parts, body).peek(1).await?;
    if begun.is_empty() { Ok(()) } else { Err(no_piece()) }
}

fn no_piece() -> Problem {
    let detail = format!("the bytes of a piece have the Content-Type {PIECE}");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
}

/// Where the body of a `PATCH` belongs.
fn tus_piece(headers: &HeaderMap) -> Result<Piece, Problem> {
    fields::check_version(headers, true)?;
    if !is_piece(headers) {
        return Err(no_piece());
    }
    let missing = || Problem::new(StatusCode::BAD_REQUEST, "Upload-Offset is missing");
    let offset = fields::number(headers, "upload-offset")?.ok_or_else(missing)?;
    Ok(Piece { offset, total: fields::number(headers, "upload-length")? })
}

/// Where the body of a `PUT` belongs; `None` if it is the whole file.
fn plain_piece(headers: &HeaderMap) -> Result<Option<Piece>, Problem> {
    let length = fields::number(headers, CONTENT_LENGTH.as_str())?;
    let offset = fields::number(headers, "upload-offset")?;
    let piece =
        fields::content_range(headers, length)?.or(offset.map(|offset| Piece { offset, total: None }));
    if piece.is_none() {
        check_headers(headers)?;
    }
    Ok(piece)
}

fn answer(api: &Northbound, id: &UnfinishedFileId, appended: Result<Appended, Problem>) -> Response {
    match appended {
        Ok(appended) => response::progress(api, id, appended.offset),
        Err(problem) => tus(problem),
    }
}
