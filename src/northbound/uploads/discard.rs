//! `DELETE /uploads/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::HeaderMap;
use http_service::{Problem, UrlPath};

use super::fields;
use super::response::{known, tus};
use crate::northbound::api::Northbound;
use crate::northbound::api_types::parameters::TusVersion;
use crate::northbound::api_types::problems::{NoSuchUpload, OtherVersion, UploadBusy};
use crate::northbound::problems::problem;

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
pub(in crate::northbound) async fn delete(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Response {
    let removed = async {
        fields::check_version(&headers, false)?;
        let id = known(&api, id)?;
        api.running.end(&id);
        api.catalog.intakes.discard(&id).await.map_err(problem)?;
        Ok::<_, Problem>(())
    };
    match removed.await {
        Ok(()) => tus(StatusCode::NO_CONTENT),
        Err(problem) => tus(problem),
    }
}
