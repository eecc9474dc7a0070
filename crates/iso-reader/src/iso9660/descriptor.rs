//! One volume descriptor (ECMA-119 8): its type, and the fields that a tree or a caller needs.

use crate::bytes::{array, both_u16, both_u32, byte, little_u32};
use crate::date;
use crate::error::{Corrupt, Error};
use crate::iso9660::record::{Record, SHORTEST};
use crate::warnings::Warnings;

/// Types of descriptors (ECMA-119 8.1.1).
pub(crate) const BOOT: u8 = 0;
pub(crate) const PRIMARY: u8 = 1;
pub(crate) const SUPPLEMENTARY: u8 = 2;
pub(crate) const TERMINATOR: u8 = 255;

/// The primary volume descriptor (ECMA-119 8.4).
pub(crate) struct PrimaryDescriptor {
    pub(crate) root: Root,
    pub(crate) label: String,
    pub(crate) system: String,
    pub(crate) publisher: String,
    pub(crate) application: String,
    pub(crate) created: Option<i64>,
    pub(crate) declared_size: u64,
}

/// The root directory of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    pub(crate) block_size: u16,
    pub(crate) block: u64,
    pub(crate) length: u32,
    pub(crate) modified: Option<i64>,
}

impl Root {
    /// The byte of the image where the directory starts.
    pub(crate) fn offset(&self) -> u64 {
        self.block.saturating_mul(u64::from(self.block_size))
    }

    /// Reads the block size and the root record (ECMA-119 8.4.12, 8.4.18), which lie at the same bytes of all
    /// types of descriptors.
    pub(crate) fn parse(descriptor: &[u8], warnings: &mut Warnings) -> Result<Root, Error> {
        let size = both_u16(descriptor, 128).ok_or(Error::NotAnImage)?;
        if !matches!(size.value, 512 | 1024 | 2048) {
            warnings.add(|| format!("a volume descriptor with a block size of {} bytes", size.value));
            return Err(Error::Corrupt(Corrupt::BlockSize(size.value)));
        }
        let record = root_record(descriptor);
        let Some(record) = record.as_ref().and_then(|bytes| Record::parse(bytes)) else {
            warnings.add(|| "a volume descriptor without a root directory".to_owned());
            return Err(Error::Corrupt(Corrupt::RootRecord));
        };
        if !size.agrees || !record.halves_agree {
            warnings.add(|| "the byte orders of a volume descriptor disagree".to_owned());
        }
        let (block, length) = (record.block, record.length);
        Ok(Root { block_size: size.value, block, length, modified: record.modified() })
    }
}

/// The record of a root directory; `None` if it tells no place. As in Linux, nothing else of it is needed:
/// its length stands in the directory, too, and its name means nothing.
fn root_record(descriptor: &[u8]) -> Option<[u8; SHORTEST]> {
    let mut bytes: [u8; SHORTEST] = array(descriptor, 156)?;
    let [.., name_length, _] = &mut bytes;
    *name_length = 1;
    (little_u32(&bytes, 2)? > 0).then_some(bytes)
}

impl PrimaryDescriptor {
    pub(crate) fn parse(descriptor: &[u8], warnings: &mut Warnings) -> Result<PrimaryDescriptor, Error> {
        let root = Root::parse(descriptor, warnings)?;
        let blocks = both_u32(descriptor, 80).ok_or(Error::NotAnImage)?;
        let volumes = both_u16(descriptor, 120).ok_or(Error::NotAnImage)?;
        if !blocks.agrees {
            warnings.add(|| "the byte orders of the volume size disagree".to_owned());
        }
        if volumes.value > 1 {
            warnings.add(|| format!("the image is one of a set of {} volumes", volumes.value));
        }
        Ok(PrimaryDescriptor {
            root,
            label: text(descriptor, 40, 32),
            system: text(descriptor, 8, 32),
            publisher: text(descriptor, 318, 128),
            application: text(descriptor, 574, 128),
            created: descriptor.get(813..).and_then(date::long),
            declared_size: u64::from(blocks.value).saturating_mul(u64::from(root.block_size)),
        })
    }
}

/// The type of a descriptor of ISO 9660 (ECMA-119 8.1); `None` for other bytes.
pub(crate) fn kind(descriptor: &[u8]) -> Option<u8> {
    (array(descriptor, 1) == Some(*b"CD001")).then(|| byte(descriptor, 0)).flatten()
}

/// Whether this is a descriptor of High Sierra, the format that preceded ISO 9660.
pub(crate) fn is_high_sierra(descriptor: &[u8]) -> bool {
    array(descriptor, 9) == Some(*b"CDROM")
}

/// Whether a supplementary descriptor announces UCS-2 names of one of the three Joliet levels.
pub(crate) fn is_joliet(descriptor: &[u8]) -> bool {
    let escapes = descriptor.get(88..120).unwrap_or_default();
    [b"%/@", b"%/C", b"%/E"].iter().any(|level| escapes.starts_with(*level))
}

/// Whether a supplementary descriptor is an enhanced one, of ISO 9660:1999.
pub(crate) fn is_enhanced(descriptor: &[u8]) -> bool {
    byte(descriptor, 6) == Some(2)
}

/// The sector of the boot catalog, if this is the boot record of El Torito (El Torito 1.0, figure 7).
pub(crate) fn catalog_sector(descriptor: &[u8]) -> Option<u32> {
    descriptor.get(7..)?.starts_with(b"EL TORITO SPECIFICATION").then(|| little_u32(descriptor, 71)).flatten()
}

/// A text field without its padding of spaces or NULs.
fn text(descriptor: &[u8], at: usize, length: usize) -> String {
    let field = descriptor.get(at..).and_then(|rest| rest.get(..length)).unwrap_or_default();
    String::from_utf8_lossy(field).trim_matches([' ', '\0']).to_owned()
}
