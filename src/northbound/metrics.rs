//! `/metrics`: what is sent southbound, for monitoring.

use std::fmt::Write;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;

use super::api::Northbound;
use super::api_types::examples;

/// Show counters for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "showMetrics",
    responses((
        status = 200, description = "Text in the exposition format, version 0.0.4.",
        body = String, content_type = "text/plain", example = json!(examples::metrics()),
    )),
)]
pub(super) async fn show(State(api): State<Northbound>) -> impl IntoResponse {
    let (totals, connections) = (api.transfers.totals(), api.transfers.connections());
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
