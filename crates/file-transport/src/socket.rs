//! The connection's IO: bytes are written, tokens are replaced by ranges of files from the outbox, so that no byte of a file passes
//! through this program's memory.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::Wire;
use crate::chunk::is_token;
use crate::outbox::{FileRange, Outbox};
use crate::residency;
use crate::watch::Grant;

/// A client's wire together with what it is still owed.
pub(crate) struct Socket<W> {
    wire: W,
    /// Bytes that were read before this socket was made.
    unread: Bytes,
    outbox: Outbox,
    /// The file offset up to which the front range is known to be in memory.
    warm_until: u64,
    /// What the paces of the front range let go.
    grant: Grant,
    /// What has to end before the front range goes on: a load from the disk, or the wait for a turn at a pace.
    waiting: Option<Waiting>,
}

enum Waiting {
    Load(Pin<Box<dyn Future<Output = ()> + Send>>),
    Turn(Pin<Box<dyn Future<Output = Grant> + Send>>),
}

impl<W: Wire> Socket<W> {
    pub(crate) fn new(wire: W, unread: Bytes, outbox: Outbox) -> Self {
        Self { wire, unread, outbox, warm_until: 0, grant: Grant::none(), waiting: None }
    }

    /// The wire, and what was left unread.
    pub(crate) fn into_parts(self) -> (W, Bytes) {
        (self.wire, self.unread)
    }

    /// Writes as much as the wire takes. Tokens are sent from the outbox, with what stands before them.
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
            // The head waits in the socket for the first bytes of the body, and leaves in one segment with them.
            let sent = ready!(self.poll_write_bytes(context, before, true))?;
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

    fn poll_write_bytes(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context));
        let written = self.wire.poll_write(context, slices, more);
        self.note(&written);
        written
    }

    /// Gives way to the other connections of the thread when this one's turn is over.
    fn poll_turn(&self, context: &Context<'_>) -> Poll<()> {
        if self.outbox.left_of_turn() > 0 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends up to `most` bytes of the range at the head of the outbox.
    fn poll_send_file(&mut self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(context));
        let outbox = self.outbox.clone();
        let mut ranges = outbox.lock();
        let range = ranges.front_mut().ok_or_else(|| io::Error::other("a token without a range"))?;
        if self.has_passed_time(range) && !range.file.is_as_it_was() {
            let changed =
                io::Error::new(io::ErrorKind::InvalidData, "the file has changed under its transfer");
            return Poll::Ready(Err(changed));
        }
        ready!(self.poll_ready(context, range));
        let most = (most as u64).min(range.length).min(self.outbox.left_of_turn());
        let count = most.min(self.warm_until - range.offset).min(self.grant.bytes);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let sent = self.wire.poll_send_file(context, &range.file, range.offset, count);
        self.note(&sent);
        let sent = ready!(sent)? as u64;
        if sent == 0 {
            // The file has become shorter than its length was. The client must not take the rest for the file's end.
            let shrunk =
                io::Error::new(io::ErrorKind::UnexpectedEof, "the file has shrunk under its transfer");
            return Poll::Ready(Err(shrunk));
        }
        if let Some(watch) = &range.watch {
            watch.sent(sent);
        }
        self.grant.bytes -= sent;
        range.offset += sent;
        range.length -= sent;
        if range.length == 0 {
            ranges.pop_front();
            self.warm_until = 0;
            self.grant = Grant::none();
        }
        Poll::Ready(Ok(usize::try_from(sent).unwrap_or(usize::MAX)))
    }

    /// Whether the range goes on after a pause, or after as much as may take a while: its file may be another one by now.
    fn has_passed_time(&self, range: &FileRange) -> bool {
        let window_is_over = self.warm_until > 0 && self.warm_until <= range.offset;
        window_is_over || self.waiting.is_some() || self.outbox.is_blocked()
    }

    /// Waits, without holding the thread, until some of the front range is in memory and may leave.
    fn poll_ready(&mut self, context: &mut Context<'_>, range: &FileRange) -> Poll<()> {
        loop {
            match &mut self.waiting {
                Some(Waiting::Load(load)) => ready!(load.as_mut().poll(context)),
                Some(Waiting::Turn(turn)) => self.grant = ready!(turn.as_mut().poll(context)),
                None => {}
            }
            self.waiting = self.next_wait(range);
            if self.waiting.is_none() {
                return Poll::Ready(());
            }
            // Nobody can say that the client does not take what it was not sent.
            self.outbox.waits_for_us();
        }
    }

    fn next_wait(&mut self, range: &FileRange) -> Option<Waiting> {
        if self.grant.bytes == 0 {
            match Grant::at_once(range.watch.as_ref(), range.length) {
                Some(grant) => self.grant = grant,
                None => {
                    let watch = Arc::clone(range.watch.as_ref()?);
                    return Some(Waiting::Turn(Box::pin(Grant::wait(watch, range.length))));
                }
            }
        }
        if self.warm_until <= range.offset {
            let window = range.length.min(residency::WINDOW);
            self.warm_until = range.offset + window;
            if !range.file.is_resident(range.offset, window) {
                let load = residency::load(range.file.clone(), range.offset, window);
                return Some(Waiting::Load(Box::pin(load)));
            }
        }
        None
    }

    /// Remembers whether the client takes what it is sent.
    fn note(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(written) => self.outbox.has_written(*written.as_ref().unwrap_or(&0)),
            Poll::Pending => self.outbox.has_no_room(),
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
            this.outbox.has_read();
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
            Poll::Ready(_) => this.outbox.has_flushed(),
            Poll::Pending => this.outbox.has_no_room(),
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.outbox.set_closing();
        let shut = this.wire.poll_shutdown(context);
        if shut.is_pending() {
            this.outbox.has_no_room();
        }
        shut
    }
}
