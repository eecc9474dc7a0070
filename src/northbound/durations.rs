//! How long requests take, by route. Paths are no label: clients choose them, and each new value would be
//! kept for ever.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;

/// The upper bounds of the buckets, in seconds, as they are written.
pub(super) const BOUNDS: [(f64, &str); 7] = [
    (0.005, "0.005"),
    (0.025, "0.025"),
    (0.1, "0.1"),
    (0.5, "0.5"),
    (2.5, "2.5"),
    (10.0, "10"),
    (60.0, "60"),
];

/// The durations since the start.
#[derive(Debug, Default)]
pub(super) struct Durations(Mutex<BTreeMap<RequestLabels, Histogram>>);

/// The labels of a histogram, of which there are only so many.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestLabels {
    /// The template of the route, such as `/images/{id}`.
    pub(super) route: String,
    /// The method; those that no route has are `other`.
    pub(super) method: &'static str,
    /// The class of the status, such as `2xx`.
    pub(super) status: &'static str,
}

/// How many requests took how long.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    /// Requests for each bound, those of smaller ones not included.
    buckets: [u64; BOUNDS.len()],
    /// All requests.
    pub(super) count: u64,
    /// The sum of their durations.
    pub(super) sum: Duration,
}

impl Histogram {
    fn add(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.iter().position(|(bound, _)| seconds <= *bound);
        if let Some(bucket) = bucket.and_then(|index| self.buckets.get_mut(index)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum += duration;
    }

    /// The requests that took no longer than each bound.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (&'static str, u64)> {
        BOUNDS.iter().zip(self.buckets).scan(0, |sum, ((_, bound), count)| {
            *sum += count;
            Some((*bound, *sum))
        })
    }
}

impl Durations {
    /// All histograms.
    pub(super) fn all(&self) -> BTreeMap<RequestLabels, Histogram> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, labels: RequestLabels, duration: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default().add(duration);
    }
}

/// Measures the time until the answer begins.
pub(super) async fn observe(
    State(durations): State<Arc<Durations>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let (started, method) = (Instant::now(), known(request.method()));
    let response = next.run(request).await;
    let status = match response.status().as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    let route = route.map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    durations.add(RequestLabels { route, method, status }, started.elapsed());
    response
}

/// A client may invent methods.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let mut histogram = Histogram::default();
        for milliseconds in [1, 5, 20, 3000, 100_000] {
            histogram.add(Duration::from_millis(milliseconds));
        }
        let counts: Vec<u64> = histogram.cumulative().map(|(_, count)| count).collect();
        assert_eq!((counts, histogram.count), (vec![2, 3, 3, 3, 3, 4, 4], 5));
    }
}
