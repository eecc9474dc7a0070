//! Files that are not complete yet, and stay until their owner continues them.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::ClientKey;
use crate::digest::{Expected, Sha256};
use crate::labels::Labels;
use crate::names::FileName;

/// The longest id of an unfinished file. A UUID has 36 bytes.
const MAX_ID_BYTES: usize = 64;

/// The longest that an upload without a byte stays.
const EMPTY_LIFETIME: Duration = Duration::from_secs(3600);

/// The id of an unfinished file, chosen by its owner: letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnfinishedFileId(String);

/// The text is not the id of an unfinished file.
#[derive(Debug, thiserror::Error)]
#[error("is not the id of an unfinished file")]
pub struct NotAnUnfinishedFileId;

/// The owner of an unfinished file, which continues it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// A client that uploads it. The file is removed when it has not grown for long.
    Upload,
    /// A job.
    Job,
}

/// The owner's plan for an unfinished file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The name of the complete file.
    pub name: FileName,
    /// Its size, where that is known.
    pub size: Option<u64>,
    /// The digests that it must have.
    pub expected: Expected,
    /// Its owner.
    pub owner: Owner,
    /// The client that began it or asked for the job, as limits count it. Jobs of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientKey>,
    /// The labels that the file brings. Without any it keeps those of an older file of its name.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Data of the owner for a resume. Only the owner reads it.
    #[serde(rename = "memo")]
    pub resume_data: Value,
}

/// The state of an unfinished file.
#[derive(Debug, Clone)]
pub struct UnfinishedFile {
    /// Its id.
    pub id: UnfinishedFileId,
    /// The owner's plan.
    pub plan: Plan,
    /// Bytes that are on disk and survive a crash.
    pub offset: u64,
    /// Whether it is complete. It stays known for a while, for a client that missed the answer.
    pub whole: bool,
    /// When it was begun.
    pub created: Timestamp,
    /// How long ago it last grew, by a clock that does not jump.
    pub age: Duration,
}

impl UnfinishedFile {
    /// How long an upload may stay untouched, of `expiry` with bytes. One without a byte costs its client
    /// nothing, so it is held for an hour at most.
    pub fn lifetime(&self, expiry: Duration) -> Duration {
        if self.offset == 0 { expiry.min(EMPTY_LIFETIME) } else { expiry }
    }
}

impl UnfinishedFileId {
    /// An id from outside.
    ///
    /// # Errors
    ///
    /// The text is empty, too long, or has other characters.
    pub fn new(text: impl Into<String>) -> Result<Self, NotAnUnfinishedFileId> {
        let text = text.into();
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(is_fine) {
            Ok(Self(text))
        } else {
            Err(NotAnUnfinishedFileId)
        }
    }

    /// A new id that no other unfinished file has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// The id of the file with this digest.
    pub fn of_digest(digest: &Sha256) -> Self {
        Self(digest.to_string())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnfinishedFileId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for UnfinishedFileId {
    type Error = NotAnUnfinishedFileId;

    fn try_from(text: String) -> Result<Self, NotAnUnfinishedFileId> {
        Self::new(text)
    }
}

impl From<UnfinishedFileId> for String {
    fn from(id: UnfinishedFileId) -> String {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_without_a_byte_goes_after_an_hour() {
        let plan = Plan {
            name: FileName::new("a").expect("a name"),
            size: Some(9),
            expected: Expected::default(),
            owner: Owner::Upload,
            client: None,
            labels: Labels::default(),
            resume_data: Value::Null,
        };
        let (created, age) = (Timestamp::now(), Duration::ZERO);
        let file = |offset| UnfinishedFile {
            id: UnfinishedFileId::random(),
            plan: plan.clone(),
            offset,
            whole: false,
            created,
            age,
        };
        let [week, minute] = [7 * 86400, 60].map(Duration::from_secs);
        assert_eq!(file(0).lifetime(week), Duration::from_secs(3600));
        assert_eq!(file(1).lifetime(week), week);
        assert_eq!((file(0).lifetime(minute), file(1).lifetime(minute)), (minute, minute));
    }

    #[test]
    fn an_id_is_one_harmless_word() {
        for fine in ["a", "0-9", UnfinishedFileId::random().as_str(), &"x".repeat(64)] {
            assert!(UnfinishedFileId::new(fine).is_ok(), "{fine}");
        }
        for wrong in ["", ".", "..", "a/b", "a.part", "ä", "a b", &"x".repeat(65)] {
            assert!(UnfinishedFileId::new(wrong).is_err(), "{wrong}");
        }
    }
}
