//! Failed logins: a client may fail some times a minute, and a right credential works all the same.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::client::ClientKey;

/// Failures that a client may have in [`WINDOW`].
const LIMIT: usize = 10;

/// The time in which failures are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Clients whose failures are remembered at the same time. Another one takes the place of one whose last
/// failure is longest ago.
const MAX_CLIENTS: usize = 10_000;

/// The failed logins of all clients.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<ClientKey, Failures>>);

#[derive(Debug)]
struct Failures {
    /// The times of the last failures, one more than allowed at most.
    times: VecDeque<Instant>,
    /// When the log last told of this client.
    told: Option<Instant>,
}

/// What follows from a failed login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    /// How long the client has to wait, if it failed too often.
    pub(crate) retry_after: Option<Duration>,
    /// Whether log and audit trail tell of it: once a minute and client.
    pub(crate) is_told: bool,
}

impl Attempts {
    /// Counts a failed login of a client. One without a key speaks for many and is not limited.
    pub(crate) fn failed(&self, client: Option<ClientKey>, now: Instant) -> Failed {
        let Some(client) = client else { return Failed { retry_after: None, is_told: true } };
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_CLIENTS && !clients.contains_key(&client) {
            make_room(&mut clients, now);
        }
        let failures =
            clients.entry(client).or_insert_with(|| Failures { times: VecDeque::new(), told: None });
        failures.times.push_back(now);
        while failures.times.len() > LIMIT + 1
            || failures.times.front().is_some_and(|first| now.duration_since(*first) >= WINDOW)
        {
            failures.times.pop_front();
        }
        let is_limited = failures.times.len() > LIMIT;
        let oldest = failures.times.get(1).filter(|_| is_limited);
        let retry_after = oldest.map(|oldest| WINDOW.saturating_sub(now.duration_since(*oldest)));
        let is_told = failures.told.is_none_or(|told| now.duration_since(told) >= WINDOW);
        if is_told {
            failures.told = Some(now);
        }
        Failed { retry_after, is_told }
    }
}

/// Forgets clients without failures in the window, and if there is none, the one that failed longest ago.
fn make_room(clients: &mut HashMap<ClientKey, Failures>, now: Instant) {
    let last = |failures: &Failures| failures.times.back().copied();
    clients.retain(|_, failures| last(failures).is_some_and(|last| now.duration_since(last) < WINDOW));
    if clients.len() >= MAX_CLIENTS
        && let Some(oldest) = clients.iter().min_by_key(|(_, failures)| last(failures)).map(|(key, _)| *key)
    {
        clients.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(address: &str) -> Option<ClientKey> {
        Some(ClientKey::from(address.parse::<IpAddr>().expect("an address")))
    }

    #[test]
    fn the_eleventh_failure_in_a_minute_is_one_too_many() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..10 {
            assert_eq!(attempts.failed(client("192.0.2.1"), at(second)).retry_after, None);
        }
        let failed = attempts.failed(client("192.0.2.1"), at(10));
        assert_eq!(
            failed.retry_after,
            Some(Duration::from_secs(51)),
            "until the second failure is forgotten"
        );
        assert_eq!(attempts.failed(client("192.0.2.2"), at(10)).retry_after, None);
        assert_eq!(attempts.failed(None, at(10)).retry_after, None);
        assert_eq!(attempts.failed(client("192.0.2.1"), at(80)).retry_after, None);
    }

    #[test]
    fn a_client_that_fails_without_end_is_told_of_once_a_minute() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let told =
            |second: u64| attempts.failed(client("2001:db8::1"), start + Duration::from_secs(second)).is_told;
        let seconds: Vec<u64> = (0..180).filter(|second| told(*second)).collect();
        assert_eq!(seconds, [0, 60, 120]);
        let neighbour = attempts.failed(client("2001:db8::2"), start + Duration::from_secs(179));
        assert!(neighbour.retry_after.is_some(), "a /64 is one client");
    }

    #[test]
    fn the_memory_for_clients_is_bounded() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let failed = |number: u32, milliseconds: u64| {
            let client = ClientKey::from(IpAddr::from(number.to_be_bytes()));
            attempts.failed(Some(client), start + Duration::from_millis(milliseconds))
        };
        for number in 0..12_000 {
            failed(number, u64::from(number));
        }
        let clients = |attempts: &Attempts| attempts.0.lock().expect("clients").len();
        assert_eq!(clients(&attempts), MAX_CLIENTS);
        failed(1 << 20, 100_000);
        assert_eq!(clients(&attempts), 1, "those of before have expired");
    }
}
