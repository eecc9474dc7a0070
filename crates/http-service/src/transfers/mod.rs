//! The shelf of transfers: what is being sent to machines, what was sent lately, and how much may be sent at once. All of it is memory
//! of a bounded size, and what a request costs here is a lock that only its own thread wants.

mod log;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime};

use file_transport::{BodyObserver, Counters, RateLimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use model::identity::Identity;

pub use log::Ended;
use log::Log;

/// What may be sent at once. 0 means no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Transfers at once.
    pub transfers: usize,
    /// Bytes a second of all transfers together.
    pub rate: u64,
    /// Bytes a second of all transfers from one image, or from one plain file.
    pub image_rate: u64,
}

/// The shelf. Handles are cheap clones.
#[derive(Clone)]
pub struct Transfers(Arc<Inner>);

struct Inner {
    places: Option<Arc<Semaphore>>,
    pace: Option<Arc<RateLimit>>,
    image_rate: u64,
    /// By device and inode of the open file: all files of one image come from the same.
    image_paces: Mutex<HashMap<(u64, u64), Weak<RateLimit>>>,
    log: Log,
    connections: Arc<Counters>,
    refused: AtomicU64,
    waiting: AtomicU64,
    bytes: AtomicU64,
}

/// The right to send, until it is let go of.
#[derive(Debug, Default)]
pub struct Permit {
    _permit: Option<OwnedSemaphorePermit>,
}

/// There is no place for another transfer just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// A running transfer. It ends when the last who holds it lets go.
pub struct Transfer {
    transfers: Transfers,
    number: u64,
    client: SocketAddr,
    path: Box<str>,
    size: u64,
    started: SystemTime,
    begun: Instant,
    sent: AtomicU64,
    paces: Vec<Arc<RateLimit>>,
    _permit: Permit,
}

/// A running transfer as it is shown.
#[derive(Debug, Clone)]
pub struct Running {
    /// Who fetches.
    pub client: SocketAddr,
    /// The path that was asked for, as it came; a very long one is cut.
    pub path: String,
    /// Bytes that the answer has in all.
    pub size: u64,
    /// Bytes handed to the system so far.
    pub sent: u64,
    /// When it began.
    pub started: SystemTime,
    /// Bytes a second since then.
    pub rate: u64,
}

/// Numbers since the start, and of this moment.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Answers by the first digit of their status.
    pub answers: [u64; 6],
    /// Bytes of bodies handed to the system.
    pub bytes: u64,
    /// Transfers that did not get to their end.
    pub broken: u64,
    /// Transfers that were sent away because there was no place.
    pub refused: u64,
    /// Transfers that wait for a place now.
    pub waiting: u64,
    /// Transfers that run now.
    pub running: u64,
}

impl Transfers {
    /// An empty shelf. `connections` counts what happens to the connections that the transfers go over.
    pub fn new(limits: Limits, connections: Arc<Counters>) -> Self {
        let places = Some(limits.transfers).filter(|places| *places > 0);
        Self(Arc::new(Inner {
            places: places.map(|places| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)))),
            pace: Some(limits.rate).filter(|rate| *rate > 0).map(|rate| Arc::new(RateLimit::new(rate))),
            image_rate: limits.image_rate,
            image_paces: Mutex::default(),
            log: Log::default(),
            connections,
            refused: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }))
    }

    /// A place for a transfer. Who can wait does, in the order of coming; who cannot is told at once.
    ///
    /// # Errors
    ///
    /// [`Busy`] for those who cannot wait.
    pub async fn admit(&self, can_wait: bool) -> Result<Permit, Busy> {
        let Some(places) = &self.0.places else { return Ok(Permit::default()) };
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Ok(Permit { _permit: Some(place) });
        }
        if !can_wait {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Busy);
        }
        let _waiting = Waiting::new(&self.0.waiting);
        // The semaphore is never closed.
        Ok(Permit { _permit: Arc::clone(places).acquire_owned().await.ok() })
    }

    /// A transfer of `size` bytes of `file` begins.
    pub fn begin(
        &self,
        client: SocketAddr,
        path: &str,
        file: Identity,
        size: u64,
        permit: Permit,
    ) -> Arc<Transfer> {
        let (transfers, paces) = (self.clone(), self.paces(file));
        self.0.log.begin(|number| Transfer {
            transfers,
            number,
            client,
            path: log::shortened(path).into(),
            size,
            started: SystemTime::now(),
            begun: Instant::now(),
            sent: AtomicU64::new(0),
            paces,
            _permit: permit,
        })
    }

    /// An answer of `size` bytes was given from memory, which is not worth following.
    pub fn note(&self, client: SocketAddr, path: &str, size: u64) {
        if let Some(pace) = &self.0.pace {
            // It waits for nobody, but what it takes is missing for those who do.
            pace.take(size);
        }
        self.0.log.note(client, path, size);
    }

    /// A request was answered with this status.
    pub fn answered(&self, status: u16) {
        self.0.log.answered(status);
    }

    /// What is being sent now, the oldest first.
    pub fn running(&self) -> Vec<Running> {
        let mut running: Vec<Running> = self.0.log.running().iter().map(|transfer| transfer.show()).collect();
        running.sort_by_key(|transfer| transfer.started);
        running
    }

    /// What was sent lately, the last first.
    pub fn ended(&self) -> Vec<Ended> {
        let mut ended = self.0.log.ended();
        ended.sort_by_key(|transfer| std::cmp::Reverse(transfer.ended()));
        ended
    }

    /// Sums.
    pub fn totals(&self) -> Totals {
        let mut totals = self.0.log.totals();
        totals.bytes += self.0.bytes.load(Ordering::Relaxed);
        totals.refused = self.0.refused.load(Ordering::Relaxed);
        totals.waiting = self.0.waiting.load(Ordering::Relaxed);
        totals
    }

    /// What happened to connections.
    pub fn connections(&self) -> &Counters {
        &self.0.connections
    }

    fn paces(&self, file: Identity) -> Vec<Arc<RateLimit>> {
        let file = (file.device, file.inode);
        let mut paces: Vec<Arc<RateLimit>> = self.0.pace.iter().cloned().collect();
        if self.0.image_rate > 0 {
            let mut known = lock(&self.0.image_paces);
            let pace = known.get(&file).and_then(Weak::upgrade).unwrap_or_else(|| {
                known.retain(|_, pace| pace.strong_count() > 0);
                let pace = Arc::new(RateLimit::new(self.0.image_rate));
                known.insert(file, Arc::downgrade(&pace));
                pace
            });
            paces.push(pace);
        }
        paces
    }
}

impl Transfer {
    fn show(&self) -> Running {
        let sent = self.sent.load(Ordering::Relaxed);
        let milliseconds = self.begun.elapsed().as_millis().max(1);
        Running {
            client: self.client,
            path: self.path.to_string(),
            size: self.size,
            sent,
            started: self.started,
            rate: u64::try_from(u128::from(sent) * 1000 / milliseconds).unwrap_or(u64::MAX),
        }
    }
}

impl BodyObserver for Transfer {
    fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        self.transfers.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn rate_limits(&self) -> &[Arc<RateLimit>] {
        &self.paces
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let ended = Ended {
            client: self.client,
            path: std::mem::take(&mut self.path).into_string(),
            size: self.size,
            sent: self.sent.load(Ordering::Relaxed),
            started: self.started,
            took: self.begun.elapsed(),
        };
        self.transfers.0.log.end(self.number, ended);
    }
}

/// Counts one who waits, for as long as it lives.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn new(number: &'a AtomicU64) -> Self {
        number.fetch_add(1, Ordering::Relaxed);
        Self(number)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn transfers(limits: Limits) -> Transfers {
        Transfers::new(limits, Arc::default())
    }

    fn file(inode: u64) -> Identity {
        Identity { device: 1, inode, size: 1, seconds: 0, nanoseconds: 0 }
    }

    fn client() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 4711))
    }

    #[tokio::test]
    async fn who_can_wait_waits_and_who_cannot_is_told() {
        let transfers = transfers(Limits { transfers: 1, ..Limits::default() });
        let first = transfers.admit(false).await.expect("a place");
        assert_eq!(transfers.admit(false).await.expect_err("no place"), Busy);
        let second = tokio::time::timeout(Duration::from_millis(20), transfers.admit(true)).await;
        assert!(second.is_err(), "it waits");
        assert_eq!(
            (transfers.totals().refused, transfers.totals().waiting),
            (1, 0),
            "who gave up no longer waits"
        );
        drop(first);
        assert!(transfers.admit(false).await.is_ok());
    }

    #[test]
    fn a_transfer_is_shown_while_it_runs_and_afterwards() {
        let transfers = transfers(Limits::default());
        let transfer = transfers.begin(client(), "/a/1/vmlinuz", file(1), 100, Permit::default());
        transfer.sent(60);
        let running = transfers.running();
        assert_eq!(
            running.iter().map(|it| (it.path.as_str(), it.sent, it.size)).collect::<Vec<_>>(),
            [("/a/1/vmlinuz", 60, 100)]
        );
        drop(transfer);
        transfers.note(client(), "/a/1/boot.cfg", 40);
        transfers.answered(200);
        transfers.answered(404);
        assert!(transfers.running().is_empty());
        let ended: Vec<_> =
            transfers.ended().into_iter().map(|it| (it.is_whole(), it.path, it.sent)).collect();
        assert!(ended.contains(&(false, "/a/1/vmlinuz".into(), 60)), "{ended:?}");
        assert!(ended.contains(&(true, "/a/1/boot.cfg".into(), 40)), "{ended:?}");
        let totals = transfers.totals();
        assert_eq!((totals.bytes, totals.broken, totals.running), (100, 1, 0));
        assert_eq!(totals.answers, [0, 0, 1, 0, 1, 0]);
    }

    #[test]
    fn all_transfers_of_one_image_share_a_pace_and_none_with_others() {
        let transfers = transfers(Limits { rate: 1000, image_rate: 100, ..Limits::default() });
        let begin = |file| transfers.begin(client(), "/", file, 1, Permit::default());
        let (first, second, other) = (begin(file(1)), begin(file(1)), begin(file(2)));
        let shares = |one: &Transfer, two: &Transfer| {
            one.rate_limits()
                .iter()
                .filter(|pace| two.rate_limits().iter().any(|its| Arc::ptr_eq(pace, its)))
                .count()
        };
        assert_eq!((first.rate_limits().len(), shares(&first, &second), shares(&first, &other)), (2, 2, 1));
        drop((first, second, other));
        drop(begin(file(3)));
        assert_eq!(lock(&transfers.0.image_paces).len(), 1, "paces that nobody uses are forgotten");
    }
}
