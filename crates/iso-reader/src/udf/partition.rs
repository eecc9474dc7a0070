//! Where blocks of partitions lie in the image.

use crate::bytes::{array, little_u16, little_u32};
use crate::error::{Corrupt, Error, LimitReached, Unsupported};
use crate::index::{Extent, ExtentData};
use crate::limits::Limits;
use crate::source::Image;
use crate::udf::address::Address;
use crate::udf::blocks::Blocks;
use crate::udf::sequence::{LogicalVolume, Sequence, split_map};

/// A part of a metadata partition in one extent.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// The byte of the partition where the piece starts.
    start: u64,
    extent: Extent,
}

#[derive(Debug)]
enum Partition {
    /// The partition of this number, a run of sectors that starts at byte `start` of the image.
    Physical { number: u16, start: u64 },
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

/// A metadata partition map (UDF 2.2.10), whose partition is empty until [`Partitions::set_metadata`].
pub(crate) struct MetadataMap {
    /// The index of its own map.
    position: usize,
    /// The number of the partition that holds its files.
    pub(crate) holder: u16,
    /// The block of the file's descriptor.
    pub(crate) main: u32,
    /// The block of its mirror's descriptor.
    pub(crate) mirror: u32,
}

impl Partitions {
    /// Reads the partition maps of a logical volume. A kind of partition that is not supported is an error.
    pub(crate) fn read_maps(
        volume: &LogicalVolume<'_>,
        sequence: &Sequence,
        limits: &Limits,
    ) -> Result<(Partitions, Vec<MetadataMap>), Error> {
        let broken = || Error::Corrupt(Corrupt::UdfPartitions);
        let count = usize::try_from(volume.map_count).unwrap_or(usize::MAX);
        if count > limits.udf_partitions {
            return Err(Error::Limit(LimitReached::UdfPartitions));
        }
        let mut partitions = Partitions { block_size: volume.block_size, maps: Vec::new(), end: 0 };
        let mut metadata = Vec::new();
        let mut rest = volume.maps;
        for position in 0..count {
            let (kind, map, behind) = split_map(rest).ok_or_else(broken)?;
            rest = behind;
            partitions.maps.push(match kind {
                1 => {
                    let number = little_u16(map, 4).ok_or_else(broken)?;
                    let descriptor = sequence.partition(number).ok_or_else(broken)?;
                    let start = partitions.offset(u64::from(descriptor.start));
                    let length = partitions.offset(u64::from(descriptor.length));
                    partitions.end = partitions.end.max(start.saturating_add(length));
                    Partition::Physical { number, start }
                }
                2 => {
                    metadata.push(metadata_map(map, position)?);
                    Partition::Metadata(Vec::new())
                }
                _ => return Err(Error::Unsupported(Unsupported::PartitionMap)),
            });
        }
        Ok((partitions, metadata))
    }

    /// The number of the map of a physical partition.
    pub(crate) fn map_of(&self, partition: u16) -> Option<u16> {
        let is_it =
            |map: &Partition| matches!(map, Partition::Physical { number, .. } if *number == partition);
        self.maps.iter().position(is_it).and_then(|map| u16::try_from(map).ok())
    }

    /// Gives a metadata partition the extents of its file.
    pub(crate) fn set_metadata(&mut self, map: &MetadataMap, extents: &[Extent]) {
        if let Some(partition) = self.maps.get_mut(map.position) {
            *partition = Partition::Metadata(pieces(extents));
        }
    }

    fn offset(&self, block: u64) -> u64 {
        block.saturating_mul(u64::from(self.block_size))
    }

    /// One block of a partition and the byte of the image where it starts; `None` if the image does not hold
    /// it in one piece.
    pub(crate) fn read_block<'b>(
        &self,
        image: &mut Image<'_>,
        blocks: &'b mut Blocks,
        address: Address,
    ) -> Result<Option<(u64, &'b [u8])>, Error> {
        let size = u64::from(self.block_size);
        let Some((offset, run)) = self.run(address, 0, size) else { return Ok(None) };
        if run < size {
            return Ok(None);
        }
        Ok(blocks.read(image, offset, size)?.map(|bytes| (offset, bytes)))
    }

    /// Where the bytes lie that start `skip` bytes behind `address`: the byte of the image, and how many of
    /// `length` bytes follow each other there. `None` if the partition does not hold them.
    ///
    /// A block beyond the end of its partition is found where it would be, as in Linux: some writers record
    /// partitions too short. The caller checks the end of the image.
    pub(crate) fn run(&self, address: Address, skip: u64, length: u64) -> Option<(u64, u64)> {
        let position = self.offset(u64::from(address.block)).checked_add(skip)?;
        match self.maps.get(usize::from(address.partition))? {
            Partition::Physical { start, .. } => Some((start.checked_add(position)?, length)),
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
        position,
        holder: little_u16(map, 38).ok_or_else(broken)?,
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
        let maps =
            vec![Partition::Physical { number: 0, start: 4096 }, Partition::Metadata(pieces(&extents))];
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
