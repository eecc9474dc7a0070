//! The volume descriptors (ECMA-119 8): which trees an image has and where their roots are.

use crate::boot::BootEntry;
use crate::bytes::{array, both_u16, both_u32, byte, little_u32};
use crate::date;
use crate::directory::SECTOR;
use crate::el_torito;
use crate::error::{Corrupt, Error, Unsupported};
use crate::limits::Limits;
use crate::record::Record;
use crate::source::Image;
use crate::volume::{TreeKind, Volume};
use crate::warnings::Warnings;

/// The sector of the first descriptor (ECMA-119 6.2.1).
const FIRST: u64 = 16;
/// Sectors looked through for a UDF marker behind the descriptors of ISO 9660.
const UDF_SECTORS: u64 = 8;

const BOOT: u8 = 0;
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;

/// What all descriptors together say.
pub(crate) struct Descriptors {
    pub(crate) primary: Primary,
    pub(crate) joliet: Option<Root>,
    pub(crate) enhanced: Option<Root>,
    pub(crate) boot_catalog: Option<u32>,
    pub(crate) boot_entries: Vec<BootEntry>,
    pub(crate) has_udf: bool,
}

/// The primary volume descriptor (ECMA-119 8.4).
pub(crate) struct Primary {
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
}

/// Reads the descriptors from sector 16 on up to the terminator.
pub(crate) fn read(
    image: &mut Image<'_>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Descriptors, Error> {
    let mut primary = None;
    let (mut joliet, mut enhanced, mut boot_catalog) = (None, None, None);
    let mut sector = FIRST;
    let mut terminated = false;
    for _ in 0..limits.descriptors {
        let Some(descriptor) = read_sector(image, sector)? else { break };
        let Some(kind) = kind(&descriptor) else {
            if sector == FIRST {
                return Err(other_format(&descriptor));
            }
            break;
        };
        match kind {
            PRIMARY if primary.is_none() => primary = Some(Primary::parse(&descriptor, warnings)?),
            SUPPLEMENTARY if is_joliet(&descriptor) => {
                joliet = joliet.or_else(|| root(&descriptor, warnings).ok());
            }
            SUPPLEMENTARY if byte(&descriptor, 6) == Some(2) => {
                enhanced = enhanced.or_else(|| root(&descriptor, warnings).ok());
            }
            BOOT => boot_catalog = boot_catalog.or_else(|| catalog_sector(&descriptor)),
            TERMINATOR => terminated = true,
            _ => {}
        }
        sector = sector.saturating_add(1);
        if terminated {
            break;
        }
    }
    if sector == FIRST {
        return Err(Error::NotAnImage);
    }
    let primary = primary.ok_or(Error::Corrupt(Corrupt::NoPrimaryDescriptor))?;
    if !terminated {
        warnings.add(|| "the volume descriptors have no end".to_owned());
    }
    let boot_entries = match boot_catalog {
        Some(sector) => el_torito::read(image, sector, limits, warnings)?,
        None => Vec::new(),
    };
    Ok(Descriptors {
        primary,
        joliet,
        enhanced,
        boot_catalog,
        boot_entries,
        has_udf: has_udf(image, sector)?,
    })
}

fn read_sector(image: &mut Image<'_>, sector: u64) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = vec![0; usize::try_from(SECTOR).unwrap_or_default()];
    Ok(image.read(&mut bytes, sector.saturating_mul(SECTOR))?.then_some(bytes))
}

/// The type of a descriptor of ISO 9660 (ECMA-119 8.1).
fn kind(descriptor: &[u8]) -> Option<u8> {
    (array(descriptor, 1) == Some(*b"CD001")).then(|| byte(descriptor, 0)).flatten()
}

/// What a file without ISO 9660 descriptors is.
fn other_format(sector: &[u8]) -> Error {
    if array(sector, 9) == Some(*b"CDROM") {
        Error::Unsupported(Unsupported::HighSierra)
    } else if array(sector, 1) == Some(*b"BEA01") {
        Error::Unsupported(Unsupported::UdfOnly)
    } else {
        Error::NotAnImage
    }
}

/// Whether a volume recognition sequence with UDF (ECMA-167 2/8) starts at `sector`.
fn has_udf(image: &mut Image<'_>, sector: u64) -> Result<bool, Error> {
    for at in sector..sector.saturating_add(UDF_SECTORS) {
        match read_sector(image, at)?.and_then(|bytes| array(&bytes, 1)) {
            Some([b'N', b'S', b'R', b'0', b'2' | b'3']) => return Ok(true),
            Some([b'B', b'E', b'A', b'0', b'1'] | [b'B', b'O', b'O', b'T', b'2']) => {}
            _ => return Ok(false),
        }
    }
    Ok(false)
}

impl Descriptors {
    /// What a caller may know of them.
    pub(crate) fn into_volume(self, kind: TreeKind, available: Vec<TreeKind>, image_size: u64) -> Volume {
        let Primary { root, label, system, publisher, application, created, declared_size } = self.primary;
        Volume {
            kind,
            available,
            label,
            system,
            publisher,
            application,
            created,
            block_size: u32::from(root.block_size),
            declared_size,
            image_size,
            boot_catalog: self.boot_catalog,
            boot_entries: self.boot_entries,
        }
    }
}

impl Primary {
    fn parse(descriptor: &[u8], warnings: &mut Warnings) -> Result<Primary, Error> {
        let root = root(descriptor, warnings)?;
        let blocks = both_u32(descriptor, 80).ok_or(Error::NotAnImage)?;
        let volumes = both_u16(descriptor, 120).ok_or(Error::NotAnImage)?;
        if !blocks.agrees {
            warnings.add(|| "the byte orders of the volume size disagree".to_owned());
        }
        if volumes.value > 1 {
            warnings.add(|| format!("the image is one of a set of {} volumes", volumes.value));
        }
        Ok(Primary {
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

/// The block size and the root record of a descriptor (ECMA-119 8.4.12, 8.4.18), which have the same
/// place in all kinds.
fn root(descriptor: &[u8], warnings: &mut Warnings) -> Result<Root, Error> {
    let size = both_u16(descriptor, 128).ok_or(Error::NotAnImage)?;
    if !matches!(size.value, 512 | 1024 | 2048) {
        warnings.add(|| format!("a volume descriptor with a block size of {} bytes", size.value));
        return Err(Error::Corrupt(Corrupt::BlockSize(size.value)));
    }
    let record = descriptor.get(156..190).and_then(Record::parse).filter(|record| record.length > 0);
    let Some(record) = record else {
        warnings.add(|| "a volume descriptor without a root directory".to_owned());
        return Err(Error::Corrupt(Corrupt::RootRecord));
    };
    if !size.agrees || !record.halves_agree {
        warnings.add(|| "the byte orders of a volume descriptor disagree".to_owned());
    }
    let (block, length) = (record.block, record.length);
    Ok(Root { block_size: size.value, block, length, modified: record.modified() })
}

/// Whether a supplementary descriptor announces UCS-2 names of one of the three Joliet levels.
fn is_joliet(descriptor: &[u8]) -> bool {
    let escapes = descriptor.get(88..120).unwrap_or_default();
    [b"%/@", b"%/C", b"%/E"].iter().any(|level| escapes.starts_with(*level))
}

/// Where the boot record of El Torito puts the catalog (El Torito 1.0, figure 7).
fn catalog_sector(descriptor: &[u8]) -> Option<u32> {
    descriptor.get(7..)?.starts_with(b"EL TORITO SPECIFICATION").then(|| little_u32(descriptor, 71)).flatten()
}

/// A text field without its padding of spaces or NULs.
fn text(descriptor: &[u8], at: usize, length: usize) -> String {
    let field = descriptor.get(at..).and_then(|rest| rest.get(..length)).unwrap_or_default();
    String::from_utf8_lossy(field).trim_matches([' ', '\0']).to_owned()
}
