//! The bytes of a file: where its extents lie in the image, and a plain way to read them.

use crate::error::{Corrupt, Error, Unsupported};
use crate::index::{DAMAGED, ExtentData, Extents};
use crate::kind::{Encoding, NodeId, NodeKind};
use crate::source::{ReadAt, read_exact_at};
use crate::tree::Tree;
use crate::zisofs::{self, PackedFile, Zisofs};

impl Tree {
    /// Where the bytes of `file` lie in the image.
    ///
    /// * Every recorded extent lies inside the image.
    /// * For [`Encoding::Plain`] the lengths add up to the size of the file.
    /// * A damaged file has no extents, nor has an empty one, a directory or a link.
    #[must_use]
    pub fn extents(&self, file: NodeId) -> Extents<'_> {
        self.index.extents(self.index.get(file.0))
    }

    /// Reads bytes of `file` from byte `offset` on, as many as `buffer` and the file hold.
    ///
    /// * Returns their number, which is less than `buffer` holds only at the end of the file.
    /// * `source` is what the tree was opened from.
    /// * After an error the bytes of `buffer` are unspecified.
    ///
    /// In a file in [`Encoding::Zisofs`] each block that the range touches is inflated once, in less than
    /// 512 KiB of memory. Read such a file in pieces of 128 KiB at multiples of 128 KiB: that is the largest
    /// block, so that no block is inflated for two pieces.
    ///
    /// # Errors
    ///
    /// * [`Error::NotAFile`] for a directory or a link.
    /// * [`Error::Corrupt`] for a damaged file, whatever the range, and for a compressed file whose blocks in
    ///   the range make no sense.
    /// * [`Error::Unsupported`] for an encoding that is not decoded.
    /// * [`Error::Io`] if `source` fails or has become shorter.
    pub fn read_at(
        &self,
        source: &impl ReadAt,
        file: NodeId,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<usize, Error> {
        let node = self.index.get(file.0);
        match node.encoding() {
            _ if node.kind() != NodeKind::File => Err(Error::NotAFile),
            _ if node.has(DAMAGED) => Err(Error::Corrupt(Corrupt::DamagedFile)),
            Encoding::Plain => read_extents(source, self.extents(file), buffer, offset),
            Encoding::Zisofs => {
                let extents = self.extents(file);
                let length = extents.clone().map(|extent| extent.length).fold(0, u64::saturating_add);
                let packed = ExtentReader { source, extents, length };
                zisofs::read_at(&packed, Zisofs::unpack(node.a), buffer, offset)
            }
            encoding => Err(Error::Unsupported(Unsupported::Encoding(encoding))),
        }
    }
}

/// Reads what extents hold, from byte `offset` of them on. Returns the number of bytes.
fn read_extents(
    source: &dyn ReadAt,
    extents: Extents<'_>,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, Error> {
    let mut start = 0_u64;
    let mut filled = 0_usize;
    for extent in extents {
        let end = start.saturating_add(extent.length);
        let position = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        let skip = position.saturating_sub(start);
        let rest = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
        let until = filled.saturating_add(rest).min(buffer.len());
        if let Some(part) = buffer.get_mut(filled..until).filter(|part| !part.is_empty()) {
            match extent.data {
                ExtentData::Recorded => read_exact_at(source, part, extent.offset.saturating_add(skip))?,
                ExtentData::Zeros => part.fill(0),
            }
            filled = until;
        }
        start = end;
    }
    Ok(filled)
}

/// A compressed file in its extents.
struct ExtentReader<'a> {
    source: &'a dyn ReadAt,
    extents: Extents<'a>,
    length: u64,
}

impl PackedFile for ExtentReader<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let count = read_extents(self.source, self.extents.clone(), buffer, offset)?;
        if count == buffer.len() { Ok(()) } else { Err(Error::Corrupt(Corrupt::CompressedFile)) }
    }
}
