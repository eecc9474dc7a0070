//! Bytes that are computed while they are sent. They are read one piece at a time, on a thread where waiting
//! blocks no connection. So a client costs one piece of memory, whatever it asks for and however slowly it
//! takes it.

use std::fmt::Debug;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::body_observer::{BodyObserver, Grant};
use crate::open_file::OpenFile;
use crate::page_cache;

/// Pieces end at multiples of this, so a source that works in blocks makes each block once. Larger pieces
/// cost memory for every slow client, smaller ones cost throughput.
const PIECE: u64 = 128 << 10;

/// A source that is read by position, by any number of threads at a time.
pub trait ReadAt: Debug + Send + Sync {
    /// Fills `buffer` with the bytes from `offset` on. It may block.
    ///
    /// # Errors
    ///
    /// The source cannot give all of these bytes. The connection is cut then, because the head of the answer
    /// has left already.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for OpenFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(&**self, buffer, offset)
    }
}

/// The source of zeros.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Where the bytes of a piece come from.
#[derive(Clone, Copy)]
pub(crate) enum ByteSource<'a> {
    /// A source, from this offset on.
    Source(&'a Arc<dyn ReadAt>, u64),
    /// Zeros.
    Zeros,
}

/// Reads the bytes of one body. The next piece is read when the last one was taken: while the system sends
/// that from its own buffers, there is time to read.
pub(crate) struct Reading {
    ready: Bytes,
    grant: Grant,
    waiting: Option<ReadWait>,
}

enum ReadWait {
    Read(Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>),
    Turn(Pin<Box<dyn Future<Output = Grant> + Send>>),
}

impl Reading {
    pub(crate) fn new() -> Self {
        Self { ready: Bytes::new(), grant: Grant::none(), waiting: None }
    }

    /// The next of `length` bytes, as many as may leave now. Until all are taken, each call continues where
    /// the last one ended.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        origin: ByteSource<'_>,
        length: u64,
        observer: Option<&Arc<dyn BodyObserver>>,
    ) -> Poll<io::Result<Bytes>> {
        loop {
            match &mut self.waiting {
                Some(ReadWait::Read(read)) => {
                    let read = ready!(read.as_mut().poll(context));
                    self.waiting = None;
                    self.ready = read?;
                }
                Some(ReadWait::Turn(turn)) => {
                    self.grant = ready!(turn.as_mut().poll(context));
                    self.waiting = None;
                }
                // A turn at the rate limits is taken when there is something to send.
                None if self.ready.is_empty() => match origin {
                    ByteSource::Source(source, offset) => {
                        let until_border = PIECE - offset % PIECE;
                        let read = read(Arc::clone(source), offset, length.min(until_border));
                        self.waiting = Some(ReadWait::Read(Box::pin(read)));
                    }
                    ByteSource::Zeros => {
                        let count = usize::try_from(length).unwrap_or(usize::MAX);
                        self.ready = Bytes::from_static(ZEROS.get(..count).unwrap_or(&ZEROS));
                    }
                },
                None if self.grant.bytes == 0 => {
                    match observer.filter(|observer| !observer.rate_limits().is_empty()) {
                        Some(observer) => {
                            let turn = Grant::wait(Arc::clone(observer), length);
                            self.waiting = Some(ReadWait::Turn(Box::pin(turn)));
                        }
                        None => self.grant = Grant::free(length),
                    }
                }
                None => {
                    let max = usize::try_from(self.grant.bytes).unwrap_or(usize::MAX);
                    let bytes = self.ready.split_to(self.ready.len().min(max));
                    self.grant.bytes -= bytes.len() as u64;
                    if let Some(observer) = observer {
                        observer.sent(bytes.len() as u64);
                    }
                    return Poll::Ready(Ok(bytes));
                }
            }
        }
    }
}

/// Reads exactly this range on another thread.
async fn read(source: Arc<dyn ReadAt>, offset: u64, length: u64) -> io::Result<Bytes> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let read = move || {
        let mut buffer = vec![0; length];
        source.read_exact_at(&mut buffer, offset).map(|()| Bytes::from(buffer))
    };
    page_cache::run_blocking(read).await?
}
