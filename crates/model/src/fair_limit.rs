//! A limit of which one client may have at most half, so that none takes all there is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client::ClientKey;

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
    permits: Arc<Semaphore>,
    total: usize,
    share: usize,
    clients: Mutex<Clients>,
}

/// What is left of the shares of clients that hold permits, or wait for one.
#[derive(Debug)]
struct Clients {
    shares: HashMap<ClientKey, Weak<Semaphore>>,
    /// The number of clients at which unused shares are forgotten.
    limit: usize,
}

/// A part of a client's share, with which it may wait for a permit.
#[derive(Debug)]
pub struct Share {
    _permit: Option<OwnedSemaphorePermit>,
}

/// A permit. Dropping it gives it back.
#[derive(Debug)]
pub struct FairPermit {
    _permit: Option<OwnedSemaphorePermit>,
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
        let total = total.min(Semaphore::MAX_PERMITS);
        let share = usize::try_from(share_of(total as u64)).unwrap_or(total);
        let clients = Mutex::new(Clients { shares: HashMap::new(), limit: LEAST_CLIENTS });
        Self(Arc::new(Inner { permits: Arc::new(Semaphore::new(total)), total, share, clients }))
    }

    /// Permits that one client may have.
    pub fn share(&self) -> usize {
        self.0.share
    }

    /// A permit at once. Without a client, the request counts only among all.
    ///
    /// # Errors
    ///
    /// The client has its share, or all permits are taken.
    pub fn try_acquire(&self, client: Option<ClientKey>) -> Result<FairPermit, Refusal> {
        let share = match client.and_then(|client| self.of(client)) {
            Some(share) => Some(share.try_acquire_owned().map_err(|_| Refusal::Client)?),
            None => None,
        };
        let permit = Arc::clone(&self.0.permits).try_acquire_owned().map_err(|_| Refusal::All)?;
        Ok(FairPermit { _permit: Some(permit), _share: Share { _permit: share } })
    }

    /// Waits until the client has less than its share. Requests of a client wait in their order.
    pub async fn wait_for_share(&self, client: Option<ClientKey>) -> Share {
        let Some(share) = client.and_then(|client| self.of(client)) else { return Share { _permit: None } };
        // The semaphores are never closed.
        Share { _permit: share.acquire_owned().await.ok() }
    }

    /// Waits for a permit. All clients wait in the order of their requests.
    pub async fn wait(&self, share: Share) -> FairPermit {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await;
        FairPermit { _permit: permit.ok(), _share: share }
    }

    /// The share of a client, unless that is all there is.
    fn of(&self, client: ClientKey) -> Option<Arc<Semaphore>> {
        if self.0.share == self.0.total {
            return None;
        }
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = clients.shares.get(&client).and_then(Weak::upgrade) {
            return Some(share);
        }
        if clients.shares.len() >= clients.limit {
            clients.shares.retain(|_, share| share.strong_count() > 0);
            clients.limit = LEAST_CLIENTS.max(clients.shares.len() * 2);
        }
        let share = Arc::new(Semaphore::new(self.0.share));
        clients.shares.insert(client, Arc::downgrade(&share));
        Some(share)
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
