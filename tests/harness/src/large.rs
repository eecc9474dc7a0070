//! Images of many megabytes, quick to make, whose blocks all differ.

use super::images;
use std::fs;

/// The installer, padded to `size` bytes. Images of other seeds differ in every block of the padding.
pub fn image(seed: u32, size: usize) -> Vec<u8> {
    let mut bytes = fs::read(images::installer()).unwrap();
    let block = images::pattern(seed, 4096);
    while bytes.len() < size {
        let stamp = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        bytes.extend_from_slice(&stamp);
        bytes.extend_from_slice(&block[stamp.len()..]);
    }
    bytes.truncate(size);
    bytes
}
