//! What a server is told before it starts.

use std::fmt;
use std::net::IpAddr;
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
    /// Bytes a second, on average over the stall timeout, below which a client is cut that holds its answer
    /// up; 0 is no minimum.
    pub minimum_rate: u64,
    /// Connections at once. At the limit a new one takes the permit of the one that has been idle for
    /// longest. Where none is idle, it waits.
    pub max_connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 network of 64 bits. Further ones are closed at
    /// once.
    pub max_connections_per_address: usize,
    /// Addresses to which that limit does not apply.
    pub exempt: ExemptAddresses,
    /// After a stop, transfers may go on for this long; then they are cut.
    pub drain_timeout: Duration,
    /// With this, all accepted connections are encrypted.
    pub tls: Option<Tls>,
    /// Counts what happens to connections.
    pub counters: Arc<Counters>,
    /// Lets other parts of the program end idle connections.
    pub idle_eviction: IdleEviction,
}

/// Addresses that speak for many clients, such as those of proxies. None by default.
#[derive(Clone, Default)]
pub struct ExemptAddresses(Option<Arc<dyn Fn(IpAddr) -> bool + Send + Sync>>);

impl ExemptAddresses {
    /// The addresses of which this is true. It is asked for each connection.
    pub fn new(is_exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_exempt)))
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.as_ref().is_some_and(|is_exempt| is_exempt(address))
    }
}

impl fmt::Debug for ExemptAddresses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ExemptAddresses").field(&self.0.is_some()).finish()
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(120),
            minimum_rate: 0,
            max_connections: 20_000,
            max_connections_per_address: 4096,
            exempt: ExemptAddresses::default(),
            drain_timeout: Duration::from_secs(30),
            tls: None,
            counters: Arc::default(),
            idle_eviction: IdleEviction::default(),
        }
    }
}
