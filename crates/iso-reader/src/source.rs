//! Where the bytes of an image come from: the public trait [`ReadAt`], and [`Image`], through which a tree is
//! read. Every read of an [`Image`] passes a bounds check and a budget.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::sync::Arc;

use crate::error::{Error, LimitReached};
use crate::limits::{METADATA_FLOOR, METADATA_RATIO};

/// Bytes of a logical sector (ECMA-119 6.1.2), whatever the size of a logical block.
pub(crate) const SECTOR: u64 = 2048;

/// Positioned reads from an image, for any number of threads.
///
/// The methods take `&self`, so one open file serves every reader without a shared cursor.
pub trait ReadAt {
    /// Reads into `buffer` from byte `offset` on and returns how many bytes were read.
    ///
    /// Fewer bytes than asked for may be read. None means that the image ends at or before `offset`.
    ///
    /// # Errors
    ///
    /// Those of the source. [`io::ErrorKind::Interrupted`] is retried by the crate.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The size of the image in bytes.
    ///
    /// # Errors
    ///
    /// Those of the source.
    fn size(&self) -> io::Result<u64>;
}

#[cfg(unix)]
impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        let metadata = self.metadata()?;
        if metadata.is_file() {
            return Ok(metadata.len());
        }
        // The metadata of a block device, such as an optical drive, has no length: seek its end.
        let mut file = self;
        file.seek(SeekFrom::End(0))
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        u64::try_from(self.len()).map_err(io::Error::other)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.as_slice().size()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Box<T> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

/// Fills `buffer` from byte `offset` on.
///
/// # Errors
///
/// [`io::ErrorKind::UnexpectedEof`] if the source ends before the buffer is full.
pub(crate) fn read_exact_at(source: &dyn ReadAt, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let count = match source.read_at(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let overlong = || io::Error::other("the source claims to have read more than the buffer holds");
        buffer = buffer.get_mut(count..).ok_or_else(overlong)?;
        offset =
            u64::try_from(count).ok().and_then(|count| offset.checked_add(count)).ok_or_else(overlong)?;
    }
    Ok(())
}

/// A source of known size that is read within its bounds and within a budget.
pub(crate) struct Image<'a> {
    source: &'a dyn ReadAt,
    size: u64,
    budget: u64,
}

impl<'a> Image<'a> {
    /// At most `limit` bytes may be read or interpreted before the image is refused. For a small image it is
    /// fewer, so that its size bounds the time that it takes.
    pub(crate) fn new(source: &'a dyn ReadAt, limit: u64) -> Result<Image<'a>, Error> {
        let size = source.size()?;
        let budget = size.saturating_mul(METADATA_RATIO).saturating_add(METADATA_FLOOR).min(limit);
        Ok(Image { source, size, budget })
    }

    /// Bytes in the image.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether `length` bytes from `offset` on lie inside the image.
    pub(crate) fn contains(&self, offset: u64, length: u64) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.size)
    }

    /// Takes `bytes` from the budget without reading, for bytes that are interpreted once more.
    pub(crate) fn spend(&mut self, bytes: u64) -> Result<(), Error> {
        self.budget = self.budget.checked_sub(bytes).ok_or(Error::Limit(LimitReached::MetadataBytes))?;
        Ok(())
    }

    /// Fills `buffer` from `offset` on. `false` if those bytes are not all inside the image.
    pub(crate) fn read(&mut self, buffer: &mut [u8], offset: u64) -> Result<bool, Error> {
        let Ok(length) = u64::try_from(buffer.len()) else { return Ok(false) };
        if !self.contains(offset, length) {
            return Ok(false);
        }
        self.spend(length)?;
        read_exact_at(self.source, buffer, offset)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Gives one byte at a time and is interrupted before each.
    struct Slow(Cell<bool>);

    impl ReadAt for Slow {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            if self.0.replace(!self.0.get()) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            b"slowly".as_slice().read_at(&mut buffer[..1], offset)
        }

        fn size(&self) -> io::Result<u64> {
            Ok(6)
        }
    }

    /// Claims to have read more than it was asked for.
    struct Liar;

    impl ReadAt for Liar {
        fn read_at(&self, buffer: &mut [u8], _: u64) -> io::Result<usize> {
            Ok(buffer.len() + 1)
        }

        fn size(&self) -> io::Result<u64> {
            Ok(u64::MAX)
        }
    }

    #[test]
    fn short_and_interrupted_reads_go_on() {
        let mut buffer = [0; 5];
        read_exact_at(&Slow(Cell::new(true)), &mut buffer, 1).unwrap();
        assert_eq!(&buffer, b"lowly");
        let error = read_exact_at(&Slow(Cell::new(true)), &mut buffer, 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(read_exact_at(&Liar, &mut buffer, 0).is_err());
        assert!(read_exact_at(&Liar, &mut buffer, u64::MAX).is_err());
    }

    #[test]
    fn reads_keep_to_the_image_and_to_the_budget() {
        let bytes = vec![7; 100];
        let mut image = Image::new(&bytes, 150).unwrap();
        let mut buffer = [0; 50];
        assert!(image.read(&mut buffer, 50).unwrap());
        assert!(!image.read(&mut buffer, 51).unwrap());
        assert!(!image.read(&mut buffer, u64::MAX).unwrap());
        assert!(image.read(&mut buffer, 0).unwrap() && image.read(&mut buffer, 0).unwrap());
        assert!(matches!(image.read(&mut buffer, 0), Err(Error::Limit(LimitReached::MetadataBytes))));
    }

    #[test]
    fn the_budget_grows_with_the_image() {
        for size in [0, 1000, 100_000] {
            let bytes = vec![7; size];
            let mut image = Image::new(&bytes, u64::MAX).unwrap();
            let budget = METADATA_FLOOR + METADATA_RATIO * u64::try_from(size).unwrap();
            image.spend(budget).unwrap();
            assert!(matches!(image.spend(1), Err(Error::Limit(LimitReached::MetadataBytes))));
        }
    }

    #[test]
    fn slices_end() {
        let bytes: &[u8] = b"abc";
        let mut buffer = [0; 4];
        for (offset, count) in [(0, 3), (2, 1), (3, 0), (u64::MAX, 0)] {
            assert_eq!(bytes.read_at(&mut buffer, offset).unwrap(), count);
        }
    }
}
