//! What is being sent southbound: for people as JSON, for monitoring as text.

use std::fmt::Write;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Northbound;
use crate::transfers::{Ended, Running};

/// Ended transfers that are shown.
const SHOWN: usize = 200;

/// `GET /transfers`: what runs, and what ended lately.
pub(super) async fn list(State(door): State<Northbound>) -> Json<Value> {
    let totals = door.transfers.totals();
    let running: Vec<Value> = door.transfers.running().iter().map(running).collect();
    let recent: Vec<Value> = door.transfers.ended().iter().take(SHOWN).map(ended).collect();
    Json(json!({ "running": running, "waiting": totals.waiting, "recent": recent }))
}

/// `GET /metrics`: counters in the text format of Prometheus, version 0.0.4.
pub(super) async fn metrics(State(door): State<Northbound>) -> impl IntoResponse {
    let (totals, connections) = (door.transfers.totals(), door.transfers.connections());
    let mut text = String::new();
    let mut show = |name: &str, kind: &str, help: &str, values: &[(&str, u64)]| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP image_service_{name} {help}\n# TYPE image_service_{name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "image_service_{name}{labels} {value}");
        }
    };
    let [_, _, success, redirection, client, server] = totals.answers;
    show(
        "southbound_responses_total",
        "counter",
        "Answers given southbound, by status.",
        &[
            ("{status=\"2xx\"}", success),
            ("{status=\"3xx\"}", redirection),
            ("{status=\"4xx\"}", client),
            ("{status=\"5xx\"}", server),
        ],
    );
    show("southbound_bytes_total", "counter", "Bytes of files sent southbound.", &[("", totals.bytes)]);
    show("transfers_running", "gauge", "Transfers under way.", &[("", totals.running)]);
    show("transfers_waiting", "gauge", "Transfers that wait for a place.", &[("", totals.waiting)]);
    show(
        "transfers_broken_total",
        "counter",
        "Transfers that did not get to their end.",
        &[("", totals.broken)],
    );
    show(
        "transfers_refused_total",
        "counter",
        "Transfers answered with 503 for want of a place.",
        &[("", totals.refused)],
    );
    show(
        "connections_accepted_total",
        "counter",
        "Connections accepted.",
        &[("", connections.accepted.get())],
    );
    show(
        "connections_refused_total",
        "counter",
        "Connections closed because their address had too many.",
        &[("", connections.refused.get())],
    );
    show(
        "connections_crowded_total",
        "counter",
        "Times that the limit of connections was reached.",
        &[("", connections.crowded.get())],
    );
    show(
        "connections_failed_total",
        "counter",
        "Times that the system would not give a new connection.",
        &[("", connections.failed.get())],
    );
    show(
        "connections_cut_total",
        "counter",
        "Connections closed by us, by reason.",
        &[
            ("{reason=\"idle\"}", connections.idle.get()),
            ("{reason=\"slow head\"}", connections.slow_heads.get()),
            ("{reason=\"stalled\"}", connections.stalled.get()),
        ],
    );
    show(
        "connections_broken_total",
        "counter",
        "Connections that ended in the middle of something.",
        &[("", connections.broken.get())],
    );
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

fn running(transfer: &Running) -> Value {
    json!({
        "client": transfer.client.to_string(),
        "path": transfer.path,
        "size": transfer.size,
        "sent": transfer.sent,
        "rate": transfer.rate,
        "started": stamp(transfer.started),
    })
}

fn ended(transfer: &Ended) -> Value {
    let milliseconds = transfer.took.as_millis().max(1);
    json!({
        "client": transfer.client.to_string(),
        "path": transfer.path,
        "size": transfer.size,
        "sent": transfer.sent,
        "rate": u64::try_from(u128::from(transfer.sent) * 1000 / milliseconds).unwrap_or(u64::MAX),
        "started": stamp(transfer.started),
        "ended": stamp(transfer.ended()),
        "outcome": if transfer.is_whole() { "done" } else { "broken off" },
    })
}

/// ISO 8601 with milliseconds, as everywhere northbound.
fn stamp(time: SystemTime) -> Option<String> {
    Some(Timestamp::try_from(time).ok()?.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}
