//! `/metrics`: what is sent southbound, for monitoring.

use std::fmt::Write;

use axum::extract::State;
use axum::response::IntoResponse;
use file_transport::Counters;
use http::header::CONTENT_TYPE;
use http_service::transfers::Totals;

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
    let mut text = String::new();
    let metrics = of_transfers(&api.transfers.totals());
    let (log, access_log) = api.process.log.dropped();
    let logs = [
        Metric::gauge(
            "config_reload_success",
            "Whether the last reload of the settings succeeded.",
            api.process.reloader.succeeded().into(),
        ),
        Metric::counter(
            "log_lines_dropped_total",
            "Lines of the log that were dropped because it was not read fast enough.",
            log,
        ),
        Metric::counter(
            "access_log_lines_dropped_total",
            "Lines of the access log that were dropped because they were not written fast enough.",
            access_log,
        ),
    ];
    for metric in metrics.into_iter().chain(of_connections(api.transfers.connections())).chain(logs) {
        // Writing to a string cannot fail.
        let _ = metric.write(&mut text);
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// A metric with a value for each set of labels.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: Vec<(&'static str, u64)>,
}

impl Metric {
    /// A number that only grows.
    fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, kind: "counter", help, values: vec![("", value)] }
    }

    /// A number of now.
    fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, kind: "gauge", help, values: vec![("", value)] }
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Self { name, kind, help, values } = self;
        writeln!(text, "# HELP image_service_{name} {help}\n# TYPE image_service_{name} {kind}")?;
        values.iter().try_for_each(|(labels, value)| writeln!(text, "image_service_{name}{labels} {value}"))
    }
}

fn of_transfers(totals: &Totals) -> [Metric; 6] {
    let [_, _, success, redirection, client, server] = totals.answers;
    [
        Metric {
            name: "southbound_responses_total",
            kind: "counter",
            help: "Answers given southbound, by status.",
            values: vec![
                ("{status=\"2xx\"}", success),
                ("{status=\"3xx\"}", redirection),
                ("{status=\"4xx\"}", client),
                ("{status=\"5xx\"}", server),
            ],
        },
        Metric::counter("southbound_bytes_total", "Bytes of files sent southbound.", totals.bytes),
        Metric::gauge("transfers_running", "Transfers under way.", totals.running),
        Metric::gauge("transfers_waiting", "Transfers that wait for a place.", totals.waiting),
        Metric::counter("transfers_broken_total", "Transfers that did not get to their end.", totals.broken),
        Metric::counter(
            "transfers_refused_total",
            "Transfers answered with 503 for want of a place.",
            totals.refused,
        ),
    ]
}

fn of_connections(connections: &Counters) -> [Metric; 6] {
    [
        Metric::counter("connections_accepted_total", "Connections accepted.", connections.accepted.get()),
        Metric::counter(
            "connections_refused_total",
            "Connections closed because their address had too many.",
            connections.refused.get(),
        ),
        Metric::counter(
            "connections_crowded_total",
            "Times that the limit of connections was reached.",
            connections.crowded.get(),
        ),
        Metric::counter(
            "connections_failed_total",
            "Times that the system would not give a new connection.",
            connections.failed.get(),
        ),
        Metric {
            name: "connections_cut_total",
            kind: "counter",
            help: "Connections closed by us, by reason.",
            values: vec![
                ("{reason=\"idle\"}", connections.idle.get()),
                ("{reason=\"slow head\"}", connections.slow_heads.get()),
                ("{reason=\"stalled\"}", connections.stalled.get()),
            ],
        },
        Metric::counter(
            "connections_broken_total",
            "Connections that ended in the middle of something.",
            connections.broken.get(),
        ),
    ]
}
