//! One worker's share of a server's connections: how many there are, and what all of them must be told.

use std::fmt::{self, Debug, Formatter};
use std::io;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use crate::lot::{Idle, Leave, Lot};
use crate::places::Places;

/// The connections that one worker serves for one server.
pub(crate) struct Share {
    pub(crate) handle: Handle,
    places: Arc<Places>,
    connections: AtomicUsize,
    /// Idle connections that are not in the lot.
    idle: AtomicUsize,
    /// Where idle connections are left that are no more than a socket.
    lot: Option<Lot>,
    phase: AtomicU8,
    /// Wakes speaking connections when the phase has changed.
    changed: Notify,
    /// Wakes an idle connection, the one that has been idle for longest, or all of them.
    unwanted: Notify,
}

/// Lets idle connections go when something else than places for connections runs out. Clones share it.
#[derive(Clone, Default)]
pub struct Relief(Arc<Mutex<Vec<Arc<Share>>>>);

impl Relief {
    /// Asks so many connections to go that have been idle for longest, on the workers that have most of them.
    pub fn ask(&self, connections: usize) {
        let shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..connections {
            if let Some(share) = shares.iter().max_by_key(|share| share.idle()) {
                share.drop_an_idle_one();
            }
        }
    }

    pub(crate) fn add(&self, shares: &[Arc<Share>]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(shares);
    }
}

impl Debug for Relief {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Relief")
    }
}

/// How a server stands to its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// What was asked is answered, then connections end.
    Draining,
    /// Connections end now.
    Cutting,
}

impl Share {
    pub(crate) fn new(handle: Handle, places: &Arc<Places>, lot: Option<Lot>) -> Arc<Self> {
        Arc::new(Self {
            handle,
            places: Arc::clone(places),
            connections: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            lot,
            phase: AtomicU8::new(Phase::Serving as u8),
            changed: Notify::new(),
            unwanted: Notify::new(),
        })
    }

    /// Whether somebody waits for the place of a connection that is not needed just now.
    pub(crate) fn is_crowded(&self) -> bool {
        self.places.are_wanted()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Cutting,
        }
    }

    /// Tells all connections.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
        self.changed.notify_waiters();
        self.unwanted.notify_waiters();
        if let Some(lot) = &self.lot {
            lot.clear();
        }
    }

    /// The lot, if somebody attends to one.
    pub(crate) fn lot(&self) -> Option<&Lot> {
        self.lot.as_ref().filter(|lot| lot.is_attended())
    }

    /// Keeps an eye on the lot, if there is one.
    pub(crate) async fn attend(&self, leave: impl FnMut(Leave)) -> io::Result<()> {
        match &self.lot {
            Some(lot) => lot.attend(leave).await,
            None => Ok(()),
        }
    }

    /// Leaves a connection in the lot until something comes, or until the deadline.
    pub(crate) fn park(&self, idle: Idle, deadline: Instant) {
        let Some(lot) = &self.lot else { return };
        if let Err(error) = lot.park(idle, deadline) {
            tracing::warn!(%error, "cannot keep an idle connection");
        }
        // Whoever comes after the lot was cleared must not stay.
        if self.phase() > Phase::Serving || !lot.is_attended() {
            lot.clear();
        }
    }

    /// Ready when the phase changes after this call.
    pub(crate) fn phase_changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Ready when the connection that asks has to go.
    pub(crate) fn unwanted(&self) -> Notified<'_> {
        self.unwanted.notified()
    }

    /// Lets the connection go that has been idle for longest, if any is.
    pub(crate) fn drop_an_idle_one(&self) {
        if self.lot.as_ref().is_some_and(Lot::drop_first) {
            return;
        }
        // Told to nobody, this would be kept for the next that becomes idle.
        if self.idle() > 0 {
            self.unwanted.notify_one();
        }
    }

    /// Connections at the moment.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Idle connections at the moment.
    pub(crate) fn idle(&self) -> usize {
        self.idle.load(Ordering::Relaxed) + self.lot.as_ref().map_or(0, Lot::len)
    }

    /// Counts a connection for as long as the result lives.
    pub(crate) fn count(share: &Arc<Self>) -> Counted {
        share.connections.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(share))
    }

    /// Counts an idle connection for as long as the result lives.
    pub(crate) fn count_idle(&self) -> CountedIdle<'_> {
        self.idle.fetch_add(1, Ordering::Relaxed);
        CountedIdle(self)
    }
}

/// A connection.
pub(crate) struct Counted(Arc<Share>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An idle connection.
pub(crate) struct CountedIdle<'a>(&'a Share);

impl Drop for CountedIdle<'_> {
    fn drop(&mut self) {
        self.0.idle.fetch_sub(1, Ordering::Relaxed);
    }
}
