//! `DELETE /iso` and `DELETE /microkernel`.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http_service::parameters::Parameters;
use http_service::{Preconditions, Problem};
use model::names::FileName;
use model::stored_file::StoreKind;

use super::FILTERS;
use super::conditions::check_locked;
use crate::northbound::api::Northbound;
use crate::northbound::problems::problem;
use crate::northbound::views::file::StoredFile;

/// Removes the file named.
pub(in crate::northbound) async fn delete(
    State(api): State<Northbound>,
    kind: StoreKind,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let conditions = api.conditions(&parts.headers)?;
    let parameters = Parameters::of_request(&parts, body, &FILTERS).await?;
    let name = parameters.required("name", FileName::existing)?;
    remove(&api, &conditions, kind, name).await
}

/// Removes a file, if the conditions are met.
pub(super) async fn remove(
    api: &Northbound,
    conditions: &Preconditions,
    kind: StoreKind,
    name: FileName,
) -> Result<Response, Problem> {
    let file = api.catalog.files.lock(kind, name).await.map_err(problem)?;
    check_locked(conditions, kind, &file).await?;
    let removed = file.remove().await.map_err(problem)?;
    Ok(Json(StoredFile::new(kind, &removed.file)).into_response())
}
