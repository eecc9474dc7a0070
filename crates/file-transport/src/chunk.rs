//! The data that bodies give to hyper: bytes, or a token that stands for bytes of a file.
//!
//! A token's bytes are a slice of one region of memory that is reserved once and never touched, so it costs
//! address space only. The socket recognises such slices by their addresses. In their place it sends the file
//! range at the head of the connection's send queue.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::{Buf, Bytes};

/// hyper sees a token in slices of at most this many bytes.
const REGION_BYTES: usize = 64 << 20;

/// A part of a body as hyper sees it.
#[derive(Debug)]
pub struct Chunk(Inner);

#[derive(Debug)]
enum Inner {
    Bytes(Bytes),
    Token(usize),
}

impl Chunk {
    /// Stands for so many bytes of the range that the body puts into the send queue at the same time.
    pub(crate) fn token(length: usize) -> Self {
        Self(Inner::Token(length))
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Bytes(bytes))
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        match &self.0 {
            Inner::Bytes(bytes) => bytes.remaining(),
            Inner::Token(left) => *left,
        }
    }

    fn chunk(&self) -> &[u8] {
        match &self.0 {
            Inner::Bytes(bytes) => bytes.chunk(),
            Inner::Token(left) => region().get(..*left).unwrap_or(region()),
        }
    }

    fn advance(&mut self, count: usize) {
        match &mut self.0 {
            Inner::Bytes(bytes) => bytes.advance(count),
            Inner::Token(left) => *left = left.saturating_sub(count),
        }
    }
}

/// Whether `slice` belongs to a token.
pub(crate) fn is_token(slice: &[u8]) -> bool {
    static ADDRESSES: OnceLock<Range<usize>> = OnceLock::new();
    let addresses = ADDRESSES.get_or_init(|| {
        let range = region().as_ptr_range();
        range.start.addr()..range.end.addr()
    });
    !slice.is_empty() && addresses.contains(&slice.as_ptr().addr())
}

/// Zeroed memory: the system makes its pages when they are touched, and these never are.
fn region() -> &'static [u8] {
    static REGION: OnceLock<&'static [u8]> = OnceLock::new();
    REGION.get_or_init(|| Box::leak(vec![0; REGION_BYTES].into_boxed_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_from_bytes_by_where_they_lie() {
        let mut token = Chunk::token(REGION_BYTES + 5);
        assert_eq!((token.remaining(), token.chunk().len()), (REGION_BYTES + 5, REGION_BYTES));
        assert!(is_token(token.chunk()));
        token.advance(REGION_BYTES);
        assert_eq!(token.chunk().len(), 5);
        token.advance(5);
        assert!(!token.has_remaining() && !is_token(token.chunk()));
        assert!(!is_token(Chunk::from(Bytes::from_static(b"real")).chunk()));
        assert!(!is_token(&vec![0; 1 << 20]));
    }
}
