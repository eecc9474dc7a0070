//! `/storage`: the space that files take, will take, and may take.

use axum::Json;
use axum::extract::State;
use blobs::{FileSystem, Usage};
use http_service::Problem;
use model::stored_file::StoreKind;
use serde::Serialize;
use utoipa::ToSchema;

use super::api::Northbound;
use super::api_types::examples;
use super::problems::problem;
use super::views::file::Store;

/// What the stores hold, what is on its way to them, and what still fits. All sizes are bytes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Storage {
    stores: Vec<StoreUsage>,
    /// The file systems that the stores lie on: one, if they share it.
    file_systems: Vec<FileSystemUsage>,
}

/// What one store holds.
#[derive(Debug, Serialize, ToSchema)]
struct StoreUsage {
    store: Store,
    /// Complete files.
    files: usize,
    /// Their bytes, those that several files share counted once.
    bytes: u64,
    /// Bytes that would be needed more if nothing were shared.
    saved: u64,
    unfinished: Unfinished,
    /// Bytes that the store may hold; null for no limit.
    #[schema(required)]
    quota: Option<u64>,
    /// Bytes that could be taken in now.
    available: u64,
    /// Why the store takes in no files now, such as a read-only file system; null if it does. What is there
    /// is served.
    #[schema(required)]
    problem: Option<String>,
}

/// Uploads and downloads that are under way, or could be gone on with.
#[derive(Debug, Serialize, ToSchema)]
struct Unfinished {
    files: usize,
    /// Bytes that these have got.
    bytes: u64,
    /// Bytes that these will have, as far as that is known.
    promised: u64,
}

/// A file system with stores on it.
#[derive(Debug, Serialize, ToSchema)]
struct FileSystemUsage {
    stores: Vec<Store>,
    /// Bytes in all.
    total: u64,
    /// Bytes that are taken, by files of any program.
    used: u64,
    /// Bytes that any program may still write.
    free: u64,
    /// Bytes of these that stay free (`reserveBytes`).
    reserved: u64,
    /// Bytes of these that files on their way will need.
    promised: u64,
    /// Bytes that could be taken in now.
    available: u64,
}

/// Show what the stores hold, what is on its way to them, and what still fits.
#[utoipa::path(
    get, path = "/storage", tag = "files", operation_id = "showStorage",
    responses((
        status = 200, description = "All sizes are bytes.",
        body = Storage, example = json!(examples::storage()),
    )),
)]
pub(super) async fn show(State(api): State<Northbound>) -> Result<Json<Storage>, Problem> {
    let usage = api.catalog.files.usage().await.map_err(problem)?;
    let mut file_systems: Vec<(&FileSystem, Vec<Store>)> = Vec::new();
    for (kind, usage) in &usage {
        let device = usage.file_system.device;
        match file_systems.iter_mut().find(|(known, _)| known.device == device) {
            Some((_, stores)) => stores.push((*kind).into()),
            None => file_systems.push((&usage.file_system, vec![(*kind).into()])),
        }
    }
    Ok(Json(Storage {
        stores: usage.iter().map(|(kind, usage)| StoreUsage::new(*kind, usage)).collect(),
        file_systems: file_systems
            .into_iter()
            .map(|(found, stores)| FileSystemUsage::new(found, stores))
            .collect(),
    }))
}

impl StoreUsage {
    fn new(kind: StoreKind, usage: &Usage) -> Self {
        Self {
            store: kind.into(),
            files: usage.files,
            bytes: usage.bytes,
            saved: usage.saved,
            unfinished: Unfinished {
                files: usage.unfinished,
                bytes: usage.unfinished_bytes,
                promised: usage.promised,
            },
            quota: Some(usage.quota).filter(|quota| *quota > 0),
            available: usage.available,
            problem: usage.problem.clone(),
        }
    }
}

impl FileSystemUsage {
    fn new(found: &FileSystem, stores: Vec<Store>) -> Self {
        Self {
            stores,
            total: found.total,
            used: found.total.saturating_sub(found.free),
            free: found.free,
            reserved: found.reserve,
            promised: found.promised,
            available: found.available(),
        }
    }
}
