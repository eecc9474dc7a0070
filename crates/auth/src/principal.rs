//! Principals: people, machines and networks that requests are made for.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::scope::{Scope, Scopes};

/// The longest single wait for the end of a right. Clocks that jump are looked at that often.
const LOOK: Duration = Duration::from_secs(60);

/// How a principal proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It did not: nothing asks it to, or it is a stranger.
    None,
    /// It called from the same machine, or by the Unix socket.
    Local,
    /// Its address is in a network of the setting `anonymous`.
    Anonymous,
    /// It has a token.
    Token,
    /// It logged in with a browser.
    Session,
    /// It has a token of an identity provider (RFC 7519).
    Jwt,
    /// It has a client certificate.
    Certificate,
    /// A trusted proxy named it.
    Proxy,
}

/// A person, machine or network, with what it may do.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Its name, for people: that of a token, a user or a certificate.
    pub name: String,
    /// How it proved itself.
    pub kind: Kind,
    /// What it may do.
    pub scopes: Scopes,
    /// How long.
    pub right: Right,
}

/// For how long a principal has its scopes. Clones end together.
#[derive(Debug, Clone, Default)]
pub struct Right {
    pub(crate) ended: CancellationToken,
    pub(crate) expires: Option<Timestamp>,
}

impl Principal {
    /// A principal whose right does not end.
    pub fn new(kind: Kind, name: impl Into<String>, scopes: Scopes) -> Self {
        Self { name: name.into(), kind, scopes, right: Right::default() }
    }

    /// Whether it may do things of this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contain(scope)
    }
}

impl Right {
    /// One that ends at `expires`, if that is a time.
    pub fn until(expires: Option<Timestamp>) -> Self {
        Self { ended: CancellationToken::new(), expires }
    }

    /// When it ends by itself.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// A right of another that ends with this one, or earlier.
    #[must_use]
    pub fn lent(&self, expires: Option<Timestamp>) -> Self {
        let expires = [self.expires, expires].into_iter().flatten().min();
        Self { ended: self.ended.child_token(), expires }
    }

    /// Ends it now, in all clones.
    pub fn end(&self) {
        self.ended.cancel();
    }

    /// Whether it has ended.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.ended.is_cancelled() || self.expires.is_some_and(|expires| expires <= now)
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        loop {
            let now = Timestamp::now();
            if self.has_ended(now) {
                return;
            }
            let left = self.expires.map_or(LOOK, |expires| {
                Duration::try_from(expires.duration_since(now)).unwrap_or_default().min(LOOK)
            });
            tokio::select! {
                () = self.ended.cancelled() => return,
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn after(seconds: i64) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(seconds)
    }

    #[tokio::test]
    async fn a_right_ends_when_it_is_taken_away_or_expires() {
        let right = Right::default();
        let lent = right.lent(None);
        assert!(!lent.has_ended(after(1_000_000)));
        lent.end();
        assert!(!right.has_ended(after(0)), "a lent right does not end the lender's");
        let lent = right.lent(Some(after(100)));
        assert!(!lent.has_ended(after(0)) && lent.has_ended(after(101)));
        right.end();
        lent.ended().await;
        Right::until(Some(after(-1))).ended().await;
        Right::until(Some(Timestamp::now() + SignedDuration::from_millis(30))).ended().await;
        assert_eq!(
            Right::until(Some(after(5))).lent(Some(after(9))).expires().map(|it| it < after(6)),
            Some(true)
        );
    }
}
