//! A limit of which one client may have at most half, so that none takes all there is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::ClientKey;
use crate::permits::{Permit, Permits};

/// Clients that are remembered before those that hold nothing are forgotten.
const LEAST_CLIENTS: usize = 16;

/// What one client may have of `total`: half, and at least one.
pub fn share_of(total: u64) -> u64 {
    (total / 2).max(1)
}

/// Hands out permits, of which one client gets at most half. Clones are the same limit.
#[derive(Debug, Clone)]
pub struct FairLimit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permits: Permits,
    clients: Mutex<Clients>,
}

/// What is left of the shares of clients that hold permits, or wait for one.
#[derive(Debug)]
struct Clients {
    shares: HashMap<ClientKey, Permits>,
    /// The number of clients at which unused shares are forgotten.
    limit: usize,
}

/// A part of a client's share, with which it may wait for a permit.
#[derive(Debug)]
pub struct Share {
    _permit: Option<Permit>,
}

/// A permit. Dropping it gives it back.
#[derive(Debug)]
pub struct FairPermit {
    _permit: Permit,
    _share: Share,
}

/// Why there is no permit at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The client has its share.
    Client,
    /// All permits are taken.
    All,
}

impl FairLimit {
    /// A limit of `total` permits.
    pub fn new(total: usize) -> Self {
        let clients = Mutex::new(Clients { shares: HashMap::new(), limit: LEAST_CLIENTS });
        Self(Arc::new(Inner { permits: Permits::new(total), clients }))
    }

    /// Changes the number of permits, and with it the shares. Permits beyond it stay with their holders, and
    /// no more are handed out until fewer are held.
    pub fn set_total(&self, total: usize) {
        let clients = self.clients();
        self.0.permits.set_total(total);
        clients.shares.values().for_each(|share| share.set_total(self.share()));
    }

    /// Permits that one client may have.
    pub fn share(&self) -> usize {
        let total = self.0.permits.total();
        usize::try_from(share_of(total as u64)).unwrap_or(total)
    }

    /// A permit at once. Without a client, the request counts only among all.
    ///
    /// # Errors
    ///
    /// The client has its share, or all permits are taken.
    pub fn try_acquire(&self, client: Option<ClientKey>) -> Result<FairPermit, Refusal> {
        let share = match client.and_then(|client| self.of(client)) {
            Some(share) => Some(share.try_acquire().ok_or(Refusal::Client)?),
            None => None,
        };
        let permit = self.0.permits.try_acquire().ok_or(Refusal::All)?;
        Ok(FairPermit { _permit: permit, _share: Share { _permit: share } })
    }

    /// Waits until the client has less than its share. Requests of a client wait in their order.
    pub async fn wait_for_share(&self, client: Option<ClientKey>) -> Share {
        let Some(share) = client.and_then(|client| self.of(client)) else { return Share { _permit: None } };
        Share { _permit: Some(share.acquire().await) }
    }

    /// Waits for a permit. All clients wait in the order of their requests.
    pub async fn wait(&self, share: Share) -> FairPermit {
        FairPermit { _permit: self.0.permits.acquire().await, _share: share }
    }

    /// The share of a client, unless that is all there is.
    fn of(&self, client: ClientKey) -> Option<Permits> {
        let mut clients = self.clients();
        if self.share() == self.0.permits.total() {
            return None;
        }
        if let Some(share) = clients.shares.get(&client) {
            return Some(share.clone());
        }
        if clients.shares.len() >= clients.limit {
            clients.shares.retain(|_, share| share.is_shared());
            clients.limit = LEAST_CLIENTS.max(clients.shares.len() * 2);
        }
        let share = Permits::new(self.share());
        clients.shares.insert(client, share.clone());
        Some(share)
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    fn client(number: u32) -> Option<ClientKey> {
        Some(ClientKey::from(std::net::IpAddr::from(Ipv4Addr::from_bits(number))))
    }

    #[test]
    fn one_client_gets_half_and_another_the_rest() {
        for (total, share) in [(1, 1), (2, 1), (3, 1), (64, 32), (1000, 500)] {
            let limit = FairLimit::new(total);
            assert_eq!(limit.share(), share);
            let take = |number| -> Vec<_> {
                (0..=total).map_while(|_| limit.try_acquire(client(number)).ok()).collect()
            };
            let first = take(1);
            assert_eq!(first.len(), share);
            let refused = if total == 1 { Refusal::All } else { Refusal::Client };
            assert_eq!(limit.try_acquire(client(1)).expect_err("its share"), refused);
            let second = take(2);
            assert_eq!(second.len(), share.min(total - share));
            let rest: Vec<_> = (0..=total).map_while(|_| limit.try_acquire(None).ok()).collect();
            assert_eq!(rest.len(), total - first.len() - second.len());
            assert_eq!(limit.try_acquire(client(3)).expect_err("nothing is left"), Refusal::All);
            drop(first);
            assert_eq!(take(1).len(), share, "permits come back");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_waits_for_its_own_permits_and_holds_up_no_other() {
        let limit = FairLimit::new(2);
        let first = limit.try_acquire(client(1)).expect("a permit");
        assert!(timeout(SOON, limit.wait_for_share(client(1))).await.is_err(), "it has its share");
        let second = limit.wait(limit.wait_for_share(client(2)).await).await;
        let third = limit.wait_for_share(client(3)).await;
        let mut third = std::pin::pin!(limit.wait(third));
        assert!(timeout(SOON, &mut third).await.is_err(), "all are taken");
        drop(first);
        let again = limit.wait_for_share(client(1)).await;
        assert!(timeout(SOON, limit.wait(again)).await.is_err(), "another client was first");
        let third = timeout(SOON, third).await.expect("its turn");
        drop((second, third));
        assert!(limit.try_acquire(client(1)).is_ok());
    }

    #[test]
    fn another_total_changes_the_shares_of_all_clients() {
        let limit = FairLimit::new(8);
        let take =
            |number| -> Vec<_> { (0..9).map_while(|_| limit.try_acquire(client(number)).ok()).collect() };
        let mut first = take(1);
        limit.set_total(4);
        assert_eq!(limit.try_acquire(client(2)).expect_err("four are held"), Refusal::All);
        first.truncate(2);
        assert_eq!(limit.try_acquire(client(1)).expect_err("it has half"), Refusal::Client);
        assert_eq!(take(2).len(), 2);
        limit.set_total(12);
        assert_eq!((take(1).len(), take(2).len()), (4, 6));
    }

    #[test]
    fn clients_that_have_gone_are_forgotten() {
        let limit = FairLimit::new(10);
        let kept = limit.try_acquire(client(0)).expect("a permit");
        for number in 1..10_000 {
            drop(limit.try_acquire(client(number)).expect("a permit"));
        }
        assert!(limit.0.clients.lock().expect("no panic").shares.len() <= LEAST_CLIENTS);
        drop(kept);
    }
}
