//! Permits whose number may change while some are held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hands out a number of permits, in the order of requests. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Permits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    semaphore: Arc<Semaphore>,
    number: Mutex<Number>,
}

#[derive(Debug)]
struct Number {
    total: usize,
    /// Held permits beyond the total. They are not handed out again.
    surplus: usize,
}

/// A permit. Dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    permits: Permits,
    held: Option<OwnedSemaphorePermit>,
}

impl Permits {
    /// So many permits.
    pub fn new(total: usize) -> Self {
        let total = total.min(Semaphore::MAX_PERMITS);
        let number = Mutex::new(Number { total, surplus: 0 });
        Self(Arc::new(Inner { semaphore: Arc::new(Semaphore::new(total)), number }))
    }

    /// Changes the number of permits. If more are held, no more are handed out until fewer are.
    pub fn set_total(&self, total: usize) {
        let total = total.min(Semaphore::MAX_PERMITS);
        let mut number = self.lock();
        let (more, fewer) = (total.saturating_sub(number.total), number.total.saturating_sub(total));
        number.total = total;
        let kept = more.min(number.surplus);
        number.surplus -= kept;
        self.0.semaphore.add_permits(more - kept);
        number.surplus += fewer - self.0.semaphore.forget_permits(fewer);
    }

    /// The number of permits.
    pub fn total(&self) -> usize {
        self.lock().total
    }

    /// Whether other clones exist, or permits that are held.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// A permit at once, if one is left.
    pub fn try_acquire(&self) -> Option<Permit> {
        let held = Arc::clone(&self.0.semaphore).try_acquire_owned().ok()?;
        Some(Permit { permits: self.clone(), held: Some(held) })
    }

    /// Waits for a permit.
    pub async fn acquire(&self) -> Permit {
        // The semaphore is never closed, so this gives a permit in the end.
        let held = Arc::clone(&self.0.semaphore).acquire_owned().await.ok();
        Permit { permits: self.clone(), held }
    }

    fn lock(&self) -> MutexGuard<'_, Number> {
        self.0.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // Given back under the lock, so that a change of the number sees it either held or free.
        let mut number = self.permits.lock();
        match self.held.take() {
            Some(held) if number.surplus > 0 => {
                number.surplus -= 1;
                held.forget();
            }
            held => drop(held),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn fewer_permits_are_handed_out_when_enough_came_back() {
        let permits = Permits::new(3);
        let mut held: Vec<Permit> = (0..3).map_while(|_| permits.try_acquire()).collect();
        permits.set_total(1);
        for left in (1..3).rev() {
            held.pop();
            assert_eq!(held.len(), left);
            assert!(permits.try_acquire().is_none(), "{left} are held");
        }
        held.clear();
        let last = permits.try_acquire().expect("the only one");
        assert!(permits.try_acquire().is_none());

        let mut waiting = std::pin::pin!(permits.acquire());
        assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err());
        permits.set_total(2);
        let second = timeout(Duration::from_secs(1), waiting).await.expect("the new one");
        permits.set_total(0);
        permits.set_total(3);
        let third = permits.try_acquire().expect("two of three are held");
        assert!(permits.try_acquire().is_none());
        drop((last, second, third));
        assert_eq!((0..9).map_while(|_| permits.try_acquire()).collect::<Vec<_>>().len(), 3);
    }
}
