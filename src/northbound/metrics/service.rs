//! What the program does: connections, transfers, requests, its log and its settings.

use file_transport::Counters;
use http_service::transfers::Totals;

use super::exposition::Metric;
use crate::northbound::api::Northbound;
use crate::northbound::durations::Durations;

pub(super) fn metrics(api: &Northbound) -> Vec<Metric> {
    let build = Metric::new("image_service_build_info", "gauge", "The version of the program; always 1.");
    let mut all = vec![build.with(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)];
    all.extend(of_transfers(&api.transfers.totals()));
    all.extend(of_connections(api.transfers.connections()));
    all.push(of_requests(&api.durations));
    let (log, access_log) = api.process.log.dropped();
    all.push(Metric::counter(
        "image_service_log_lines_dropped_total",
        "Lines of the log that were dropped because it was not read fast enough.",
        log as f64,
    ));
    all.push(Metric::counter(
        "image_service_access_log_lines_dropped_total",
        "Lines of the access log that were dropped because they were not written fast enough.",
        access_log as f64,
    ));
    all.push(Metric::gauge(
        "image_service_config_reload_success",
        "Whether the last reload of the settings succeeded.",
        f64::from(u8::from(api.process.reloader.succeeded())),
    ));
    all
}

fn of_transfers(totals: &Totals) -> Vec<Metric> {
    let [_, _, success, redirection, client, server] = totals.answers;
    let mut answers = Metric::new(
        "image_service_southbound_responses_total",
        "counter",
        "Answers given southbound, by status.",
    );
    for (status, number) in [("2xx", success), ("3xx", redirection), ("4xx", client), ("5xx", server)] {
        answers = answers.with(&[("status", status)], number as f64);
    }
    vec![
        answers,
        Metric::counter(
            "image_service_southbound_bytes_total",
            "Bytes of files sent southbound.",
            totals.bytes as f64,
        ),
        Metric::gauge("image_service_transfers_running", "Transfers under way.", totals.running as f64),
        Metric::gauge(
            "image_service_transfers_waiting",
            "Transfers that wait for a place.",
            totals.waiting as f64,
        ),
        Metric::counter(
            "image_service_transfers_broken_total",
            "Transfers that did not get to their end.",
            totals.broken as f64,
        ),
        Metric::counter(
            "image_service_transfers_refused_total",
            "Transfers refused for want of a place.",
            totals.refused as f64,
        ),
    ]
}

fn of_connections(connections: &Counters) -> Vec<Metric> {
    let mut cut =
        Metric::new("image_service_connections_cut_total", "counter", "Connections closed by us, by reason.");
    for (reason, counter) in [
        ("idle", &connections.idle),
        ("slow head", &connections.slow_heads),
        ("stalled", &connections.stalled),
    ] {
        cut = cut.with(&[("reason", reason)], counter.get() as f64);
    }
    let mut all = vec![cut];
    let counters = [
        ("image_service_connections_accepted_total", "Connections accepted.", &connections.accepted),
        (
            "image_service_connections_refused_total",
            "Connections closed because their address had too many.",
            &connections.refused,
        ),
        (
            "image_service_connections_crowded_total",
            "Times that the limit of connections was reached.",
            &connections.crowded,
        ),
        (
            "image_service_connections_failed_total",
            "Times that the system would not give a new connection.",
            &connections.failed,
        ),
        (
            "image_service_connections_without_handshake_total",
            "Connections that ended before their TLS handshake was made.",
            &connections.tls_failed,
        ),
        (
            "image_service_connections_broken_total",
            "Connections that ended in the middle of something.",
            &connections.broken,
        ),
    ];
    all.extend(counters.map(|(name, help, counter)| Metric::counter(name, help, counter.get() as f64)));
    all
}

fn of_requests(durations: &Durations) -> Metric {
    let mut metric = Metric::new(
        "image_service_northbound_request_duration_seconds",
        "histogram",
        "Time until northbound requests are answered, by route, method and class of the status.",
    );
    for (labels, histogram) in durations.all() {
        let common = [("route", labels.route.as_str()), ("method", labels.method), ("status", labels.status)];
        let all = ("+Inf", histogram.count);
        for (bound, count) in histogram.cumulative().chain([all]) {
            let [route, method, status] = common;
            metric = metric.with_suffix("_bucket", &[route, method, status, ("le", bound)], count as f64);
        }
        metric = metric.with_suffix("_sum", &common, histogram.sum.as_secs_f64()).with_suffix(
            "_count",
            &common,
            histogram.count as f64,
        );
    }
    metric
}
