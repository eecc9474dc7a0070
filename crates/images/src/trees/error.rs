//! Why a path leads nowhere, or a file is no tree. Texts end in their cause, so these errors have no
//! `source`.

use std::io;

use iso_reader::TreeKind;

use crate::trees::regular::FileError;

/// The file cannot be opened as a tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is no readable file.
    #[error("the image cannot be opened: {0}")]
    File(FileError),
    /// The file is not an image that can be served, and why.
    #[error("{0}")]
    NotAnImage(String),
    /// The tree that was asked for is not in it.
    #[error("the ISO has no {asked} tree; it has {}", words(available))]
    NoSuchTree {
        /// The tree that was asked for.
        asked: TreeKind,
        /// The trees that it has.
        available: Vec<TreeKind>,
    },
    /// There is but one in it.
    #[error("which tree is served can be chosen of an ISO; {0} has one")]
    OneTree(&'static str),
    /// The kernel takes no choice.
    #[error("which tree is served cannot be chosen, because the server's kernel mounts the images")]
    NoChoice,
    /// The disk failed during the read.
    #[error("the image cannot be read: {0}")]
    Io(io::Error),
    /// The kernel would not mount it.
    #[error("the image cannot be mounted: {0}")]
    Mount(loop_mount::Error),
    /// The mount point cannot be made.
    #[error("cannot make the mount point: {0}")]
    MountPoint(io::Error),
}

impl From<FileError> for TreeError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<loop_mount::Error> for TreeError {
    fn from(error: loop_mount::Error) -> Self {
        Self::Mount(error)
    }
}

fn words(kinds: &[TreeKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

impl TreeError {
    /// The error without paths of the server, for clients.
    pub fn public_message(&self) -> String {
        let Self::Mount(error) = self else {
            return match self {
                Self::File(FileError::Io(_)) | Self::Io(_) => {
                    "the image cannot be read; the service's log says why".to_owned()
                }
                Self::MountPoint(_) => {
                    "the mount point cannot be made; the service's log says why".to_owned()
                }
                other => other.to_string(),
            };
        };
        match error {
            loop_mount::Error::NotPermitted { .. } => {
                "the service lacks the privileges to mount images".to_owned()
            }
            loop_mount::Error::NoFileSystem { kind, .. } => {
                format!("the server's kernel has no file system {kind}")
            }
            loop_mount::Error::Busy { .. } | loop_mount::Error::NotAnEmptyFolder { .. } => {
                "the image's mount point is in use on the server".to_owned()
            }
            loop_mount::Error::NoLoopDevice { .. } => "the server has no free loop device".to_owned(),
            loop_mount::Error::NotAnImage { reason, .. } => reason.clone(),
            _ => "the image cannot be mounted on the server; its log says why".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use component::LookupError;

    /// A log line that shows an error and all its sources must not show a cause twice.
    #[test]
    fn a_cause_is_told_once() {
        let cause = || io::Error::other("the disk is on fire");
        let errors: [(Box<dyn Error>, &str); 6] = [
            (Box::new(LookupError::from(cause())), "cannot look up a file: the disk is on fire"),
            (Box::new(TreeError::Io(cause())), "the image cannot be read: the disk is on fire"),
            (Box::new(TreeError::MountPoint(cause())), "cannot make the mount point: the disk is on fire"),
            (
                Box::new(TreeError::from(FileError::Io(cause()))),
                "the image cannot be opened: it cannot be opened: the disk is on fire",
            ),
            (
                Box::new(TreeError::from(FileError::NotRegular("FIFO"))),
                "the image cannot be opened: it is a FIFO, not a regular file",
            ),
            (Box::new(LookupError::NotFound), "no such file"),
        ];
        for (error, text) in errors {
            assert_eq!(error.to_string(), text);
            assert!(error.source().is_none(), "{text}");
        }
    }
}
