//! The boot catalog of El Torito 1.0: records of 32 bytes, first a validation entry, then the default
//! entry, then sections of further entries.

use crate::boot::{BootEmulation, BootEntry, BootPlatform};
use crate::bytes::{array, byte, little_u32};
use crate::error::Error;
use crate::limits::Limits;
use crate::source::{Image, SECTOR};
use crate::warnings::Warnings;

/// Bytes of a catalog that are read: 256 records. Writers use one sector.
const CATALOG_BYTES: u64 = 4 * SECTOR;
/// Bytes of a record.
const RECORD: usize = 32;

const VALIDATION: u8 = 0x01;
const EXTENSION: u8 = 0x44;
const BOOTABLE: u8 = 0x88;
const NOT_BOOTABLE: u8 = 0x00;
const SECTION: u8 = 0x90;
const LAST_SECTION: u8 = 0x91;

/// Reads the catalog at a sector. A record that makes no sense ends it, with a warning.
pub(crate) fn read(
    image: &mut Image<'_>,
    sector: u32,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Vec<BootEntry>, Error> {
    let offset = u64::from(sector).saturating_mul(SECTOR);
    let length = image.size().saturating_sub(offset).min(CATALOG_BYTES);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    image.read(&mut bytes, offset)?;
    let mut catalog = Catalog { entries: Vec::new(), image_size: image.size(), limits, warnings };
    if let Err(problem) = catalog.parse(bytes.as_chunks().0) {
        catalog.warnings.add(|| format!("the boot catalog at sector {sector}: {problem}"));
    }
    Ok(catalog.entries)
}

struct Catalog<'a> {
    entries: Vec<BootEntry>,
    image_size: u64,
    limits: &'a Limits,
    warnings: &'a mut Warnings,
}

impl Catalog<'_> {
    fn parse(&mut self, records: &[[u8; RECORD]]) -> Result<(), &'static str> {
        let [validation, default, rest @ ..] = records else { return Err("it leaves the image") };
        let mut platform = validated(validation).ok_or("its validation entry is not valid")?;
        self.add(default, platform)?;
        let mut left = 0_u16;
        let mut is_last = false;
        for record in rest {
            match *record {
                // Selection criteria of the entry before, in any number of records.
                [EXTENSION, ..] => {}
                _ if left > 0 => {
                    self.add(record, platform)?;
                    left = left.saturating_sub(1);
                }
                [kind @ (SECTION | LAST_SECTION), number, low, high, ..] if !is_last => {
                    platform = number.into();
                    left = u16::from_le_bytes([low, high]);
                    is_last = kind == LAST_SECTION;
                }
                _ => return Ok(()),
            }
        }
        if left > 0 { Err("its last section is incomplete") } else { Ok(()) }
    }

    /// Adds the default entry (El Torito 1.0, figure 3) or one of a section (figure 5).
    fn add(&mut self, record: &[u8; RECORD], platform: BootPlatform) -> Result<(), &'static str> {
        let (Some(indicator @ (BOOTABLE | NOT_BOOTABLE)), Some(media_type)) =
            (byte(record, 0), byte(record, 1))
        else {
            return Err("an entry is neither bootable nor not");
        };
        if *record == [0; RECORD] {
            return Ok(());
        }
        if self.entries.len() >= self.limits.boot_entries {
            return Err("it has too many entries");
        }
        let short = |at| array(record, at).map(u16::from_le_bytes).unwrap_or_default();
        let mut entry = BootEntry {
            platform,
            bootable: indicator == BOOTABLE,
            emulation: BootEmulation::from_media_type(media_type),
            load_segment: short(2),
            load_sectors: short(6),
            offset: u64::from(little_u32(record, 8).unwrap_or_default()).saturating_mul(SECTOR),
            length: None,
        };
        if entry.offset >= self.image_size {
            self.warnings.add(|| format!("a boot image at byte {} is outside the image", entry.offset));
            return Ok(());
        }
        let available = self.image_size.saturating_sub(entry.offset);
        entry.length = entry.stated_length().filter(|length| *length <= available);
        self.entries.push(entry);
        Ok(())
    }
}

/// The platform of a validation entry (El Torito 1.0, figure 2) whose key and checksum are right.
fn validated(record: &[u8; RECORD]) -> Option<BootPlatform> {
    // All 16-bit words add up to zero.
    let words = record.as_chunks().0.iter().map(|word| u16::from_le_bytes(*word));
    let sum = words.fold(0, u16::wrapping_add);
    match *record {
        [VALIDATION, platform, .., 0x55, 0xAA] if sum == 0 => Some(platform.into()),
        _ => None,
    }
}
