//! Errors, told apart by what repairs them: privileges, another kernel, another image or target, or the disk.

use std::io;
use std::path::{Path, PathBuf};

/// Why an image could not be mounted, unmounted or looked up. Each message is one line, fit for a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process lacks `CAP_SYS_ADMIN`, or access to the loop devices.
    #[error("{action} is not permitted: mounting needs root (CAP_SYS_ADMIN) and access to /dev/loop*")]
    NotPermitted {
        /// What was attempted, on what.
        action: String,
    },
    /// The running kernel has no driver for the image's file system, and no module to load for it.
    #[error("the kernel has no file system {kind}, which {} needs", image.display())]
    NoFileSystem {
        /// The name of the file system as the kernel spells it, such as `iso9660`.
        kind: &'static str,
        /// The image that was to be mounted.
        image: PathBuf,
    },
    /// Something is mounted at the target already; a second mount would only hide the first.
    #[error("{} is a mount point already; nothing is mounted over it", target.display())]
    Busy {
        /// The folder that was to be the mount point.
        target: PathBuf,
    },
    /// The target is a file, or a folder whose entries a mount would hide.
    #[error("{} is not an empty folder, so nothing is mounted over it", target.display())]
    NotAnEmptyFolder {
        /// The path that was to be the mount point.
        target: PathBuf,
    },
    /// The image is no regular file, holds no file system known here, or a damaged one.
    #[error("{} is not a mountable image: {reason}", image.display())]
    NotAnImage {
        /// The image that was to be mounted.
        image: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel offers no loop devices, or other processes took each free one first.
    #[error("no loop device: {reason}")]
    NoLoopDevice {
        /// What was missing.
        reason: String,
    },
    /// Any other failure of the operating system.
    #[error("cannot {action}: {error}")]
    Io {
        /// What was attempted, on what.
        action: String,
        /// The error of the operating system. It is no `source()`, because the message has it already.
        error: io::Error,
    },
}

impl Error {
    /// The failure of a system call, in which `EPERM` and `EACCES` mean missing privileges.
    pub(crate) fn of_call(verb: &str, path: &Path, error: rustix::io::Errno) -> Self {
        let action = format!("{verb} {}", path.display());
        match error {
            rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => Self::NotPermitted { action },
            other => Self::Io { action, error: other.into() },
        }
    }

    /// The failure to open or read an ordinary file, in which `EACCES` is a matter of its mode and not of
    /// privileges.
    pub(crate) fn of_file(verb: &str, path: &Path, error: io::Error) -> Self {
        Self::Io { action: format!("{verb} {}", path.display()), error }
    }
}
