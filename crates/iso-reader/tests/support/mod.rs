//! Helpers of all tests: discs written byte by byte, and trees as one line of text.
#![expect(clippy::unwrap_used, reason = "a test image that cannot be built is a failed test")]
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod compare;
pub(crate) mod disc;
pub(crate) mod susp;
pub(crate) mod tools;
pub(crate) mod udf;
pub(crate) mod udf_checks;
pub(crate) mod zisofs;

use std::io;

use iso_reader::{Encoding, NodeKind, ReadAt, Tree};

/// All entries but the root as one line: `d/`, `d/file=12`, `link->target`. A `!` marks damage, a `?` an
/// encoding other than plain.
pub(crate) fn listing(tree: &Tree) -> String {
    let mut lines: Vec<String> = tree
        .nodes()
        .skip(1)
        .map(|id| {
            let node = tree.node(id);
            let path = tree.path(id).escape_ascii().to_string();
            let rest = match node.kind() {
                NodeKind::Directory => "/".to_owned(),
                NodeKind::File => format!("={}", node.size()),
                NodeKind::Link => format!("->{}", node.link_target().unwrap().escape_ascii()),
            };
            let damage = if node.is_damaged() { "!" } else { "" };
            let encoding = if node.encoding() == Encoding::Plain { "" } else { "?" };
            format!("{path}{rest}{damage}{encoding}")
        })
        .collect();
    lines.sort();
    lines.join(" ")
}

/// An image that goes on with zeros.
pub(crate) struct Large {
    pub(crate) bytes: Vec<u8>,
    pub(crate) size: u64,
}

impl ReadAt for Large {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.bytes.as_slice().read_at(buffer, offset)?;
        buffer[count..].fill(0);
        Ok(buffer.len())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

/// Pseudo-random numbers, the same in every run (xorshift64*).
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}
