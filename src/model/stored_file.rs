//! Files on the shelves: which shelf, what is remembered of each, and what a listing shows.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::digest::Sha256;
use crate::model::identity::Identity;
use crate::model::names::FileName;

/// The two shelves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shelf {
    /// ISO files, served at `/iso/`.
    Iso,
    /// Kernels, initrds, squashfs and overlay files, served at `/common/`.
    Microkernel,
}

impl fmt::Display for Shelf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Iso => "ISO",
            Self::Microkernel => "microkernel",
        })
    }
}

/// What the inventory remembers of a stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Which shelf it stands on.
    pub shelf: Shelf,
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
}

impl FileRecord {
    /// The digest of the version `found` of the file, where it is known.
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
    /// Whether it lies outside the store and is only referred to.
    pub local: bool,
    /// The digest of this very version, once known.
    pub sha256: Option<Sha256>,
}
