//! An image: a named, versioned tree made from one ISO, and its status.

use std::fmt;

use iso_reader::TreeKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::{Expected, Sha256};
use crate::identity::Identity;
use crate::labels::Labels;
use crate::link::Link;
use crate::names::{FileName, ImageName, ImageVersion};
use crate::system::System;

/// The longest id that a client may choose, in characters.
const MAX_ID_LENGTH: usize = 64;

/// The identity of an image for scripts. New ones are random UUIDs, unless the client chooses; those of the
/// old service are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(pub String);

impl ImageId {
    /// A new id that no other image has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// An id that a client chooses: one URL segment that needs no escaping.
    ///
    /// # Errors
    ///
    /// The id breaks the rule.
    pub fn chosen(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && text.len() <= MAX_ID_LENGTH && text.bytes().all(is_inner) {
            Ok(Self(text))
        } else {
            Err(InvalidId)
        }
    }
}

/// A client chose an id that breaks the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_ID_LENGTH} letters, digits, '-', '_' and '.', and begin with a letter or digit")]
pub struct InvalidId;

impl fmt::Display for ImageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The status of an image. The words are fixed: scripts compare them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Status {
    /// The ISO is being fetched.
    Downloading,
    /// The ISO is complete; its tree is being read.
    Preparing,
    /// The image is complete and is served.
    Ok,
    /// Registration failed, for this reason.
    Error(String),
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Downloading => formatter.write_str("downloading iso"),
            Self::Preparing => formatter.write_str("preparing"),
            Self::Ok => formatter.write_str("OK"),
            Self::Error(reason) => write!(formatter, "error: {reason}"),
        }
    }
}

impl From<Status> for String {
    fn from(status: Status) -> String {
        status.to_string()
    }
}

impl From<String> for Status {
    /// An unknown word is kept as the reason of an error, so that the record is not lost.
    fn from(text: String) -> Self {
        match text.as_str() {
            "downloading iso" => Self::Downloading,
            "preparing" => Self::Preparing,
            "OK" => Self::Ok,
            other => Self::Error(other.strip_prefix("error: ").unwrap_or(other).to_owned()),
        }
    }
}

/// Where an image's ISO comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// Fetched from the web.
    Web(Box<WebSource>),
    /// A file on this machine, by reference.
    Local,
    /// Uploaded together with the registration.
    Client,
    /// A file that is already in the store.
    Store,
}

impl Source {
    /// The word for clients: `web`, `local`, `client`, `store`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Web(_) => "web",
            Self::Local => "local",
            Self::Client => "client",
            Self::Store => "store",
        }
    }
}

/// Where an ISO can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSource {
    /// The link that is asked first.
    pub url: Link,
    /// Other links to the same bytes, in the order to ask them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Link>,
    /// A file that lists the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Link>,
    /// An OpenPGP signature of that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Link>,
}

impl WebSource {
    /// The most bytes that the links of an image may have together.
    pub const MAX_LINK_BYTES: usize = 16 << 10;

    /// The links to the ISO, in the order to ask them.
    pub fn links(&self) -> Vec<&Link> {
        std::iter::once(&self.url).chain(&self.mirrors).collect()
    }

    /// Bytes of all links together. Records are kept in memory and written whole, so they are limited to
    /// [`Self::MAX_LINK_BYTES`].
    pub fn link_bytes(&self) -> usize {
        self.all_links().iter().map(|link| link.secret_url().as_str().len()).sum()
    }

    /// All links, always in the same order.
    pub fn all_links(&self) -> Vec<&Link> {
        self.links().into_iter().chain(&self.checksum).chain(&self.signature).collect()
    }

    /// All links, mutable, in the same order.
    pub fn all_links_mut(&mut self) -> Vec<&mut Link> {
        let isos = std::iter::once(&mut self.url).chain(&mut self.mirrors);
        isos.chain(&mut self.checksum).chain(&mut self.signature).collect()
    }
}

/// A summary of the ISO's tree when it was last read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeSummary {
    /// Which of the ISO's trees is served, for example `rockridge`.
    pub kind: String,
    /// The trees that the ISO has, best first. Empty in older records, and where the kernel mounts the ISO.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub available: Vec<String>,
    /// The volume identifier.
    pub label: String,
    /// Files, directories and links.
    pub entries: u64,
    /// Oddities that the reader passed over.
    pub warnings: u64,
    /// Files whose bytes are not all in the ISO.
    pub damaged: u64,
    /// The operating system, where its files name it. Absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
}

/// The record of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its identity for scripts.
    pub id: ImageId,
    /// First segment of its path.
    pub name: ImageName,
    /// Second segment of its path.
    pub version: ImageVersion,
    /// Its ISO's name in the store.
    pub iso: FileName,
    /// Its status.
    pub status: Status,
    /// Where its ISO came from.
    pub source: Source,
    /// When it was registered.
    pub created: Timestamp,
    /// When this record last changed.
    pub updated: Timestamp,
    /// The version of the ISO that was read; `None` before that, and in records of the old service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The digest of that version of the ISO, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// The digests that the client expected when it registered the image.
    #[serde(default, skip_serializing_if = "Expected::is_nothing")]
    pub expected: Expected,
    /// A summary of the ISO's tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeSummary>,
    /// The tree that the client asked for; `None` leaves the choice to the reader of ISOs.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::tree_choice")]
    pub asked_tree: Option<TreeKind>,
    /// Its labels. Absent in older records.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

impl Image {
    /// Whether the ISO must stay because this image needs it. A failed image needs nothing.
    pub fn needs_iso(&self) -> bool {
        !matches!(self.status, Status::Error(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_are_fixed_and_survive_storage() {
        for word in ["downloading iso", "preparing", "OK", "error: the web server said 404"] {
            let status: Status = serde_json::from_value(word.into()).expect("a status");
            assert_eq!(serde_json::to_value(&status).expect("text"), word);
        }
        assert_eq!(Status::from("weird".to_owned()), Status::Error("weird".into()));
    }

    #[test]
    fn a_chosen_id_is_one_segment_of_a_url() {
        let long = "x".repeat(64);
        for id in ["a", "7", "ubuntu-24.04_server", "24cb770a-bd24-4f16-8d1c-98388c5fb0d7", &long] {
            assert_eq!(ImageId::chosen(id), Ok(ImageId(id.into())));
        }
        let longer = "x".repeat(65);
        for id in ["", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a%20", "ä", "a\n", "a:b", "a~", &longer] {
            assert_eq!(ImageId::chosen(id), Err(InvalidId), "{id}");
        }
    }

    #[test]
    fn the_choice_of_a_tree_survives_storage_and_older_records_have_none() {
        let record = serde_json::json!({
            "id": "1", "name": "linux", "version": "9", "iso": "a.iso", "status": "OK", "source": {"kind": "store"},
            "created": "2026-11-20T23:13:48Z", "updated": "2026-11-20T23:13:48Z",
            "tree": {"kind": "joliet", "label": "A", "entries": 1, "warnings": 0, "damaged": 0},
        });
        let old: Image = serde_json::from_value(record.clone()).expect("an older record");
        assert_eq!(old.asked_tree, None);
        assert!(old.labels.is_empty());
        assert_eq!(serde_json::to_value(&old).expect("JSON"), record);
        let mut asked = record;
        asked["asked_tree"] = "joliet".into();
        let image: Image = serde_json::from_value(asked.clone()).expect("a record");
        assert_eq!(image.asked_tree, Some(TreeKind::Joliet));
        assert_eq!(serde_json::to_value(&image).expect("JSON"), asked);
        asked["asked_tree"] = "best".into();
        let error = serde_json::from_value::<Image>(asked).expect_err("no such tree").to_string();
        assert!(error.contains("best") && error.contains("rockridge, udf, joliet"), "{error}");
    }
}
