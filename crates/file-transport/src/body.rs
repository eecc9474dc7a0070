//! Response bodies made of pieces. A body that knows its connection hands ranges of files over to it and gives tokens for them; what has
//! to be computed, and files for whoever has no such connection, is read when it is asked for, never before.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::chunk::Chunk;
use crate::computed::{Origin, ReadAt, Reading};
use crate::outbox::{Answering, FileRange};
use crate::{OpenFile, Watch};

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
        file: Arc<OpenFile>,
        /// Where the range begins.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// `length` bytes from `offset` on of what `source` computes.
    Computed {
        /// Who computes them.
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
    watch: Option<Arc<dyn Watch>>,
    is_expendable: bool,
    /// The connection that sends ranges of files straight from them; without one they are read into memory.
    answering: Option<Answering>,
}

enum Kind {
    Pieces(Pieces),
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>),
}

struct Pieces {
    queue: VecDeque<Piece>,
    left: u64,
    /// What was read of the first piece, where it has to be read.
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
        Self { kind, watch: None, is_expendable: false, answering: None }
    }

    /// Lets `watch` follow the body, and holds it to the watch's paces.
    #[must_use]
    pub fn watched(mut self, watch: Arc<dyn Watch>) -> Self {
        self.watch(watch);
        self
    }

    /// As [`Body::watched`], for a body that is part of a response already.
    pub fn watch(&mut self, watch: Arc<dyn Watch>) {
        self.watch = Some(watch);
    }

    /// Nobody is owed the end of this body: when the server stops, a client that takes nothing of it is cut instead of waited for.
    #[must_use]
    pub fn expendable(mut self) -> Self {
        self.is_expendable = true;
        self
    }

    /// From now on ranges of files go to the connection's outbox, and the body gives tokens for them.
    pub(crate) fn answer(&mut self, answering: Answering) {
        answering.outbox().set_expendable(self.is_expendable);
        self.answering = Some(answering);
    }

    /// A body without bytes.
    pub fn empty() -> Self {
        Self::from_pieces([])
    }

    /// The length in bytes, where it is known: always, but for [`Body::stream`].
    pub fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Somebody else's body, for what does not come from files.
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
                    note(this.watch.as_ref(), bytes.map_or(0, Bytes::len));
                }
                Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(Chunk::from))))
            }
            Kind::Pieces(pieces) => {
                let chunk = ready!(pieces.poll_next(context, this.answering.as_ref(), this.watch.as_ref()));
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
        watch: Option<&Arc<dyn Watch>>,
    ) -> Poll<Option<Result<Chunk, BoxError>>> {
        let Some(front) = self.queue.front_mut() else { return Poll::Ready(None) };
        let chunk = match front {
            Piece::Bytes(bytes) => {
                note(watch, bytes.len());
                Chunk::from(std::mem::take(bytes))
            }
            Piece::Zeros(length) => {
                let bytes = match ready!(self.reading.poll(context, Origin::Zeros, *length, watch)) {
                    Ok(bytes) => bytes,
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                };
                *length -= bytes.len() as u64;
                Chunk::from(bytes)
            }
            Piece::File { file, offset, length } => {
                let chunk = match answering {
                    Some(answering) => {
                        let length = usize::try_from(*length).unwrap_or(usize::MAX);
                        answering.outbox().put(FileRange {
                            file: Arc::clone(file),
                            offset: *offset,
                            length: length as u64,
                            watch: watch.cloned(),
                        });
                        Chunk::token(length)
                    }
                    None => {
                        let source: Arc<dyn ReadAt> = file.clone();
                        match ready!(self.reading.poll(
                            context,
                            Origin::Source(&source, *offset),
                            *length,
                            watch
                        )) {
                            Ok(bytes) => Chunk::from(bytes),
                            Err(error) => return Poll::Ready(Some(Err(error.into()))),
                        }
                    }
                };
                *offset += chunk.remaining() as u64;
                *length -= chunk.remaining() as u64;
                chunk
            }
            Piece::Computed { source, offset, length } => {
                let bytes =
                    match ready!(self.reading.poll(context, Origin::Source(source, *offset), *length, watch))
                    {
                        Ok(bytes) => bytes,
                        Err(error) => return Poll::Ready(Some(Err(error.into()))),
                    };
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

/// Tells of bytes at hand. They wait for nobody, but what they take is missing for those who do.
fn note(watch: Option<&Arc<dyn Watch>>, bytes: usize) {
    if let Some(watch) = watch.filter(|_| bytes > 0) {
        watch.paces().iter().for_each(|pace| pace.take(bytes as u64));
        watch.sent(bytes as u64);
    }
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
