//! The IO that hyper writes to. Bytes go to the wire; tokens are replaced by file ranges from the send queue,
//! so that no byte of a file passes through the program's memory.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::body_observer::Grant;
use crate::chunk::is_token;
use crate::page_cache;
use crate::send_queue::{FileRange, SendQueue};
use crate::wire::Wire;

/// A client's wire and the ranges that are still to be sent on it.
pub(crate) struct Socket<W> {
    wire: W,
    /// Bytes that were read before this socket was made.
    unread: Bytes,
    send_queue: SendQueue,
    /// The file offset up to which the front range is known to be resident.
    resident_until: u64,
    /// The bytes of the front range that its rate limits let pass.
    grant: Grant,
    /// What the front range waits for: a load from the disk, or a turn at a rate limit.
    waiting: Option<SendWait>,
}

enum SendWait {
    Load(Pin<Box<dyn Future<Output = ()> + Send>>),
    Turn(Pin<Box<dyn Future<Output = Grant> + Send>>),
}

impl<W: Wire> Socket<W> {
    pub(crate) fn new(wire: W, unread: Bytes, send_queue: SendQueue) -> Self {
        Self { wire, unread, send_queue, resident_until: 0, grant: Grant::none(), waiting: None }
    }

    /// The wire, and the bytes that hyper has not read.
    pub(crate) fn into_parts(self) -> (W, Bytes) {
        (self.wire, self.unread)
    }

    /// Writes as much as the wire takes: the slices before the first token, then the file range of that
    /// token.
    fn poll_write_slices(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let position = slices.iter().position(|slice| is_token(slice));
        let (before, token) = match position {
            Some(position) => (slices.get(..position).unwrap_or_default(), slices.get(position)),
            None => (slices, None),
        };
        let wanted: usize = before.iter().map(|slice| slice.len()).sum();
        let Some(token) = token else { return self.poll_write_bytes(context, before, false) };
        if wanted > 0 {
            // The head waits in the socket for the first bytes of the body, and leaves in one segment with
            // them.
            let sent = ready!(self.poll_write_bytes(context, before, true))?;
            if sent < wanted {
                return Poll::Ready(Ok(sent));
            }
        }
        match self.poll_send_file(context, token.len()) {
            Poll::Ready(sent) => Poll::Ready(sent.map(|sent| wanted + sent)),
            // What was sent counts. hyper calls again and then waits for the file alone.
            Poll::Pending if wanted > 0 => Poll::Ready(Ok(wanted)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_write_bytes(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context));
        let written = self.wire.poll_write(context, slices, more);
        self.record(&written);
        written
    }

    /// Lets the other connections of the thread run when this one's turn is over.
    fn poll_turn(&self, context: &Context<'_>) -> Poll<()> {
        if self.send_queue.left_of_turn() > 0 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends up to `max` bytes of the range at the head of the send queue.
    fn poll_send_file(&mut self, context: &mut Context<'_>, max: usize) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context));
        let send_queue = self.send_queue.clone();
        let mut ranges = send_queue.lock();
        let range = ranges.front_mut().ok_or_else(|| io::Error::other("a token without a range"))?;
        if self.has_passed_time(range) && !range.file.is_as_it_was() {
            let changed =
                io::Error::new(io::ErrorKind::InvalidData, "the file has changed under its transfer");
            return Poll::Ready(Err(changed));
        }
        ready!(self.poll_ready(context, range));
        let max = (max as u64).min(range.length).min(self.send_queue.left_of_turn());
        let count = max.min(self.resident_until - range.offset).min(self.grant.bytes);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let sent = self.wire.poll_send_file(context, &range.file, range.offset, count);
        self.record(&sent);
        let sent = ready!(sent)? as u64;
        if sent == 0 {
            // The file has become shorter. The client must not take the rest of the answer for the end of the
            // file.
            let shrunk =
                io::Error::new(io::ErrorKind::UnexpectedEof, "the file has shrunk under its transfer");
            return Poll::Ready(Err(shrunk));
        }
        if let Some(observer) = &range.observer {
            observer.sent(sent);
        }
        self.grant.bytes -= sent;
        range.offset += sent;
        range.length -= sent;
        if range.length == 0 {
            ranges.pop_front();
            self.resident_until = 0;
            self.grant = Grant::none();
        }
        Poll::Ready(Ok(usize::try_from(sent).unwrap_or(usize::MAX)))
    }

    /// Whether the range continues after a pause, or after a window that may have taken long. Its file may
    /// have changed meanwhile.
    fn has_passed_time(&self, range: &FileRange) -> bool {
        let window_is_over = self.resident_until > 0 && self.resident_until <= range.offset;
        window_is_over || self.waiting.is_some() || self.send_queue.is_blocked()
    }

    /// Waits, without blocking the thread, until some bytes of the front range are resident and may leave.
    fn poll_ready(&mut self, context: &mut Context<'_>, range: &FileRange) -> Poll<()> {
        loop {
            match &mut self.waiting {
                Some(SendWait::Load(load)) => ready!(load.as_mut().poll(context)),
                Some(SendWait::Turn(turn)) => self.grant = ready!(turn.as_mut().poll(context)),
                None => {}
            }
            self.waiting = self.next_wait(range);
            if self.waiting.is_none() {
                return Poll::Ready(());
            }
            // The client cannot take what was not sent, so it does not count as stalled.
            self.send_queue.clear_blocked();
        }
    }

    fn next_wait(&mut self, range: &FileRange) -> Option<SendWait> {
        if self.grant.bytes == 0 {
            match Grant::at_once(range.observer.as_ref(), range.length) {
                Some(grant) => self.grant = grant,
                None => {
                    let observer = Arc::clone(range.observer.as_ref()?);
                    return Some(SendWait::Turn(Box::pin(Grant::wait(observer, range.length))));
                }
            }
        }
        if self.resident_until <= range.offset {
            let window = range.length.min(page_cache::WINDOW);
            self.resident_until = range.offset + window;
            if !range.file.is_resident(range.offset, window) {
                let load = page_cache::load(range.file.clone(), range.offset, window);
                return Some(SendWait::Load(Box::pin(load)));
            }
        }
        None
    }

    /// Records whether the client takes what it is sent.
    fn record(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(written) => self.send_queue.has_written(*written.as_ref().unwrap_or(&0)),
            Poll::Pending => self.send_queue.set_blocked(),
        }
    }
}

impl<W: Wire> Read for Socket<W> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.has_remaining() {
            let count = this.unread.len().min(buffer.remaining());
            buffer.put_slice(&this.unread.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let read = this.wire.poll_read(context, buffer);
        if read.is_ready() {
            this.send_queue.has_read();
        }
        read
    }
}

impl<W: Wire> Write for Socket<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_slices(context, slices)
    }

    /// Without this hyper would copy every body into its own buffer, tokens included.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = this.wire.poll_flush(context);
        match flushed {
            Poll::Ready(_) => this.send_queue.has_flushed(),
            Poll::Pending => this.send_queue.set_blocked(),
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.send_queue.set_closing();
        let shut = this.wire.poll_shutdown(context);
        if shut.is_pending() {
            this.send_queue.set_blocked();
        }
        shut
    }
}
