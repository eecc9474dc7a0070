//! Why an image could not be read, in the caller's terms: the disk, another kind of file, our limits, or a broken image.

use std::fmt;
use std::io;

/// Why an image or a file inside it could not be read. The texts name no file of the host.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The source could not be read.
    Io(io::Error),
    /// There is no superblock: this is some other kind of file.
    NotAnImage,
    /// A version of the format other than 4.0.
    Version(u16, u16),
    /// Compressed in a way that this crate does not read, by its number or name.
    Compression(String),
    /// The file is shorter than the superblock says.
    Truncated {
        /// Bytes that there should be.
        declared: u64,
        /// Bytes that there are.
        actual: u64,
    },
    /// The image is broken, and where.
    Corrupt(&'static str),
    /// The image asks for more than it may, and of what.
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
            Self::Compression(name) => write!(formatter, "squashfs compressed with {name} is not supported"),
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
