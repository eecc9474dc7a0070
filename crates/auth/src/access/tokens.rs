//! Tokens and sessions on record.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::principal::{Kind, Principal, Right};
use crate::scope::Scopes;
use crate::secret::SecretHash;

/// The version of the file.
pub(super) const VERSION: u32 = 1;

/// A token on record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Its id, which is part of its text.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was last used, to the minute; `None` if never.
    pub last_used: Option<Timestamp>,
    pub(super) sha256: SecretHash,
}

/// A login of a browser on record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) sha256: SecretHash,
    /// The name of the principal that logged in.
    pub(super) name: String,
    pub(super) scopes: Scopes,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
    /// The id of the token that it was made with, with which it ends.
    pub(super) token: Option<String>,
}

/// The text of the access file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) version: u32,
    pub(super) tokens: Vec<Token>,
    #[serde(default)]
    pub(super) sessions: Vec<Session>,
}

/// A token with what is not on record.
#[derive(Debug)]
pub(super) struct LiveToken {
    pub(super) token: Token,
    pub(super) right: Right,
    /// Minutes since 1970 of the last use; 0 is never.
    last_used: AtomicI64,
}

/// A session with what is not on record.
#[derive(Debug)]
pub(super) struct LiveSession {
    pub(super) session: Session,
    pub(super) right: Right,
}

/// All tokens by id, and all sessions by hash.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) tokens: BTreeMap<String, Arc<LiveToken>>,
    pub(super) sessions: HashMap<[u8; 32], Arc<LiveSession>>,
}

impl LiveToken {
    pub(super) fn new(token: Token) -> Self {
        let minutes = token.last_used.map_or(0, |time| time.as_second() / 60);
        Self { right: Right::until(token.expires), last_used: AtomicI64::new(minutes), token }
    }

    /// The token as it is now.
    pub(super) fn shown(&self) -> Token {
        let minutes = self.last_used.load(Ordering::Relaxed);
        let last_used = (minutes > 0).then(|| Timestamp::from_second(minutes * 60).ok()).flatten();
        Token { last_used, ..self.token.clone() }
    }

    /// The principal that presents it.
    pub(super) fn used(&self, now: Timestamp) -> Principal {
        self.last_used.fetch_max(now.as_second() / 60, Ordering::Relaxed);
        Principal {
            name: self.token.name.clone(),
            kind: Kind::Token,
            scopes: self.token.scopes,
            right: self.right.clone(),
        }
    }
}

impl State {
    /// The state of a document. Sessions of tokens that are gone have ended.
    pub(super) fn of(document: Document) -> Self {
        let tokens: BTreeMap<String, Arc<LiveToken>> = document
            .tokens
            .into_iter()
            .map(|token| (token.id.clone(), Arc::new(LiveToken::new(token))))
            .collect();
        let mut state = Self { tokens, ..Self::default() };
        for session in document.sessions {
            state.add_session(session);
        }
        state
    }

    /// The document of this state. Sessions that have ended are left out.
    pub(super) fn document(&self, now: Timestamp) -> Document {
        let sessions = self.sessions.values().filter(|session| !session.right.has_ended(now));
        let mut sessions: Vec<Session> = sessions.map(|session| session.session.clone()).collect();
        sessions.sort_by_key(|session| (session.created, session.sha256.bytes()));
        let tokens = self.tokens.values().map(|token| token.shown()).collect();
        Document { version: VERSION, tokens, sessions }
    }

    /// Adds a session, unless the token that it was made with is gone.
    pub(super) fn add_session(&mut self, session: Session) {
        let right = match &session.token {
            None => Right::until(Some(session.expires)),
            Some(id) => match self.tokens.get(id) {
                Some(token) => token.right.lent(Some(session.expires)),
                None => return,
            },
        };
        let key = session.sha256.bytes();
        self.sessions.insert(key, Arc::new(LiveSession { session, right }));
    }
}
