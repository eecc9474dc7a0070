//! Counters of what happened to the connections of a server.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start. Each is read by itself, so together they are no exact picture of one instant.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections refused because their address had too many.
    pub refused: Counter,
    /// Times that the limit of connections was reached and an idle one was asked to end.
    pub crowded: Counter,
    /// Times that the system had no descriptor for a new connection.
    pub failed: Counter,
    /// Connections closed after being idle for too long.
    pub idle: Counter,
    /// Connections cut because the head of a request took too long.
    pub slow_heads: Counter,
    /// Connections cut because the client took nothing of its answer for too long.
    pub stalled: Counter,
    /// Connections without a TLS handshake: the client spoke another protocol, refused what the server
    /// offers, or took too long.
    pub tls_failed: Counter,
    /// Connections that ended in the middle of a request or an answer, the cut ones included.
    pub broken: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
