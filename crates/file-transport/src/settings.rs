//! What a server is told before it starts.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::counters::Counters;
use crate::idle_eviction::IdleEviction;
use crate::limits::LiveLimits;
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
    /// The limits of connections.
    pub limits: LiveLimits,
    /// Addresses to which the limit of one address does not apply.
    pub exempt: ExemptAddresses,
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
            limits: LiveLimits::default(),
            exempt: ExemptAddresses::default(),
            tls: None,
            counters: Arc::default(),
            idle_eviction: IdleEviction::default(),
        }
    }
}
