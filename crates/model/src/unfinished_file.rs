//! Files that are not whole yet, and stay until somebody goes on with them.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::{Expected, Sha256};
use crate::names::FileName;

/// The longest name of a part. A UUID has 36.
const MAX_PART_ID_BYTES: usize = 64;

/// The name under which a part is found again, chosen by its owner: letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnfinishedFileId(String);

/// The text cannot name a part.
#[derive(Debug, thiserror::Error)]
#[error("is not the id of an unfinished file")]
pub struct NotAnUnfinishedFileId;

/// Who goes on with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// A client that uploads it. It goes when nobody has touched it for long.
    Upload,
    /// One of our jobs.
    Job,
}

/// What a part is to become, as its owner says when it is begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The name that the whole file gets.
    pub name: FileName,
    /// Its size, where that is known.
    pub size: Option<u64>,
    /// What its digests must be.
    pub expected: Expected,
    /// Who goes on with it.
    pub owner: Owner,
    /// What the owner wants to find again. Nobody else looks at it.
    #[serde(rename = "memo")]
    pub resume_data: Value,
}

/// How far a part has come.
#[derive(Debug, Clone)]
pub struct UnfinishedFile {
    /// Its name among the parts.
    pub id: UnfinishedFileId,
    /// What it is to become.
    pub plan: Plan,
    /// So many bytes are kept, whatever happens.
    pub offset: u64,
    /// Whether it is whole. It is still known for a while, for those who missed the answer.
    pub whole: bool,
    /// When it was begun.
    pub created: Timestamp,
    /// How long ago it last grew. The clock on the wall may have jumped meanwhile.
    pub age: Duration,
}

impl UnfinishedFileId {
    /// An id that came from outside.
    pub fn new(text: impl Into<String>) -> Result<Self, NotAnUnfinishedFileId> {
        let text = text.into();
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=MAX_PART_ID_BYTES).contains(&text.len()) && text.bytes().all(is_fine) {
            Ok(Self(text))
        } else {
            Err(NotAnUnfinishedFileId)
        }
    }

    /// A new one that no other part has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// The id of whatever has this digest.
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
    fn an_id_is_one_harmless_word() {
        for fine in ["a", "0-9", UnfinishedFileId::random().as_str(), &"x".repeat(64)] {
            assert!(UnfinishedFileId::new(fine).is_ok(), "{fine}");
        }
        for wrong in ["", ".", "..", "a/b", "a.part", "ä", "a b", &"x".repeat(65)] {
            assert!(UnfinishedFileId::new(wrong).is_err(), "{wrong}");
        }
    }
}
