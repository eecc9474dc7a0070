//! Why a store refuses or fails.

use std::fmt;
use std::io;

use model::digest::Mismatch;
use model::fair_limit::share_of;
use model::io_words::in_words;
use model::names::FileName;
use model::stored_file::StoreKind;

/// Unfinished files that a store may have. Each takes a checkpoint in memory and two files.
pub(crate) const MAX_UNFINISHED_FILES: usize = 1000;

/// Why a store refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No complete file of that name.
    #[error("the {0} store has no file of that name")]
    NotFound(StoreKind),
    /// A folder, a link or a device has that name.
    #[error("the {0} store holds something of that name that is not a regular file")]
    NotAFile(StoreKind),
    /// The store's file system takes the name for that of another file.
    #[error(
        "the file system of the {kind} store takes {name} and {existing} for one name; use the latter, or another name"
    )]
    OtherSpelling {
        /// Which store.
        kind: StoreKind,
        /// The name asked for.
        name: FileName,
        /// The file that is there.
        existing: FileName,
    },
    /// Another process uses the folder.
    #[error("the {0} store is in use by another image-service")]
    InUse(StoreKind),
    /// The file does not fit.
    #[error("not enough space in the {kind} store: {}{available} bytes are available{bound}", needed.map(|needed| format!("{needed} bytes are needed, ")).unwrap_or_default())]
    Full {
        /// Which store.
        kind: StoreKind,
        /// Bytes that are needed, where that is known.
        needed: Option<u64>,
        /// Bytes that may still be written.
        available: u64,
        /// The limit that is reached.
        bound: Bound,
    },
    /// The client is promised as much space as one client may have.
    #[error(
        "not enough space for one client in the {kind} store: {promised} bytes are promised to other files that you send, and {left} more may be; finish or remove some of them first"
    )]
    ClientHasShare {
        /// Which store.
        kind: StoreKind,
        /// Bytes that are promised to other files of the client.
        promised: u64,
        /// Bytes that may still be promised to it.
        left: u64,
    },
    /// The file is larger than the configuration allows.
    #[error("the file is larger than the {limit} bytes that `maxFileSize` allows")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// No unfinished file of that id.
    #[error("there is no unfinished file of that id")]
    NoSuchUnfinishedFile,
    /// An unfinished file has that id.
    #[error("there is an unfinished file of that id")]
    UnfinishedFileExists,
    /// The store has the most unfinished files.
    #[error(
        "{MAX_UNFINISHED_FILES} unfinished files wait in the {0} store; finish or remove some of them first"
    )]
    TooManyUnfinishedFiles(StoreKind),
    /// The client has as many unfinished files as one client may have.
    #[error(
        "{share} unfinished files of yours wait in the {0} store, which is all that one client may have; finish or remove some of them first",
        share = share_of(MAX_UNFINISHED_FILES as u64)
    )]
    ClientHasUnfinishedFiles(StoreKind),
    /// The file does not have the expected digests.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// A link has that name.
    #[error("the {0} store has a link of that name, and links are not followed{way}", way = instead_of(*.0))]
    Link(StoreKind),
    /// The disk failed.
    #[error("cannot {action} in the {kind} store: {}", in_words(error))]
    Io {
        /// The action that failed.
        action: &'static str,
        /// Which store.
        kind: StoreKind,
        /// The error of the system, which the text tells.
        error: io::Error,
    },
}

impl StoreError {
    /// What clients may read: it names no path, and of a disk that fails the cause.
    pub fn public_message(&self) -> String {
        match self {
            Self::Io { kind, error, .. } => disk_problem(*kind, error),
            other => other.to_string(),
        }
    }
}

/// What a client can do instead of linking a file into a store.
fn instead_of(store: StoreKind) -> &'static str {
    match store {
        StoreKind::Iso => "; register the ISO where it lies, by `isolocal` and its absolute path",
        StoreKind::Microkernel => "",
    }
}

/// A sentence for clients on a disk that fails.
pub(crate) fn disk_problem(kind: StoreKind, error: &io::Error) -> String {
    format!("the {kind} store fails: {}", in_words(error))
}

/// The limit that a file exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The file system.
    Disk {
        /// Bytes that other files on their way will need.
        promised: u64,
        /// Bytes that stay free.
        reserve: u64,
    },
    /// The quota of the store.
    Quota {
        /// The key of the setting.
        key: &'static str,
        /// Its value.
        bytes: u64,
    },
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Disk { promised, reserve } => {
                if promised > 0 {
                    write!(formatter, ", {promised} more are promised to files on their way")?;
                }
                if reserve > 0 {
                    write!(formatter, ", `reserveBytes` keeps {reserve} free")?;
                }
                Ok(())
            }
            Self::Quota { key, bytes } => write!(formatter, " of the {bytes} that `{key}` allows"),
        }
    }
}
