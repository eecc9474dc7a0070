//! What is served: parts of one file and of none, as a path spells them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use file_transport::Body;
use http_body::Frame;

use crate::bodies::{Original, Part};

/// The size of the file that is served.
const LENGTH: usize = 100_000;
/// Parts of one body.
const PARTS: usize = 6;

pub(crate) fn original() -> &'static Original {
    static ORIGINAL: OnceLock<Original> = OnceLock::new();
    ORIGINAL.get_or_init(|| Original::new(LENGTH))
}

/// One part for each letter.
pub(crate) fn parts(path: &str) -> Vec<Part> {
    path.bytes().skip(1).take(PARTS).map(part).collect()
}

fn part(letter: u8) -> Part {
    let amount = usize::from(letter & 31);
    match letter >> 5 & 3 {
        0 => Part::Bytes(amount * 500),
        1 => Part::File(amount * 3000..amount * 3001),
        2 => Part::File(amount * 10..amount * 3000),
        _ if amount % 2 == 0 => Part::Zeros(amount * 700),
        _ => Part::Computed(amount * 100..amount * 3000),
    }
}

/// The same bytes as a stream without a length, a thousand at a time.
pub(crate) fn streamed(parts: &[Part]) -> Body {
    let bytes = original().expected(parts);
    Body::stream(Streamed(bytes.chunks(1000).map(Bytes::copy_from_slice).rev().collect()))
}

/// A body of chunks; the last one comes first.
struct Streamed(Vec<Bytes>);

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop().map(|chunk| Ok(Frame::data(chunk))))
    }
}
