//! `/files/{store}/{name}`: one file. `/iso/{name}` is the file itself where both services share an endpoint.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http_service::{Problem, UrlPath};
use model::names::FileName;
use model::stored_file::StoreKind;

use super::remove::remove;
use crate::northbound::api::Northbound;
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::{Conditions, FilePath};
use crate::northbound::api_types::problems::{BadParameter, ConditionFailed, FileStays, NoSuchFile};
use crate::northbound::problems::problem;
use crate::northbound::views::file::StoredFile;

/// Show one file, as it is listed.
#[utoipa::path(
    get, path = "/files/{store}/{name}", tag = "files", operation_id = "showFile",
    params(FilePath),
    responses(
        (status = 200, description = "The file.", body = StoredFile, example = json!(examples::listed_iso())),
        BadParameter,
        NoSuchFile,
    ),
)]
pub(in crate::northbound) async fn show(
    State(api): State<Northbound>,
    UrlPath(path): UrlPath<(String, String)>,
) -> Result<Response, Problem> {
    let (kind, name) = named(path)?;
    let listed = api.catalog.files.get(kind, name).await.map_err(problem)?;
    Ok(Json(StoredFile::listed(kind, &listed)).into_response())
}

/// Delete one file.
#[utoipa::path(
    delete, path = "/files/{store}/{name}", tag = "files", operation_id = "deleteFile",
    params(FilePath, Conditions),
    responses(
        (
            status = 200, description = "The file that was deleted.",
            body = StoredFile, example = json!(examples::iso()),
        ),
        BadParameter,
        FileStays,
        ConditionFailed,
    ),
)]
pub(in crate::northbound) async fn delete(
    State(api): State<Northbound>,
    UrlPath(path): UrlPath<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let conditions = api.conditions(&headers)?;
    let (kind, name) = named(path)?;
    remove(&api, &conditions, kind, name).await
}

/// The store and the name in a path.
pub(super) fn named((store, name): (String, String)) -> Result<(StoreKind, FileName), Problem> {
    let kind = store.parse().map_err(|error| Problem::parameter("store", error))?;
    let name = FileName::existing(name).map_err(|error| Problem::parameter("name", error))?;
    Ok((kind, name))
}
