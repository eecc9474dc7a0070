//! `POST` and `OPTIONS /uploads`.

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{HeaderMap, HeaderValue, LOCATION};
use http::{StatusCode, request};
use http_service::Problem;
use http_service::digest_fields::ExpectedDigests;
use http_service::openapi::Bytes;
use http_service::parameters::{Known, Parameters};
use http_service::request_body::{check_headers, refuse_form_with};
use model::names::FileName;
use model::stored_file::StoreKind;
use model::unfinished_file::{Owner, Plan, UnfinishedFileId};
use serde_json::Value;

use super::append::{append, is_piece, refuse_other_bytes};
use super::fields::{self, Piece, VERSION};
use super::response::{self, ALLOW_ALL, ALLOW_ONE, tus};
use crate::northbound::api::{Northbound, client};
use crate::northbound::api_types::parameters::{NewUpload, NewUploadFields, PieceChecksum, TusVersion};
use crate::northbound::api_types::problems::{
    EncodingRejected, FileRejected, NotBegun, OtherChecksum, OtherVersion,
};
use crate::northbound::api_types::upload_progress::UploadBegun;
use crate::northbound::labels::{LABELS, REPEATED, given_labels, parameters_of_object};
use crate::northbound::problems::problem;

/// The extensions of tus that are understood.
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,checksum,termination,expiration";

pub(in crate::northbound) const PARAMETERS: [&str; 6] =
    ["name", "store", "size", "sha256", "sha512", "label"];

const KNOWN: Known<'_> = Known::with_lists(&PARAMETERS, &REPEATED);

/// What a client learns that begins with a form.
const FORM_ADVICE: &str =
    "begin without a body, and send the file alone to the path that Location tells: curl -T FILE URL";

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
pub(in crate::northbound) async fn options() -> Response {
    understood(ALLOW_ALL)
}

/// `OPTIONS /uploads/{id}`: the same.
pub(in crate::northbound) async fn options_of_one() -> Response {
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

/// Begin an upload that can be resumed.
///
/// By tus 1.0.0, whose fields are understood, or by plain clients, which say all in the query. With the
/// Content-Type `application/offset+octet-stream` the body has the first bytes. The upload is at the path
/// that `Location` tells.
#[utoipa::path(
    post, path = "/uploads", tag = "uploads", operation_id = "createUpload",
    params(NewUpload, TusVersion, NewUploadFields, PieceChecksum),
    request_body(
        content = inline(Option<Bytes>), content_type = "application/offset+octet-stream", description = "The first bytes, if any.",
    ),
    responses(
        UploadBegun,
        FileRejected,
        EncodingRejected,
        OtherVersion,
        NotBegun,
        OtherChecksum,
    ),
)]
pub(in crate::northbound) async fn create(State(api): State<Northbound>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    let brings_piece = is_piece(&parts.headers);
    let created = async {
        let (kind, plan) = plan(&parts)?;
        if !brings_piece {
            refuse_other_bytes(&parts, std::mem::take(&mut body)).await?;
        }
        begin(&api, kind, plan).await
    };
    let id = match created.await {
        Ok(id) => id,
        Err(problem) => return tus(problem),
    };
    let mut offset = 0;
    if brings_piece {
        let piece = Piece { offset: 0, total: None };
        match append(&api, &id, &parts, body, Some(piece)).await {
            Ok(appended) => offset = appended.offset,
            // The client does not learn the id, so it cannot go on with this upload.
            Err(problem) => {
                if let Err(error) = api.catalog.intakes.discard(&id).await {
                    tracing::debug!(%id, %error, "there is nothing to remove");
                }
                return tus(problem);
            }
        }
    }
    let mut answer = response::progress(&api, &id, offset);
    *answer.status_mut() = StatusCode::CREATED;
    // Relative to the URL of the request, so that it leads through the proxies that the request came through.
    let folder = if parts.uri.path().ends_with('/') { "" } else { "uploads/" };
    if let Ok(location) = HeaderValue::from_str(&format!("{folder}{id}")) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// Refuses what this path does not understand, and would take for something else.
fn check(parts: &request::Parts) -> Result<(), Problem> {
    fields::check_version(&parts.headers, false)?;
    check_headers(&parts.headers)?;
    // The parts would each become a file.
    if parts.headers.contains_key("upload-concat") {
        let detail = "uploads are not put together from parts here (Upload-Concat); send the file in one \
                      upload (tus-js-client, Uppy: parallelUploads: 1)";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    refuse_form_with(&parts.headers, FORM_ADVICE)
}

/// What the request says of the file, and its store.
fn plan(parts: &request::Parts) -> Result<(StoreKind, Plan), Problem> {
    check(parts)?;
    let parameters = Parameters::of_query(parts, KNOWN)?.or(metadata(&parts.headers)?, KNOWN)?;
    let name = parameters.required("name", FileName::new)?;
    let kind = parameters.optional("store", |text| text.parse::<StoreKind>())?.unwrap_or(StoreKind::Iso);
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
    let (client, resume_data) = (client(&parts.extensions), Value::Null);
    let labels = given_labels(&parameters)?.unwrap_or_default();
    Ok((kind, Plan { name, size, expected, owner: Owner::Upload, client, labels, resume_data }))
}

async fn begin(api: &Northbound, kind: StoreKind, plan: Plan) -> Result<UnfinishedFileId, Problem> {
    let id = UnfinishedFileId::random();
    let intake = api.catalog.intakes.begin(&id, kind, plan, None).await.map_err(problem)?;
    intake.suspend().await.map_err(problem)?;
    Ok(id)
}

/// The parameters in `Upload-Metadata`. Clients of tus call a file's name `filename`, `name` or both.
fn metadata(headers: &HeaderMap) -> Result<Vec<(String, String)>, Problem> {
    let said = fields::metadata(headers, &["filename", "name", "store", "sha256", "sha512", LABELS])?;
    let (labels, mut said): (Vec<_>, Vec<_>) = said.into_iter().partition(|(key, _)| key == LABELS);
    let name = said.iter().find(|(key, _)| key == "name").map(|(_, name)| name.clone());
    said.retain(|(key, value)| key != "filename" || Some(value) != name.as_ref());
    if name.is_some() && said.iter().any(|(key, _)| key == "filename") {
        let detail = "Upload-Metadata: `name` and `filename` differ; send one of them";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    for (_, object) in labels {
        said.extend(parameters_of_object(&object)?);
    }
    let renamed = said.into_iter().map(|(key, value)| match key.as_str() {
        "filename" => ("name".to_owned(), value),
        _ => (key, value),
    });
    Ok(renamed.collect())
}
