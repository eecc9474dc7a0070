//! From the anchor to the volume descriptors (ECMA-167 3/8.4, 3/10): names of the volume, its partitions, and
//! the logical volume that they form.

use crate::bytes::{array, byte, little_u16, little_u32};
use crate::date;
use crate::error::Error;
use crate::limits::Limits;
use crate::source::Image;
use crate::udf::blocks::Blocks;
use crate::udf::tag::{self, Tag};
use crate::udf::text;
use crate::warnings::Warnings;

/// Sector sizes to try, the likeliest first.
const SECTOR_SIZES: [u32; 4] = [2048, 512, 4096, 1024];
/// The sector of the first anchor, and the distance of another one from the end of the volume (UDF 2.2.3).
const FIRST_ANCHOR: u64 = 256;

/// A run of sectors (ECMA-167 3/7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectorExtent {
    pub(crate) length: u32,
    pub(crate) location: u32,
}

impl SectorExtent {
    fn parse(bytes: &[u8], at: usize) -> Option<SectorExtent> {
        let length = little_u32(bytes, at)?;
        Some(SectorExtent { length, location: little_u32(bytes, at.checked_add(4)?)? })
    }

    fn sectors(self, sector_size: u32) -> u32 {
        self.length.checked_div(sector_size).unwrap_or_default()
    }
}

/// An anchor volume descriptor pointer (ECMA-167 3/10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) sector_size: u32,
    pub(crate) main: SectorExtent,
    pub(crate) reserve: SectorExtent,
}

/// All anchors of an image, in the order of [`SECTOR_SIZES`].
///
/// Two of the three sectors for anchors are counted from the end. The third is found in images that are cut
/// off or padded, too.
pub(crate) fn anchors(image: &mut Image<'_>) -> Result<Vec<Anchor>, Error> {
    let mut anchors = Vec::new();
    for sector_size in SECTOR_SIZES {
        let sectors = image.size().checked_div(u64::from(sector_size)).unwrap_or_default();
        let candidates = [Some(FIRST_ANCHOR), sectors.checked_sub(1), sectors.checked_sub(FIRST_ANCHOR + 1)];
        for sector in candidates.into_iter().flatten() {
            let mut bytes = [0; 512];
            if !image.read(&mut bytes, sector.saturating_mul(u64::from(sector_size)))? {
                continue;
            }
            // The location is wrong if the sector size is.
            let Ok(location) = u32::try_from(sector) else { continue };
            let is_sound = tag::expect(&bytes, &[tag::ANCHOR], location).is_ok();
            let extents = SectorExtent::parse(&bytes, 16).zip(SectorExtent::parse(&bytes, 24));
            if let Some((main, reserve)) = extents.filter(|_| is_sound) {
                anchors.push(Anchor { sector_size, main, reserve });
            }
        }
    }
    anchors.dedup();
    Ok(anchors)
}

/// The fields of a primary volume descriptor (ECMA-167 3/10.1) that a caller sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrimaryVolume {
    pub(crate) label: String,
    pub(crate) application: String,
    pub(crate) recorded: Option<i64>,
}

/// A partition descriptor (ECMA-167 3/10.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartitionDescriptor {
    pub(crate) number: u16,
    /// The first sector.
    pub(crate) start: u32,
    /// Sectors.
    pub(crate) length: u32,
}

/// The prevailing descriptors of a sequence: of each kind the one with the highest number
/// (ECMA-167 3/8.4.3).
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    primary: Option<(u32, PrimaryVolume)>,
    /// The bytes of the logical volume descriptor.
    logical: Option<(u32, Vec<u8>)>,
    partitions: Vec<(u32, PartitionDescriptor)>,
}

impl Sequence {
    /// Reads a sequence up to its end. Bytes that are no descriptor are skipped, so that one bad sector does
    /// not hide those behind it.
    pub(crate) fn read(
        image: &mut Image<'_>,
        sector_size: u32,
        extent: SectorExtent,
        limits: &Limits,
        warnings: &mut Warnings,
    ) -> Result<Sequence, Error> {
        let mut sequence = Sequence::default();
        let mut blocks = Blocks::default();
        let size = u64::from(sector_size);
        let mut location = extent.location;
        let mut left = extent.sectors(sector_size);
        // The limit ends a loop of pointers.
        for _ in 0..limits.udf_volume_sectors {
            let Some(fewer) = left.checked_sub(1) else { break };
            left = fewer;
            let Some(bytes) = blocks.read(image, u64::from(location).saturating_mul(size), size)? else {
                break;
            };
            // An unrecorded sector ends a sequence (ECMA-167 3/8.4.2).
            if bytes.iter().take(tag::LENGTH).all(|byte| *byte == 0) {
                break;
            }
            let tag = Tag::parse(bytes).ok_or(tag::Fault::NoDescriptor);
            match tag.and_then(|tag| tag.check(bytes, location).map(|()| tag.identifier)) {
                Ok(tag::TERMINATING) => break,
                Ok(tag::VOLUME_POINTER) => {
                    // The rest of an extent behind a pointer does not count (ECMA-167 3/10.3).
                    let Some(next) = SectorExtent::parse(bytes, 20) else { break };
                    (location, left) = (next.location, next.sectors(sector_size));
                    continue;
                }
                Ok(kind) => sequence.add(kind, bytes, limits).unwrap_or_default(),
                Err(fault) => warnings.add(|| format!("volume descriptor at sector {location}: {fault}")),
            }
            location = location.saturating_add(1);
        }
        Ok(sequence)
    }

    fn add(&mut self, kind: u16, bytes: &[u8], limits: &Limits) -> Option<()> {
        let number = little_u32(bytes, 16)?;
        match kind {
            tag::PRIMARY_VOLUME if prevails(number, self.primary.as_ref()) => {
                self.primary = Some((number, primary(bytes)?));
            }
            tag::LOGICAL_VOLUME if prevails(number, self.logical.as_ref()) => {
                self.logical = Some((number, bytes.to_vec()));
            }
            tag::PARTITION => {
                let (start, length) = (little_u32(bytes, 188)?, little_u32(bytes, 192)?);
                let new = PartitionDescriptor { number: little_u16(bytes, 22)?, start, length };
                let has_room = self.partitions.len() < limits.udf_partitions;
                match self.partitions.iter_mut().find(|(_, known)| known.number == new.number) {
                    Some(known) if prevails(number, Some(&*known)) => *known = (number, new),
                    None if has_room => self.partitions.push((number, new)),
                    _ => {}
                }
            }
            _ => {}
        }
        Some(())
    }

    pub(crate) fn primary(&self) -> PrimaryVolume {
        self.primary.as_ref().map(|(_, primary)| primary.clone()).unwrap_or_default()
    }

    /// The bytes of the logical volume descriptor.
    pub(crate) fn logical(&self) -> Option<&[u8]> {
        self.logical.as_ref().map(|(_, bytes)| bytes.as_slice())
    }

    pub(crate) fn partition(&self, number: u16) -> Option<PartitionDescriptor> {
        let mut partitions = self.partitions.iter().map(|(_, partition)| *partition);
        partitions.find(|partition| partition.number == number)
    }
}

/// Whether a descriptor prevails over the one before. Of two with one number, which should be equal, the
/// later one prevails, as in Linux.
fn prevails<T>(number: u32, before: Option<&(u32, T)>) -> bool {
    before.is_none_or(|(before, _)| number >= *before)
}

fn primary(bytes: &[u8]) -> Option<PrimaryVolume> {
    // The text of an identifier lies between a byte of flags and a suffix of eight bytes (ECMA-167 1/7.4).
    let (application, implementation) = (identifier(bytes, 345)?, identifier(bytes, 389)?);
    Some(PrimaryVolume {
        label: text::dstring(bytes.get(24..56)?),
        application: if application.is_empty() { implementation } else { application },
        recorded: date::timestamp(bytes.get(376..388)?),
    })
}

/// The text of an identifier, without the star that precedes those of implementations (UDF 2.1.5.2).
fn identifier(bytes: &[u8], at: usize) -> Option<String> {
    let field: [u8; 23] = array(bytes, at)?;
    let text = String::from_utf8_lossy(&field);
    Some(text.trim_matches([' ', '*', '\0']).to_owned())
}

/// A logical volume descriptor (ECMA-167 3/10.6).
pub(crate) struct LogicalVolume<'a> {
    pub(crate) label: String,
    pub(crate) block_size: u32,
    /// The long allocation descriptor of the file set (UDF 2.2.4.4).
    pub(crate) file_set: &'a [u8],
    /// The number of partition maps.
    pub(crate) map_count: u32,
    /// The partition maps, one behind the other.
    pub(crate) maps: &'a [u8],
}

impl<'a> LogicalVolume<'a> {
    /// `None` if the descriptor is shorter than its fields say.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<LogicalVolume<'a>> {
        let length = usize::try_from(little_u32(bytes, 264)?).ok()?;
        Some(LogicalVolume {
            label: text::dstring(bytes.get(84..212)?),
            block_size: little_u32(bytes, 212)?,
            file_set: bytes.get(248..264)?,
            map_count: little_u32(bytes, 268)?,
            maps: bytes.get(440..)?.get(..length)?,
        })
    }
}

/// The kind and the bytes of one partition map (ECMA-167 3/10.7), and the bytes behind it.
pub(crate) fn split_map(maps: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let length = usize::from(byte(maps, 1)?);
    let (map, rest) = maps.split_at_checked(length).filter(|_| length >= 2)?;
    Some((byte(map, 0)?, map, rest))
}
