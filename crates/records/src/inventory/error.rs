//! Why the inventory cannot be read or written.

use std::io;
use std::path::PathBuf;

use model::io_words::in_words;

use crate::document_file::DocumentError;

/// The inventory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The saved state cannot be read. Nothing was changed.
    #[error(
        "the inventory {} cannot be read: {problem}. Nothing was changed. {}", path.display(),
        match previous {
            Some(previous) => format!(
                "The state before its last change is in {}: check it and copy it over the inventory, or move the inventory away to start empty",
                previous.display()
            ),
            None => "Repair it, or move it away to start with an empty inventory (the ISOs stay)".to_owned(),
        }
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The copy of the state before, if there is one.
        previous: Option<PathBuf>,
    },
    /// Another process works with it.
    #[error("the inventory {} is in use by another image-service", .0.display())]
    InUse(PathBuf),
    /// The file is a mount of its own, so no other file can take its place.
    #[error(
        "the inventory {} is mounted as a single file, which cannot be replaced when a change is saved: mount the folder that holds it instead",
        .0.display()
    )]
    MountPoint(PathBuf),
    /// The change would make the file larger than a start reads.
    #[error("the inventory {} would have more than the {limit} bytes that are read again", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The disk failed.
    #[error("cannot {action} the inventory {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<DocumentError> for InventoryError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::InUse(path) => Self::InUse(path),
            DocumentError::MountPoint(path) => Self::MountPoint(path),
            DocumentError::TooLarge { path, limit } => Self::TooLarge { path, limit },
            DocumentError::NotText(path) => {
                Self::Corrupt { path, problem: "it is not UTF-8 text".into(), previous: None }
            }
            DocumentError::Io { action, path, source } => Self::Io { action, path, source },
        }
    }
}

impl InventoryError {
    /// For logs that show no sources: the error and its cause.
    pub fn with_cause(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            Self::Corrupt { .. } | Self::InUse(_) | Self::MountPoint(_) | Self::TooLarge { .. } => {
                self.to_string()
            }
        }
    }

    /// Why the inventory cannot be written, for clients: it names no path.
    pub fn public_message(&self) -> String {
        match self {
            Self::Io { source, .. } => {
                format!("the inventory cannot be written, so nothing was changed: {}", in_words(source))
            }
            Self::TooLarge { limit, .. } => format!(
                "the inventory would have more than {limit} bytes, so nothing was changed: remove images or files first"
            ),
            Self::Corrupt { .. } | Self::InUse(_) | Self::MountPoint(_) => {
                "the inventory cannot be written, so nothing was changed; the service's log says why".into()
            }
        }
    }
}
