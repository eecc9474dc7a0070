//! The transport of a connection's bytes: a TCP socket, a TLS session over one, or a script in a test.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor};
use hyper_util::rt::TokioIo;
use rustix::fs::sendfile;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

use crate::open_file::OpenFile;

/// Carries bytes both ways. A pending call wakes its task when it is worth trying again. The caller then
/// offers at least the same bytes again, because some of them may have been encrypted already.
///
/// The server needs exactly these methods. A type of the caller's own lets tests play any socket.
pub trait Wire: Send + Unpin + 'static {
    /// Whether the connection is nothing more than a socket. Such a socket can be kept alone and become a
    /// wire again.
    fn is_socket(&self) -> bool {
        false
    }

    /// The bare socket.
    ///
    /// # Errors
    ///
    /// The connection is more than a socket, or the system does not release it.
    fn into_socket(self) -> io::Result<std::net::TcpStream>
    where
        Self: Sized,
    {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Waits until a read would not block. Spurious wake-ups are allowed.
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Reads the available bytes. Nothing read means the end.
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>>;

    /// Writes some of `slices` and returns the number of bytes. With `more`, bytes of a file follow at once:
    /// these may wait for them, so that both share a packet.
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>>;

    /// Sends up to `count` bytes of `file` from `offset` on and returns their number. 0 means that the file
    /// ends there.
    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &OpenFile,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>>;

    /// Waits until the system has taken all written bytes.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Shuts the sending direction down.
    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Wire for TcpStream {
    fn is_socket(&self) -> bool {
        true
    }

    fn into_socket(self) -> io::Result<std::net::TcpStream> {
        self.into_std()
    }

    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut TokioIo::new(self)).poll_read(context, buffer)
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let flags = if more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
        poll_send(self, context, |stream| sendmsg(stream, slices, &mut SendAncillaryBuffer::default(), flags))
    }

    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &OpenFile,
        mut offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        poll_send(self, context, |stream| sendfile(stream, &**file, Some(&mut offset), count))
    }

    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(self), context)
    }
}

/// Sends once, waiting for space in the socket's buffer.
fn poll_send(
    stream: &TcpStream,
    context: &mut Context<'_>,
    mut send: impl FnMut(&TcpStream) -> rustix::io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        match stream.try_io(Interest::WRITABLE, || send(stream).map_err(io::Error::from)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            sent => return Poll::Ready(sent),
        }
    }
}
