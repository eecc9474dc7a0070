//! A pool of idle connections. A pooled connection is a socket in an event queue and what its owner keeps
//! beside it. Ten thousand silent clients so cost a megabyte or two, and neither a task nor a timer each.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Connections that are woken before other tasks of the thread run.
const WOKEN_AT_ONCE: usize = 64;

/// The timer of an empty pool.
const NEVER: Duration = Duration::from_secs(86400);

/// The idle connections of one worker, each with a deadline.
pub(crate) struct IdlePool<T> {
    events: OwnedFd,
    parked: Mutex<Parked<T>>,
    /// Notified when a connection is parked whose deadline is the first of all.
    sooner: Notify,
    is_running: AtomicBool,
}

struct Parked<T> {
    by_descriptor: HashMap<RawFd, (Instant, T)>,
    /// By deadline, the first one first.
    order: BTreeSet<(Instant, RawFd)>,
}

/// A connection that has left the pool, and why.
pub(crate) enum Removed<T> {
    /// The client sent something, or closed the connection.
    Readable(T),
    /// The deadline has passed.
    Expired(T),
}

impl<T> Default for Parked<T> {
    fn default() -> Self {
        Self { by_descriptor: HashMap::new(), order: BTreeSet::new() }
    }
}

impl<T: AsFd> IdlePool<T> {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            events: epoll::create(CreateFlags::CLOEXEC)?,
            parked: Mutex::default(),
            sooner: Notify::new(),
            is_running: AtomicBool::new(false),
        })
    }

    /// Keeps a connection until its socket is readable, or until the deadline.
    ///
    /// # Errors
    ///
    /// The system has no memory for another event; the connection ends.
    pub(crate) fn park(&self, connection: T, deadline: Instant) -> io::Result<()> {
        let socket = connection.as_fd();
        let descriptor = socket.as_raw_fd();
        let data = EventData::new_u64(u64::try_from(descriptor).map_err(io::Error::other)?);
        // An event may come before the connection is in the map, so its receiver has to wait for this lock.
        let mut parked = self.lock();
        epoll::add(&self.events, socket, data, EventFlags::IN | EventFlags::RDHUP)?;
        parked.by_descriptor.insert(descriptor, (deadline, connection));
        parked.order.insert((deadline, descriptor));
        if parked.order.first() == Some(&(deadline, descriptor)) {
            self.sooner.notify_one();
        }
        Ok(())
    }

    /// The number of connections.
    pub(crate) fn len(&self) -> usize {
        self.lock().order.len()
    }

    /// Ends the connection whose deadline comes first. `false` if there is none.
    pub(crate) fn drop_first(&self) -> bool {
        let mut parked = self.lock();
        let first = parked.order.first().copied();
        let removed = first.and_then(|(_, descriptor)| parked.take(descriptor));
        // Dropping a connection gives its permit back, which takes another lock; so not under this one.
        drop(parked);
        removed.is_some()
    }

    /// Ends all connections.
    pub(crate) fn clear(&self) {
        let removed = std::mem::take(&mut *self.lock());
        // Not under the lock, as above.
        drop(removed);
    }

    /// Whether [`IdlePool::run`] is running, so that parked connections are woken.
    pub(crate) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Relaxed)
    }

    /// Calls `removed` for each connection that leaves, for ever. Has to run on the worker.
    ///
    /// # Errors
    ///
    /// The system refuses to wait for events. All parked connections end, and no more may be parked.
    pub(crate) async fn run(&self, removed: impl FnMut(Removed<T>)) -> io::Result<()> {
        let result = self.wait_for_events(removed).await;
        self.is_running.store(false, Ordering::Relaxed);
        self.clear();
        result
    }

    async fn wait_for_events(&self, mut removed: impl FnMut(Removed<T>)) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "it does not promise that the descriptor stays open, but this one is borrowed; its successor is unsafe"
        )]
        let events = AsyncFd::with_interest(self.events.as_fd(), Interest::READABLE)?;
        self.is_running.store(true, Ordering::Relaxed);
        loop {
            let first = self.lock().order.first().map(|(deadline, _)| *deadline);
            tokio::select! {
                guard = events.readable() => {
                    let readable = self.readable()?;
                    if readable.is_empty() {
                        guard?.clear_ready();
                    }
                    let woken = readable.into_iter().filter_map(|descriptor| self.take(descriptor));
                    woken.for_each(|connection| removed(Removed::Readable(connection)));
                    // These connections run before more are woken.
                    tokio::task::yield_now().await;
                }
                () = self.sooner.notified() => {}
                () = sleep_until(first.unwrap_or_else(|| Instant::now() + NEVER)) => {
                    while let Some(connection) = self.take_expired(Instant::now()) {
                        removed(Removed::Expired(connection));
                    }
                }
            }
        }
    }

    /// Some of the sockets that are readable.
    fn readable(&self) -> io::Result<Vec<RawFd>> {
        let mut events = Vec::with_capacity(WOKEN_AT_ONCE);
        match epoll::wait(&self.events, spare_capacity(&mut events), Some(&Timespec::default())) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        events.iter().map(|event| RawFd::try_from(event.data.u64()).map_err(io::Error::other)).collect()
    }

    fn take(&self, descriptor: RawFd) -> Option<T> {
        let connection = self.lock().take(descriptor)?;
        // It waits elsewhere from now on. A failure means that the socket is not in the queue, which is the
        // aim.
        let _ = epoll::delete(&self.events, &connection);
        Some(connection)
    }

    fn take_expired(&self, now: Instant) -> Option<T> {
        let mut parked = self.lock();
        let (_, descriptor) = parked.order.first().copied().filter(|(deadline, _)| *deadline <= now)?;
        parked.take(descriptor)
    }

    fn lock(&self) -> MutexGuard<'_, Parked<T>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Parked<T> {
    fn take(&mut self, descriptor: RawFd) -> Option<T> {
        let (deadline, connection) = self.by_descriptor.remove(&descriptor)?;
        self.order.remove(&(deadline, descriptor));
        Some(connection)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::BorrowedFd;
    use std::sync::Arc;

    use tokio::time::timeout;

    use super::*;

    /// A socket, and a count of those that live.
    struct TestConnection {
        socket: TcpStream,
        peer: SocketAddr,
        _alive: Arc<()>,
    }

    impl AsFd for TestConnection {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.socket.as_fd()
        }
    }

    /// A pool and the listener that its connections come from.
    struct Stage {
        listener: TcpListener,
        idle_pool: IdlePool<TestConnection>,
        alive: Arc<()>,
    }

    impl Stage {
        fn new() -> Self {
            Self {
                listener: TcpListener::bind("127.0.0.1:0").expect("a port"),
                idle_pool: IdlePool::new().expect("an event queue"),
                alive: Arc::default(),
            }
        }

        /// Parks a connection for so many milliseconds; returns its client.
        fn park(&self, milliseconds: u64) -> TcpStream {
            let client =
                TcpStream::connect(self.listener.local_addr().expect("bound")).expect("a connection");
            let (socket, peer) = self.listener.accept().expect("a connection");
            let deadline = Instant::now() + Duration::from_millis(milliseconds);
            let connection = TestConnection { socket, peer, _alive: Arc::clone(&self.alive) };
            self.idle_pool.park(connection, deadline).expect("an event");
            client
        }

        /// The connections that leave within a while: the client's address, and whether it was readable.
        async fn removed(&self, milliseconds: u64) -> Vec<(SocketAddr, bool)> {
            let mut seen = Vec::new();
            let run = self.idle_pool.run(|removed| {
                seen.push(match removed {
                    Removed::Readable(connection) => (connection.peer, true),
                    Removed::Expired(connection) => (connection.peer, false),
                });
            });
            let ended = timeout(Duration::from_millis(milliseconds), run).await;
            assert!(ended.is_err(), "it runs for ever");
            assert!(self.idle_pool.is_running(), "connections may be parked");
            seen
        }

        fn connections(&self) -> usize {
            Arc::strong_count(&self.alive) - 1
        }
    }

    fn address(client: &TcpStream) -> SocketAddr {
        client.local_addr().expect("bound")
    }

    #[tokio::test]
    async fn who_speaks_or_goes_away_is_told_of_and_all_others_stay() {
        let stage = Stage::new();
        let mut clients: Vec<_> = (0..3 * WOKEN_AT_ONCE).map(|_| stage.park(60_000)).collect();
        let quiet = clients.split_off(2 * WOKEN_AT_ONCE);
        let mut expected: Vec<_> = clients.iter().map(|client| (address(client), true)).collect();
        clients.iter_mut().step_by(2).for_each(|client| client.write_all(b"G").expect("sent"));
        clients
            .retain_mut(|client| client.write_all(b"E").is_ok() && address(client).port().is_multiple_of(2));
        let mut seen = stage.removed(200).await;
        expected.sort();
        seen.sort();
        assert_eq!(seen, expected);
        assert_eq!((stage.idle_pool.len(), stage.connections()), (quiet.len(), quiet.len()));
        stage.idle_pool.clear();
        assert_eq!((stage.idle_pool.len(), stage.connections()), (0, 0));
    }

    #[tokio::test]
    async fn time_is_over_for_each_in_its_turn() {
        let stage = Stage::new();
        assert!(!stage.idle_pool.is_running(), "a parked connection would not be woken");
        let late = stage.park(150);
        let never = stage.park(60_000);
        let soon = stage.park(50);
        let expected = [(address(&soon), false), (address(&late), false)];
        assert_eq!(stage.removed(400).await, expected);
        assert_eq!(stage.idle_pool.len(), 1);
        // A connection that is parked while the task sleeps may have the first deadline.
        let (seen, soon) = tokio::join!(stage.removed(400), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            stage.park(50)
        });
        assert_eq!(seen, [(address(&soon), false)]);
        assert!(stage.idle_pool.drop_first() && !stage.idle_pool.drop_first());
        drop(never);
    }

    #[tokio::test]
    async fn whose_time_is_nearest_makes_room() {
        let stage = Stage::new();
        let _clients = [stage.park(3000), stage.park(1000), stage.park(2000)];
        for left in [2, 1, 0] {
            assert!(stage.idle_pool.drop_first());
            assert_eq!(stage.connections(), left);
            let next = stage.idle_pool.lock().order.first().map(|(deadline, _)| *deadline);
            assert!(next.is_none_or(|next| next > Instant::now() + Duration::from_millis(1500)));
        }
    }
}
