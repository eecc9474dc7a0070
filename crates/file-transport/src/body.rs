//! Response bodies made of pieces. The bytes of a file are read when the connection asks for them, never before.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::JoinHandle;

/// Bytes read from a file at once. Larger reads cost memory for every slow client, smaller ones cost throughput.
const READ_BYTES: u64 = 256 << 10;

/// Where holes are sent from.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Any error of a streamed body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A part of a body.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// `length` bytes of `file` from `offset` on.
    File {
        /// The open file.
        file: Arc<File>,
        /// Where the range begins.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// So many zero bytes.
    Zeros(u64),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } | Self::Zeros(length) => *length,
        }
    }
}

/// A response body.
pub struct Body(Kind);

enum Kind {
    Pieces { queue: VecDeque<Piece>, left: u64, reading: Option<JoinHandle<io::Result<Bytes>>> },
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    /// A body of exactly these pieces. Its length is known, so it is never chunked.
    pub fn from_pieces(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let queue: VecDeque<Piece> = pieces.into_iter().filter(|piece| piece.len() > 0).collect();
        let left = queue.iter().map(Piece::len).sum();
        Self(Kind::Pieces { queue, left, reading: None })
    }

    /// A body without bytes.
    pub fn empty() -> Self {
        Self::from_pieces([])
    }

    /// Somebody else's body, for what does not come from files.
    pub fn stream<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Kind::Stream(Box::pin(Boxed(Box::pin(body)))))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_pieces([Piece::Bytes(bytes)])
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let (queue, left, reading) = match &mut self.get_mut().0 {
            Kind::Stream(stream) => return stream.as_mut().poll_frame(context),
            Kind::Pieces { queue, left, reading } => (queue, left, reading),
        };
        let Some(front) = queue.front_mut() else { return Poll::Ready(None) };
        let bytes = match front {
            Piece::Bytes(bytes) => std::mem::take(bytes),
            Piece::Zeros(length) => {
                let bytes = Bytes::from_static(
                    ZEROS.get(..usize::try_from(*length).unwrap_or(usize::MAX)).unwrap_or(&ZEROS),
                );
                *length -= bytes.len() as u64;
                bytes
            }
            Piece::File { file, offset, length } => {
                let task = reading.get_or_insert_with(|| {
                    let (file, offset, length) = (Arc::clone(file), *offset, READ_BYTES.min(*length));
                    tokio::task::spawn_blocking(move || read(&file, offset, length))
                });
                let result = ready!(Pin::new(task).poll(context));
                *reading = None;
                let bytes = match result.map_err(BoxError::from).and_then(|read| read.map_err(BoxError::from))
                {
                    Ok(bytes) => bytes,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                };
                *offset += bytes.len() as u64;
                *length -= bytes.len() as u64;
                bytes
            }
        };
        if matches!(front, Piece::Bytes(_)) || front.len() == 0 {
            queue.pop_front();
        }
        *left -= bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Stream(stream) => stream.is_end_stream(),
            Kind::Pieces { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Stream(stream) => stream.size_hint(),
            Kind::Pieces { left, .. } => SizeHint::with_exact(*left),
        }
    }
}

/// Reads exactly the range; a file that has become shorter is an error, so the connection is cut rather than padded.
fn read(file: &File, offset: u64, length: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut buffer, offset)?;
    Ok(buffer.into())
}

/// Turns the error of a body into ours.
struct Boxed<B>(Pin<Box<B>>);

impl<B> HttpBody for Boxed<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.get_mut().0.as_mut().poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
