//! Where the bytes of a file lie in the image, and how that is held in memory: 16 bytes an extent.

use std::iter::FusedIterator;

/// A run of bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where the run starts in the image, in bytes. 0 for [`ExtentData::Zeros`].
    pub offset: u64,
    /// Bytes in the run.
    pub length: u64,
    /// Whether the image holds the bytes.
    pub data: ExtentData,
}

/// Where the bytes of an extent come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtentData {
    /// They are in the image at [`Extent::offset`].
    Recorded,
    /// They are zeros that the image does not hold. UDF has such holes, ISO 9660 has not.
    Zeros,
}

/// The extents of a file in the order of its bytes.
#[derive(Clone, Debug)]
pub struct Extents<'a> {
    single: Option<Extent>,
    table: std::slice::Iter<'a, StoredExtent>,
}

impl<'a> Extents<'a> {
    /// `single`, then the extents of `table`.
    pub(super) fn new(single: Option<Extent>, table: &'a [StoredExtent]) -> Extents<'a> {
        Extents { single, table: table.iter() }
    }
}

impl Iterator for Extents<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        self.single.take().or_else(|| self.table.next().map(|stored| stored.extent()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.table.len().saturating_add(usize::from(self.single.is_some()));
        (count, Some(count))
    }
}

impl ExactSizeIterator for Extents<'_> {}
impl FusedIterator for Extents<'_> {}

/// The flag in [`StoredExtent::length`] of an extent that reads as zeros.
const ZEROS: u64 = 1 << 63;

/// An extent in 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredExtent {
    offset: u64,
    length: u64,
}

impl StoredExtent {
    /// `None` if the length does not fit beside the flag, which no image reaches.
    pub(crate) fn new(extent: Extent) -> Option<StoredExtent> {
        let flag = match extent.data {
            ExtentData::Recorded => 0,
            ExtentData::Zeros => ZEROS,
        };
        (extent.length < ZEROS)
            .then_some(StoredExtent { offset: extent.offset, length: extent.length | flag })
    }

    pub(crate) fn extent(self) -> Extent {
        let data = if self.length & ZEROS == 0 { ExtentData::Recorded } else { ExtentData::Zeros };
        Extent { offset: self.offset, length: self.length & !ZEROS, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_come_back_as_they_were() {
        for data in [ExtentData::Recorded, ExtentData::Zeros] {
            let extent = Extent { offset: u64::MAX, length: ZEROS - 1, data };
            assert_eq!(StoredExtent::new(extent).map(StoredExtent::extent), Some(extent));
            assert!(StoredExtent::new(Extent { length: ZEROS, ..extent }).is_none());
        }
    }
}
