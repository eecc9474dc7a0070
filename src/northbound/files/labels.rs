//! `PUT /files/{store}/{name}/labels`: the labels of one file.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http_service::{Problem, UrlPath};

use super::conditions::{check, check_locked};
use super::one::named;
use crate::northbound::api::{Northbound, tagged};
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::{Conditions, FilePath};
use crate::northbound::api_types::problems::{
    BadParameter, BodyRejected, ConditionFailed, FileStays, NotRecorded,
};
use crate::northbound::labels::labels_of_body;
use crate::northbound::problems::problem;
use crate::northbound::views::file::StoredFile;
use crate::northbound::views::labels::Labels;

/// Give a file labels.
///
/// They replace all that it has: the object is what `labels` of the file shows afterwards. Labels belong to
/// the name. They stay when another file takes it, unless that brings labels, and go when the file is
/// deleted.
#[utoipa::path(
    put, path = "/files/{store}/{name}/labels", tag = "files", operation_id = "putFileLabels",
    params(FilePath, Conditions),
    request_body(content = Labels, content_type = "application/json", example = json!({"team": "blue"})),
    responses(
        (
            status = 200, description = "The file with its labels.",
            body = StoredFile, example = json!(examples::listed_iso()),
        ),
        BadParameter,
        BodyRejected,
        FileStays,
        ConditionFailed,
        NotRecorded,
    ),
)]
pub(in crate::northbound) async fn put(
    State(api): State<Northbound>,
    UrlPath(path): UrlPath<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let conditions = api.conditions(&parts.headers)?;
    let (kind, name) = named(path)?;
    let files = &api.catalog.files;
    check(&conditions, kind, Some(&files.get(kind, name.clone()).await.map_err(problem)?))?;
    let labels = labels_of_body(body).await?;
    let file = files.lock(kind, name).await.map_err(problem)?;
    check_locked(&conditions, kind, &file).await?;
    let listed = file.set_labels(labels).await.map_err(problem)?;
    Ok(tagged(StatusCode::OK, &StoredFile::listed(kind, &listed)))
}
