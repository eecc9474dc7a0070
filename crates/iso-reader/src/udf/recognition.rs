//! The volume recognition sequence (ECMA-167 2/8.3): identifiers, one a sector, of the file systems that an
//! image holds.

use crate::bytes::array;
use crate::error::Error;
use crate::source::{Image, SECTOR};

/// The most sectors read. Real sequences have three, or six on media with sectors of 4096 bytes.
const SECTORS: u64 = 16;

/// Whether the sequence from `sector` on, where the descriptors of ISO 9660 end, announces UDF by a
/// descriptor `NSR02` or `NSR03` (ECMA-167 3/9.1).
pub(crate) fn announces_udf(image: &mut Image<'_>, sector: u64) -> Result<bool, Error> {
    for sector in sector..sector.saturating_add(SECTORS) {
        let mut start = [0; 6];
        let offset = sector.saturating_mul(SECTOR);
        if !image.read(&mut start, offset)? {
            return Ok(false);
        }
        match array(&start, 1) {
            Some([b'N', b'S', b'R', b'0', b'2' | b'3']) => return Ok(true),
            // Sectors of a medium may have more than 2048 bytes (ECMA-167 2/8.4): the rest of one is zeros.
            Some([0, 0, 0, 0, 0]) => {}
            Some(identifier) if KNOWN.contains(&&identifier) => {}
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// The other identifiers of a sequence (ECMA-167 2/9).
const KNOWN: [&[u8; 5]; 5] = [b"BEA01", b"TEA01", b"BOOT2", b"CDW02", b"CD001"];
