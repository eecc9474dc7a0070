//! The connections that one worker serves for one server: how many there are, and what the server tells all
//! of them.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use crate::connection_limit::{ConnectionLimit, ConnectionPermit};
use crate::idle_pool::{IdlePool, Removed};

/// The connections of one worker.
pub(crate) struct WorkerLoad {
    pub(crate) handle: Handle,
    limit: Arc<ConnectionLimit>,
    connections: AtomicUsize,
    /// Idle connections that are not in the pool.
    idle: Mutex<IdleTasks>,
    /// Holds the idle connections that are no more than a socket.
    idle_pool: Option<IdlePool<IdleConnection>>,
    phase: AtomicU8,
    /// Wakes connections with a request when the phase has changed.
    changed: Notify,
}

/// Idle connections, each with what ends it, by the order in which they became idle.
#[derive(Default)]
struct IdleTasks {
    ended: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

/// How far the server has come in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// Requests that were read are answered, then connections end.
    Draining,
    /// Connections end at once.
    Cutting,
}

/// A connection that is only a socket, waiting for its client.
pub(crate) struct IdleConnection {
    pub(crate) socket: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) admission: Admission,
    /// The beginning of a request's head. It is boxed because few connections have one.
    pub(crate) head: Option<Box<PartialHead>>,
}

/// The beginning of a request's head.
pub(crate) struct PartialHead {
    /// The bytes read so far.
    pub(crate) unread: Bytes,
    /// When the head must be complete.
    pub(crate) deadline: Instant,
}

/// What a connection gives back when it ends: its permit, and its count among the connections of its worker.
pub(crate) struct Admission {
    _permit: ConnectionPermit,
    _counted: CountedConnection,
}

/// Counts a connection while it lives.
struct CountedConnection(Arc<WorkerLoad>);

/// Counts an idle connection while it lives. An eviction is for this connection, and for no other one that
/// becomes idle later.
pub(crate) struct CountedIdle<'a> {
    load: &'a WorkerLoad,
    number: u64,
    ended: Arc<Notify>,
}

impl WorkerLoad {
    /// A worker without connections. Without a pool, idle connections keep their task.
    pub(crate) fn new(
        handle: Handle,
        limit: &Arc<ConnectionLimit>,
        idle_pool: Option<IdlePool<IdleConnection>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            handle,
            limit: Arc::clone(limit),
            connections: AtomicUsize::new(0),
            idle: Mutex::default(),
            idle_pool,
            phase: AtomicU8::new(Phase::Serving as u8),
            changed: Notify::new(),
        })
    }

    /// Adds a connection to the worker.
    pub(crate) fn admit(load: &Arc<Self>, permit: ConnectionPermit) -> Admission {
        load.connections.fetch_add(1, Ordering::Relaxed);
        Admission { _permit: permit, _counted: CountedConnection(Arc::clone(load)) }
    }

    /// Whether a new connection waits for the permit of one that is idle.
    pub(crate) fn is_crowded(&self) -> bool {
        self.limit.has_waiters()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Cutting,
        }
    }

    /// Tells all connections of a new phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
        self.changed.notify_waiters();
        self.idle_tasks().ended.values().for_each(|ended| ended.notify_one());
        if let Some(idle_pool) = &self.idle_pool {
            idle_pool.clear();
        }
    }

    /// Whether there is a pool that wakes its connections.
    pub(crate) fn can_park(&self) -> bool {
        self.idle_pool.as_ref().is_some_and(IdlePool::is_running)
    }

    /// Runs the pool, if there is one.
    pub(crate) async fn run_idle_pool(&self, removed: impl FnMut(Removed<IdleConnection>)) -> io::Result<()> {
        match &self.idle_pool {
            Some(idle_pool) => idle_pool.run(removed).await,
            None => Ok(()),
        }
    }

    /// Leaves a connection in the pool until it is readable, or until the deadline.
    pub(crate) fn park(&self, connection: IdleConnection, deadline: Instant) {
        let Some(idle_pool) = &self.idle_pool else { return };
        if let Err(error) = idle_pool.park(connection, deadline) {
            tracing::warn!(%error, "cannot keep an idle connection");
        }
        // A connection that comes after the pool was cleared must not stay.
        if self.phase() > Phase::Serving || !idle_pool.is_running() {
            idle_pool.clear();
        }
    }

    /// Ready when the phase changes after this call.
    pub(crate) fn phase_changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Ends the connection that has been idle for longest, if any is idle.
    pub(crate) fn evict_one(&self) {
        if self.idle_pool.as_ref().is_some_and(IdlePool::drop_first) {
            return;
        }
        if let Some((_, ended)) = self.idle_tasks().ended.pop_first() {
            ended.notify_one();
        }
    }

    /// Connections now.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Idle connections now.
    pub(crate) fn idle(&self) -> usize {
        self.idle_tasks().ended.len() + self.idle_pool.as_ref().map_or(0, IdlePool::len)
    }

    /// Counts an idle connection that is not in the pool.
    pub(crate) fn count_idle(&self) -> CountedIdle<'_> {
        let mut idle = self.idle_tasks();
        let (number, ended) = (idle.next, Arc::new(Notify::new()));
        idle.next += 1;
        idle.ended.insert(number, Arc::clone(&ended));
        CountedIdle { load: self, number, ended }
    }

    fn idle_tasks(&self) -> MutexGuard<'_, IdleTasks> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for IdleConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CountedIdle<'_> {
    /// Ready when the connection has to end.
    pub(crate) fn evicted(&self) -> Notified<'_> {
        self.ended.notified()
    }
}

impl Drop for CountedIdle<'_> {
    fn drop(&mut self) {
        self.load.idle_tasks().ended.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::limits::LiveLimits;

    #[tokio::test(start_paused = true)]
    async fn an_eviction_is_for_a_connection_that_is_idle_now() {
        let load = WorkerLoad::new(Handle::current(), &ConnectionLimit::new(LiveLimits::default()), None);
        let is_evicted =
            async |idle: &CountedIdle<'_>| timeout(Duration::from_secs(1), idle.evicted()).await.is_ok();
        // These become idle and get a request before they see that they were to end.
        let gone = [load.count_idle(), load.count_idle()];
        (0..3).for_each(|_| load.evict_one());
        drop(gone);
        let (first, second) = (load.count_idle(), load.count_idle());
        assert!(!is_evicted(&first).await, "it was not idle then");
        load.evict_one();
        assert!(is_evicted(&first).await && !is_evicted(&second).await);
        assert_eq!(load.idle(), 1, "one that is to end is not evicted twice");
        load.enter(Phase::Draining);
        assert!(is_evicted(&second).await);
    }
}
