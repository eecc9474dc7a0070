//! The change feed: which rows changed, in their order. It carries no values. A subscriber reads the row
//! itself, so it never sees a state that is past, and one that is behind costs no memory but a number.

mod change;
mod ring;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::client::ClientKey;
use model::fair_limit::{FairLimit, FairPermit, Refusal};
use tokio::sync::watch;

pub use change::Change;
use ring::{Forgotten, Ring};

/// Rows whose last change is remembered. A subscriber that missed more must read all rows anew.
const MAX_THINGS: usize = 4096;

/// Subscribers at once. Each of them reads each row that changes.
const MAX_SUBSCRIBERS: usize = 128;

/// Where changes are published. Clones are the same feed.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    /// Tells the numbers of this run of the program from those of others.
    run: String,
    ring: Mutex<Ring>,
    /// Wakes subscribers. Its value is whether the feed is closed.
    pulse: watch::Sender<bool>,
    permits: FairLimit,
}

/// A subscription cannot begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The client has as many subscriptions as one client may have.
    #[error(
        "you are being told of changes {0} times already, which is all that one client may be; end one of these streams first"
    )]
    ClientCrowds(usize),
    /// All permits are taken.
    #[error("{MAX_SUBSCRIBERS} clients are being told of changes already; try again later")]
    Crowded,
    /// The program ends.
    #[error("the service is stopping")]
    Stopping,
}

/// What a subscriber gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The subscription begins here: nothing is known of earlier changes.
    Hello,
    /// Anything may have changed since the last event: some of those changes are forgotten.
    Reset,
    /// This row changed.
    Changed(Change),
}

/// A subscriber's position in the feed. It gets changes in their order, at its own speed.
pub struct Subscription {
    feed: Feed,
    /// The number of the last change that it got.
    position: u64,
    greeting: Option<Event>,
    pulse: watch::Receiver<bool>,
    _permit: FairPermit,
}

impl Default for Feed {
    fn default() -> Self {
        Self::with_limits(MAX_THINGS, MAX_SUBSCRIBERS)
    }
}

impl Feed {
    fn with_limits(things: usize, subscribers: usize) -> Self {
        Self(Arc::new(Inner {
            run: uuid::Uuid::new_v4().simple().to_string(),
            ring: Mutex::new(Ring::new(things)),
            pulse: watch::Sender::new(false),
            permits: FairLimit::new(subscribers),
        }))
    }

    /// Publishes one change. A reader must find the row changed by now.
    pub fn publish(&self, change: impl Into<Change>) {
        self.publish_all([change]);
    }

    /// Publishes several changes.
    pub fn publish_all(&self, changes: impl IntoIterator<Item = impl Into<Change>>) {
        let mut ring = self.ring();
        let before = ring.latest();
        changes.into_iter().for_each(|change| ring.add(change.into()));
        let is_news = ring.latest() != before;
        drop(ring);
        if is_news {
            self.0.pulse.send_modify(|_| {});
        }
    }

    /// Begins a subscription of `client`, after the event with the id `last` ([`Subscription::id`]) where
    /// there is one. If that event is unknown, the first one is [`Event::Reset`].
    pub fn subscribe(
        &self,
        client: Option<ClientKey>,
        last: Option<&str>,
    ) -> Result<Subscription, SubscribeError> {
        let pulse = self.0.pulse.subscribe();
        if *pulse.borrow() {
            return Err(SubscribeError::Stopping);
        }
        let permit = self.0.permits.try_acquire(client).map_err(|refusal| match refusal {
            Refusal::Client => SubscribeError::ClientCrowds(self.0.permits.share()),
            Refusal::All => SubscribeError::Crowded,
        })?;
        let ring = self.ring();
        let (position, greeting) = match last {
            None => (ring.latest(), Some(Event::Hello)),
            Some(last) => match self.number_in(last).filter(|number| ring.reaches(*number)) {
                Some(number) => (number, None),
                None => (ring.latest(), Some(Event::Reset)),
            },
        };
        drop(ring);
        Ok(Subscription { feed: self.clone(), position, greeting, pulse, _permit: permit })
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
    /// Waits for the next event; `None` at the end of the program. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        loop {
            if *self.pulse.borrow_and_update() {
                return None;
            }
            let next = self.feed.ring().after(self.position);
            match next {
                Ok(Some((number, change))) => {
                    self.position = number;
                    return Some(Event::Changed(change));
                }
                Err(Forgotten) => {
                    self.position = self.feed.ring().latest();
                    return Some(Event::Reset);
                }
                Ok(None) => self.pulse.changed().await.ok()?,
            }
        }
    }

    /// Names the last event, for a client that goes on after it.
    pub fn id(&self) -> String {
        format!("{}-{}", self.feed.0.run, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Change {
        Change { table: "images", key: name.into() }
    }

    async fn next(subscription: &mut Subscription) -> Event {
        let next = tokio::time::timeout(std::time::Duration::from_secs(5), subscription.next());
        next.await.expect("an event comes").expect("the feed is open")
    }

    fn subscribe(feed: &Feed, last: Option<&str>) -> Subscription {
        feed.subscribe(None, last).unwrap_or_else(|error| panic!("{error}"))
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_on_misses_nothing_and_gets_nothing_twice() {
        let feed = Feed::default();
        feed.publish(image("before"));
        let mut first = subscribe(&feed, None);
        assert_eq!(next(&mut first).await, Event::Hello);
        feed.publish_all([image("a"), image("b")]);
        assert_eq!(next(&mut first).await, Event::Changed(image("a")));
        let id = first.id();
        drop(first);
        feed.publish_all([image("c"), image("a")]);
        let mut second = subscribe(&feed, Some(&id));
        for name in ["b", "c", "a"] {
            assert_eq!(next(&mut second).await, Event::Changed(image(name)));
        }
        let waiting = tokio::spawn(async move { next(&mut second).await });
        tokio::task::yield_now().await;
        feed.publish(image("d"));
        assert_eq!(waiting.await.expect("it ends"), Event::Changed(image("d")));
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_go_on_begins_anew() {
        let feed = Feed::with_limits(2, 8);
        let other = subscribe(&Feed::default(), None).id();
        let known = subscribe(&feed, None).id();
        let beyond = known.replace("-0", "-1");
        for id in [&other, &beyond, "", "-", "x-0", &known.replace('-', "")] {
            let mut subscription = subscribe(&feed, Some(id));
            assert_eq!(next(&mut subscription).await, Event::Reset, "{id}");
            assert_eq!(subscription.id(), known, "{id}");
        }
        let mut slow = subscribe(&feed, Some(&known));
        feed.publish_all(["a", "b", "c"].map(image));
        assert_eq!(next(&mut slow).await, Event::Reset);
        feed.publish(image("d"));
        assert_eq!(next(&mut slow).await, Event::Changed(image("d")));
        assert_eq!(next(&mut subscribe(&feed, Some(&known))).await, Event::Reset);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_limit_and_an_end() {
        let feed = Feed::with_limits(2, 2);
        let (mut first, second) = (subscribe(&feed, None), subscribe(&feed, None));
        assert_eq!(feed.subscribe(None, None).err(), Some(SubscribeError::Crowded));
        let client = Some(ClientKey::from(std::net::IpAddr::from([192, 0, 2, 1])));
        let fair = Feed::with_limits(2, 2);
        let _held = fair.subscribe(client, None).expect("a subscription");
        assert_eq!(fair.subscribe(client, None).err(), Some(SubscribeError::ClientCrowds(1)));
        drop(second);
        let second = subscribe(&feed, None);
        assert_eq!(next(&mut first).await, Event::Hello);
        let waiting = tokio::spawn(async move { first.next().await });
        tokio::task::yield_now().await;
        feed.close();
        assert_eq!(waiting.await.expect("it ends"), None);
        assert_eq!(feed.subscribe(None, None).err(), Some(SubscribeError::Stopping));
        drop(second);
    }
}
