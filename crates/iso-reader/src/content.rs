//! The bytes of a file: where its extents lie in the image, and a plain way to read them.

use std::iter::FusedIterator;

use crate::error::{Corrupt, Error, Unsupported};
use crate::node::{Encoding, NodeId, NodeKind};
use crate::source::{ReadAt, read_exact_at};
use crate::stored::{IN_TABLE, StoredExtent};
use crate::tree::Tree;
use crate::zisofs::{self, Stored, Zisofs};

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
    /// They are zeros that the image does not hold. ISO 9660 has no such holes, UDF has.
    Zeros,
}

/// The extents of a file in the order of its bytes.
#[derive(Clone, Debug)]
pub struct Extents<'a> {
    single: Option<Extent>,
    table: std::slice::Iter<'a, StoredExtent>,
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

impl Tree {
    /// Where the bytes of `file` lie in the image.
    ///
    /// Every recorded extent lies inside the image. For [`Encoding::Plain`] the lengths add up to the
    /// size of the file. A damaged file, an empty one and everything that is no file has no extents.
    #[must_use]
    pub fn extents(&self, file: NodeId) -> Extents<'_> {
        let node = self.node(file);
        let mut extents = Extents { single: None, table: [].iter() };
        if node.kind() != NodeKind::File || node.is_damaged() {
            return extents;
        }
        if node.stored.has(IN_TABLE) {
            extents.table = self.index.table(node.stored).iter();
        } else if node.stored.a > 0 {
            extents.single =
                Some(Extent { offset: node.stored.b, length: node.stored.a, data: ExtentData::Recorded });
        }
        extents
    }

    /// Reads bytes of `file` from byte `offset` on, as many as `buffer` and the file hold. Returns their
    /// number: less than `buffer` holds only at the end of the file.
    ///
    /// `source` is what the tree was opened from. Of a file in [`Encoding::Zisofs`] the blocks that the range
    /// touches are inflated, each once, in less than 512 KiB of memory. Whoever reads such a file in pieces
    /// does best with 128 KiB at multiples of 128 KiB: that is the largest block, so that none is inflated
    /// for two pieces.
    ///
    /// # Errors
    ///
    /// [`Error::NotAFile`]; [`Error::Corrupt`] for a damaged file, whatever the range, and for a compressed
    /// one whose blocks in the range make no sense; [`Error::Unsupported`] for an encoding that is not
    /// decoded; [`Error::Io`] if `source` fails or has become shorter. After an error `buffer` holds
    /// anything.
    pub fn read_at(
        &self,
        source: &impl ReadAt,
        file: NodeId,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<usize, Error> {
        let node = self.node(file);
        match node.encoding() {
            _ if node.kind() != NodeKind::File => Err(Error::NotAFile),
            _ if node.is_damaged() => Err(Error::Corrupt(Corrupt::DamagedFile)),
            Encoding::Plain => self.read_extents(&source, file, buffer, offset),
            Encoding::Zisofs => {
                let length = self.extents(file).map(|extent| extent.length).fold(0, u64::saturating_add);
                let stored = StoredFile { tree: self, source: &source, file, length };
                zisofs::read_at(&stored, Zisofs::unpack(node.stored.a), buffer, offset)
            }
            encoding => Err(Error::Unsupported(Unsupported::Encoding(encoding))),
        }
    }

    /// Reads what the extents of a file hold.
    fn read_extents(
        &self,
        source: &dyn ReadAt,
        file: NodeId,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<usize, Error> {
        let mut start = 0_u64;
        let mut filled = 0_usize;
        for extent in self.extents(file) {
            let end = start.saturating_add(extent.length);
            let position = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            let skip = position.saturating_sub(start);
            let rest = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
            let until = filled.saturating_add(rest).min(buffer.len());
            if let Some(part) = buffer.get_mut(filled..until).filter(|part| !part.is_empty()) {
                match extent.data {
                    ExtentData::Recorded => {
                        read_exact_at(source, part, extent.offset.saturating_add(skip))?;
                    }
                    ExtentData::Zeros => part.fill(0),
                }
                filled = until;
            }
            start = end;
        }
        Ok(filled)
    }
}

/// A compressed file, as it is stored.
struct StoredFile<'a> {
    tree: &'a Tree,
    source: &'a dyn ReadAt,
    file: NodeId,
    length: u64,
}

impl Stored for StoredFile<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let count = self.tree.read_extents(self.source, self.file, buffer, offset)?;
        if count == buffer.len() { Ok(()) } else { Err(Error::Corrupt(Corrupt::CompressedFile)) }
    }
}
