//! Why a tar cannot be read: a failing disk, a damaged or incomplete tar, or a limit of this crate.

use std::fmt;
use std::io;

/// Why a tar cannot be read. The texts name no file of the host.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The source cannot be read.
    Io(io::Error),
    /// There is no header where one must be.
    NoHeader {
        /// The position in the tar, in bytes.
        at: u64,
    },
    /// An extended header is longer than [`EXTENSION_BYTES`](crate::EXTENSION_BYTES).
    LongExtension {
        /// The position of its content in the tar, in bytes.
        at: u64,
    },
    /// The tar goes on where the file ends.
    Truncated {
        /// Bytes of the file.
        size: u64,
    },
    /// The tar exceeds a limit of this crate; the text says which.
    Limit(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => formatter.write_str("the tar cannot be read"),
            Self::NoHeader { at } => write!(formatter, "the tar is damaged: there is no header at byte {at}"),
            Self::LongExtension { at } => {
                write!(formatter, "the tar is damaged: the extended header at byte {at} is too long")
            }
            Self::Truncated { size } => {
                write!(formatter, "the tar is cut short: it goes on where the file ends, after {size} bytes")
            }
            Self::Limit(what) => write!(formatter, "the tar is too large to index: {what}"),
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
