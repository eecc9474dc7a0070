//! The extents of a file: allocation descriptors (ECMA-167 4/14.14), in its entry and in a chain of further
//! blocks.

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
/// The bits of a length field that are the length (ECMA-167 4/14.14.1.1). The upper two are the kind.
const LENGTH_MASK: u32 = 0x3FFF_FFFF;

/// Why the bytes of a file cannot be read.
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

/// The extents of one file, cut to its size. With a fault they end where it was found.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) extents: Vec<Extent>,
    pub(crate) fault: Option<BodyFault>,
    size: u64,
    /// Bytes in the extents.
    collected: u64,
    form: Form,
    partition: u16,
    /// The block where the allocation descriptors continue.
    next: Option<Address>,
}

impl Body {
    /// Reads the descriptors or bytes in the entry itself, whose block is at byte `offset` of the image.
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
            Form::Short | Form::Long => body.add(entry.descriptors, partitions, image, limits),
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
        // The limit ends a chain that is a loop.
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
            self.add(descriptors, partitions, image, limits);
        }
        if self.next.is_some() {
            self.fault = self.fault.or(Some(BodyFault::Chain));
        }
        if self.collected < self.size {
            self.fault = self.fault.or(Some(BodyFault::Incomplete));
        }
        Ok(())
    }

    /// Appends zeros to a file whose descriptors end too soon; `false` if it has no or another fault.
    ///
    /// Linux writes no descriptor for a hole at the end of a file.
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

    /// Adds allocation descriptors up to the size of the file. Further ones are only reserved for it
    /// (ECMA-167 4/12.1).
    fn add(&mut self, mut area: &[u8], partitions: &Partitions, image: &Image<'_>, limits: &Limits) {
        const RECORDED: u32 = 0;
        const CONTINUED: u32 = 3;
        while self.collected < self.size && self.fault.is_none() {
            let Some((length, address)) = self.split(&mut area) else { break };
            let (kind, length) = (length >> 30, u64::from(length & LENGTH_MASK));
            // A length of zero ends the list, whatever the kind (ECMA-167 4/12).
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
                // Extents that were never written read as zeros, allocated or not.
                _ => self.push(Extent { offset: 0, length, data: ExtentData::Zeros }, limits),
            }
        }
    }

    /// Splits one descriptor off: its length field and its address.
    fn split(&self, area: &mut &[u8]) -> Option<(u32, Address)> {
        let length = little_u32(area, 0)?;
        let (address, size) = match self.form {
            Form::Long => (Address::parse(area, 4)?, 16),
            _ => (Address { block: little_u32(area, 4)?, partition: self.partition }, 8),
        };
        *area = area.get(size..)?;
        Some((length, address))
    }

    /// Extends the last extent to the end of its block, since another one follows.
    ///
    /// Only the last extent of a file may end inside a block (ECMA-167 4/12.1). Linux writes others that do,
    /// and reads them as whole blocks.
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
            // A directory is read up to the end of an image that was cut off.
            let available = image.size().saturating_sub(offset).min(run);
            self.push(Extent { offset, length: available, data: ExtentData::Recorded }, limits);
            if available < run {
                self.fault = Some(BodyFault::Outside);
            }
            done = done.saturating_add(run);
        }
    }

    /// Appends an extent. One that starts where the last one ends extends that one.
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

/// The allocation descriptors in a block of a chain. The CRC is checked, but not the location: some writers
/// do not record it, and Linux ignores it.
fn descriptors_of(block: &[u8]) -> Option<&[u8]> {
    let tag = Tag::parse(block).filter(|tag| tag.identifier == tag::ALLOCATION_EXTENT)?;
    let length = usize::try_from(little_u32(block, 20)?).ok()?;
    block.get(EXTENT_HEADER..)?.get(..length).filter(|_| tag.is_intact(block))
}
