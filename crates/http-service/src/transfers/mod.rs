//! Transfers to machines: those that run, those that ended lately, and their limits. The memory is bounded. A
//! request takes one lock, of its own thread's shard.

mod log;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

use file_transport::{BodyObserver, Counters, RateLimit};
use model::fair_limit::{FairLimit, FairPermit, Refusal};
use model::identity::Identity;
use model::settings::Live;
use tokio::time::timeout;

use crate::client::Client;
pub use log::{Ended, Totals};
use log::{Log, lock};

/// How long a request waits until its client has less than its share. Firmware gives up when its first byte
/// takes longer than five seconds.
const SHARE_TIME: Duration = Duration::from_secs(4);

/// The limits of all transfers. 0 means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Transfers at once. One client may have half of them.
    pub transfers: usize,
    /// Bytes a second of all transfers together.
    pub rate: u64,
    /// Bytes a second of all transfers from one image, or from one plain file.
    pub image_rate: u64,
}

/// All transfers. Clones share them.
#[derive(Clone)]
pub struct Transfers(Arc<Inner>);

struct Inner {
    permits: Mutex<Option<FairLimit>>,
    limits: Live<Limits>,
    rate_limit: Mutex<Option<Arc<RateLimit>>>,
    /// By device and inode of the open file: all files of one image come from the same.
    image_rate_limits: Mutex<HashMap<(u64, u64), Weak<RateLimit>>>,
    log: Log<Transfer>,
    connections: Arc<Counters>,
    refused: AtomicU64,
    waiting: AtomicU64,
    bytes: AtomicU64,
}

/// The right to send, until it is dropped.
#[derive(Debug, Default)]
pub struct Permit {
    _permit: Option<FairPermit>,
}

/// A running transfer. It ends when its last handle is dropped.
pub struct Transfer {
    transfers: Transfers,
    number: u64,
    client: Client,
    path: Box<str>,
    size: u64,
    started: SystemTime,
    begun: Instant,
    sent: AtomicU64,
    rate_limits: Vec<Arc<RateLimit>>,
    _permit: Permit,
}

/// The state of a running transfer.
#[derive(Debug, Clone)]
pub struct Running {
    /// The client.
    pub client: Client,
    /// The path of the request; a very long one is cut.
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

impl Transfers {
    /// No transfers yet. `connections` has the counters of the transport.
    pub fn new(limits: impl Into<Live<Limits>>, connections: Arc<Counters>) -> Self {
        let live = limits.into();
        let limits = *live.get();
        let inner = Arc::new(Inner {
            permits: Mutex::new(permits(limits.transfers)),
            rate_limit: Mutex::new(rate_limit(limits.rate)),
            limits: live.clone(),
            image_rate_limits: Mutex::default(),
            log: Log::default(),
            connections,
            refused: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let changed = Arc::downgrade(&inner);
        live.on_change(move |limits| {
            if let Some(inner) = changed.upgrade() {
                inner.change(limits);
            }
        });
        Self(inner)
    }

    /// A permit for a transfer to `client`. Waiting requests get theirs in order of arrival.
    ///
    /// # Errors
    ///
    /// At once for a request that cannot wait; or its client still has its share after four seconds.
    pub async fn admit(&self, client: Client, can_wait: bool) -> Result<Permit, Refusal> {
        let permits = lock(&self.0.permits).clone();
        let Some(permits) = permits else { return Ok(Permit::default()) };
        let client = client.limit_key();
        let admitted = match permits.try_acquire(client) {
            Err(_) if can_wait => {
                let _waiting = Waiting::new(&self.0.waiting);
                match timeout(SHARE_TIME, permits.wait_for_share(client)).await {
                    Ok(share) => Ok(permits.wait(share).await),
                    Err(_) => Err(Refusal::Client),
                }
            }
            admitted => admitted,
        };
        if admitted.is_err() {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Permit { _permit: Some(admitted?) })
    }

    /// A transfer of `size` bytes of `file` begins.
    pub fn begin(
        &self,
        client: Client,
        path: &str,
        file: Identity,
        size: u64,
        permit: Permit,
    ) -> Arc<Transfer> {
        let (transfers, rate_limits) = (self.clone(), self.rate_limits(file));
        self.0.log.begin(|number| Transfer {
            transfers,
            number,
            client,
            path: log::shortened(path).into(),
            size,
            started: SystemTime::now(),
            begun: Instant::now(),
            sent: AtomicU64::new(0),
            rate_limits,
            _permit: permit,
        })
    }

    /// Records an answer of `size` bytes from memory, which is too short to be shown while it runs.
    pub fn record(&self, client: Client, path: &str, size: u64) {
        if let Some(rate_limit) = &*lock(&self.0.rate_limit) {
            // The answer does not wait, but it uses the rate of other transfers.
            rate_limit.take(size);
        }
        self.0.log.record(client, path, size);
    }

    /// Counts an answer by its status.
    pub fn answered(&self, status: u16) {
        self.0.log.answered(status);
    }

    /// The running transfers, the oldest first.
    pub fn running(&self) -> Vec<Running> {
        let mut running: Vec<Running> = self.0.log.running().iter().map(|transfer| transfer.show()).collect();
        running.sort_by_key(|transfer| transfer.started);
        running
    }

    /// The transfers that ended lately, the last first.
    pub fn ended(&self) -> Vec<Ended> {
        let mut ended = self.0.log.ended();
        ended.sort_by_key(|transfer| std::cmp::Reverse(transfer.ended()));
        ended
    }

    /// The totals.
    pub fn totals(&self) -> Totals {
        let mut totals = self.0.log.totals();
        totals.bytes += self.0.bytes.load(Ordering::Relaxed);
        totals.refused = self.0.refused.load(Ordering::Relaxed);
        totals.waiting = self.0.waiting.load(Ordering::Relaxed);
        totals
    }

    /// The counters of the transport.
    pub fn connections(&self) -> &Counters {
        &self.0.connections
    }

    fn rate_limits(&self, file: Identity) -> Vec<Arc<RateLimit>> {
        let file = (file.device, file.inode);
        let mut limits: Vec<Arc<RateLimit>> = lock(&self.0.rate_limit).iter().cloned().collect();
        let image_rate = self.0.limits.get().image_rate;
        if image_rate > 0 {
            let mut known = lock(&self.0.image_rate_limits);
            let limit = known.get(&file).and_then(Weak::upgrade).unwrap_or_else(|| {
                known.retain(|_, limit| limit.strong_count() > 0);
                let limit = Arc::new(RateLimit::new(image_rate));
                known.insert(file, Arc::downgrade(&limit));
                limit
            });
            limits.push(limit);
        }
        limits
    }
}

impl Inner {
    /// Takes other limits over. Transfers that run keep their permits, and go on at the new rate, unless the
    /// rate had or has no limit.
    fn change(&self, limits: &Limits) {
        let mut current = lock(&self.permits);
        match &*current {
            Some(limit) if limits.transfers > 0 => limit.set_total(limits.transfers),
            old => {
                // Nothing limits the requests that wait.
                old.iter().for_each(|old| old.set_total(usize::MAX));
                *current = permits(limits.transfers);
            }
        }
        drop(current);
        let mut current = lock(&self.rate_limit);
        match &*current {
            Some(limit) if limits.rate > 0 => limit.set_rate(limits.rate),
            _ => *current = rate_limit(limits.rate),
        }
        drop(current);
        let mut of_images = lock(&self.image_rate_limits);
        if limits.image_rate == 0 {
            of_images.clear();
        }
        of_images.values().filter_map(Weak::upgrade).for_each(|limit| limit.set_rate(limits.image_rate));
    }
}

/// 0 is no limit.
fn permits(transfers: usize) -> Option<FairLimit> {
    Some(transfers).filter(|permits| *permits > 0).map(FairLimit::new)
}

/// 0 is no limit.
fn rate_limit(rate: u64) -> Option<Arc<RateLimit>> {
    Some(rate).filter(|rate| *rate > 0).map(|rate| Arc::new(RateLimit::new(rate)))
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
        &self.rate_limits
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

/// Counts a waiting request for as long as it lives.
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::*;

    fn transfers(limits: Limits) -> Transfers {
        Transfers::new(limits, Arc::default())
    }

    fn file(inode: u64) -> Identity {
        Identity { device: 1, inode, size: 1, seconds: 0, nanoseconds: 0 }
    }

    fn client() -> Client {
        Client::at(SocketAddr::from(([192, 0, 2, 1], 4711)), false)
    }

    #[tokio::test]
    async fn who_can_wait_waits_and_who_cannot_is_told() {
        let transfers = transfers(Limits { transfers: 1, ..Limits::default() });
        let first = transfers.admit(client(), false).await.expect("a permit");
        assert_eq!(transfers.admit(client(), false).await.expect_err("no permit"), Refusal::All);
        let second = timeout(Duration::from_millis(20), transfers.admit(client(), true)).await;
        assert!(second.is_err(), "it waits");
        assert_eq!(
            (transfers.totals().refused, transfers.totals().waiting),
            (1, 0),
            "a request that gave up no longer waits"
        );
        drop(first);
        assert!(transfers.admit(client(), false).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_with_its_share_waits_for_itself_alone_and_not_for_long() {
        let transfers = transfers(Limits { transfers: 4, ..Limits::default() });
        let [greedy, other] =
            [1, 2].map(|last| Client::at(SocketAddr::new(IpAddr::from([192, 0, 2, last]), 9), false));

        let held = [
            transfers.admit(greedy, true).await.expect("one"),
            transfers.admit(greedy, true).await.expect("two"),
        ];
        assert_eq!(transfers.admit(greedy, false).await.expect_err("its share"), Refusal::Client);
        let begun = tokio::time::Instant::now();
        assert_eq!(transfers.admit(greedy, true).await.expect_err("its share"), Refusal::Client);
        assert_eq!(begun.elapsed(), SHARE_TIME);
        let _others = [
            transfers.admit(other, false).await.expect("one"),
            transfers.admit(other, false).await.expect("two"),
        ];
        let waiting = transfers.admit(greedy, true);
        drop(held);
        assert!(waiting.await.is_ok());
        assert_eq!((transfers.totals().refused, transfers.totals().waiting), (2, 0));
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
        transfers.record(client(), "/a/1/boot.cfg", 40);
        transfers.answered(200);
        transfers.answered(404);
        assert!(transfers.running().is_empty());
        let ended: Vec<_> =
            transfers.ended().into_iter().map(|it| (it.is_complete(), it.path, it.sent)).collect();
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
                .filter(|limit| two.rate_limits().iter().any(|its| Arc::ptr_eq(limit, its)))
                .count()
        };
        assert_eq!((first.rate_limits().len(), shares(&first, &second), shares(&first, &other)), (2, 2, 1));
        drop((first, second, other));
        drop(begin(file(3)));
        assert_eq!(lock(&transfers.0.image_rate_limits).len(), 1, "unused rate limits are dropped");
    }
}
