//! The log of transfers: the running ones, the last ended ones, and totals. It has shards, so that threads do
//! not wait for each other.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use crate::client::Client;

/// Shards of the log. More threads than this share some.
const SHARDS: usize = 16;

/// Ended transfers that a shard remembers.
const REMEMBERED: usize = 128;

/// The longest path that is remembered in full, in bytes.
const MAX_PATH: usize = 512;

/// A transfer that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The client.
    pub client: Client,
    /// The path of the request; a very long one is cut.
    pub path: String,
    /// Bytes that the answer had in all.
    pub size: u64,
    /// Bytes handed to the system.
    pub sent: u64,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub took: Duration,
}

impl Ended {
    /// Whether all bytes were handed to the system. That does not mean that the client received them.
    pub fn is_complete(&self) -> bool {
        self.sent >= self.size
    }

    /// When it ended.
    pub fn ended(&self) -> SystemTime {
        self.started + self.took
    }
}

/// Totals since the start, and numbers of now.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Answers by the first digit of their status.
    pub answers: [u64; 6],
    /// Bytes of bodies handed to the system.
    pub bytes: u64,
    /// Transfers that ended before all bytes were sent.
    pub broken: u64,
    /// Transfers that were refused because no permit was free.
    pub refused: u64,
    /// Transfers that wait for a permit now.
    pub waiting: u64,
    /// Transfers that run now.
    pub running: u64,
}

/// The log, with a handle `T` for each running transfer.
pub(super) struct Log<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
}

struct Shard<T> {
    running: HashMap<u64, Weak<T>>,
    next: u64,
    ended: VecDeque<Ended>,
    totals: Totals,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self { running: HashMap::new(), next: 0, ended: VecDeque::new(), totals: Totals::default() }
    }
}

impl<T> Log<T> {
    /// Records a transfer that begins. `make` gets its number.
    pub(super) fn begin(&self, make: impl FnOnce(u64) -> T) -> Arc<T> {
        let index = own_shard();
        let mut shard = self.lock(index);
        shard.next += 1;
        // The number contains the shard, because a transfer may end on another thread.
        let number = shard.next * SHARDS as u64 + index as u64;
        let transfer = Arc::new(make(number));
        shard.running.insert(number, Arc::downgrade(&transfer));
        transfer
    }

    pub(super) fn end(&self, number: u64, ended: Ended) {
        let mut shard = self.lock(usize::try_from(number % SHARDS as u64).unwrap_or(0));
        shard.running.remove(&number);
        shard.totals.broken += u64::from(!ended.is_complete());
        shard.remember(|slot| *slot = ended);
    }

    /// Records an answer from memory, which ends at once, in the slot of the oldest record.
    pub(super) fn record(&self, client: Client, path: &str, size: u64) {
        let started = SystemTime::now();
        let mut shard = self.lock(own_shard());
        shard.totals.bytes += size;
        shard.remember(|slot| {
            slot.path.clear();
            slot.path.push_str(shortened(path));
            (slot.client, slot.size, slot.sent, slot.started, slot.took) =
                (client, size, size, started, Duration::ZERO);
        });
    }

    pub(super) fn answered(&self, status: u16) {
        let mut shard = self.lock(own_shard());
        if let Some(number) = shard.totals.answers.get_mut(usize::from(status / 100)) {
            *number += 1;
        }
    }

    pub(super) fn running(&self) -> Vec<Arc<T>> {
        let upgrade = |index| self.lock(index).running.values().filter_map(Weak::upgrade).collect::<Vec<_>>();
        (0..SHARDS).flat_map(upgrade).collect()
    }

    pub(super) fn ended(&self) -> Vec<Ended> {
        (0..SHARDS).flat_map(|index| self.lock(index).ended.iter().cloned().collect::<Vec<_>>()).collect()
    }

    pub(super) fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for index in 0..SHARDS {
            let shard = self.lock(index);
            for (sum, number) in sum.answers.iter_mut().zip(shard.totals.answers) {
                *sum += number;
            }
            sum.bytes += shard.totals.bytes;
            sum.broken += shard.totals.broken;
            sum.running += shard.running.len() as u64;
        }
        sum
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Shard<T>> {
        // Indices are always below the number of shards.
        lock(self.shards.get(index).unwrap_or(&self.shards[0]))
    }
}

impl<T> Shard<T> {
    /// Adds a record, which `write` fills.
    fn remember(&mut self, write: impl FnOnce(&mut Ended)) {
        let oldest = if self.ended.len() < REMEMBERED { None } else { self.ended.pop_front() };
        let mut slot = oldest.unwrap_or_else(|| Ended {
            client: Client::at(SocketAddr::from(([0, 0, 0, 0], 0)), false),
            path: String::new(),
            size: 0,
            sent: 0,
            started: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
        });
        write(&mut slot);
        self.ended.push_back(slot);
    }
}

/// The path, or its beginning if it is too long to be remembered.
pub(super) fn shortened(path: &str) -> &str {
    path.get(..path.floor_char_boundary(MAX_PATH)).unwrap_or_default()
}

/// The shard of this thread. Threads get theirs in turn.
fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<Option<usize>> = const { Cell::new(None) };
    }
    OWN.with(|own| {
        let shard = own.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        own.set(Some(shard));
        shard
    })
}

/// Locks a mutex. A panic of another thread does not matter to counters and records.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_log_is_bounded() {
        let log = Log::<()>::default();
        let client = Client::at(SocketAddr::from(([192, 0, 2, 1], 4711)), false);
        // One thread has one shard.
        for size in 0..=REMEMBERED as u64 {
            log.record(client, &format!("/{}", "ä".repeat(MAX_PATH)), size);
        }
        let ended = log.ended();
        assert_eq!(ended.len(), REMEMBERED);
        assert_eq!((ended[0].size, ended[REMEMBERED - 1].size), (1, REMEMBERED as u64));
        assert!(ended.iter().all(|it| it.path.len() <= MAX_PATH && it.path.ends_with('ä')));
    }
}
