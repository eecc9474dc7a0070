//! Blocks read through a window over the image. Writers put the descriptors of files beside each other, so
//! one read serves many of them. Where descriptors are scattered, hardly more than their blocks is read.

use crate::error::Error;
use crate::source::Image;

/// The fewest bytes read at once, for blocks in no order: the largest block.
const SHORTEST: u64 = 4 << 10;
/// The most bytes read at once, for blocks in the order of the image.
const LONGEST: u64 = 256 << 10;

/// A window over the image, which moves only to a block that it does not hold.
#[derive(Default)]
pub(crate) struct Blocks {
    window: Vec<u8>,
    start: u64,
    /// The first byte of the window that no block before has covered.
    fresh: u64,
}

impl Blocks {
    /// `length` bytes from `offset` on; `None` if they leave the image. The caller has checked that
    /// `length` is at most that of a block.
    pub(crate) fn read(
        &mut self,
        image: &mut Image<'_>,
        offset: u64,
        length: u64,
    ) -> Result<Option<&[u8]>, Error> {
        if !image.contains(offset, length) {
            return Ok(None);
        }
        let end = offset.saturating_add(length);
        let size = u64::try_from(self.window.len()).unwrap_or(u64::MAX);
        let window_end = self.start.saturating_add(size);
        if offset < self.start || end > window_end {
            // A block a little behind the window means reading in order: double the window.
            let is_near = (self.start..=window_end.saturating_add(size)).contains(&offset);
            let wanted = if is_near { size.saturating_mul(2).clamp(SHORTEST, LONGEST) } else { SHORTEST };
            let available = image.size().saturating_sub(offset);
            let wanted = usize::try_from(wanted.max(length).min(available)).unwrap_or(usize::MAX);
            (self.start, self.fresh) = (offset, offset);
            self.window.resize(wanted, 0);
            if !image.read(&mut self.window, offset)? {
                self.window.clear();
                return Ok(None);
            }
        }
        // The budget has paid for the window. Many names may mean one block, so it pays again for each.
        if offset < self.fresh {
            image.spend(length)?;
        }
        self.fresh = self.fresh.max(end);
        let at = |position: u64| usize::try_from(position.saturating_sub(self.start)).unwrap_or(usize::MAX);
        Ok(self.window.get(at(offset)..at(end)))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io;

    use super::*;
    use crate::source::ReadAt;

    /// An image whose bytes depend on their block, and a count of the reads.
    struct Counted(Cell<usize>);

    impl ReadAt for Counted {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.set(self.0.get() + 1);
            for (at, byte) in (offset..).zip(buffer.iter_mut()) {
                *byte = u8::try_from(at / 2048 % 251).unwrap();
            }
            Ok(buffer.len())
        }

        fn size(&self) -> io::Result<u64> {
            Ok(10_000 * 2048)
        }
    }

    #[test]
    fn blocks_in_order_are_read_together() {
        let source = Counted(Cell::new(0));
        let mut image = Image::new(&source, u64::MAX).unwrap();
        let mut blocks = Blocks::default();
        for block in (0..5000_u64).chain((0..5000).map(|at| at * 7919 % 10_000)) {
            let bytes = blocks.read(&mut image, block * 2048, 2048).unwrap().unwrap();
            assert_eq!(bytes, [u8::try_from(block % 251).unwrap(); 2048]);
            if block == 4999 && source.0.get() < 100 {
                assert!(source.0.get() < 60, "{} reads for 5000 blocks", source.0.get());
            }
        }
        assert!(source.0.get() > 2000, "blocks far apart are read one by one");
    }

    #[test]
    fn the_same_block_costs_each_time() {
        let bytes = vec![7; 4096];
        let mut image = Image::new(&bytes, 4096 + 3 * 512).unwrap();
        let mut blocks = Blocks::default();
        for offset in [0, 512, 1024, 3584, 0, 512, 512] {
            assert!(blocks.read(&mut image, offset, 512).unwrap().is_some());
        }
        assert!(blocks.read(&mut image, 512, 512).is_err());
    }

    #[test]
    fn windows_stay_inside_the_image_and_the_budget() {
        let bytes = vec![7; 5000];
        let mut image = Image::new(&bytes, 9000).unwrap();
        let mut blocks = Blocks::default();
        for (offset, inside) in [(0, true), (4488, true), (4489, false), (u64::MAX, false)] {
            assert_eq!(blocks.read(&mut image, offset, 512).unwrap().is_some(), inside, "{offset}");
        }
        // The budget has paid for 4096 and 512 bytes, and these are as many as the rest.
        assert!(blocks.read(&mut image, 0, 512).unwrap().is_some());
        assert!(blocks.read(&mut image, 4488, 512).is_err());
    }
}
