//! How many connections there are, in all and from each client. Nobody may have all of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Room is asked for again after this long, because a connection that was asked to leave may just have begun to speak.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The places for connections.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    most_per_address: usize,
    taken: Mutex<Taken>,
    /// Somebody left, or the places were closed.
    changed: Condvar,
    /// How many wait for a place.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
    closed: bool,
}

/// A connection's place; letting go of it makes room.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The address has too many.
    Address,
    /// The server stops.
    Closed,
}

impl Places {
    /// So many places, of which one address may have `most_per_address`.
    pub(crate) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        let taken = Mutex::default();
        Arc::new(Self {
            most,
            most_per_address,
            taken,
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Takes a place for a connection from `address`. If all are taken, `make_room` is called, and the thread waits until somebody leaves,
    /// which [`Places::are_wanted`] tells meanwhile.
    pub(crate) fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        mut make_room: impl FnMut(),
    ) -> Result<Place, Refusal> {
        let address = owner(address);
        let has_all = |taken: &Taken| {
            taken.by_address.get(&address).is_some_and(|count| *count >= self.most_per_address)
        };
        let mut taken = self.lock();
        if !has_all(&taken) && taken.total >= self.most {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let is_full = |taken: &mut Taken| taken.total >= self.most && !taken.closed;
            while is_full(&mut taken) {
                // Whoever goes gives its place back, for which it needs the lock.
                drop(taken);
                make_room();
                let waited = self.changed.wait_timeout_while(self.lock(), ASK_AGAIN, is_full);
                taken = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if taken.closed {
            return Err(Refusal::Closed);
        }
        // Others from the same address may have come in meanwhile.
        if has_all(&taken) {
            return Err(Refusal::Address);
        }
        taken.total += 1;
        *taken.by_address.entry(address).or_default() += 1;
        Ok(Place { places: Arc::clone(self), address })
    }

    /// Whether somebody waits for a place.
    pub(crate) fn are_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Nobody gets a place any more; whoever waits for one is told.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until all have left, for `limit` at most, and tells how many have not.
    pub(crate) fn wait_until_empty(&self, limit: Duration) -> usize {
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |taken| taken.total > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.total
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.total -= 1;
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
        self.places.changed.notify_all();
    }
}

/// Who counts as one client: an IPv4 address, also when it comes as IPv6, or a network of 64 bits, which is what one host is given
/// (RFC 6177 §2).
fn owner(address: IpAddr) -> IpAddr {
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

    #[test]
    fn an_address_has_its_places_and_no_more() {
        let places = Places::new(100, 2);
        let enter = |text: &str| places.enter(text.parse().expect("an address"), || panic!("there is room"));
        let first = enter("192.0.2.1").expect("a place");
        let second = enter("::ffff:192.0.2.1").expect("a place");
        assert_eq!(enter("192.0.2.1").expect_err("two are the most"), Refusal::Address);
        drop(enter("192.0.2.2").expect("another has places of its own"));
        drop(first);
        let third = enter("192.0.2.1").expect("a place");
        drop((second, third));
        assert!(places.lock().by_address.is_empty());
        let _held = [enter("2001:db8::1"), enter("2001:db8::2")].map(|place| place.expect("a place"));
        assert_eq!(enter("2001:db8::3").expect_err("one host has many addresses"), Refusal::Address);
        drop(enter("2001:db8:0:1::1").expect("another network"));
    }

    #[test]
    fn who_finds_no_place_waits_until_somebody_leaves_or_all_is_over() {
        let places = Places::new(1, 9);
        let address = IpAddr::from([192, 0, 2, 1]);
        let leaving = Mutex::new(Some(places.enter(address, || ()).expect("a place")));
        let leave = || drop(leaving.lock().expect("no panic").take());
        let second = places.enter(address, leave).expect("the first was asked to go");
        assert_eq!(places.wait_until_empty(Duration::from_millis(1)), 1);
        places.close();
        assert_eq!(places.enter(address, || ()).expect_err("closed"), Refusal::Closed);
        drop(second);
        assert_eq!(places.wait_until_empty(Duration::from_secs(5)), 0);
    }

    #[test]
    fn who_waited_finds_its_address_full_like_anybody_else() {
        let places = Places::new(2, 1);
        let enter = |text: &str| places.enter(text.parse().expect("an address"), || panic!("there is room"));
        let held =
            Mutex::new(vec![enter("192.0.2.1").expect("a place"), enter("192.0.2.2").expect("a place")]);
        let make_room = || {
            // Another from the same address comes in first.
            let mut held = held.lock().expect("no panic");
            held.clear();
            held.push(enter("192.0.2.3").expect("a place"));
        };
        let late = places.enter("192.0.2.3".parse().expect("an address"), make_room);
        assert_eq!(late.expect_err("one is the most"), Refusal::Address);
    }
}
