//! The record of transfers: those that run, the last that ended, and sums; in parts, so that threads do not wait for each other.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, SystemTime};

use super::{Totals, Transfer, lock};

/// Parts of the record. More threads than this share some.
const PARTS: usize = 16;

/// Ended transfers that a part remembers.
const REMEMBERED: usize = 128;

/// The longest path that is remembered whole, in bytes.
const MAX_PATH: usize = 512;

/// A transfer that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Who fetched.
    pub client: SocketAddr,
    /// The path that was asked for, as it came; a very long one is cut.
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
    /// Whether all bytes were handed to the system. Whether the client got them, the network alone knows.
    pub fn is_whole(&self) -> bool {
        self.sent >= self.size
    }

    /// When it ended.
    pub fn ended(&self) -> SystemTime {
        self.started + self.took
    }
}

#[derive(Default)]
pub(super) struct Log {
    parts: [Mutex<Shard>; PARTS],
}

#[derive(Default)]
struct Shard {
    running: HashMap<u64, Weak<Transfer>>,
    next: u64,
    ended: VecDeque<Ended>,
    totals: Totals,
}

impl Log {
    /// Records a transfer that begins; it is made with its number.
    pub(super) fn begin(&self, make: impl FnOnce(u64) -> Transfer) -> Arc<Transfer> {
        let index = own_part();
        let mut part = self.lock(index);
        part.next += 1;
        // The number tells the part, for a transfer may end on another thread.
        let number = part.next * PARTS as u64 + index as u64;
        let transfer = Arc::new(make(number));
        part.running.insert(number, Arc::downgrade(&transfer));
        transfer
    }

    pub(super) fn end(&self, number: u64, ended: Ended) {
        let mut part = self.lock(usize::try_from(number % PARTS as u64).unwrap_or(0));
        part.running.remove(&number);
        part.totals.broken += u64::from(!ended.is_whole());
        part.remember(|slot| *slot = ended);
    }

    /// Records an answer that ended with its beginning. The place of the oldest record is used again, memory and all.
    pub(super) fn note(&self, client: SocketAddr, path: &str, size: u64) {
        let started = SystemTime::now();
        let mut part = self.lock(own_part());
        part.totals.bytes += size;
        part.remember(|slot| {
            slot.path.clear();
            slot.path.push_str(shortened(path));
            (slot.client, slot.size, slot.sent, slot.started, slot.took) =
                (client, size, size, started, Duration::ZERO);
        });
    }

    pub(super) fn answered(&self, status: u16) {
        let mut part = self.lock(own_part());
        if let Some(number) = part.totals.answers.get_mut(usize::from(status / 100)) {
            *number += 1;
        }
    }

    pub(super) fn running(&self) -> Vec<Arc<Transfer>> {
        let upgrade = |index| self.lock(index).running.values().filter_map(Weak::upgrade).collect::<Vec<_>>();
        (0..PARTS).flat_map(upgrade).collect()
    }

    pub(super) fn ended(&self) -> Vec<Ended> {
        (0..PARTS).flat_map(|index| self.lock(index).ended.iter().cloned().collect::<Vec<_>>()).collect()
    }

    pub(super) fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for index in 0..PARTS {
            let part = self.lock(index);
            for (sum, number) in sum.answers.iter_mut().zip(part.totals.answers) {
                *sum += number;
            }
            sum.bytes += part.totals.bytes;
            sum.broken += part.totals.broken;
            sum.running += part.running.len() as u64;
        }
        sum
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        // Indices are always below the number of parts.
        lock(self.parts.get(index).unwrap_or(&self.parts[0]))
    }
}

impl Shard {
    /// Lets `write` fill the slot of the newest record.
    fn remember(&mut self, write: impl FnOnce(&mut Ended)) {
        let oldest = if self.ended.len() < REMEMBERED { None } else { self.ended.pop_front() };
        let mut slot = oldest.unwrap_or_else(|| Ended {
            client: SocketAddr::from(([0, 0, 0, 0], 0)),
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

/// The path, or as much of it as is remembered.
pub(super) fn shortened(path: &str) -> &str {
    path.get(..path.floor_char_boundary(MAX_PATH)).unwrap_or_default()
}

/// The part of this thread. Threads get theirs in turn.
fn own_part() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<Option<usize>> = const { Cell::new(None) };
    }
    OWN.with(|own| {
        let part = own.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed) % PARTS);
        own.set(Some(part));
        part
    })
}
