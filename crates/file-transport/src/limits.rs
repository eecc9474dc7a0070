//! The limits of a server, which may change while it runs.

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The limits of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at once. At the limit a new one takes the permit of the one that has been idle for
    /// longest. Where none is idle, it waits.
    pub max_connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 network of 64 bits. Further ones are closed at
    /// once.
    pub max_connections_per_address: usize,
    /// Bytes a second, on average over the stall timeout, below which a client is cut that holds its answer
    /// up; 0 is no minimum.
    pub minimum_rate: u64,
    /// After a stop, transfers may go on for this long; then they are cut.
    pub drain_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_connections_per_address: 4096,
            minimum_rate: 0,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// The limits that a server keeps. Clones share them. Connections that exceed lowered limits stay.
#[derive(Clone, Default)]
pub struct LiveLimits(Arc<RwLock<ServerLimits>>);

impl LiveLimits {
    /// The limits of now. A server reads them when a client connects or is slow, and for no request.
    pub fn get(&self) -> ServerLimits {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the limits from now on.
    pub fn set(&self, limits: ServerLimits) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }
}

impl From<ServerLimits> for LiveLimits {
    fn from(limits: ServerLimits) -> Self {
        Self(Arc::new(RwLock::new(limits)))
    }
}

impl Debug for LiveLimits {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.get().fmt(formatter)
    }
}
