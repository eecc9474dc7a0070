//! Files compressed as mkzftree does.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

const MAGIC: [u8; 8] = [0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07];

/// Header, pointers and blocks of 2^`exponent` bytes each. A block of zeros is left out.
pub(crate) fn pack(content: &[u8], exponent: u8) -> Vec<u8> {
    let blocks: Vec<Vec<u8>> = content
        .chunks(1 << exponent)
        .map(|block| {
            if block.iter().all(|byte| *byte == 0) {
                return Vec::new();
            }
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(block).unwrap();
            encoder.finish().unwrap()
        })
        .collect();
    let mut packed = MAGIC.to_vec();
    packed.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    packed.extend([4, exponent, 0, 0]);
    let mut at = 16 + 4 * (blocks.len() + 1);
    for block in std::iter::once(&Vec::new()).chain(&blocks) {
        at += block.len();
        packed.extend(u32::try_from(at).unwrap().to_le_bytes());
    }
    packed.extend(blocks.concat());
    packed
}
