//! Where connections idle: nothing is kept of them but a socket in an event queue and what must be known to go on. Ten thousand clients that
//! say nothing cost a megabyte or two, and no task or timer each.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::server::Held;

/// Connections that are woken before others of the thread get their turn.
const WOKEN_AT_ONCE: usize = 64;

/// As good as never, where there is nothing to wait for.
const NEVER: Duration = Duration::from_secs(86400);

/// The idle connections of one worker.
pub(crate) struct Lot {
    events: OwnedFd,
    parked: Mutex<Parked>,
    /// Somebody came whose time ends before that of all others.
    sooner: Notify,
    attended: AtomicBool,
}

#[derive(Default)]
struct Parked {
    by_descriptor: HashMap<RawFd, (Instant, Idle)>,
    /// Who goes first comes first.
    order: BTreeSet<(Instant, RawFd)>,
}

/// A connection that waits for its client.
pub(crate) struct Idle {
    pub(crate) socket: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) held: Held,
    /// The head that has begun to come, if one has: rarely, so it must not cost the others room.
    pub(crate) begun: Option<Box<Begun>>,
}

/// A part of a request's head.
pub(crate) struct Begun {
    /// What was read of it.
    pub(crate) unread: Bytes,
    /// When it must be complete.
    pub(crate) deadline: Instant,
}

/// Why a connection leaves.
pub(crate) enum Leave {
    /// Something comes.
    Readable(Idle),
    /// Its time is over.
    Expired(Idle),
}

impl Lot {
    pub(crate) fn new() -> io::Result<Self> {
        let events = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { events, parked: Mutex::default(), sooner: Notify::new(), attended: AtomicBool::new(false) })
    }

    /// Lets a connection wait until something comes, or until the deadline.
    ///
    /// # Errors
    ///
    /// The system has no room in its event queues; the connection ends.
    pub(crate) fn park(&self, idle: Idle, deadline: Instant) -> io::Result<()> {
        let descriptor = idle.socket.as_raw_fd();
        let mut parked = self.lock();
        // Whoever hears of it waits for the lock before looking for it.
        let data = EventData::new_u64(u64::try_from(descriptor).map_err(io::Error::other)?);
        epoll::add(&self.events, &idle.socket, data, EventFlags::IN | EventFlags::RDHUP)?;
        parked.by_descriptor.insert(descriptor, (deadline, idle));
        parked.order.insert((deadline, descriptor));
        if parked.order.first() == Some(&(deadline, descriptor)) {
            self.sooner.notify_one();
        }
        Ok(())
    }

    /// Connections that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().order.len()
    }

    /// Ends the connection whose time would be over first. `false` if there is none.
    pub(crate) fn drop_first(&self) -> bool {
        let mut parked = self.lock();
        let first = parked.order.first().copied();
        let left = first.and_then(|(_, descriptor)| parked.take(descriptor));
        // Its place is free once it is dropped, which must not happen under the lock: others may wait for the place.
        drop(parked);
        left.is_some()
    }

    /// Ends all connections.
    pub(crate) fn clear(&self) {
        let left = std::mem::take(&mut *self.lock());
        // As above, not under the lock.
        drop(left);
    }

    /// Whether somebody keeps an eye on those who wait.
    pub(crate) fn is_attended(&self) -> bool {
        self.attended.load(Ordering::Relaxed)
    }

    /// Tells of each connection that leaves, for ever. Has to run on the worker.
    ///
    /// # Errors
    ///
    /// The system has no room in its event queues. Nobody may be left in the lot from then on, and all who are there end.
    pub(crate) async fn attend(&self, leave: impl FnMut(Leave)) -> io::Result<()> {
        let attended = self.watch(leave).await;
        self.attended.store(false, Ordering::Relaxed);
        self.clear();
        attended
    }

    async fn watch(&self, mut leave: impl FnMut(Leave)) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "what it lacks is a promise that the descriptor stays open, and this one is borrowed; what replaces it is unsafe"
        )]
        let events = AsyncFd::with_interest(self.events.as_fd(), Interest::READABLE)?;
        self.attended.store(true, Ordering::Relaxed);
        loop {
            let first = self.lock().order.first().map(|(deadline, _)| *deadline);
            tokio::select! {
                guard = events.readable() => {
                    let readable = self.readable()?;
                    if readable.is_empty() {
                        guard?.clear_ready();
                    }
                    let woken = readable.into_iter().filter_map(|descriptor| self.take(descriptor));
                    woken.for_each(|idle| leave(Leave::Readable(idle)));
                    // Those who were woken are to have their turn before more are.
                    tokio::task::yield_now().await;
                }
                () = self.sooner.notified() => {}
                () = sleep_until(first.unwrap_or_else(|| Instant::now() + NEVER)) => {
                    while let Some(idle) = self.take_expired(Instant::now()) {
                        leave(Leave::Expired(idle));
                    }
                }
            }
        }
    }

    /// Descriptors on which something comes, some of them.
    fn readable(&self) -> io::Result<Vec<RawFd>> {
        let mut events = Vec::with_capacity(WOKEN_AT_ONCE);
        match epoll::wait(&self.events, spare_capacity(&mut events), Some(&Timespec::default())) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        events.iter().map(|event| RawFd::try_from(event.data.u64()).map_err(io::Error::other)).collect()
    }

    fn take(&self, descriptor: RawFd) -> Option<Idle> {
        let idle = self.lock().take(descriptor)?;
        // It waits elsewhere from now on. If this fails, the socket is not in the queue, which is what is wanted.
        let _ = epoll::delete(&self.events, &idle.socket);
        Some(idle)
    }

    fn take_expired(&self, now: Instant) -> Option<Idle> {
        let mut parked = self.lock();
        let (_, descriptor) = parked.order.first().copied().filter(|(deadline, _)| *deadline <= now)?;
        parked.take(descriptor)
    }

    fn lock(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parked {
    fn take(&mut self, descriptor: RawFd) -> Option<Idle> {
        let (deadline, idle) = self.by_descriptor.remove(&descriptor)?;
        self.order.remove(&(deadline, descriptor));
        Some(idle)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;

    use tokio::runtime::Handle;
    use tokio::time::timeout;

    use super::*;
    use crate::places::Places;
    use crate::share::Share;

    /// A lot with connections, and what their clients and the lot's keeper see of them.
    struct Stage {
        listener: TcpListener,
        lot: Lot,
        share: Arc<Share>,
        places: Arc<Places>,
    }

    impl Stage {
        fn new() -> Self {
            let places = Places::new(1000, 1000);
            Self {
                listener: TcpListener::bind("127.0.0.1:0").expect("a port"),
                lot: Lot::new().expect("an event queue"),
                share: Share::new(Handle::current(), &places, None),
                places,
            }
        }

        /// Parks a connection for so many milliseconds; returns its client.
        fn park(&self, milliseconds: u64) -> TcpStream {
            let client =
                TcpStream::connect(self.listener.local_addr().expect("bound")).expect("a connection");
            let (socket, peer) = self.listener.accept().expect("a connection");
            let place = self.places.enter(peer.ip(), || panic!("there is room")).expect("a place");
            let held = Held::new(place, Share::count(&self.share));
            let deadline = Instant::now() + Duration::from_millis(milliseconds);
            self.lot.park(Idle { socket, peer, held, begun: None }, deadline).expect("room");
            client
        }

        /// Who leaves within a while: the client's address, and whether it spoke.
        async fn leavers(&self, milliseconds: u64) -> Vec<(SocketAddr, bool)> {
            let mut seen = Vec::new();
            let attended = self.lot.attend(|leave| {
                seen.push(match leave {
                    Leave::Readable(idle) => (idle.peer, true),
                    Leave::Expired(idle) => (idle.peer, false),
                });
            });
            let ended = timeout(Duration::from_millis(milliseconds), attended).await;
            assert!(ended.is_err(), "it goes on for ever");
            assert!(self.lot.is_attended(), "connections may be left here");
            seen
        }

        fn connections(&self) -> usize {
            self.share.connections()
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
        let mut seen = stage.leavers(200).await;
        expected.sort();
        seen.sort();
        assert_eq!(seen, expected);
        assert_eq!((stage.lot.len(), stage.connections()), (quiet.len(), quiet.len()));
        stage.lot.clear();
        assert_eq!((stage.lot.len(), stage.connections()), (0, 0));
    }

    #[tokio::test]
    async fn time_is_over_for_each_in_its_turn() {
        let stage = Stage::new();
        assert!(!stage.lot.is_attended(), "nobody would wake those who are left here");
        let late = stage.park(150);
        let never = stage.park(60_000);
        let soon = stage.park(50);
        let expected = [(address(&soon), false), (address(&late), false)];
        assert_eq!(stage.leavers(400).await, expected);
        assert_eq!(stage.lot.len(), 1);
        // One that comes while the keeper sleeps may have to go before those who are there.
        let (seen, soon) = tokio::join!(stage.leavers(400), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            stage.park(50)
        });
        assert_eq!(seen, [(address(&soon), false)]);
        assert!(stage.lot.drop_first() && !stage.lot.drop_first());
        drop(never);
    }

    #[tokio::test]
    async fn whose_time_is_nearest_makes_room() {
        let stage = Stage::new();
        let _clients = [stage.park(3000), stage.park(1000), stage.park(2000)];
        for left in [2, 1, 0] {
            assert!(stage.lot.drop_first());
            assert_eq!(stage.connections(), left);
            let next = stage.lot.lock().order.first().map(|(deadline, _)| *deadline);
            assert!(next.is_none_or(|next| next > Instant::now() + Duration::from_millis(1500)));
        }
    }
}
