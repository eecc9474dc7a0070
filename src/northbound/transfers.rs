//! `/transfers`: what is sent southbound, for people. `metrics.rs` has it for monitoring.

use axum::Json;
use axum::extract::State;
use http_service::transfers::{Ended, Running};
use serde::Serialize;
use utoipa::ToSchema;

use super::api::Northbound;
use super::api_types::examples;
use super::views::time::Time;

/// Ended transfers that are shown.
const SHOWN: usize = 200;

/// What is being sent southbound.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transfers {
    running: Vec<RunningTransfer>,
    /// How many wait for a place.
    waiting: u64,
    /// Those that ended lately, the last first.
    recent: Vec<EndedTransfer>,
}

/// A file that is being sent.
#[derive(Debug, Serialize, ToSchema)]
struct RunningTransfer {
    /// The client's address and port; its address alone where a trusted proxy told no port.
    client: String,
    /// The path that it asked for.
    path: String,
    /// Bytes that it will get.
    size: u64,
    /// Bytes that it has got.
    sent: u64,
    /// Bytes a second since its start.
    rate: u64,
    #[schema(required)]
    started: Option<Time>,
}

/// A file that was sent, or a part of it.
#[derive(Debug, Serialize, ToSchema)]
struct EndedTransfer {
    /// The client's address and port; its address alone where a trusted proxy told no port.
    client: String,
    /// The path that it asked for.
    path: String,
    /// Bytes that it was to get.
    size: u64,
    /// Bytes that it got.
    sent: u64,
    /// Bytes a second, from its start to its end.
    rate: u64,
    #[schema(required)]
    started: Option<Time>,
    #[schema(required)]
    ended: Option<Time>,
    outcome: Outcome,
}

/// Whether all was sent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Done,
    #[serde(rename = "broken off")]
    BrokenOff,
}

/// Show what is being sent southbound, and what ended lately.
#[utoipa::path(
    get, path = "/transfers", tag = "service", operation_id = "listTransfers",
    responses((
        status = 200, description = "The transfers.",
        body = Transfers, example = json!(examples::transfers()),
    )),
)]
pub(super) async fn list(State(api): State<Northbound>) -> Json<Transfers> {
    Json(Transfers {
        running: api.transfers.running().iter().map(RunningTransfer::from).collect(),
        waiting: api.transfers.totals().waiting,
        recent: api.transfers.ended().iter().take(SHOWN).map(EndedTransfer::from).collect(),
    })
}

impl From<&Running> for RunningTransfer {
    fn from(transfer: &Running) -> Self {
        Self {
            client: transfer.client.to_string(),
            path: transfer.path.clone(),
            size: transfer.size,
            sent: transfer.sent,
            rate: transfer.rate,
            started: Time::of_system(transfer.started),
        }
    }
}

impl From<&Ended> for EndedTransfer {
    fn from(transfer: &Ended) -> Self {
        let milliseconds = transfer.took.as_millis().max(1);
        let rate = u64::try_from(u128::from(transfer.sent) * 1000 / milliseconds).unwrap_or(u64::MAX);
        Self {
            client: transfer.client.to_string(),
            path: transfer.path.clone(),
            size: transfer.size,
            sent: transfer.sent,
            rate,
            started: Time::of_system(transfer.started),
            ended: Time::of_system(transfer.ended()),
            outcome: if transfer.is_complete() { Outcome::Done } else { Outcome::BrokenOff },
        }
    }
}
