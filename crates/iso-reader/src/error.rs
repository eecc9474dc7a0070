//! Why an image could not be read: the disk failed (`Io`), the file is no image, the image exceeds this crate
//! (`Unsupported`, `Limit`), or it is broken (`Corrupt`). Texts never name a file of the host.

use std::fmt;
use std::io;

use crate::kind::{Encoding, TreeKind};

/// Why an image or a file inside it could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The source could not be read.
    Io(io::Error),
    /// There is no volume descriptor where ISO 9660 and UDF have one: this is another kind of file.
    NotAnImage,
    /// A sound image that this crate does not read.
    Unsupported(Unsupported),
    /// The image is broken where nothing can be served without it.
    Corrupt(Corrupt),
    /// The image asks for more than [`Limits`](crate::Limits) allows.
    Limit(LimitReached),
    /// A caller asked for the bytes of a directory or of a link.
    NotAFile,
}

/// Forms of images and files that this crate does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// The format that preceded ISO 9660, with `CDROM` in its descriptors.
    HighSierra,
    /// UDF on media that are written once, piece by piece: a virtual partition (UDF 2.2.8).
    VirtualPartition,
    /// UDF on media whose sectors wear out: a sparable partition (UDF 2.2.9).
    SparablePartition,
    /// A UDF partition of a kind that no revision up to 2.60 knows.
    PartitionMap,
    /// The image holds no tree of the kind that [`Options::tree`](crate::Options::tree) asks for, or none
    /// that can be read.
    Tree(TreeKind),
    /// The bytes of the file are stored in an encoding that is not decoded.
    Encoding(Encoding),
}

/// The part of an image that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corrupt {
    /// The descriptors hold no primary volume descriptor (ECMA-119 8.4).
    NoPrimaryDescriptor,
    /// The logical block size is not 512, 1024 or 2048 (ECMA-119 6.2.2).
    BlockSize(u16),
    /// The record of the root directory in the descriptor makes no sense (ECMA-119 8.4.18).
    RootRecord,
    /// The image ends before its root directory: most often its transfer was cut off.
    RootOutsideImage,
    /// The root directory has neither an entry for itself (ECMA-119 6.8.2.2) nor any other.
    RootDirectory,
    /// None of the three sectors for it has a UDF anchor volume descriptor pointer (UDF 2.2.3).
    UdfAnchor,
    /// The UDF volume descriptors are missing or make no sense, the reserve copy included.
    UdfVolume,
    /// The UDF partition maps make no sense or name a partition that is not described.
    UdfPartitions,
    /// Neither the metadata file of a UDF metadata partition nor its mirror can be used.
    UdfMetadata,
    /// The UDF file set descriptor cannot be read.
    UdfFileSet,
    /// The root of the UDF tree is no directory that can be read.
    UdfRoot,
    /// The extents of the file leave the image or are incomplete.
    DamagedFile,
    /// The file is compressed, and its header, its pointers or the block asked for make no sense.
    CompressedFile,
}

/// The limit that an image exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitReached {
    /// [`Limits::entries`](crate::Limits::entries).
    Entries,
    /// [`Limits::metadata_bytes`](crate::Limits::metadata_bytes).
    MetadataBytes,
    /// [`Limits::text_bytes`](crate::Limits::text_bytes).
    TextBytes,
    /// [`Limits::udf_partitions`](crate::Limits::udf_partitions).
    UdfPartitions,
    /// [`Limits::udf_extents`](crate::Limits::udf_extents).
    UdfExtents,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(_) => formatter.write_str("the image could not be read"),
            Error::NotAnImage => formatter
                .write_str("neither an ISO 9660 nor a UDF image: there is no volume descriptor at sector 16"),
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
            Unsupported::VirtualPartition => {
                formatter.write_str("UDF with a virtual partition (VAT) is not supported")
            }
            Unsupported::SparablePartition => {
                formatter.write_str("UDF with a sparable partition is not supported")
            }
            Unsupported::PartitionMap => {
                formatter.write_str("UDF with a partition of unknown kind is not supported")
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
            Corrupt::RootDirectory => {
                formatter.write_str("its root directory is empty, even of the entry for itself")
            }
            Corrupt::UdfAnchor => formatter.write_str("it says that it is UDF, but it has no anchor"),
            Corrupt::UdfVolume => {
                formatter.write_str("its UDF volume descriptors are missing or make no sense")
            }
            Corrupt::UdfPartitions => formatter.write_str("its UDF partition maps make no sense"),
            Corrupt::UdfMetadata => {
                formatter.write_str("neither its UDF metadata file nor the mirror of it can be used")
            }
            Corrupt::UdfFileSet => formatter.write_str("its UDF file set descriptor cannot be read"),
            Corrupt::UdfRoot => {
                formatter.write_str("the root of its UDF tree is no directory that can be read")
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
            LimitReached::UdfPartitions => "its UDF volume has too many partitions",
            LimitReached::UdfExtents => "its files are in too many pieces",
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
