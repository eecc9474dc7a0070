//! Numbers that are the same in each run, and files of them.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use file_transport::OpenFile;

/// A xorshift generator.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A file of `length` bytes that differ from place to place.
pub(crate) fn file(length: usize) -> (Arc<OpenFile>, Vec<u8>) {
    let mut numbers = Numbers::new(0x9e37_79b9_7f4a_7c15);
    let bytes: Vec<u8> = (0..length).map(|_| u8::try_from(numbers.below(256)).unwrap()).collect();
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    (Arc::new(file.into()), bytes)
}
