//! The limit of connections: in all, so that memory is bounded, and by address, so that no client takes all
//! of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::limits::LiveLimits;

/// Idle connections are evicted again after this long. One that was asked to end may just have begun a
/// request. The limit may have changed as well.
const EVICT_AGAIN: Duration = Duration::from_millis(100);

/// Hands out permits for connections, up to a limit.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    limits: LiveLimits,
    taken: Mutex<Taken>,
    /// Notified when a permit comes back, and when the limit is closed.
    changed: Condvar,
    /// Threads that wait for a permit.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
    closed: bool,
}

/// The permit of one connection. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    limit: Arc<ConnectionLimit>,
    address: Option<IpAddr>,
}

/// Why there is no permit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The address has too many connections.
    Address,
    /// The server stops.
    Closed,
}

impl ConnectionLimit {
    /// Allows as many connections as `limits` say at each instant, and at least one.
    pub(crate) fn new(limits: LiveLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Takes a permit for a connection from `address`; without one, only the limit in all counts. At the
    /// limit the thread calls `make_room` with the number of connections that are too many, and waits for
    /// their permits to come back. Meanwhile [`ConnectionLimit::has_waiters`] is true.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        mut make_room: impl FnMut(usize),
    ) -> Result<ConnectionPermit, Refusal> {
        let address = address.map(client_of);
        let has_all = |taken: &Taken| {
            let count = address.and_then(|address| taken.by_address.get(&address));
            count.is_some_and(|count| *count >= self.limits.get().max_connections_per_address.max(1))
        };
        let max = || self.limits.get().max_connections.max(1);
        let mut taken = self.lock();
        if !has_all(&taken) && taken.total >= max() {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let is_full = |taken: &mut Taken| taken.total >= max() && !taken.closed;
            while is_full(&mut taken) {
                // After the limit was lowered, more than one is too many.
                let excess = taken.total.saturating_sub(max()) + 1;
                // A connection that ends gives its permit back, for which it needs the lock.
                drop(taken);
                make_room(excess);
                let waited = self.changed.wait_timeout_while(self.lock(), EVICT_AGAIN, is_full);
                taken = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if taken.closed {
            return Err(Refusal::Closed);
        }
        // Other threads may have taken permits for the same address meanwhile.
        if has_all(&taken) {
            return Err(Refusal::Address);
        }
        taken.total += 1;
        if let Some(address) = address {
            *taken.by_address.entry(address).or_default() += 1;
        }
        Ok(ConnectionPermit { limit: Arc::clone(self), address })
    }

    /// Whether a thread waits for a permit.
    pub(crate) fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Refuses all permits from now on, also to the threads that wait.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for `limit` at most until all permits are back; returns how many are not.
    pub(crate) fn wait_until_empty(&self, limit: Duration) -> usize {
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |taken| taken.total > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.total
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.limit.lock();
        taken.total -= 1;
        if let Some(address) = self.address
            && let Some(count) = taken.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
        self.limit.changed.notify_all();
    }
}

/// What counts as one client: an IPv4 address, also when it comes mapped into IPv6, or an IPv6 network of 64
/// bits. A host is given a network of at least that size (RFC 6177 §2).
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ServerLimits;

    fn limit(max_connections: usize, max_connections_per_address: usize) -> Arc<ConnectionLimit> {
        let limits = ServerLimits { max_connections, max_connections_per_address, ..ServerLimits::default() };
        ConnectionLimit::new(limits.into())
    }

    #[test]
    fn an_address_has_its_places_and_no_more() {
        let limit = limit(100, 2);
        let acquire = |text: &str| limit.acquire(text.parse().ok(), |_| panic!("not full"));
        let first = acquire("192.0.2.1").expect("a permit");
        let second = acquire("::ffff:192.0.2.1").expect("a permit");
        assert_eq!(acquire("192.0.2.1").expect_err("the limit is two"), Refusal::Address);
        drop(acquire("192.0.2.2").expect("another address has permits of its own"));
        drop(first);
        let third = acquire("192.0.2.1").expect("a permit");
        drop((second, third));
        assert!(limit.lock().by_address.is_empty());
        let _held = [acquire("2001:db8::1"), acquire("2001:db8::2")].map(|permit| permit.expect("a permit"));
        assert_eq!(acquire("2001:db8::3").expect_err("one host has many addresses"), Refusal::Address);
        drop(acquire("2001:db8:0:1::1").expect("another network"));
        let exempt = [(); 3].map(|()| limit.acquire(None, |_| panic!("not full")).expect("a permit"));
        assert_eq!(limit.lock().total, 5);
        drop(exempt);
    }

    #[test]
    fn who_finds_no_place_waits_until_somebody_leaves_or_all_is_over() {
        let limit = limit(1, 9);
        let address = Some(IpAddr::from([192, 0, 2, 1]));
        let first = Mutex::new(Some(limit.acquire(address, |_| ()).expect("a permit")));
        let end_first = |_| drop(first.lock().expect("no panic").take());
        let second = limit.acquire(address, end_first).expect("the permit of the first");
        assert_eq!(limit.wait_until_empty(Duration::from_millis(1)), 1);
        limit.close();
        assert_eq!(limit.acquire(address, |_| ()).expect_err("closed"), Refusal::Closed);
        drop(second);
        assert_eq!(limit.wait_until_empty(Duration::from_secs(5)), 0);
    }

    #[test]
    fn who_waited_finds_its_address_full_like_anybody_else() {
        let limit = limit(2, 1);
        let acquire = |text: &str| limit.acquire(text.parse().ok(), |_| panic!("not full"));
        let held = ["192.0.2.1", "192.0.2.2"].map(|text| acquire(text).expect("a permit"));
        let held = Mutex::new(Vec::from(held));
        let make_room = |_| {
            // Another connection from the same address is faster.
            let mut held = held.lock().expect("no panic");
            held.clear();
            held.push(acquire("192.0.2.3").expect("a permit"));
        };
        let late = limit.acquire("192.0.2.3".parse().ok(), make_room);
        assert_eq!(late.expect_err("the limit is one"), Refusal::Address);
    }
}
