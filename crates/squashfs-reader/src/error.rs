//! Why an image cannot be read: a failing disk, another kind of file, a limit of this crate, or a damaged
//! image.

use std::fmt;
use std::io;

/// Why an image or a file inside it cannot be read. The texts name no file of the host.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The source cannot be read.
    Io(io::Error),
    /// The file has no superblock, so it is of another kind.
    NotAnImage,
    /// A version of the format other than 4.0.
    Version(u16, u16),
    /// A compression method that the format does not have, by its number.
    Compression(u16),
    /// The file is shorter than the superblock says.
    Truncated {
        /// Bytes that the superblock says.
        declared: u64,
        /// Bytes of the file.
        actual: u64,
    },
    /// The image is damaged; the text says where.
    Corrupt(&'static str),
    /// The image exceeds a limit of this crate; the text says which.
    Limit(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => formatter.write_str("the squashfs cannot be read"),
            Self::NotAnImage => {
                formatter.write_str("not a squashfs: it does not begin with its magic number")
            }
            Self::Version(major, minor) => {
                write!(formatter, "squashfs of version {major}.{minor} is not supported, only 4.0")
            }
            Self::Compression(number) => write!(
                formatter,
                "the squashfs is damaged: it is compressed with method {number}, which does not exist"
            ),
            Self::Truncated { declared, actual } => write!(
                formatter,
                "the squashfs is cut short: it says that it has {declared} bytes, but the file has {actual}"
            ),
            Self::Corrupt(what) => write!(formatter, "the squashfs is damaged: {what}"),
            Self::Limit(what) => write!(formatter, "the squashfs is too large to index: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
