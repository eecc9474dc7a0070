//! Files of the stores: the kinds of store, the record of a file, and its state in a listing.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::digest::Sha256;
use crate::identity::Identity;
use crate::image::Status;
use crate::labels::Labels;
use crate::names::FileName;

/// The two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// ISO files, served at `/iso/`.
    Iso,
    /// Kernels, initrds, squashfs and overlay files, served at `/common/`.
    Microkernel,
}

impl FromStr for StoreKind {
    type Err = UnknownStore;

    fn from_str(text: &str) -> Result<Self, UnknownStore> {
        match text {
            "iso" => Ok(Self::Iso),
            "microkernel" => Ok(Self::Microkernel),
            _ => Err(UnknownStore),
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Iso => "ISO",
            Self::Microkernel => "microkernel",
        })
    }
}

/// The text names no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be iso or microkernel")]
pub struct UnknownStore;

/// How a file came into its store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Origin {
    /// A client sent it.
    Upload,
    /// A job fetched it.
    Download {
        /// From here, without credentials.
        url: Url,
    },
    /// It lies outside the store and is only referred to.
    Local,
    /// It was copied into the store's folder.
    Folder,
}

impl Origin {
    /// The word for clients.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download { .. } => "download",
            Self::Local => "local",
            Self::Folder => "folder",
        }
    }
}

/// Why a file that was good must no longer be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Damage {
    /// Its bytes have changed although its identity has not: the disk has lost some.
    Rotten {
        /// Its digest now.
        found: Sha256,
        /// The digest on record.
        recorded: Sha256,
        /// When that was noticed.
        noticed: Timestamp,
    },
    /// The disk cannot read it.
    Unreadable {
        /// The error of the system.
        error: String,
        /// When that was noticed.
        noticed: Timestamp,
    },
}

impl Damage {
    /// When it was last noticed.
    pub fn noticed(&self) -> Timestamp {
        match self {
            Self::Rotten { noticed, .. } | Self::Unreadable { noticed, .. } => *noticed,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotten { found, recorded, .. } => {
                write!(formatter, "its SHA-256 is {found}, but {recorded} was recorded")
            }
            Self::Unreadable { error, .. } => write!(formatter, "cannot be read: {error}"),
        }
    }
}

/// The record of a stored file in the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its store.
    #[serde(rename = "shelf")]
    pub kind: StoreKind,
    /// Its name there.
    pub name: FileName,
    /// For an ISO registered where it lies: its absolute path. The service never writes to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<PathBuf>,
    /// The version of the file that `sha256` describes.
    pub identity: Identity,
    /// The digest, once computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// How it came; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When this program last read or wrote all bytes and they had the digest; absent in older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Timestamp>,
    /// When it came, where the file's own time is that of another file with the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded: Option<Timestamp>,
    /// Its damage, if it was noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// The format of this version by its first bytes, as a word; `unknown` if none fits. Absent in older
    /// records, and before the first bytes were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The labels of the name: they stay when the file is replaced. Absent in older records.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

impl FileRecord {
    /// The record of a file whose bytes have not been read.
    pub fn new(kind: StoreKind, name: FileName, identity: Identity, origin: Origin) -> Self {
        Self {
            kind,
            name,
            local: None,
            identity,
            sha256: None,
            origin: Some(origin),
            verified: None,
            uploaded: None,
            damage: None,
            format: None,
            labels: Labels::default(),
        }
    }

    /// Records that all bytes of this version have this digest now.
    pub fn verify(&mut self, sha256: Sha256) {
        self.sha256 = Some(sha256);
        self.verified = Some(Timestamp::now());
        self.damage = None;
    }

    /// Whether the state of the version `found` is known without reading it. A damaged file with a new inode
    /// may be good again, so it is not known.
    pub fn is_known(&self, found: &Identity) -> bool {
        let is_same = self.identity.same_version(found);
        match &self.damage {
            Some(_) => is_same && self.identity.inode == found.inode,
            None => is_same && self.sha256.is_some(),
        }
    }

    /// Whether there is something to be read about the version `found`: its state, or the format alone.
    pub fn lacks(&self, found: &Identity) -> bool {
        !self.is_known(found) || (self.damage.is_none() && self.format.is_none())
    }

    /// The damage of the version `found`.
    pub fn damage_of(&self, found: &Identity) -> Option<&Damage> {
        self.damage.as_ref().filter(|_| self.identity.same_version(found))
    }

    /// The digest of the version `found`, where it is known.
    pub fn sha256_of(&self, found: &Identity) -> Option<Sha256> {
        self.sha256.filter(|_| self.identity.same_version(found))
    }
}

/// A stored file as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name.
    pub name: FileName,
    /// Its size and time.
    pub identity: Identity,
    /// Whether it lies outside the store.
    pub local: bool,
    /// The digest of this very version, once known.
    pub sha256: Option<Sha256>,
    /// Its status, in the words of images: a file whose digest is known is `OK`.
    pub status: Status,
    /// How it came, where that is known.
    pub origin: Option<Origin>,
    /// When it was last known to be good.
    pub verified: Option<Timestamp>,
    /// When it came.
    pub uploaded: Option<Timestamp>,
    /// Its format, once known.
    pub format: Option<String>,
    /// Its labels.
    pub labels: Labels,
}

impl StoredFile {
    /// The state of a file by its store and its record. A file without a record of this version was copied
    /// into the folder.
    pub fn new(name: FileName, identity: Identity, record: Option<&FileRecord>) -> Self {
        let local = record.is_some_and(|record| record.local.is_some());
        let unknown = Self {
            name,
            identity,
            local,
            sha256: None,
            status: Status::Preparing,
            origin: Some(if local { Origin::Local } else { Origin::Folder }),
            verified: None,
            uploaded: Timestamp::try_from(identity.modified()).ok(),
            format: None,
            labels: record.map(|record| record.labels.clone()).unwrap_or_default(),
        };
        match record.filter(|record| record.identity.same_version(&identity)) {
            None => unknown,
            Some(record) => Self {
                sha256: record.sha256,
                status: match &record.damage {
                    Some(damage) => Status::Error(damage.to_string()),
                    None if record.sha256.is_some() => Status::Ok,
                    None => Status::Preparing,
                },
                origin: if local { unknown.origin } else { record.origin.clone() },
                verified: record.verified,
                uploaded: record.uploaded.or(unknown.uploaded),
                format: record.format.clone(),
                ..unknown
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(inode: u64, seconds: i64) -> Identity {
        Identity { device: 1, inode, size: 3, seconds, nanoseconds: 0 }
    }

    fn record() -> FileRecord {
        let name = FileName::new("a.iso").expect("a name");
        FileRecord::new(StoreKind::Iso, name, identity(1, 5), Origin::Upload)
    }

    #[test]
    fn a_record_is_of_one_version_of_a_file() {
        let (same, moved, written) = (identity(1, 5), identity(2, 5), identity(1, 6));
        let mut record = record();
        assert!(!record.is_known(&same), "a file without a digest");
        record.verify(Sha256([7; 32]));
        assert!(record.is_known(&same) && record.is_known(&moved) && !record.is_known(&written));
        assert_eq!(record.sha256_of(&moved), Some(Sha256([7; 32])));
        assert_eq!(record.sha256_of(&written), None);
        let noticed = Timestamp::UNIX_EPOCH;
        record.damage = Some(Damage::Unreadable { error: "I/O error".into(), noticed });
        assert!(record.is_known(&same), "damage is not searched for again");
        assert!(!record.is_known(&moved), "a copy of a damaged file may be good");
        assert!(record.damage_of(&same).is_some() && record.damage_of(&written).is_none());
    }

    #[test]
    fn a_listing_shows_the_record_only_of_this_version() {
        let mut record = record();
        record.verify(Sha256([7; 32]));
        let show = |identity, record: Option<&FileRecord>| {
            let file = StoredFile::new(FileName::new("a.iso").expect("a name"), identity, record);
            (file.status, file.origin, file.sha256)
        };
        let known = (Status::Ok, Some(Origin::Upload), Some(Sha256([7; 32])));
        let unknown = (Status::Preparing, Some(Origin::Folder), None);
        assert_eq!(show(identity(1, 5), Some(&record)), known);
        assert_eq!(show(identity(1, 6), Some(&record)), unknown);
        assert_eq!(show(identity(1, 5), None), unknown);
    }
}
