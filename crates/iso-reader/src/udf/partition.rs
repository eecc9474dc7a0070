//! Where blocks of partitions lie in the image. A metadata partition (UDF 2.2.10) is a file of another
//! partition, which holds all directories and descriptors of files and may be scattered.

use crate::bytes::{array, little_u16, little_u32};
use crate::content::{Extent, ExtentData};
use crate::error::{Corrupt, Error, LimitReached, Unsupported};
use crate::limits::Limits;
use crate::source::Image;
use crate::udf::allocation::Body;
use crate::udf::blocks::Blocks;
use crate::udf::entry::FileEntry;
use crate::udf::sequence::{LogicalVolume, Sequence, split_map};
use crate::warnings::Warnings;

/// The address of a block in a partition (ECMA-167 4/7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) block: u32,
    /// The number of a partition map.
    pub(crate) partition: u16,
}

impl Address {
    pub(crate) fn parse(bytes: &[u8], at: usize) -> Option<Address> {
        let block = little_u32(bytes, at)?;
        Some(Address { block, partition: little_u16(bytes, at.checked_add(4)?)? })
    }
}

/// A part of a metadata partition that the image holds in one piece.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// The byte of the partition where the piece starts.
    start: u64,
    extent: Extent,
}

#[derive(Debug)]
enum Partition {
    /// A run of sectors that starts at this byte of the image.
    Physical { start: u64 },
    /// The extents of the metadata file.
    Metadata(Vec<Piece>),
}

/// The partitions of a logical volume, in the order of its maps.
#[derive(Debug)]
pub(crate) struct Partitions {
    pub(crate) block_size: u32,
    maps: Vec<Partition>,
    /// The byte of the image where the last physical partition ends.
    pub(crate) end: u64,
}

/// What a metadata partition map says (UDF 2.2.10).
struct MetadataMap {
    /// The position of its own map, which is still empty.
    map: usize,
    /// The number of the partition that its files are in.
    partition: u16,
    main: u32,
    mirror: u32,
}

impl Partitions {
    /// Reads the partition maps of a logical volume. Kinds of partitions that are not read are refused here.
    pub(crate) fn read(
        image: &mut Image<'_>,
        volume: &LogicalVolume<'_>,
        sequence: &Sequence,
        limits: &Limits,
        warnings: &mut Warnings,
    ) -> Result<Partitions, Error> {
        let broken = || Error::Corrupt(Corrupt::UdfPartitions);
        let count = usize::try_from(volume.map_count).unwrap_or(usize::MAX);
        if count > limits.udf_partitions {
            return Err(Error::Limit(LimitReached::UdfPartitions));
        }
        let mut partitions = Partitions { block_size: volume.block_size, maps: Vec::new(), end: 0 };
        let mut metadata = Vec::new();
        let mut numbers = Vec::new();
        let mut rest = volume.maps;
        for _ in 0..count {
            let (kind, map, behind) = split_map(rest).ok_or_else(broken)?;
            rest = behind;
            let (partition, number) = match kind {
                1 => {
                    let number = little_u16(map, 4).ok_or_else(broken)?;
                    let descriptor = sequence.partition(number).ok_or_else(broken)?;
                    let start = partitions.offset(u64::from(descriptor.start));
                    let length = partitions.offset(u64::from(descriptor.length));
                    partitions.end = partitions.end.max(start.saturating_add(length));
                    (Partition::Physical { start }, Some(number))
                }
                2 => {
                    metadata.push(metadata_map(map, partitions.maps.len())?);
                    (Partition::Metadata(Vec::new()), None)
                }
                _ => return Err(Error::Unsupported(Unsupported::PartitionMap)),
            };
            partitions.maps.push(partition);
            numbers.push(number);
        }
        // A metadata file may lie in a partition whose map comes later, so it has to wait for all others.
        for wanted in metadata {
            let under = numbers.iter().position(|number| *number == Some(wanted.partition));
            let under = under.and_then(|map| u16::try_from(map).ok()).ok_or_else(broken)?;
            let pieces = partitions.read_metadata(image, &wanted, under, limits, warnings)?;
            if let Some(partition) = partitions.maps.get_mut(wanted.map) {
                *partition = Partition::Metadata(pieces);
            }
        }
        Ok(partitions)
    }

    fn offset(&self, block: u64) -> u64 {
        block.saturating_mul(u64::from(self.block_size))
    }

    /// The pieces of the metadata file, else those of its mirror.
    fn read_metadata(
        &self,
        image: &mut Image<'_>,
        wanted: &MetadataMap,
        under: u16,
        limits: &Limits,
        warnings: &mut Warnings,
    ) -> Result<Vec<Piece>, Error> {
        for (name, block) in [("metadata file", wanted.main), ("mirror of the metadata file", wanted.mirror)]
        {
            let address = Address { block, partition: under };
            match self.read_metadata_file(image, address, limits)? {
                Ok(extents) => return Ok(pieces(&extents)),
                Err(reason) => warnings.add(|| format!("the {name} cannot be used: {reason}")),
            }
        }
        Err(Error::Corrupt(Corrupt::UdfMetadata))
    }

    /// The extents of the metadata file whose descriptor is at `address`, or why it cannot be used.
    fn read_metadata_file(
        &self,
        image: &mut Image<'_>,
        address: Address,
        limits: &Limits,
    ) -> Result<Result<Vec<Extent>, String>, Error> {
        const MAIN: u8 = 250;
        const MIRROR: u8 = 251;
        let mut blocks = Blocks::default();
        let size = u64::from(self.block_size);
        let Some((offset, _)) = self.run(address, 0, size) else { return Ok(Err("it has no place".into())) };
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
        // Its own map is still empty, so a metadata file that lies in itself has no place.
        let mut body = Body::start(&entry, offset, self, image, limits);
        body.follow(&mut blocks, self, image, limits)?;
        match body.fault {
            None if body.extents.is_empty() => Ok(Err("it is empty".into())),
            // A metadata file may have holes (UDF 2.2.13), and a hole holds nothing that could be missed.
            None => Ok(Ok(body.extents)),
            Some(fault) => Ok(Err(fault.to_string())),
        }
    }

    /// Where the bytes of a partition lie that start `skip` bytes behind `address`: the byte of the image,
    /// and how many of `length` bytes follow each other there. `None` if the partition does not hold them.
    ///
    /// A block beyond the end of its partition is looked for where it would be, as Linux does: some
    /// writers record partitions too short, and the end of the image is checked by whoever reads.
    pub(crate) fn run(&self, address: Address, skip: u64, length: u64) -> Option<(u64, u64)> {
        let position = self.offset(u64::from(address.block)).checked_add(skip)?;
        match self.maps.get(usize::from(address.partition))? {
            Partition::Physical { start } => Some((start.checked_add(position)?, length)),
            Partition::Metadata(pieces) => {
                let behind = pieces.partition_point(|piece| piece.start <= position);
                let piece = pieces.get(behind.checked_sub(1)?)?;
                let inside = position.checked_sub(piece.start)?;
                let left = piece.extent.length.checked_sub(inside).filter(|left| *left > 0)?;
                let offset = piece.extent.offset.checked_add(inside)?;
                (piece.extent.data == ExtentData::Recorded).then_some((offset, left.min(length)))
            }
        }
    }
}

fn pieces(extents: &[Extent]) -> Vec<Piece> {
    let mut start = 0_u64;
    let place = |extent: &Extent| {
        let piece = Piece { start, extent: *extent };
        start = start.saturating_add(extent.length);
        piece
    };
    extents.iter().map(place).collect()
}

/// A map of type 2 (UDF 2.2.8 to 2.2.10).
fn metadata_map(map: &[u8], position: usize) -> Result<MetadataMap, Error> {
    let broken = || Error::Corrupt(Corrupt::UdfPartitions);
    let identifier: [u8; 23] = array(map, 5).ok_or_else(broken)?;
    let is = |name: &[u8]| identifier.starts_with(name);
    if is(b"*UDF Virtual Partition") {
        return Err(Error::Unsupported(Unsupported::VirtualPartition));
    }
    if is(b"*UDF Sparable Partition") {
        return Err(Error::Unsupported(Unsupported::SparablePartition));
    }
    if !is(b"*UDF Metadata Partition") {
        return Err(Error::Unsupported(Unsupported::PartitionMap));
    }
    Ok(MetadataMap {
        map: position,
        partition: little_u16(map, 38).ok_or_else(broken)?,
        main: little_u32(map, 40).ok_or_else(broken)?,
        mirror: little_u32(map, 44).ok_or_else(broken)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_through_the_metadata_file() {
        let recorded = |offset, length| Extent { offset, length, data: ExtentData::Recorded };
        let hole = Extent { offset: 0, length: 512, data: ExtentData::Zeros };
        let extents = [recorded(10_000, 1024), hole, recorded(5000, 2048)];
        let maps = vec![Partition::Physical { start: 4096 }, Partition::Metadata(pieces(&extents))];
        let partitions = Partitions { block_size: 512, maps, end: 0 };
        let cases = [
            ((3, 0), 0, 999, Some((4096 + 3 * 512, 999))),
            ((u32::MAX, 0), 0, 1, Some((4096 + u64::from(u32::MAX) * 512, 1))),
            ((0, 1), 0, 512, Some((10_000, 512))),
            ((1, 1), 100, 5000, Some((10_612, 412))),
            ((2, 1), 0, 512, None),
            ((3, 1), 0, 512, Some((5000, 512))),
            ((3, 1), 2047, 512, Some((7047, 1))),
            ((3, 1), 2048, 1, None),
            ((7, 1), 0, 1, None),
            ((0, 1), u64::MAX, 1, None),
            ((1, 1), u64::MAX, 1, None),
            ((0, 2), 0, 1, None),
        ];
        for ((block, partition), skip, length, expected) in cases {
            let found = partitions.run(Address { block, partition }, skip, length);
            assert_eq!(found, expected, "{block} of {partition} + {skip}");
        }
    }
}
