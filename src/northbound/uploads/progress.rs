//! `GET` and `HEAD /uploads/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use http_service::{Problem, UrlPath};

use super::fields;
use super::receive::locked;
use super::response::{self, known, tus};
use crate::northbound::api::Northbound;
use crate::northbound::api_types::parameters::TusVersion;
use crate::northbound::api_types::problems::{NoSuchUpload, OtherVersion, UploadLocked};
use crate::northbound::api_types::upload_progress::{ProgressInFields, ProgressShown};

/// Ask how far an upload has come.
///
/// A request that brings bytes for it at this moment is ended: the client that asks is about to go on with
/// it.
#[utoipa::path(
    get, path = "/uploads/{id}", tag = "uploads", operation_id = "showUpload",
    params(("id" = String, Path, description = "The upload's id."), TusVersion),
    responses(
        ProgressShown,
        NoSuchUpload,
        OtherVersion,
        UploadLocked,
    ),
)]
pub(in crate::northbound) async fn get(
    state: State<Northbound>,
    path: UrlPath<String>,
    headers: HeaderMap,
) -> Response {
    head(state, path, headers).await
}

/// Ask how far an upload has come, as clients of tus do.
#[utoipa::path(
    head, path = "/uploads/{id}", tag = "uploads", operation_id = "headUpload",
    params(("id" = String, Path, description = "The upload's id."), TusVersion),
    responses(
        ProgressInFields,
        NoSuchUpload,
        OtherVersion,
        UploadLocked,
    ),
)]
pub(in crate::northbound) async fn head(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        fields::check_version(&headers, false)?;
        let id = known(&api, id)?;
        // A client that asks is about to go on with it.
        api.running.end(&id);
        let (_, file) = api.catalog.intakes.refresh(&id).await.map_err(locked)?;
        Ok::<_, Problem>((id, file))
    };
    match found.await {
        Ok((id, file)) => {
            let mut answer = response::progress(&api, &id, file.offset);
            *answer.status_mut() = StatusCode::OK;
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer
        }
        Err(problem) => tus(problem),
    }
}
