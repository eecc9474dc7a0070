//! Tars laid out by hand.
#![allow(dead_code, reason = "each test program uses a part")]

use tar_reader::{BLOCK_BYTES, Error, Member, Members};

pub(crate) fn header(name: &[u8], kind: u8, target: &[u8], size: usize) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let size = format!("{size:011o}\0");
    for (at, bytes) in [
        (0, name),
        (100, b"0000644\0"),
        (124, size.as_bytes()),
        (136, b"00000000005\0"),
        (157, target),
        (257, b"ustar\x0000"),
    ] {
        block[at..at + bytes.len()].copy_from_slice(bytes);
    }
    block[156] = kind;
    seal(&mut block);
    block
}

pub(crate) fn seal(block: &mut [u8; BLOCK_BYTES]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

pub(crate) fn push(tar: &mut Vec<u8>, header: &[u8; BLOCK_BYTES], bytes: &[u8]) {
    tar.extend(header);
    tar.extend(bytes);
    tar.resize(tar.len().next_multiple_of(BLOCK_BYTES), 0);
}

pub(crate) fn entry(tar: &mut Vec<u8>, name: &[u8], kind: u8, bytes: &[u8]) {
    push(tar, &header(name, kind, b"", bytes.len()), bytes);
}

pub(crate) fn end(tar: &mut Vec<u8>) {
    tar.extend([0; 2 * BLOCK_BYTES]);
}

pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Member>, Error> {
    Members::new(&bytes, bytes.len() as u64).collect()
}
