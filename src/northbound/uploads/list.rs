//! `GET /uploads`.

use axum::Json;
use axum::extract::State;
use model::names::FileName;
use model::stored_file::StoreKind;
use model::unfinished_file::{Owner, UnfinishedFile, UnfinishedFileId};
use serde::Serialize;
use utoipa::ToSchema;

use super::response::expires;
use crate::northbound::api::Northbound;
use crate::northbound::api_types::examples;
use crate::northbound::views::file::Store;
use crate::northbound::views::labels::Labels;
use crate::northbound::views::time::Time;

/// An upload that lacks bytes.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::northbound) struct UnfinishedUpload {
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
    /// The labels that the file will bring.
    labels: Labels,
    created: Time,
    /// When it goes, if no request touches it until then.
    #[schema(required)]
    expires: Option<Time>,
}

/// List the uploads that lack bytes.
#[utoipa::path(
    get, path = "/uploads", tag = "uploads", operation_id = "listUploads",
    responses((
        status = 200, description = "The uploads.",
        body = Vec<UnfinishedUpload>, example = json!(examples::unfinished_uploads()),
    )),
)]
pub(in crate::northbound) async fn list(State(api): State<Northbound>) -> Json<Vec<UnfinishedUpload>> {
    let files = api.catalog.intakes.unfinished_files().into_iter();
    let uploads = files.filter(|(_, file)| file.plan.owner == Owner::Upload && !file.whole);
    Json(uploads.map(|(kind, file)| UnfinishedUpload::new(&api, kind, &file)).collect())
}

impl UnfinishedUpload {
    fn new(api: &Northbound, kind: StoreKind, file: &UnfinishedFile) -> Self {
        Self {
            id: file.id.clone(),
            store: kind.into(),
            name: file.plan.name.clone(),
            offset: file.offset,
            size: file.plan.size,
            labels: (&file.plan.labels).into(),
            created: file.created.into(),
            expires: Time::of_system(expires(api, file)),
        }
    }
}
