//! Any bytes as a tar. The walk must end soon, without a panic, and each member must lie in the tar.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tar_reader::{BLOCK_BYTES, EXTENSION_BYTES, End, Error, Kind, Member, Members, has_header};

/// The places of the magic number and of the checksum in a header.
const MAGIC: std::ops::Range<usize> = 257..262;
const CHECKSUM: std::ops::Range<usize> = 148..156;

fuzz_target!(|bytes: &[u8]| {
    walk(bytes);
    // Mutations seldom hit a checksum, so all headers get the right one.
    let mut sealed = bytes.to_vec();
    for block in sealed.as_chunks_mut::<BLOCK_BYTES>().0 {
        if block[MAGIC] == *b"ustar" {
            seal(block);
        }
    }
    walk(&sealed);
});

fn seal(block: &mut [u8; BLOCK_BYTES]) {
    block[CHECKSUM].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn walk(bytes: &[u8]) {
    let size = bytes.len() as u64;
    let mut members = Members::new(&bytes, size);
    let (mut end, mut seen, mut failed) = (0, 0, false);
    for member in members.by_ref() {
        match member {
            Ok(member) => {
                check(&member, end, size);
                end = member.offset + member.stored;
                seen += 1;
            }
            Err(Error::Truncated { size: told }) => {
                assert_eq!(told, size);
                failed = true;
            }
            Err(Error::NoHeader { at } | Error::LongExtension { at }) => {
                assert!(at >= end && at <= size && at % BLOCK_BYTES as u64 == 0);
                failed = true;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(members.next().is_none(), "an end is an end");
    assert!(seen <= bytes.len() / BLOCK_BYTES, "each member has a header");
    assert_eq!(members.end().is_none(), failed, "an end is told, an error is none");
    if let Some(End::Early { at } | End::Promise { at }) = members.end() {
        assert!(at >= end && at < size);
    }
    // Whether this is a tar is decided by its first header alone.
    let _ = has_header(bytes);
}

fn check(member: &Member, end: u64, size: u64) {
    let block = BLOCK_BYTES as u64;
    // What a damaged header describes begins with it.
    let header = if matches!(member.kind, Kind::Lost | Kind::Stray) { 0 } else { block };
    assert!(member.offset % block == 0 && member.offset >= end + header, "{member:?}");
    assert!(member.offset.checked_add(member.stored).is_some_and(|end| end <= size), "{member:?}");
    assert!(member.kind == Kind::Sparse || member.size == member.stored, "{member:?}");
    assert!(member.kind != Kind::HardLink || member.stored == 0, "{member:?}");
    assert!(member.path.len().max(member.target.len()) as u64 <= EXTENSION_BYTES, "{member:?}");
    assert!(member.mode <= 0o7777, "{member:?}");
}
