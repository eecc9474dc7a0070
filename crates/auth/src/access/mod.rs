//! The access file: tokens and sessions, of which only hashes are kept.

mod tokens;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use model::names::is_invisible;
use records::{DocumentError, DocumentFile};

use crate::principal::{Kind, Principal};
use crate::scope::Scopes;
use crate::secret::{NoRandomness, SecretHash, TokenText, is_secret, make_secret};
pub use tokens::Token;
use tokens::{Document, LiveToken, Session, State, VERSION};

/// The largest access file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// The most tokens.
const MAX_TOKENS: usize = 10_000;

/// The most sessions. One more ends the oldest.
const MAX_SESSIONS: usize = 1000;

/// The longest name of a token, in characters.
const MAX_NAME: usize = 100;

/// Tokens and sessions. Reads take no lock; a change is on disk before it counts.
#[derive(Debug)]
pub struct Access {
    state: ArcSwap<State>,
    file: Mutex<DocumentFile>,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its name, for people.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends by itself; `None` is never.
    pub expires: Option<Timestamp>,
}

/// Tokens and sessions cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file cannot be used.
    #[error("the access file cannot be used")]
    File(#[from] DocumentError),
    /// The file holds something else.
    #[error(
        "the access file {} cannot be read: {problem}. Repair it, or move it away: then all tokens are gone, and the next start makes a new one",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The system gives no random numbers.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// There are too many tokens.
    #[error("there are {MAX_TOKENS} tokens already: remove some first")]
    TooMany,
}

/// A token cannot be made so. The text is for clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Unusable {
    /// The member of the request that it is about.
    pub member: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl NewToken {
    /// Checks the wishes of a client at the time `now`.
    ///
    /// # Errors
    ///
    /// The name is empty, longer than 100 characters or has control characters, there is no scope, or the
    /// time is past.
    pub fn check(&self, now: Timestamp) -> Result<(), Unusable> {
        let wrong = |member, problem: String| Err(Unusable { member, problem });
        if self.name.trim().is_empty() {
            return wrong("name", "a token has a name, so that people know what it is for".into());
        }
        if self.name.chars().count() > MAX_NAME {
            return wrong("name", format!("a name has at most {MAX_NAME} characters"));
        }
        if self.name.chars().any(|it| it.is_control() || is_invisible(it)) {
            return wrong("name", "a name has no control or bidirectional characters".into());
        }
        if self.scopes.is_empty() {
            return wrong("scopes", "a token has at least one scope".into());
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return wrong("expires", "this time is past".into());
        }
        Ok(())
    }
}

impl Access {
    /// Opens the access file, and locks it for this process. There need not be one yet.
    ///
    /// # Errors
    ///
    /// Another process has it, the disk fails, or the file holds something else. No caller is let in then.
    pub fn open(path: &Path) -> Result<Self, AccessError> {
        let file = DocumentFile::open(path, MAX_BYTES)?;
        let corrupt = |problem: String| AccessError::Corrupt { path: file.path().to_owned(), problem };
        let state = match file.read()? {
            None => State::default(),
            Some(text) => {
                let document: Document =
                    serde_json::from_str(&text).map_err(|error| corrupt(error.to_string()))?;
                if document.version != VERSION {
                    let version = document.version;
                    return Err(corrupt(format!(
                        "its version is {version}, and this program knows {VERSION}"
                    )));
                }
                State::of(document)
            }
        };
        Ok(Self { state: ArcSwap::from_pointee(state), file: Mutex::new(file) })
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.state.load().tokens.is_empty()
    }

    /// All tokens, by id.
    pub fn tokens(&self) -> Vec<Token> {
        self.state.load().tokens.values().map(|token| token.shown()).collect()
    }

    /// One token.
    pub fn token(&self, id: &str) -> Option<Token> {
        self.state.load().tokens.get(id).map(|token| token.shown())
    }

    /// Makes a token. Its text is shown now and never again. This blocks until it is on disk.
    ///
    /// # Errors
    ///
    /// The disk fails, or there are too many. No token was made.
    pub fn make_token(&self, new: &NewToken) -> Result<(Token, TokenText), AccessError> {
        let text = TokenText::make()?;
        let token = self.add_token(&text, new)?;
        Ok((token, text))
    }

    /// As [`Self::make_token`], with a text that its owner has already.
    pub(crate) fn add_token(&self, text: &TokenText, new: &NewToken) -> Result<Token, AccessError> {
        let token = Token {
            id: text.id().to_owned(),
            name: new.name.clone(),
            scopes: new.scopes,
            created: Timestamp::now(),
            expires: new.expires,
            last_used: None,
            sha256: text.hash(),
        };
        self.change(|state| {
            if state.tokens.len() >= MAX_TOKENS {
                return Err(AccessError::TooMany);
            }
            state.tokens.insert(token.id.clone(), Arc::new(LiveToken::new(token.clone())));
            Ok(())
        })?;
        Ok(token)
    }

    /// Removes a token, and ends what began with it. `None` if there is none. This blocks until it is
    /// on disk.
    ///
    /// # Errors
    ///
    /// The disk fails. The token stays.
    pub fn remove_token(&self, id: &str) -> Result<Option<Token>, AccessError> {
        let mut removed = None;
        self.change(|state| {
            removed = state.tokens.remove(id);
            let is_of_token = |session: &Session| session.token.as_deref() == Some(id);
            state.sessions.retain(|_, session| !is_of_token(&session.session));
            Ok(())
        })?;
        Ok(removed.map(|token| {
            token.right.end();
            token.shown()
        }))
    }

    /// Makes a session for a principal, and returns the secret of its cookie. A session of a token ends with
    /// the token. This blocks until it is on disk.
    ///
    /// # Errors
    ///
    /// The disk fails. No session was made.
    pub fn make_session(
        &self,
        principal: &Principal,
        token: Option<&TokenText>,
        lifetime: Duration,
    ) -> Result<String, AccessError> {
        let (secret, now) = (make_secret()?, Timestamp::now());
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        let end = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        let session = Session {
            sha256: SecretHash::of(&secret),
            name: principal.name.clone(),
            scopes: principal.scopes,
            created: now,
            expires: principal.right.expires().map_or(end, |expires| expires.min(end)),
            token: token.map(|token| token.id().to_owned()),
        };
        self.change(|state| {
            state.sessions.retain(|_, session| !session.right.has_ended(now));
            while state.sessions.len() >= MAX_SESSIONS {
                let oldest = state.sessions.iter().min_by_key(|(_, session)| session.session.created);
                let Some(key) = oldest.map(|(key, _)| *key) else { break };
                state.sessions.remove(&key);
            }
            state.add_session(session);
            Ok(())
        })?;
        Ok(secret)
    }

    /// Ends the session with this secret, if there is one. This blocks until it is on disk.
    ///
    /// # Errors
    ///
    /// The disk fails. The session has ended until the next start.
    pub fn end_session(&self, secret: &str) -> Result<(), AccessError> {
        let key = SecretHash::of(secret).bytes();
        let Some(session) = self.state.load().sessions.get(&key).cloned() else { return Ok(()) };
        session.right.end();
        self.change(|state| {
            state.sessions.remove(&key);
            Ok(())
        })
    }

    /// The principal of a token; `None` for one that is unknown, removed or expired.
    pub fn of_token(&self, text: &str, now: Timestamp) -> Option<Principal> {
        let text = TokenText::parse(text)?;
        let (hash, state) = (text.hash(), self.state.load());
        let token = state.tokens.get(text.id())?;
        let is_right = token.token.sha256 == hash && !token.right.has_ended(now);
        is_right.then(|| token.used(now))
    }

    /// The principal of a session's cookie; `None` for one that is unknown or has ended.
    pub fn of_session(&self, secret: &str, now: Timestamp) -> Option<Principal> {
        let hash = Some(secret).filter(|secret| is_secret(secret)).map(SecretHash::of)?;
        let state = self.state.load();
        let session = state.sessions.get(&hash.bytes()).filter(|it| !it.right.has_ended(now))?;
        let (name, scopes) = (session.session.name.clone(), session.session.scopes);
        Some(Principal { name, kind: Kind::Session, scopes, right: session.right.clone() })
    }

    /// Changes the state: first on disk, then for all.
    fn change(&self, change: impl FnOnce(&mut State) -> Result<(), AccessError>) -> Result<(), AccessError> {
        let file: MutexGuard<'_, DocumentFile> = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&self.state.load());
        change(&mut state)?;
        let document = state.document(Timestamp::now());
        file.replace(|out| {
            serde_json::to_writer_pretty(&mut *out, &document)?;
            out.write_all(b"\n")
        })?;
        self.state.store(Arc::new(state));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, expires: Option<Timestamp>) -> NewToken {
        NewToken { name: name.into(), scopes: Scopes::of_words(["read"]).expect("scopes"), expires }
    }

    #[test]
    fn tokens_and_sessions_survive_a_restart_as_hashes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.json");
        let access = Access::open(&path).expect("opens");
        assert!(access.is_empty());
        let (token, text) = access.make_token(&new("rack", None)).expect("a token");
        let now = Timestamp::now();
        let principal = access.of_token(text.reveal(), now).expect("known");
        let secret =
            access.make_session(&principal, Some(&text), Duration::from_secs(60)).expect("a session");
        let file = std::fs::read_to_string(&path).expect("is there");
        assert!(!file.contains(&text.reveal()[15..]) && !file.contains(&secret), "{file}");
        drop(access);
        let access = Access::open(&path).expect("opens");
        assert_eq!(access.of_session(&secret, now).expect("known").name, "rack");
        assert_eq!(access.tokens().len(), 1);
        assert!(
            access.token(&token.id).expect("there").last_used.is_some(),
            "the save of the session kept it"
        );
        let session = access.of_session(&secret, now).expect("known");
        access.remove_token(&token.id).expect("removed").expect("was there");
        assert!(session.right.has_ended(now) && access.of_session(&secret, now).is_none());
        assert!(access.of_token(text.reveal(), now).is_none());
        assert!(access.remove_token(&token.id).expect("no failure").is_none());
    }

    #[test]
    fn what_ends_by_itself_or_by_a_logout_has_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let access = Access::open(&folder.path().join("access.json")).expect("opens");
        let now = Timestamp::now();
        let later = |seconds| now + SignedDuration::from_secs(seconds);
        let (_, text) = access.make_token(&new("short", Some(later(100)))).expect("a token");
        let principal = access.of_token(text.reveal(), now).expect("known");
        assert!(access.of_token(text.reveal(), later(100)).is_none());
        let secret = access.make_session(&principal, None, Duration::from_secs(1000)).expect("a session");
        assert!(access.of_session(&secret, later(99)).is_some());
        assert!(access.of_session(&secret, later(100)).is_none(), "no longer than the token");
        access.end_session(&secret).expect("ends");
        access.end_session(&secret).expect("has ended");
        assert!(access.of_session(&secret, now).is_none());
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let access = Access::open(&folder.path().join("access.json")).expect("opens");
        let principal = Principal::new(Kind::Jwt, "ann", Scopes::ADMIN);
        let sessions: Vec<Session> = (0..MAX_SESSIONS)
            .map(|number| Session {
                sha256: SecretHash::of(&number.to_string()),
                name: "ann".into(),
                scopes: Scopes::ADMIN,
                created: Timestamp::now() + SignedDuration::from_secs(i64::try_from(number).expect("small")),
                expires: Timestamp::MAX,
                token: None,
            })
            .collect();
        access.state.store(Arc::new(State::of(Document { version: VERSION, tokens: vec![], sessions })));
        let secret = access.make_session(&principal, None, Duration::MAX).expect("a session");
        let state = access.state.load();
        assert_eq!(state.sessions.len(), MAX_SESSIONS);
        assert!(!state.sessions.contains_key(&SecretHash::of("0").bytes()));
        assert!(state.sessions.contains_key(&SecretHash::of(&secret).bytes()));
    }

    #[test]
    fn a_file_that_is_none_lets_nothing_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.json");
        for text in
            ["", "{}", r#"{"version": 2, "tokens": []}"#, r#"{"version": 1, "tokens": [{}]}"#, "\u{0}"]
        {
            std::fs::write(&path, text).expect("written");
            let error = Access::open(&path).expect_err(text);
            assert!(matches!(error, AccessError::Corrupt { .. }), "{error}");
        }
        std::fs::write(&path, b"\xff").expect("written");
        assert!(Access::open(&path).is_err());
    }

    #[test]
    fn wishes_are_checked() {
        let now = Timestamp::now();
        let valid = new(&"ä".repeat(100), Some(now + SignedDuration::from_secs(1)));
        assert_eq!(valid.check(now), Ok(()));
        for (wish, member) in [
            (NewToken { name: "ä".repeat(101), ..valid.clone() }, "name"),
            (NewToken { name: " ".into(), ..valid.clone() }, "name"),
            (NewToken { name: "a\nb".into(), ..valid.clone() }, "name"),
            (NewToken { name: "a\u{202e}b".into(), ..valid.clone() }, "name"),
            (NewToken { scopes: Scopes::NONE, ..valid.clone() }, "scopes"),
            (NewToken { expires: Some(now), ..valid }, "expires"),
        ] {
            assert_eq!(wish.check(now).expect_err("unusable").member, member, "{wish:?}");
        }
    }
}
