//! Why an image could not be read, in the caller's terms: the disk (`Io`), not an image at all, our
//! limits (`Unsupported`, `Limit`), or a broken image (`Corrupt`). Texts never name a file of the host.

use std::fmt;
use std::io;

use crate::node::Encoding;
use crate::volume::TreeKind;

/// Why an image or a file inside it could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The source could not be read.
    Io(io::Error),
    /// There is no volume descriptor where ISO 9660 puts it: this is some other kind of file.
    NotAnImage,
    /// A sound image that this crate does not read.
    Unsupported(Unsupported),
    /// The image is broken where nothing can be served without it.
    Corrupt(Corrupt),
    /// The image asks for more than [`Limits`](crate::Limits) allows.
    Limit(LimitReached),
    /// Bytes of a directory or of a link were asked for.
    NotAFile,
}

/// What this crate does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// The format that preceded ISO 9660, with `CDROM` in its descriptors.
    HighSierra,
    /// A UDF file system with no ISO 9660 tree beside it.
    UdfOnly,
    /// The image holds no tree of the kind that [`Options::tree`](crate::Options::tree) asks for, or none that can be read.
    Tree(TreeKind),
    /// The bytes of the file are stored in a form that cannot be handed out as they are.
    Encoding(Encoding),
}

/// What is broken in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corrupt {
    /// The descriptors hold no primary volume descriptor (ECMA-119 8.4).
    NoPrimaryDescriptor,
    /// The logical block size is not 512, 1024 or 2048 (ECMA-119 6.2.2).
    BlockSize(u16),
    /// The record of the root directory in the descriptor makes no sense (ECMA-119 8.4.18).
    RootRecord,
    /// The image ends before its root directory: most often it was cut off on its way here.
    RootOutsideImage,
    /// The extents of the file leave the image or are incomplete.
    DamagedFile,
    /// The file is compressed, and its header, its pointers or the block asked for make no sense.
    CompressedFile,
}

/// The cap that an image exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitReached {
    /// [`Limits::entries`](crate::Limits::entries).
    Entries,
    /// [`Limits::metadata_bytes`](crate::Limits::metadata_bytes).
    MetadataBytes,
    /// [`Limits::text_bytes`](crate::Limits::text_bytes).
    TextBytes,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(_) => formatter.write_str("the image could not be read"),
            Error::NotAnImage => {
                formatter.write_str("not an ISO 9660 image: there is no volume descriptor at sector 16")
            }
            Error::Unsupported(reason) => reason.fmt(formatter),
            Error::Corrupt(reason) => write!(formatter, "the image is damaged: {reason}"),
            Error::Limit(limit) => write!(formatter, "the image is too large to index: {limit}"),
            Error::NotAFile => formatter.write_str("only a file has bytes to read"),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsupported::HighSierra => formatter.write_str("High Sierra discs are not supported"),
            Unsupported::UdfOnly => {
                formatter.write_str("images that hold only a UDF file system are not supported")
            }
            Unsupported::Tree(kind) => write!(formatter, "the image has no readable {kind} tree"),
            Unsupported::Encoding(encoding) => write!(formatter, "{encoding} files are not supported"),
        }
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Corrupt::NoPrimaryDescriptor => formatter.write_str("it has no primary volume descriptor"),
            Corrupt::BlockSize(size) => {
                write!(formatter, "its logical block size is {size} bytes, not 512, 1024 or 2048")
            }
            Corrupt::RootRecord => formatter.write_str("the record of its root directory makes no sense"),
            Corrupt::RootOutsideImage => {
                formatter.write_str("it ends before its root directory, so it is probably cut off")
            }
            Corrupt::DamagedFile => {
                formatter.write_str("the extents of this file are outside the image or incomplete")
            }
            Corrupt::CompressedFile => formatter.write_str("this file is compressed and cannot be inflated"),
        }
    }
}

impl fmt::Display for LimitReached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            LimitReached::Entries => "it has too many entries",
            LimitReached::MetadataBytes => "its directories take too many bytes",
            LimitReached::TextBytes => "its names take too many bytes",
        })
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}
