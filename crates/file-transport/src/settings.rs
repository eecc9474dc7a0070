//! What a server is told before it starts.

use std::sync::Arc;
use std::time::Duration;

use crate::counters::Counters;
use crate::idle_eviction::IdleEviction;
use crate::tls::Tls;

/// How a server treats its connections.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The head of a request must be complete this long after its first byte.
    pub head_timeout: Duration,
    /// A connection without a request is closed after this long.
    pub idle_timeout: Duration,
    /// A client that takes nothing of its answer for this long is cut. iPXE itself gives up after 120 s of
    /// silence.
    pub stall_timeout: Duration,
    /// Connections at once. At the limit a new one takes the permit of the one that has been idle for
    /// longest. Where none is idle, it waits.
    pub max_connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 network of 64 bits. Further ones are closed at
    /// once.
    pub max_connections_per_address: usize,
    /// After a stop, transfers may go on for this long; then they are cut.
    pub drain_timeout: Duration,
    /// With this, all accepted connections are encrypted.
    pub tls: Option<Tls>,
    /// Counts what happens to connections.
    pub counters: Arc<Counters>,
    /// Lets other parts of the program end idle connections.
    pub idle_eviction: IdleEviction,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(120),
            max_connections: 20_000,
            max_connections_per_address: 4096,
            drain_timeout: Duration::from_secs(30),
            tls: None,
            counters: Arc::default(),
            idle_eviction: IdleEviction::default(),
        }
    }
}
