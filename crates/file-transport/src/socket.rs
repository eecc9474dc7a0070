//! The connection's IO: bytes are written, tokens are replaced by `sendfile` from the outbox, so that no byte of a file passes through
//! this program's memory.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use rustix::fs::sendfile;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::chunk::is_token;
use crate::outbox::Outbox;
use crate::residency;

/// After so many bytes in one turn a connection lets the others of its thread go on.
const TURN: u64 = 2 << 20;

/// A client's socket together with what it is still owed.
pub(crate) struct Socket {
    io: TokioIo<TcpStream>,
    outbox: Outbox,
    /// Bytes sent since this connection last gave way.
    turn: u64,
    /// The file offset up to which the front range is known to be in memory.
    warm_until: u64,
    loading: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    stall_timeout: Duration,
}

impl Socket {
    /// A client that takes nothing for `stall_timeout` is cut.
    pub(crate) fn new(stream: TcpStream, outbox: Outbox, stall_timeout: Duration) -> Self {
        Self {
            io: TokioIo::new(stream),
            outbox,
            turn: 0,
            warm_until: 0,
            loading: None,
            stalled: None,
            stall_timeout,
        }
    }

    /// Lets the result of a write pass, and watches how long there is none.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.stall_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client took nothing for too long")))
    }

    /// Writes once, waiting for room in the socket's buffer.
    fn poll_send(
        &self,
        context: &mut Context<'_>,
        mut send: impl FnMut(&TcpStream) -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let stream = self.io.inner();
        loop {
            ready!(stream.poll_write_ready(context))?;
            match stream.try_io(Interest::WRITABLE, || send(stream).map_err(io::Error::from)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// Sends up to `most` bytes of the range at the head of the outbox.
    fn poll_send_file(&mut self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        if self.turn >= TURN {
            self.turn = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.poll_warm(context));
        let outbox = self.outbox.clone();
        let mut ranges = outbox.lock();
        let range = ranges.front_mut().ok_or_else(|| io::Error::other("a token without a range"))?;
        let count = (most as u64).min(range.length).min(TURN - self.turn).min(self.warm_until - range.offset);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let sent = ready!(self.poll_send(context, |stream| {
            let mut offset = range.offset;
            sendfile(stream, &range.file, Some(&mut offset), count)
        }))?;
        if sent == 0 {
            // The file has become shorter than its length was. The client must not take the rest for the file's end.
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file has shrunk under its transfer",
            )));
        }
        self.turn += sent as u64;
        range.offset += sent as u64;
        range.length -= sent as u64;
        if range.length == 0 {
            ranges.pop_front();
            self.warm_until = 0;
        }
        Poll::Ready(Ok(sent))
    }

    /// Waits, without holding the thread, until the next window of the front range is in memory.
    fn poll_warm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(loading) = &mut self.loading {
            ready!(loading.as_mut().poll(context));
            self.loading = None;
        }
        let ranges = self.outbox.lock();
        let Some(range) = ranges.front() else { return Poll::Ready(()) };
        if self.warm_until > range.offset {
            return Poll::Ready(());
        }
        let window = range.length.min(residency::WINDOW);
        self.warm_until = range.offset + window;
        if residency::is_resident(&range.file, range.offset, window) {
            return Poll::Ready(());
        }
        let mut loading = Box::pin(residency::load(range.file.clone(), range.offset, window));
        drop(ranges);
        let loaded = loading.as_mut().poll(context);
        if loaded.is_pending() {
            self.loading = Some(loading);
        }
        loaded
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(context, buffer)
    }
}

impl Socket {
    fn poll_write_slices(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some((position, token)) = slices.iter().enumerate().find(|(_, slice)| is_token(slice)) else {
            return Pin::new(&mut self.io).poll_write_vectored(context, slices);
        };
        let before = slices.get(..position).unwrap_or_default();
        let wanted: usize = before.iter().map(|slice| slice.len()).sum();
        if wanted > 0 {
            // The head waits in the socket for the first bytes of the body, and leaves in one segment with them.
            let sent = ready!(self.poll_send(context, |stream| {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
                sendmsg(stream, before, &mut SendAncillaryBuffer::default(), flags)
            }))?;
            if sent < wanted {
                return Poll::Ready(Ok(sent));
            }
        }
        match self.poll_send_file(context, token.len()) {
            Poll::Ready(sent) => Poll::Ready(sent.map(|sent| wanted + sent)),
            // What was sent counts; the connection asks again and then waits for the file alone.
            Poll::Pending if wanted > 0 => Poll::Ready(Ok(wanted)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_write_slices(context, slices);
        this.watch(context, written)
    }

    /// Without this hyper would copy every body into its own buffer, tokens included.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}
