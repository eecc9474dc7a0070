//! `/uploads`: uploads that can be resumed, by tus 1.0.0 and by plain clients such as curl.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path as UrlPath, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use http::{StatusCode, request};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::Northbound;
use super::digest_fields::ExpectedDigests;
use super::openapi::parameters::{
    MethodOverride, NewUpload, NewUploadFields, PieceChecksum, PieceFields, RangeFields, TusVersion,
    TusVersionRequired,
};
use super::openapi::problems::{
    BytesRejected, EncodingRejected, FileRejected, NoPiece, NoSuchUpload, NotBegun, OtherChecksum,
    OtherVersion, UploadBusy, UploadLocked,
};
use super::openapi::{Bytes, examples};
use super::parameters::Parameters;
use super::problem::Problem;
use super::resumable_append::{Appended, append, locked};
use super::resumable_fields::{self as fields, Checksum, Piece, VERSION};
use super::uploads::{Upload, check_headers};
use super::views::{Store, StoredFile, Time};
use crate::model::names::FileName;
use crate::model::stored_file::StoreKind;
use crate::model::unfinished_file::{Owner, Plan, UnfinishedFile, UnfinishedFileId};

/// The body of a piece by tus.
const PIECE: &str = "application/offset+octet-stream";

const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,checksum,termination,expiration";

pub(super) const PARAMETERS: [&str; 5] = ["name", "store", "size", "sha256", "sha512"];

/// An upload that lacks bytes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnfinishedUpload {
    /// The last segment of its path, `/uploads/{id}`.
    #[schema(value_type = String)]
    id: UnfinishedFileId,
    store: Store,
    /// The name that the file will have.
    #[schema(value_type = String)]
    name: FileName,
    /// Bytes that it has.
    offset: u64,
    /// Bytes that it will have, where that is known.
    #[schema(required)]
    size: Option<u64>,
    created: Time,
    /// When it goes, if nobody touches it until then.
    #[schema(required)]
    expires: Option<Time>,
}

/// The requests that bring bytes now, by their uploads. A newer one ends an older one, whose connection most likely broke unnoticed.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<UnfinishedFileId, CancellationToken>>>);

impl Running {
    /// Ends whoever brings bytes for an upload.
    fn end(&self, id: &UnfinishedFileId) {
        if let Some(older) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id) {
            older.cancel();
        }
    }

    /// Ends whoever brings bytes for an upload, and takes over.
    fn take_over(&self, id: &UnfinishedFileId) -> CancellationToken {
        let token = CancellationToken::new();
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, token| !token.is_cancelled());
        if let Some(older) = running.insert(id.clone(), token.clone()) {
            older.cancel();
        }
        token
    }
}

/// Tell what of tus is understood.
#[utoipa::path(
    options, path = "/uploads", tag = "uploads", operation_id = "showUploadOptions",
    responses((status = 204, description = "What is understood.", headers(
        ("Allow" = String, description = "The methods of this path."),
        ("Tus-Resumable" = String, description = "`1.0.0`."),
        ("Tus-Version" = String, description = "`1.0.0`."),
        ("Tus-Extension" = String, description = "The extensions of tus, separated by commas."),
        ("Tus-Checksum-Algorithm" = String, description = "`sha1,sha256,sha512`."),
    ))),
)]
pub(super) async fn options() -> Response {
    understood(ALLOW_ALL)
}

/// `OPTIONS /uploads/{id}`: the same.
pub(super) async fn options_of_one() -> Response {
    understood(ALLOW_ONE)
}

fn understood(allow: &'static str) -> Response {
    let headers = [
        ("tus-version", VERSION),
        ("tus-extension", EXTENSIONS),
        ("tus-checksum-algorithm", "sha1,sha256,sha512"),
        ("allow", allow),
    ];
    tus((StatusCode::NO_CONTENT, headers))
}

/// List the uploads that lack bytes.
#[utoipa::path(
    get, path = "/uploads", tag = "uploads", operation_id = "listUploads",
    responses((
        status = 200, description = "The uploads.",
        body = Vec<UnfinishedUpload>, example = json!(examples::unfinished_uploads()),
    )),
)]
pub(super) async fn list(State(api): State<Northbound>) -> Json<Vec<UnfinishedUpload>> {
    let parts = api.catalog.parts().into_iter();
    let unfinished = parts.filter(|(_, part)| part.plan.owner == Owner::Upload && !part.whole);
    Json(unfinished.map(|(kind, part)| UnfinishedUpload::new(&api, kind, &part)).collect())
}

/// Begin an upload that can be resumed.
///
/// By tus 1.0.0, whose fields are understood, or by plain clients, which say all in the query. With the Content-Type
/// `application/offset+octet-stream` the body has the first bytes. The upload is at the path that `Location` tells.
#[utoipa::path(
    post, path = "/uploads", tag = "uploads", operation_id = "createUpload",
    params(NewUpload, TusVersion, NewUploadFields, PieceChecksum),
    request_body(
        content = inline(Option<Bytes>), content_type = "application/offset+octet-stream", description = "The first bytes, if any.",
    ),
    responses(
        (status = 201, description = "The upload is begun.",
            headers(
                ("Location" = String, description = "The path of the upload, `/uploads/{id}`."),
                ("Tus-Resumable" = String, description = "`1.0.0`."),
                ("Upload-Offset" = u64, description = "Bytes that the upload has."),
                ("Upload-Length" = u64, description = "Bytes that it will have, where that is known."),
                ("Upload-Defer-Length" = String, description = "`1` where that is not known."),
                ("Upload-Expires" = String, description = "When it goes, if nobody touches it until then."),
            )),
        FileRejected,
        EncodingRejected,
        OtherVersion,
        NotBegun,
        OtherChecksum,
    ),
)]
pub(super) async fn create(State(api): State<Northbound>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let created = create_part(&api, &parts).await;
    let id = match created {
        Ok(id) => id,
        Err(problem) => return tus(Upload::new(&parts, body).refuse(problem).await),
    };
    let mut answer = if is_piece(&parts.headers) {
        let piece = Piece { offset: 0, total: None };
        match bring(&api, &id, &parts, body, Some(piece)).await {
            Ok(appended) => shown(&api, &id, &appended),
            // Nobody was told the id, so nobody can go on with it.
            Err(problem) => {
                if let Err(error) = api.catalog.discard_part(&id).await {
                    tracing::debug!(%id, %error, "there is nothing to remove");
                }
                return tus(problem);
            }
        }
    } else {
        shown(&api, &id, &Appended { offset: 0, stored: None })
    };
    *answer.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(&format!("/uploads/{id}")) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// Ask how far an upload has come.
///
/// Whoever brings bytes for it at this moment is stopped: who asks is about to go on with it.
#[utoipa::path(
    get, path = "/uploads/{id}", tag = "uploads", operation_id = "showUpload",
    params(("id" = String, Path, description = "The upload's id."), TusVersion),
    responses(
        (status = 200, description = "How far it has come is in the fields; there is no body.",
            headers(
                ("Tus-Resumable" = String, description = "`1.0.0`."),
                ("Upload-Offset" = u64, description = "Bytes that the upload has."),
                ("Upload-Length" = u64, description = "Bytes that it will have, where that is known."),
                ("Upload-Defer-Length" = String, description = "`1` where that is not known."),
                ("Upload-Expires" = String, description = "When it goes, if nobody touches it until then."),
            )),
        NoSuchUpload,
        OtherVersion,
        UploadLocked,
    ),
)]
pub(super) async fn get(state: State<Northbound>, path: UrlPath<String>, headers: HeaderMap) -> Response {
    head(state, path, headers).await
}

/// Ask how far an upload has come, as clients of tus do.
#[utoipa::path(
    head, path = "/uploads/{id}", tag = "uploads", operation_id = "headUpload",
    params(("id" = String, Path, description = "The upload's id."), TusVersion),
    responses(
        (status = 200, description = "How far it has come is in the fields.",
            headers(
                ("Tus-Resumable" = String, description = "`1.0.0`."),
                ("Upload-Offset" = u64, description = "Bytes that the upload has."),
                ("Upload-Length" = u64, description = "Bytes that it will have, where that is known."),
                ("Upload-Defer-Length" = String, description = "`1` where that is not known."),
                ("Upload-Expires" = String, description = "When it goes, if nobody touches it until then."),
            )),
        NoSuchUpload,
        OtherVersion,
        UploadLocked,
    ),
)]
pub(super) async fn head(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        fields::check_version(&headers, false)?;
        let id = known(&api, id)?;
        // Who asks is about to go on with it.
        api.running.end(&id);
        let (_, part) = api.catalog.settle_part(&id).await.map_err(locked)?;
        Ok::<_, Problem>((id, part))
    };
    match found.await {
        Ok((id, part)) => {
            let mut answer = shown(&api, &id, &Appended { offset: part.offset, stored: None });
            *answer.status_mut() = StatusCode::OK;
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer
        }
        Err(problem) => tus(problem),
    }
}

/// Bring more bytes, by tus.
///
/// What came stays, also if the request breaks off, unless it has a checksum: then all counts or nothing. With the last byte the file is in
/// its store.
#[utoipa::path(
    patch, path = "/uploads/{id}", tag = "uploads", operation_id = "appendToUpload",
    params(("id" = String, Path, description = "The upload's id."), TusVersionRequired, PieceFields, PieceChecksum),
    request_body(content = inline(Bytes), content_type = "application/offset+octet-stream", description = "The bytes."),
    responses(
        (status = 204, description = "The bytes are on disk.",
            headers(
                ("Tus-Resumable" = String, description = "`1.0.0`."),
                ("Upload-Offset" = u64, description = "Bytes that the upload has."),
                ("Upload-Length" = u64, description = "Bytes that it will have, where that is known."),
                ("Upload-Defer-Length" = String, description = "`1` where that is not known."),
                ("Upload-Expires" = String, description = "When it goes, if nobody touches it until then."),
            )),
        FileRejected,
        NoSuchUpload,
        OtherVersion,
        UploadLocked,
        BytesRejected,
        NoPiece,
        OtherChecksum,
    ),
)]
pub(super) async fn patch(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let piece = || {
        fields::check_version(&parts.headers, true)?;
        if !is_piece(&parts.headers) {
            let detail = format!("the bytes of a piece have the Content-Type {PIECE}");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let missing = || Problem::new(StatusCode::BAD_REQUEST, "Upload-Offset is missing");
        let offset = fields::number(&parts.headers, "upload-offset")?.ok_or_else(missing)?;
        Ok(Piece { offset, total: fields::number(&parts.headers, "upload-length")? })
    };
    let piece = piece().and_then(|piece| Ok((known(&api, id)?, piece)));
    match piece {
        Ok((id, piece)) => answer(&api, &id, bring(&api, &id, &parts, body, Some(piece)).await),
        Err(problem) => tus(Upload::new(&parts, body).refuse(problem).await),
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
        (status = 204, description = "The bytes are on disk; others are missing.",
            headers(
                ("Tus-Resumable" = String, description = "`1.0.0`."),
                ("Upload-Offset" = u64, description = "Bytes that the upload has."),
                ("Upload-Length" = u64, description = "Bytes that it will have, where that is known."),
                ("Upload-Defer-Length" = String, description = "`1` where that is not known."),
                ("Upload-Expires" = String, description = "When it goes, if nobody touches it until then."),
            )),
        FileRejected,
        NoSuchUpload,
        UploadLocked,
        BytesRejected,
        OtherChecksum,
    ),
)]
pub(super) async fn put(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let piece = || {
        let length = fields::number(&parts.headers, CONTENT_LENGTH.as_str())?;
        let offset = fields::number(&parts.headers, "upload-offset")?;
        let piece = fields::content_range(&parts.headers, length)?;
        Ok(piece.or(offset.map(|offset| Piece { offset, total: None })))
    };
    let piece = piece().and_then(|piece| Ok((known(&api, id)?, piece)));
    match piece {
        Ok((id, piece)) => {
            let brought = bring(&api, &id, &parts, body, piece).await;
            let stored = brought.as_ref().ok().and_then(|appended| appended.stored.clone());
            let mut answer = answer(&api, &id, brought);
            if let Some(stored) = stored {
                let whole = Json(stored).into_response();
                *answer.status_mut() = StatusCode::OK;
                answer.headers_mut().extend(whole.headers().clone());
                *answer.body_mut() = whole.into_body();
            }
            answer
        }
        Err(problem) => tus(Upload::new(&parts, body).refuse(problem).await),
    }
}

/// Forget an upload and what came of it.
#[utoipa::path(
    delete, path = "/uploads/{id}", tag = "uploads", operation_id = "deleteUpload",
    params(("id" = String, Path, description = "The upload's id."), TusVersion),
    responses(
        (status = 204, description = "It is gone.", headers(("Tus-Resumable" = String, description = "`1.0.0`."))),
        NoSuchUpload,
        OtherVersion,
        UploadBusy,
    ),
)]
pub(super) async fn delete(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Response {
    let removed = async {
        fields::check_version(&headers, false)?;
        let id = known(&api, id)?;
        api.running.end(&id);
        api.catalog.discard_part(&id).await?;
        Ok::<_, Problem>(())
    };
    match removed.await {
        Ok(()) => tus(StatusCode::NO_CONTENT),
        Err(problem) => tus(problem),
    }
}

/// Do what another method does, for clients whose proxies let only GET and POST pass.
#[utoipa::path(
    post, path = "/uploads/{id}", tag = "uploads", operation_id = "overrideUploadMethod",
    params(("id" = String, Path, description = "The upload's id."), MethodOverride),
    request_body(
        content = inline(Option<Bytes>), content_type = "application/offset+octet-stream", description = "What that method takes.",
    ),
    responses(
        (status = 200, description = "As by HEAD.",
            headers(
                ("Tus-Resumable" = String, description = "`1.0.0`."),
                ("Upload-Offset" = u64, description = "Bytes that the upload has."),
                ("Upload-Length" = u64, description = "Bytes that it will have, where that is known."),
                ("Upload-Defer-Length" = String, description = "`1` where that is not known."),
                ("Upload-Expires" = String, description = "When it goes, if nobody touches it until then."),
            )),
        (status = 204, description = "As by PATCH or DELETE.",
            headers(
                ("Tus-Resumable" = String, description = "`1.0.0`."),
                ("Upload-Offset" = u64, description = "Bytes that the upload has."),
                ("Upload-Length" = u64, description = "Bytes that it will have, where that is known."),
                ("Upload-Defer-Length" = String, description = "`1` where that is not known."),
                ("Upload-Expires" = String, description = "When it goes, if nobody touches it until then."),
            )),
        FileRejected,
        NoSuchUpload,
        OtherVersion,
        UploadLocked,
        BytesRejected,
        NoPiece,
        OtherChecksum,
    ),
)]
pub(super) async fn post(state: State<Northbound>, path: UrlPath<String>, request: Request) -> Response {
    let method = fields::text(request.headers(), "x-http-method-override").map(str::to_owned);
    match method.as_deref() {
        Some("PATCH") => patch(state, path, request).await,
        Some("DELETE") => delete(state, path, request.headers().clone()).await,
        Some("HEAD") => head(state, path, request.headers().clone()).await,
        _ => tus(Problem::method_not_allowed("GET, HEAD, PUT, PATCH, DELETE, OPTIONS")),
    }
}

async fn create_part(api: &Northbound, parts: &request::Parts) -> Result<UnfinishedFileId, Problem> {
    fields::check_version(&parts.headers, false)?;
    check_headers(&parts.headers)?;
    let said = fields::metadata(&parts.headers)?.into_iter().map(|(key, value)| match key.as_str() {
        "filename" => ("name".to_owned(), value),
        _ => (key, value),
    });
    let said: Vec<_> = said.filter(|(key, _)| key != "size").collect();
    let parameters = Parameters::of_query(parts, &PARAMETERS)?.or(said, &PARAMETERS)?;
    let name = parameters.required("name", FileName::new)?;
    let kind = parameters.optional("store", kind)?.unwrap_or(StoreKind::Iso);
    let size = match fields::number(&parts.headers, "upload-length")? {
        Some(size) => Some(size),
        None => parameters
            .optional("size", |text| text.parse::<u64>().map_err(|_| "must be a number of bytes"))?,
    };
    let is_deferred = fields::text(&parts.headers, "upload-defer-length") == Some("1");
    match size {
        Some(0) => return Err(Problem::new(StatusCode::BAD_REQUEST, "the upload is empty")),
        None if !is_deferred && parts.headers.contains_key("tus-resumable") => {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "Upload-Length is missing"));
        }
        _ => {}
    }
    let expected = ExpectedDigests::of_parameters(&parameters)?.expected();
    let id = UnfinishedFileId::random();
    let plan = Plan { name, size, expected, owner: Owner::Upload, resume_data: Value::Null };
    let intake = api.catalog.begin_part(&id, kind, plan, None).await?;
    intake.suspend().await?;
    Ok(id)
}

/// Brings the bytes of a request to an upload; to all of it where the request does not say to which piece.
async fn bring(
    api: &Northbound,
    id: &UnfinishedFileId,
    parts: &request::Parts,
    body: Body,
    piece: Option<Piece>,
) -> Result<Appended, Problem> {
    let upload = Upload::new(parts, body);
    let checksum = match Checksum::of(&parts.headers) {
        Ok(checksum) => checksum,
        Err(problem) => return Err(upload.refuse(problem).await),
    };
    let token = api.running.take_over(id);
    let (catalog, id) = (api.catalog.clone(), id.clone());
    // It goes on to its end if the client goes away, so that all that came stays.
    let brought = tokio::spawn(async move {
        // Whoever comes next has nobody to end.
        let _over = token.clone().drop_guard();
        append(&catalog, &id, upload, piece, checksum, token).await
    });
    brought.await.unwrap_or_else(|error| {
        tracing::error!(%error, "an upload ended early");
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the upload ended early; go on with it"))
    })
}

fn answer(api: &Northbound, id: &UnfinishedFileId, brought: Result<Appended, Problem>) -> Response {
    match brought {
        Ok(appended) => shown(api, id, &appended),
        Err(problem) => tus(problem),
    }
}

/// What every answer about an upload tells.
fn shown(api: &Northbound, id: &UnfinishedFileId, appended: &Appended) -> Response {
    let mut answer = tus(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    let mut add = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    add("upload-offset", appended.offset.to_string());
    if let Some((_, part)) = api.catalog.part(id) {
        match part.plan.size {
            Some(size) => add("upload-length", size.to_string()),
            None => add("upload-defer-length", "1".into()),
        }
        add("upload-expires", httpdate::fmt_http_date(expires(api, &part)));
    }
    answer
}

fn expires(api: &Northbound, part: &UnfinishedFile) -> SystemTime {
    let left = api.upload_expiry.saturating_sub(part.age);
    SystemTime::now()
        .checked_add(left)
        .unwrap_or(SystemTime::UNIX_EPOCH + Duration::from_secs(u32::MAX.into()))
}

impl UnfinishedUpload {
    fn new(api: &Northbound, kind: StoreKind, part: &UnfinishedFile) -> Self {
        Self {
            id: part.id.clone(),
            store: kind.into(),
            name: part.plan.name.clone(),
            offset: part.offset,
            size: part.plan.size,
            created: part.created.into(),
            expires: Time::of_system(expires(api, part)),
        }
    }
}

/// The id of an upload, which nobody else's part has.
fn known(api: &Northbound, id: String) -> Result<UnfinishedFileId, Problem> {
    let found = UnfinishedFileId::new(id).ok().and_then(|id| Some((api.catalog.part(&id)?.1, id)));
    match found {
        Some((part, id)) if part.plan.owner == Owner::Upload => Ok(id),
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such upload, or no more")),
    }
}

fn is_piece(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|found| found.as_bytes() == PIECE.as_bytes())
}

fn kind(text: String) -> Result<StoreKind, &'static str> {
    match text.as_str() {
        "iso" => Ok(StoreKind::Iso),
        "microkernel" => Ok(StoreKind::Microkernel),
        _ => Err("must be iso or microkernel"),
    }
}

fn tus(answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    answer.headers_mut().insert("tus-resumable", HeaderValue::from_static(VERSION));
    if answer.status() == StatusCode::PRECONDITION_FAILED {
        answer.headers_mut().insert("tus-version", HeaderValue::from_static(VERSION));
    }
    answer
}

/// What pages of other origins may read of an answer.
pub(super) const EXPOSED: [&str; 9] = [
    "location",
    "tus-resumable",
    "tus-version",
    "tus-extension",
    "tus-checksum-algorithm",
    "upload-offset",
    "upload-length",
    "upload-defer-length",
    "upload-expires",
];

/// The methods that each path knows.
pub(super) const ALLOW_ALL: &str = "GET, HEAD, POST, OPTIONS";
pub(super) const ALLOW_ONE: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
