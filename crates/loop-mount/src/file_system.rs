//! The file system of an image, recognised by its first bytes, and the options for its mount. The kernel gets
//! exactly one type: trying each in turn would mount a Windows disc as ISO 9660, where it holds only a
//! README.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A file system that this crate mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Squashfs,
    Erofs,
    Iso9660,
    Udf,
    Ext4,
}

/// ECMA-167 2/8.3.1 and ECMA-119 §6.2.1 both leave the first 16 sectors of 2048 bytes to the boot loader.
const DESCRIPTORS: u64 = 16 * SECTOR;
const SECTOR: u64 = 2048;

/// Descriptors that are read in the search for UDF. A bridge disc has a handful of ISO 9660 ones before its
/// `NSR`.
const DESCRIPTOR_LIMIT: u64 = 64;

impl FileSystem {
    /// The file system of `image`; `None` if this crate does not know it.
    ///
    /// Long signatures come before short ones, because a short one is more often there by chance.
    pub(crate) fn of(image: &File) -> io::Result<Option<Self>> {
        if holds(image, 0, b"hsqs")? {
            return Ok(Some(Self::Squashfs));
        }
        if let Some(disc) = Self::of_disc(image)? {
            return Ok(Some(disc));
        }
        if holds(image, 1024, &0xE0F5_E1E2_u32.to_le_bytes())? {
            return Ok(Some(Self::Erofs));
        }
        // The superblock starts at 1024, its magic 56 bytes later. The driver ext4 reads ext2 and ext3 as
        // well.
        if holds(image, 1024 + 56, &0xEF53_u16.to_le_bytes())? {
            return Ok(Some(Self::Ext4));
        }
        Ok(None)
    }

    /// Tells ISO 9660 from UDF. A bridge disc holds both. With Rock Ridge, ISO 9660 is the better tree: UDF
    /// by `genisoimage` cuts long names and loses links. Without it UDF is better, because ISO 9660 often
    /// holds only a README.
    fn of_disc(image: &File) -> io::Result<Option<Self>> {
        let mut iso9660 = false;
        let mut udf = false;
        for index in 0..DESCRIPTOR_LIMIT {
            let mut identifier = [0; 5];
            if !read(image, DESCRIPTORS + index * SECTOR + 1, &mut identifier)? {
                break;
            }
            match &identifier {
                b"CD001" => iso9660 = true,
                b"NSR02" | b"NSR03" => udf = true,
                b"BEA01" | b"BOOT2" | b"TEA01" => {}
                _ => break,
            }
        }
        Ok(match (iso9660, udf) {
            (true, true) if has_rock_ridge(image)? => Some(Self::Iso9660),
            (_, true) => Some(Self::Udf),
            (true, false) => Some(Self::Iso9660),
            (false, false) => None,
        })
    }

    /// The name in the kernel.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::Iso9660 => "iso9660",
            Self::Udf => "udf",
            Self::Ext4 => "ext4",
        }
    }

    /// Options beyond the flags that every mount gets.
    pub(crate) fn options(self) -> Option<&'static std::ffi::CStr> {
        match self {
            // Without it, letters outside ASCII become question marks in Joliet and UDF trees.
            Self::Iso9660 | Self::Udf => Some(c"iocharset=utf8"),
            // A journal cannot be replayed onto a read-only device.
            Self::Ext4 => Some(c"norecovery"),
            Self::Squashfs | Self::Erofs => None,
        }
    }
}

/// Whether there is Rock Ridge. Then the system use area of the first record in the root directory begins
/// with an
/// `SP` entry (SUSP §5.3). It is at byte 34, or behind the 14 bytes of a CD-ROM XA disc.
fn has_rock_ridge(image: &File) -> io::Result<bool> {
    let mut block_size = [0; 2];
    let mut root = [0; 4];
    // ECMA-119 §8.4.12 and §9.1.3: block size, and first block of the root directory. The little-endian
    // halves are read.
    if !read(image, DESCRIPTORS + 128, &mut block_size)? || !read(image, DESCRIPTORS + 156 + 2, &mut root)? {
        return Ok(false);
    }
    let record = u64::from(u32::from_le_bytes(root)) * u64::from(u16::from_le_bytes(block_size));
    let entry = [b'S', b'P', 7, 1, 0xBE, 0xEF];
    Ok(holds(image, record + 34, &entry)? || holds(image, record + 34 + 14, &entry)?)
}

/// Whether the bytes at `offset` are `expected`.
fn holds(image: &File, offset: u64, expected: &[u8]) -> io::Result<bool> {
    let mut found = [0; 8];
    let found = &mut found[..expected.len()];
    Ok(read(image, offset, found)? && found == expected)
}

/// Fills `buffer` from `offset`; `false` when the file ends before.
fn read(image: &File, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
    match image.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// Bytes of an image, each with its offset.
    type Pieces = [(u64, &'static [u8])];

    /// A file of 64 KiB that holds the given pieces.
    fn image(pieces: &Pieces) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 * 1024).unwrap();
        for (offset, bytes) in pieces {
            file.write_all_at(bytes, *offset).unwrap();
        }
        file
    }

    #[test]
    fn each_signature_is_recognised() {
        const SECTOR_16: u64 = 0x8001;
        let rock_ridge: &'static [u8] = b"SP\x07\x01\xBE\xEF";
        let cases: &[(&str, &Pieces, Option<FileSystem>)] = &[
            ("squashfs", &[(0, b"hsqs")], Some(FileSystem::Squashfs)),
            ("erofs", &[(1024, b"\xE2\xE1\xF5\xE0")], Some(FileSystem::Erofs)),
            ("ext4", &[(1080, b"\x53\xEF")], Some(FileSystem::Ext4)),
            ("iso9660", &[(SECTOR_16, b"CD001")], Some(FileSystem::Iso9660)),
            ("udf", &[(SECTOR_16, b"BEA01"), (SECTOR_16 + 2048, b"NSR02")], Some(FileSystem::Udf)),
            (
                "bridge without Rock Ridge",
                &[(SECTOR_16, b"CD001"), (SECTOR_16 + 2048, b"BEA01"), (SECTOR_16 + 4096, b"NSR03")],
                Some(FileSystem::Udf),
            ),
            (
                "bridge with Rock Ridge in its root directory at block 20",
                &[
                    (SECTOR_16, b"CD001"),
                    (0x8000 + 128, &[0, 8]),
                    (0x8000 + 158, &[20, 0, 0, 0]),
                    (20 * 2048 + 34, rock_ridge),
                    (SECTOR_16 + 2048, b"BEA01"),
                    (SECTOR_16 + 4096, b"NSR03"),
                ],
                Some(FileSystem::Iso9660),
            ),
            (
                "an ISO whose boot area looks like ext4",
                &[(1080, b"\x53\xEF"), (SECTOR_16, b"CD001")],
                Some(FileSystem::Iso9660),
            ),
            ("NSR behind a gap", &[(SECTOR_16 + 2048, b"NSR02")], None),
            ("zeros", &[], None),
        ];
        for (name, pieces, expected) in cases {
            assert_eq!(FileSystem::of(&image(pieces)).unwrap(), *expected, "{name}");
        }
    }

    #[test]
    fn a_file_that_ends_early_is_not_recognised() {
        let file = tempfile::tempfile().unwrap();
        for length in [0, 3, 1027, 0x8003] {
            file.set_len(length).unwrap();
            assert_eq!(FileSystem::of(&file).unwrap(), None, "{length} bytes");
        }
    }
}
