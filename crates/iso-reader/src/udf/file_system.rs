//! From an anchor to a file system whose root directory can be read.

use crate::bytes::little_u32;
use crate::error::{Corrupt, Error};
use crate::limits::Limits;
use crate::source::Image;
use crate::udf::address::Address;
use crate::udf::allocation::{Body, BodyFault};
use crate::udf::blocks::Blocks;
use crate::udf::entry::{self, FileEntry};
use crate::udf::metadata::read_partitions;
use crate::udf::partition::Partitions;
use crate::udf::sequence::{self, Anchor, LogicalVolume, SectorExtent, Sequence};
use crate::udf::tag;
use crate::warnings::Warnings;

/// A UDF file system whose root directory can be read.
#[derive(Debug)]
pub(crate) struct FileSystem {
    pub(super) partitions: Partitions,
    /// The address of the root directory's entry.
    pub(super) root: Address,
    pub(crate) label: String,
    pub(crate) application: String,
    pub(crate) created: Option<i64>,
}

impl FileSystem {
    /// Opens the file system by the first anchor that leads to a root.
    pub(crate) fn open(
        image: &mut Image<'_>,
        limits: &Limits,
        warnings: &mut Warnings,
    ) -> Result<FileSystem, Error> {
        let mut refusal = None;
        for anchor in sequence::anchors(image)? {
            for extent in [anchor.main, anchor.reserve] {
                match FileSystem::by_sequence(image, &anchor, extent, limits, warnings) {
                    // The reserve is a copy that counts if the main sequence is damaged.
                    Err(error @ (Error::Corrupt(_) | Error::Unsupported(_))) => {
                        warnings.add(|| format!("volume descriptors at sector {}: {error}", extent.location));
                        refusal = refusal.or(Some(error));
                    }
                    done => return done,
                }
            }
        }
        Err(refusal.unwrap_or(Error::Corrupt(Corrupt::UdfAnchor)))
    }

    fn by_sequence(
        image: &mut Image<'_>,
        anchor: &Anchor,
        extent: SectorExtent,
        limits: &Limits,
        warnings: &mut Warnings,
    ) -> Result<FileSystem, Error> {
        let broken = || Error::Corrupt(Corrupt::UdfVolume);
        let sequence = Sequence::read(image, anchor.sector_size, extent, limits, warnings)?;
        let volume = sequence.logical().and_then(LogicalVolume::parse).ok_or_else(broken)?;
        // Logical blocks and sectors have one size (UDF 2.2.4.2).
        if volume.block_size != anchor.sector_size {
            return Err(broken());
        }
        let partitions = read_partitions(image, &volume, &sequence, limits, warnings)?;
        let root = find_root(image, &partitions, volume.file_set)?;
        check_root(image, &partitions, root, limits)?;
        let primary = sequence.primary();
        Ok(FileSystem {
            partitions,
            root,
            label: if volume.label.is_empty() { primary.label } else { volume.label },
            application: primary.application,
            created: primary.recorded,
        })
    }

    pub(crate) fn block_size(&self) -> u32 {
        self.partitions.block_size
    }

    /// The byte where the last partition ends: the image cannot be shorter.
    pub(crate) fn end(&self) -> u64 {
        self.partitions.end
    }
}

/// The address of the root directory's entry, from the file set descriptor (ECMA-167 4/14.1) that `file_set`,
/// a long allocation descriptor, points to.
fn find_root(image: &mut Image<'_>, partitions: &Partitions, file_set: &[u8]) -> Result<Address, Error> {
    let broken = || Error::Corrupt(Corrupt::UdfFileSet);
    let address = Address::parse(file_set, 4).filter(|_| little_u32(file_set, 0) != Some(0));
    let address = address.ok_or_else(broken)?;
    let mut blocks = Blocks::default();
    let (_, bytes) = partitions.read_block(image, &mut blocks, address)?.ok_or_else(broken)?;
    tag::expect(bytes, &[tag::FILE_SET], address.block).map_err(|_| broken())?;
    Address::parse(bytes, 404).ok_or_else(broken)
}

/// Asserts that the root is a directory that starts inside the image.
fn check_root(
    image: &mut Image<'_>,
    partitions: &Partitions,
    root: Address,
    limits: &Limits,
) -> Result<(), Error> {
    let mut blocks = Blocks::default();
    let outside = || Error::Corrupt(Corrupt::RootOutsideImage);
    let (offset, bytes) = partitions.read_block(image, &mut blocks, root)?.ok_or_else(outside)?;
    let entry = FileEntry::parse(bytes, root).ok().filter(|entry| entry.file_type == entry::DIRECTORY);
    let entry = entry.ok_or(Error::Corrupt(Corrupt::UdfRoot))?;
    let size = entry.size;
    let mut body = Body::start(&entry, offset, partitions, image, limits);
    body.follow(&mut blocks, partitions, image, limits)?;
    match body.fault {
        _ if size == 0 || !body.extents.is_empty() => Ok(()),
        Some(BodyFault::Outside) => Err(outside()),
        _ => Err(Error::Corrupt(Corrupt::UdfRoot)),
    }
}
