//! Response bodies made of pieces. A body that knows its connection hands over ranges of files and gives
//! tokens for them. Computed bytes, and files of a body without a connection, are read when they are asked
//! for.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::body_observer::BodyObserver;
use crate::chunk::Chunk;
use crate::computed::{ByteSource, ReadAt, Reading};
use crate::open_file::OpenFile;
use crate::send_queue::{Answering, FileRange};

/// Any error of a streamed body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A run of bytes in a body.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// `length` bytes of `file` from `offset` on.
    File {
        /// The open file.
        file: Arc<OpenFile>,
        /// Where the range begins.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// `length` bytes from `offset` on that `source` computes.
    Computed {
        /// What computes them.
        source: Arc<dyn ReadAt>,
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
            Self::File { length, .. } | Self::Computed { length, .. } | Self::Zeros(length) => *length,
        }
    }
}

/// A response body.
pub struct Body {
    kind: Kind,
    observer: Option<Arc<dyn BodyObserver>>,
    is_expendable: bool,
    /// The connection that sends ranges of files. Without one they are read into memory.
    answering: Option<Answering>,
}

enum Kind {
    Pieces(Pieces),
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>),
}

struct Pieces {
    queue: VecDeque<Piece>,
    left: u64,
    /// What was read of the first piece, if it has to be read.
    reading: Reading,
}

impl Body {
    /// A body of exactly these pieces. Its length is known, so it is never chunked.
    pub fn from_pieces(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let queue: VecDeque<Piece> = pieces.into_iter().filter(|piece| piece.len() > 0).collect();
        let left = queue.iter().map(Piece::len).sum();
        Self::new(Kind::Pieces(Pieces { queue, left, reading: Reading::new() }))
    }

    fn new(kind: Kind) -> Self {
        Self { kind, observer: None, is_expendable: false, answering: None }
    }

    /// Lets `observer` follow the body, and holds the body to the observer's rate limits.
    #[must_use]
    pub fn observed(mut self, observer: Arc<dyn BodyObserver>) -> Self {
        self.observe(observer);
        self
    }

    /// As [`Body::observed`], for the body of a response.
    pub fn observe(&mut self, observer: Arc<dyn BodyObserver>) {
        self.observer = Some(observer);
    }

    /// Marks a body whose end may be lost: when the server stops, it cuts a client that takes nothing of it,
    /// instead of waiting.
    #[must_use]
    pub fn expendable(mut self) -> Self {
        self.is_expendable = true;
        self
    }

    /// From now on ranges of files go to the connection's send queue, and the body gives tokens for them.
    pub(crate) fn answer(&mut self, answering: Answering) {
        answering.send_queue().set_expendable(self.is_expendable);
        self.answering = Some(answering);
    }

    /// A body without bytes.
    pub fn empty() -> Self {
        Self::from_pieces([])
    }

    /// The length in bytes; `None` if it is not known, which only happens with [`Body::stream`].
    pub fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// A body of another kind, for answers that do not come from files.
    pub fn stream<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::new(Kind::Stream(Box::pin(Boxed(Box::pin(body)))))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_pieces([Piece::Bytes(bytes)])
    }
}

impl HttpBody for Body {
    type Data = Chunk;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, BoxError>>> {
        let this = self.get_mut();
        match &mut this.kind {
            Kind::Stream(stream) => {
                let frame = ready!(stream.as_mut().poll_frame(context));
                if let Some(Ok(bytes)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
                    report(this.observer.as_ref(), bytes.map_or(0, Bytes::len));
                }
                Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(Chunk::from))))
            }
            Kind::Pieces(pieces) => {
                let chunk =
                    ready!(pieces.poll_next(context, this.answering.as_ref(), this.observer.as_ref()));
                Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Stream(stream) => stream.is_end_stream(),
            Kind::Pieces(pieces) => pieces.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Stream(stream) => stream.size_hint(),
            Kind::Pieces(pieces) => SizeHint::with_exact(pieces.left),
        }
    }
}

impl Pieces {
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        answering: Option<&Answering>,
        observer: Option<&Arc<dyn BodyObserver>>,
    ) -> Poll<Option<Result<Chunk, BoxError>>> {
        let Some(front) = self.queue.front_mut() else { return Poll::Ready(None) };
        let mut read = |source, length| self.reading.poll(context, source, length, observer);
        let chunk = match front {
            Piece::Bytes(bytes) => {
                report(observer, bytes.len());
                Chunk::from(std::mem::take(bytes))
            }
            Piece::Zeros(length) => {
                let bytes = ready!(read(ByteSource::Zeros, *length))?;
                *length -= bytes.len() as u64;
                Chunk::from(bytes)
            }
            Piece::File { file, offset, length } => {
                let chunk = match answering {
                    Some(answering) => {
                        let length = usize::try_from(*length).unwrap_or(usize::MAX);
                        answering.send_queue().push(FileRange {
                            file: Arc::clone(file),
                            offset: *offset,
                            length: length as u64,
                            observer: observer.cloned(),
                        });
                        Chunk::token(length)
                    }
                    None => {
                        let source: Arc<dyn ReadAt> = file.clone();
                        Chunk::from(ready!(read(ByteSource::Source(&source, *offset), *length))?)
                    }
                };
                *offset += chunk.remaining() as u64;
                *length -= chunk.remaining() as u64;
                chunk
            }
            Piece::Computed { source, offset, length } => {
                let bytes = ready!(read(ByteSource::Source(source, *offset), *length))?;
                *offset += bytes.len() as u64;
                *length -= bytes.len() as u64;
                Chunk::from(bytes)
            }
        };
        if front.len() == 0 {
            self.queue.pop_front();
        }
        self.left -= chunk.remaining() as u64;
        Poll::Ready(Some(Ok(chunk)))
    }
}

/// Reports bytes that need not be read. They leave without waiting, but count against the rate limits.
fn report(observer: Option<&Arc<dyn BodyObserver>>, bytes: usize) {
    if let Some(observer) = observer.filter(|_| bytes > 0) {
        observer.rate_limits().iter().for_each(|limit| limit.take(bytes as u64));
        observer.sent(bytes as u64);
    }
}

/// Boxes the error of a body.
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
