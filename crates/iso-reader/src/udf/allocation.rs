//! Where the bytes of a file lie: allocation descriptors (ECMA-167 4/14.14), in its entry and in a chain
//! of further blocks.

use std::fmt;

use crate::bytes::little_u32;
use crate::error::Error;
use crate::index::{Extent, ExtentData};
use crate::limits::Limits;
use crate::source::Image;
use crate::udf::address::Address;
use crate::udf::blocks::Blocks;
use crate::udf::entry::{FileEntry, Form};
use crate::udf::partition::Partitions;
use crate::udf::tag::{self, Tag};

/// Bytes of an allocation extent descriptor before its allocation descriptors (ECMA-167 4/14.5).
const EXTENT_HEADER: usize = 24;
/// The part of a length that is a length (ECMA-167 4/14.14.1.1); the kind is above.
const LENGTH_MASK: u32 = 0x3FFF_FFFF;

/// Why the bytes of a file cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// An extent leaves the image.
    Outside,
    /// An extent lies in no partition, or in a hole of the metadata partition.
    Nowhere,
    /// The extents hold fewer bytes than the file has.
    Incomplete,
    /// More extents than [`Limits::extents_per_file`].
    TooMany,
    /// The form of the allocation descriptors is not one of UDF.
    Form,
    /// The chain of blocks with allocation descriptors is broken, or has more than
    /// [`Limits::udf_allocation_blocks`].
    Chain,
}

impl fmt::Display for BodyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            BodyFault::Outside => "it leaves the image",
            BodyFault::Nowhere => "it has an extent outside its partition",
            BodyFault::Incomplete => "part of it is not recorded",
            BodyFault::TooMany => "it has too many extents",
            BodyFault::Form => "its allocation descriptors are of a kind that UDF does not allow",
            BodyFault::Chain => "the chain of its allocation descriptors is broken",
        })
    }
}

/// The extents of one file, cut to its size. With a fault they end where it was met.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) extents: Vec<Extent>,
    pub(crate) fault: Option<BodyFault>,
    size: u64,
    /// Bytes in the extents.
    collected: u64,
    form: Form,
    partition: u16,
    /// Where the allocation descriptors go on.
    next: Option<Address>,
}

impl Body {
    /// Takes in what the entry itself holds, which is in the block at byte `offset` of the image.
    pub(crate) fn start(
        entry: &FileEntry<'_>,
        offset: u64,
        partitions: &Partitions,
        image: &Image<'_>,
        limits: &Limits,
    ) -> Body {
        let (size, form, partition) = (entry.size, entry.form, entry.address.partition);
        let mut body =
            Body { extents: Vec::new(), fault: None, size, collected: 0, form, partition, next: None };
        match form {
            Form::Short | Form::Long => body.take(entry.descriptors, partitions, image, limits),
            Form::Extended => body.fault = Some(BodyFault::Form),
            Form::Embedded => {
                let at = u64::try_from(entry.descriptors_at).unwrap_or(u64::MAX);
                let length = u64::try_from(entry.descriptors.len()).unwrap_or(u64::MAX).min(size);
                body.push(
                    Extent { offset: offset.saturating_add(at), length, data: ExtentData::Recorded },
                    limits,
                );
            }
        }
        body
    }

    /// Follows the chain of further allocation descriptors to its end.
    pub(crate) fn follow(
        &mut self,
        blocks: &mut Blocks,
        partitions: &Partitions,
        image: &mut Image<'_>,
        limits: &Limits,
    ) -> Result<(), Error> {
        let size = u64::from(partitions.block_size);
        // A chain that closes into a loop ends with the number of its blocks.
        for _ in 0..limits.udf_allocation_blocks {
            let Some(address) = self.next.take().filter(|_| self.fault.is_none()) else { break };
            let block = match partitions.run(address, 0, size).filter(|(_, length)| *length == size) {
                Some((offset, _)) => blocks.read(image, offset, size)?,
                None => None,
            };
            let descriptors = block.and_then(descriptors_of);
            let Some(descriptors) = descriptors else {
                self.fault = Some(BodyFault::Chain);
                break;
            };
            self.take(descriptors, partitions, image, limits);
        }
        if self.next.is_some() {
            self.fault = self.fault.or(Some(BodyFault::Chain));
        }
        if self.collected < self.size {
            self.fault = self.fault.or(Some(BodyFault::Incomplete));
        }
        Ok(())
    }

    /// Lets a file whose descriptors end too soon go on with zeros; `false` if that is not what is wrong with it. Linux
    /// writes no descriptor for a hole at the end of a file.
    pub(crate) fn fill_end(&mut self, limits: &Limits) -> bool {
        let fills =
            self.fault == Some(BodyFault::Incomplete) && matches!(self.form, Form::Short | Form::Long);
        if fills {
            self.fault = None;
            let length = self.size.saturating_sub(self.collected);
            self.push(Extent { offset: 0, length, data: ExtentData::Zeros }, limits);
        }
        fills
    }

    /// Takes in allocation descriptors up to the size of the file: what is behind was only reserved
    /// for it (ECMA-167 4/12.1).
    fn take(&mut self, mut area: &[u8], partitions: &Partitions, image: &Image<'_>, limits: &Limits) {
        const RECORDED: u32 = 0;
        const CONTINUED: u32 = 3;
        while self.collected < self.size && self.fault.is_none() {
            let Some((length, address)) = self.split(&mut area) else { break };
            let (kind, length) = (length >> 30, u64::from(length & LENGTH_MASK));
            // One of length zero ends the list, whatever its kind (ECMA-167 4/12).
            if length == 0 {
                break;
            }
            if kind == CONTINUED {
                self.next = Some(address);
                break;
            }
            self.fill_block(partitions, image);
            let length = length.min(self.size.saturating_sub(self.collected));
            match kind {
                RECORDED => self.add_recorded(address, length, partitions, image, limits),
                // What is allocated or not but never written reads as zeros.
                _ => self.push(Extent { offset: 0, length, data: ExtentData::Zeros }, limits),
            }
        }
    }

    /// Splits one descriptor off: its length with the kind in the upper two bits, and its place.
    fn split(&self, area: &mut &[u8]) -> Option<(u32, Address)> {
        let length = little_u32(area, 0)?;
        let (address, size) = match self.form {
            Form::Long => (Address::parse(area, 4)?, 16),
            _ => (Address { block: little_u32(area, 4)?, partition: self.partition }, 8),
        };
        *area = area.get(size..)?;
        Some((length, address))
    }

    /// Lets the last extent reach to the end of its block, since another one follows. Only the last extent of
    /// a file may end inside a block (ECMA-167 4/12.1), but Linux leaves others as short as they were when
    /// they were the last ones, and reads whole blocks.
    fn fill_block(&mut self, partitions: &Partitions, image: &Image<'_>) {
        let whole = self.collected.checked_next_multiple_of(u64::from(partitions.block_size));
        let missing = whole.unwrap_or(self.size).min(self.size).saturating_sub(self.collected);
        let Some(last) = self.extents.last_mut().filter(|_| missing > 0) else { return };
        let length = last.length.saturating_add(missing);
        if last.data == ExtentData::Recorded && !image.contains(last.offset, length) {
            self.fault = Some(BodyFault::Outside);
            return;
        }
        last.length = length;
        self.collected = self.collected.saturating_add(missing);
    }

    fn add_recorded(
        &mut self,
        address: Address,
        length: u64,
        partitions: &Partitions,
        image: &Image<'_>,
        limits: &Limits,
    ) {
        let mut done = 0;
        while done < length && self.fault.is_none() {
            let Some((offset, run)) = partitions.run(address, done, length.saturating_sub(done)) else {
                self.fault = Some(BodyFault::Nowhere);
                break;
            };
            // The part of a directory that is there can be read although its end was cut off.
            let available = image.size().saturating_sub(offset).min(run);
            self.push(Extent { offset, length: available, data: ExtentData::Recorded }, limits);
            if available < run {
                self.fault = Some(BodyFault::Outside);
            }
            done = done.saturating_add(run);
        }
    }

    /// Appends an extent. One that goes on where the last one ends extends it.
    fn push(&mut self, extent: Extent, limits: &Limits) {
        if extent.length == 0 {
            return;
        }
        self.collected = self.collected.saturating_add(extent.length);
        let goes_on = |last: &&mut Extent| match extent.data {
            ExtentData::Recorded => last.offset.checked_add(last.length) == Some(extent.offset),
            ExtentData::Zeros => true,
        };
        let last = self.extents.last_mut().filter(|last| last.data == extent.data).filter(goes_on);
        if let Some(last) = last {
            last.length = last.length.saturating_add(extent.length);
        } else if self.extents.len() >= limits.extents_per_file {
            self.fault = Some(BodyFault::TooMany);
        } else {
            self.extents.push(extent);
        }
    }
}

/// The allocation descriptors in a block of a chain. Its location is not checked, for not all writers
/// record it and Linux does not ask, but its bytes are.
fn descriptors_of(block: &[u8]) -> Option<&[u8]> {
    let tag = Tag::parse(block).filter(|tag| tag.identifier == tag::ALLOCATION_EXTENT)?;
    let length = usize::try_from(little_u32(block, 20)?).ok()?;
    block.get(EXTENT_HEADER..)?.get(..length).filter(|_| tag.is_intact(block))
}
