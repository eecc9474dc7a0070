//! Bytes that are not in a file as they are sent: read from whoever computes them, a piece at a time, where waiting holds up nobody. What
//! a client costs is one piece, however much it asks for and however slowly it takes.

use std::fmt::Debug;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::watch::Grant;
use crate::{OpenFile, Watch, residency};

/// Pieces end at multiples of this, so that a source that works in blocks makes each block once. Larger pieces cost memory for every slow
/// client, smaller ones cost throughput.
const PIECE: u64 = 128 << 10;

/// Where bytes can be read by their position, any number of readers at a time.
pub trait ReadAt: Debug + Send + Sync {
    /// Fills `buffer` with the bytes from `offset` on. May take its time. An error cuts the connection, as there is nothing else to say
    /// once the head is sent.
    ///
    /// # Errors
    ///
    /// Not all of these bytes can be had.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for OpenFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(&**self, buffer, offset)
    }
}

/// Where zeros are sent from.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Where the bytes of a part of a body come from.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// A source, from so many bytes on.
    Source(&'a Arc<dyn ReadAt>, u64),
    /// There are none; zeros stand for them.
    Zeros,
}

/// The bytes of one body that come this way. No more is read before what was read is taken: while the system sends the one piece out of
/// its own buffers, there is time to make the next.
pub(crate) struct Reading {
    ready: Bytes,
    grant: Grant,
    waiting: Option<Waiting>,
}

enum Waiting {
    Read(Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>),
    Turn(Pin<Box<dyn Future<Output = Grant> + Send>>),
}

impl Reading {
    pub(crate) fn new() -> Self {
        Self { ready: Bytes::new(), grant: Grant::none(), waiting: None }
    }

    /// The next of `length` bytes, as many as may leave now. Until they are all taken, each call has to go on where the last one ended.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        origin: Origin<'_>,
        length: u64,
        watch: Option<&Arc<dyn Watch>>,
    ) -> Poll<io::Result<Bytes>> {
        loop {
            match &mut self.waiting {
                Some(Waiting::Read(read)) => {
                    let read = ready!(read.as_mut().poll(context));
                    self.waiting = None;
                    self.ready = read?;
                }
                Some(Waiting::Turn(turn)) => {
                    self.grant = ready!(turn.as_mut().poll(context));
                    self.waiting = None;
                }
                // Nobody's turn is taken before there is something to send.
                None if self.ready.is_empty() => match origin {
                    Origin::Source(source, offset) => {
                        let until_border = PIECE - offset % PIECE;
                        let read = read(Arc::clone(source), offset, length.min(until_border));
                        self.waiting = Some(Waiting::Read(Box::pin(read)));
                    }
                    Origin::Zeros => {
                        let count = usize::try_from(length).unwrap_or(usize::MAX);
                        self.ready = Bytes::from_static(ZEROS.get(..count).unwrap_or(&ZEROS));
                    }
                },
                None if self.grant.bytes == 0 => match watch.filter(|watch| !watch.paces().is_empty()) {
                    Some(watch) => {
                        let turn = Grant::wait(Arc::clone(watch), length);
                        self.waiting = Some(Waiting::Turn(Box::pin(turn)));
                    }
                    None => self.grant = Grant::free(length),
                },
                None => {
                    let most = usize::try_from(self.grant.bytes).unwrap_or(usize::MAX);
                    let bytes = self.ready.split_to(self.ready.len().min(most));
                    self.grant.bytes -= bytes.len() as u64;
                    if let Some(watch) = watch {
                        watch.sent(bytes.len() as u64);
                    }
                    return Poll::Ready(Ok(bytes));
                }
            }
        }
    }
}

/// Reads exactly the range on another thread.
async fn read(source: Arc<dyn ReadAt>, offset: u64, length: u64) -> io::Result<Bytes> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let read = move || {
        let mut buffer = vec![0; length];
        source.read_exact_at(&mut buffer, offset).map(|()| Bytes::from(buffer))
    };
    residency::apart(read).await?
}
