//! The metadata partition (UDF 2.2.10): a file of another partition, scattered or not, that holds all
//! directories and descriptors of files.

use crate::error::{Corrupt, Error};
use crate::index::Extent;
use crate::limits::Limits;
use crate::source::Image;
use crate::udf::address::Address;
use crate::udf::allocation::Body;
use crate::udf::blocks::Blocks;
use crate::udf::entry::FileEntry;
use crate::udf::partition::{MetadataMap, Partitions};
use crate::udf::sequence::{LogicalVolume, Sequence};
use crate::warnings::Warnings;

/// All partitions of a logical volume, with the extents of metadata partitions.
pub(crate) fn read_partitions(
    image: &mut Image<'_>,
    volume: &LogicalVolume<'_>,
    sequence: &Sequence,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Partitions, Error> {
    let (mut partitions, maps) = Partitions::read_maps(volume, sequence, limits)?;
    // A metadata file may lie in a partition whose map comes later, so all other maps are read first.
    for map in maps {
        let extents = read_mirrored(image, &partitions, &map, limits, warnings)?;
        partitions.set_metadata(&map, &extents);
    }
    Ok(partitions)
}

/// The extents of the metadata file, else those of its mirror.
fn read_mirrored(
    image: &mut Image<'_>,
    partitions: &Partitions,
    map: &MetadataMap,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Vec<Extent>, Error> {
    let partition = partitions.map_of(map.holder).ok_or(Error::Corrupt(Corrupt::UdfPartitions))?;
    for (name, block) in [("metadata file", map.main), ("mirror of the metadata file", map.mirror)] {
        let address = Address { block, partition };
        match read_file(image, partitions, address, limits)? {
            Ok(extents) => return Ok(extents),
            Err(reason) => warnings.add(|| format!("the {name} cannot be used: {reason}")),
        }
    }
    Err(Error::Corrupt(Corrupt::UdfMetadata))
}

/// The extents of the metadata file whose descriptor is at `address`, or the reason why it cannot be used.
fn read_file(
    image: &mut Image<'_>,
    partitions: &Partitions,
    address: Address,
    limits: &Limits,
) -> Result<Result<Vec<Extent>, String>, Error> {
    const MAIN: u8 = 250;
    const MIRROR: u8 = 251;
    let mut blocks = Blocks::default();
    let size = u64::from(partitions.block_size);
    let Some((offset, _)) = partitions.run(address, 0, size) else {
        return Ok(Err("it has no place".into()));
    };
    let Some(bytes) = blocks.read(image, offset, size)? else {
        return Ok(Err("it is outside the image".into()));
    };
    let entry = match FileEntry::parse(bytes, address) {
        Ok(entry) => entry,
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    if !matches!(entry.file_type, MAIN | MIRROR) {
        return Ok(Err("it is a file of another type".into()));
    }
    // The partition of this file is still empty, so a metadata file inside itself has no extents.
    let mut body = Body::start(&entry, offset, partitions, image, limits);
    body.follow(&mut blocks, partitions, image, limits)?;
    match body.fault {
        None if body.extents.is_empty() => Ok(Err("it is empty".into())),
        // A metadata file may have holes (UDF 2.2.13), but no address leads into one.
        None => Ok(Ok(body.extents)),
        Some(fault) => Ok(Err(fault.to_string())),
    }
}
