//! What has changed, for those who want to be told. This room knows that a thing changed, not how: whoever is told looks at the thing itself, so
//! nobody is told of a state that is past, and who is behind costs no memory but a number.

mod ring;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::model::image::ImageId;
use crate::model::job::JobId;
use crate::model::names::FileName;
use crate::model::stored_file::StoreKind;
use ring::{Forgotten, Ring};

/// Things whose last change is remembered. Who has missed more must look at everything anew.
const MAX_THINGS: usize = 4096;

/// Subscribers at once. Each of them looks at each thing that changes.
const MAX_SUBSCRIBERS: usize = 128;

/// Something that is no longer what it was, or is no more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// An image.
    Image(ImageId),
    /// A job.
    Job(JobId),
    /// A file of a store.
    File(StoreKind, FileName),
}

/// Where changes are told. Clones are the same place.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    /// Tells the numbers of this run of the program from those of others.
    run: String,
    ring: Mutex<Ring>,
    /// Wakes subscribers. Its value is whether all is over.
    pulse: watch::Sender<bool>,
    permits: Arc<Semaphore>,
}

/// Nobody can subscribe just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// There are enough of them.
    #[error("{MAX_SUBSCRIBERS} clients are being told of changes already; try again later")]
    Crowded,
    /// All is over.
    #[error("the service is stopping")]
    Stopping,
}

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The subscription begins here: nothing is known of what was before.
    Hello,
    /// Everything may have changed since what was told last: not all of that is known any more.
    Reset,
    /// This has changed.
    Changed(Change),
}

/// One who is told of changes, in their order, at its own speed.
pub struct Subscription {
    events: Events,
    /// The number of the change that was told last.
    position: u64,
    greeting: Option<Told>,
    pulse: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Default for Events {
    fn default() -> Self {
        Self::of(MAX_THINGS, MAX_SUBSCRIBERS)
    }
}

impl Events {
    fn of(things: usize, subscribers: usize) -> Self {
        Self(Arc::new(Inner {
            run: uuid::Uuid::new_v4().simple().to_string(),
            ring: Mutex::new(Ring::new(things)),
            pulse: watch::Sender::new(false),
            permits: Arc::new(Semaphore::new(subscribers)),
        }))
    }

    /// Tells of one change. Whoever looks at the thing from now on must find it changed.
    pub fn publish(&self, change: Change) {
        self.publish_all([change]);
    }

    /// Tells of several changes.
    pub fn publish_all(&self, changes: impl IntoIterator<Item = Change>) {
        let mut ring = self.ring();
        let before = ring.latest();
        changes.into_iter().for_each(|change| ring.add(change));
        let is_news = ring.latest() != before;
        drop(ring);
        if is_news {
            self.0.pulse.send_modify(|_| {});
        }
    }

    /// Begins to tell somebody. Whoever was told before goes on after `last`, the [`Subscription::id`] of that time; if that is not possible,
    /// the first thing to be told is [`Told::Reset`].
    pub fn subscribe(&self, last: Option<&str>) -> Result<Subscription, SubscribeError> {
        let pulse = self.0.pulse.subscribe();
        if *pulse.borrow() {
            return Err(SubscribeError::Stopping);
        }
        let permit = Arc::clone(&self.0.permits).try_acquire_owned().map_err(|_| SubscribeError::Crowded)?;
        let ring = self.ring();
        let (position, greeting) = match last {
            None => (ring.latest(), Some(Told::Hello)),
            Some(last) => match self.number_in(last).filter(|number| ring.reaches(*number)) {
                Some(number) => (number, None),
                None => (ring.latest(), Some(Told::Reset)),
            },
        };
        drop(ring);
        Ok(Subscription { events: self.clone(), position, greeting, pulse, _permit: permit })
    }

    /// Ends all subscriptions, and lets no new ones begin. For the end of the program.
    pub fn close(&self) {
        self.0.pulse.send_replace(true);
    }

    fn number_in(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&self.0.run)?.strip_prefix('-')?.parse().ok()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Waits for the next change; `None` at the end of the program. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Told> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        loop {
            if *self.pulse.borrow_and_update() {
                return None;
            }
            let next = self.events.ring().after(self.position);
            match next {
                Ok(Some((number, change))) => {
                    self.position = number;
                    return Some(Told::Changed(change));
                }
                Err(Forgotten) => {
                    self.position = self.events.ring().latest();
                    return Some(Told::Reset);
                }
                Ok(None) => self.pulse.changed().await.ok()?,
            }
        }
    }

    /// Names the place that this subscriber has come to, for one who goes on from here.
    pub fn id(&self) -> String {
        format!("{}-{}", self.events.0.run, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Change {
        Change::Image(ImageId(name.into()))
    }

    async fn told(subscription: &mut Subscription) -> Told {
        let next = tokio::time::timeout(std::time::Duration::from_secs(5), subscription.next());
        next.await.expect("something is told").expect("it goes on")
    }

    fn subscribe(events: &Events, last: Option<&str>) -> Subscription {
        events.subscribe(last).unwrap_or_else(|error| panic!("{error}"))
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_on_misses_nothing_and_gets_nothing_twice() {
        let events = Events::default();
        events.publish(image("before"));
        let mut first = subscribe(&events, None);
        assert_eq!(told(&mut first).await, Told::Hello);
        events.publish_all([image("a"), image("b")]);
        assert_eq!(told(&mut first).await, Told::Changed(image("a")));
        let id = first.id();
        drop(first);
        events.publish_all([image("c"), image("a")]);
        let mut second = subscribe(&events, Some(&id));
        for name in ["b", "c", "a"] {
            assert_eq!(told(&mut second).await, Told::Changed(image(name)));
        }
        let waiting = tokio::spawn(async move { told(&mut second).await });
        tokio::task::yield_now().await;
        events.publish(image("d"));
        assert_eq!(waiting.await.expect("it ends"), Told::Changed(image("d")));
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_go_on_begins_anew() {
        let events = Events::of(2, 8);
        let other = subscribe(&Events::default(), None).id();
        let known = subscribe(&events, None).id();
        let beyond = known.replace("-0", "-1");
        for id in [&other, &beyond, "", "-", "x-0", &known.replace('-', "")] {
            let mut subscription = subscribe(&events, Some(id));
            assert_eq!(told(&mut subscription).await, Told::Reset, "{id}");
            assert_eq!(subscription.id(), known, "{id}");
        }
        let mut slow = subscribe(&events, Some(&known));
        events.publish_all(["a", "b", "c"].map(image));
        assert_eq!(told(&mut slow).await, Told::Reset);
        events.publish(image("d"));
        assert_eq!(told(&mut slow).await, Told::Changed(image("d")));
        assert_eq!(told(&mut subscribe(&events, Some(&known))).await, Told::Reset);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_limit_and_an_end() {
        let events = Events::of(2, 2);
        let (mut first, second) = (subscribe(&events, None), subscribe(&events, None));
        assert_eq!(events.subscribe(None).err(), Some(SubscribeError::Crowded));
        drop(second);
        let second = subscribe(&events, None);
        assert_eq!(told(&mut first).await, Told::Hello);
        let waiting = tokio::spawn(async move { first.next().await });
        tokio::task::yield_now().await;
        events.close();
        assert_eq!(waiting.await.expect("it ends"), None);
        assert_eq!(events.subscribe(None).err(), Some(SubscribeError::Stopping));
        drop(second);
    }
}
