//! `/storage`: what the stores hold, what is on its way to them, and what still fits.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Northbound;
use super::problem::Problem;
use crate::model::stored_file::Shelf;
use crate::store::{FileSystem, Usage};

/// `GET /storage`: all numbers are bytes.
pub(super) async fn show(State(door): State<Northbound>) -> Result<Response, Problem> {
    let usage = door.catalog.storage().await?;
    let stores: Vec<Value> = usage.iter().map(|(shelf, usage)| store(*shelf, usage)).collect();
    let mut file_systems: Vec<(&FileSystem, Vec<Shelf>)> = Vec::new();
    for (shelf, usage) in &usage {
        let device = usage.file_system.device;
        match file_systems.iter_mut().find(|(known, _)| known.device == device) {
            Some((_, shelves)) => shelves.push(*shelf),
            None => file_systems.push((&usage.file_system, vec![*shelf])),
        }
    }
    let file_systems: Vec<Value> =
        file_systems.iter().map(|(found, shelves)| file_system(found, shelves)).collect();
    Ok(Json(json!({"stores": stores, "fileSystems": file_systems})).into_response())
}

fn store(shelf: Shelf, usage: &Usage) -> Value {
    json!({
        "store": shelf,
        "files": usage.files,
        "bytes": usage.bytes,
        "saved": usage.saved,
        "unfinished": {
            "files": usage.unfinished,
            "bytes": usage.unfinished_bytes,
            "promised": usage.promised,
        },
        "quota": Some(usage.quota).filter(|quota| *quota > 0),
        "available": usage.available,
    })
}

fn file_system(found: &FileSystem, stores: &[Shelf]) -> Value {
    json!({
        "stores": stores,
        "total": found.total,
        "used": found.total.saturating_sub(found.free),
        "free": found.free,
        "reserved": found.reserve,
        "promised": found.promised,
        "available": found.available(),
    })
}
