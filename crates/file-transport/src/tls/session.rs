//! TLS in user space, for kernels that do not take it over: a file's bytes are read, encrypted and written.
//!
//! Bytes count as sent when the last of their records is in the socket. Until then the caller waits, and
//! offers the same bytes again.

use std::cell::RefCell;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::mem;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::ReadBufCursor;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use rustls::ServerConnection;
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

use crate::open_file::OpenFile;
use crate::wire::Wire;

/// Bytes that are encrypted at once. This also bounds the records that a connection holds while the client
/// takes none. It is a power of two times the longest record, 16 KiB.
const PORTION: usize = 64 << 10;

thread_local! {
    /// A buffer for a portion of a file while it is encrypted.
    static PLAIN: RefCell<Vec<u8>> = RefCell::new(vec![0; PORTION]);
}

/// A connection after its handshake.
pub(super) struct Session {
    stream: TcpStream,
    tls: Box<ServerConnection>,
    /// Bytes that were encrypted and not yet reported to the caller.
    taken: usize,
}

impl Session {
    pub(super) fn new(stream: TcpStream, mut tls: Box<ServerConnection>) -> Self {
        tls.set_buffer_limit(Some(PORTION));
        Self { stream, tls, taken: 0 }
    }

    /// Whether reading need not wait for the socket.
    fn has_news(&mut self) -> bool {
        let nothing = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        !self.tls.reader().fill_buf().is_err_and(|error| nothing(&error))
    }

    /// Reads from the socket once.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream.poll_read_ready(context))?;
        match self.tls.read_tls(&mut RecordReader(&self.stream)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Ready(Ok(())),
            Err(error) => return Poll::Ready(Err(error)),
        }
        let processed = self.tls.process_new_packets();
        // A reply of TLS itself is sent if the socket takes it at once, else with the next bytes.
        let said =
            if self.tls.wants_write() { send_records(&self.stream, &mut self.tls, false) } else { Ok(()) };
        match processed {
            Ok(_) => Poll::Ready(said),
            Err(error) => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
        }
    }

    /// Waits until all records are in the socket.
    fn poll_send(&mut self, context: &mut Context<'_>, more: bool) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            ready!(self.stream.poll_write_ready(context))?;
            send_records(&self.stream, &mut self.tls, more)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until all records are in the socket and it has space.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context, false))?;
        self.stream.poll_write_ready(context)
    }

    /// Waits until the encrypted bytes are in the socket, then reports their number.
    fn poll_taken(&mut self, context: &mut Context<'_>, more: bool, max: usize) -> Poll<io::Result<usize>> {
        if self.taken > max {
            return Poll::Ready(Err(io::Error::other("bytes that were taken are no longer offered")));
        }
        ready!(self.poll_send(context, more))?;
        Poll::Ready(Ok(mem::take(&mut self.taken)))
    }
}

/// Encrypts some of `slices` and returns the number of bytes.
fn encrypt(tls: &mut ServerConnection, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // The first write takes nothing if rustls has to change the keys first.
    for _ in 0..2 {
        let taken = tls.writer().write_vectored(slices)?;
        if taken > 0 {
            return Ok(taken);
        }
    }
    // TLS 1.2 cannot change keys.
    Err(io::Error::other("the keys of the session are used up"))
}

/// Writes as many records as the socket takes at once.
pub(super) fn send_records(stream: &TcpStream, tls: &mut ServerConnection, more: bool) -> io::Result<()> {
    match tls.write_tls(&mut RecordWriter { stream, more }) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

struct RecordReader<'a>(&'a TcpStream);

impl Read for RecordReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

struct RecordWriter<'a> {
    stream: &'a TcpStream,
    more: bool,
}

impl Write for RecordWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = if self.more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
        self.stream.try_io(Interest::WRITABLE, || {
            Ok(sendmsg(self.stream, slices, &mut SendAncillaryBuffer::default(), flags)?)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire for Session {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_news() { Poll::Ready(Ok(())) } else { self.stream.poll_read_ready(context) }
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.tls.reader().fill_buf() {
                Ok(plain) => {
                    let plain = plain.get(..buffer.remaining()).unwrap_or(plain);
                    buffer.put_slice(plain);
                    let count = plain.len();
                    self.tls.reader().consume(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Many clients leave without an announcement. hyper notices if that cuts a request short.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.poll_receive(context))?;
        }
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let max = slices.iter().map(|slice| slice.len()).sum();
        if self.taken == 0 && max > 0 {
            ready!(self.poll_room(context))?;
            self.taken = encrypt(&mut self.tls, slices)?;
        }
        self.poll_taken(context, more, max)
    }

    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &OpenFile,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        if self.taken == 0 {
            ready!(self.poll_room(context))?;
            self.taken = PLAIN.with_borrow_mut(|plain| {
                let plain = plain.get_mut(..count.min(PORTION)).unwrap_or_default();
                match read_at(file, plain, offset)? {
                    0 => Ok(0),
                    read => encrypt(&mut self.tls, &[IoSlice::new(plain.get(..read).unwrap_or_default())]),
                }
            })?;
        }
        self.poll_taken(context, false, count)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(context, false)
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The announcement is sent once, however often this is called.
        self.tls.send_close_notify();
        ready!(self.poll_send(context, false))?;
        AsyncWrite::poll_shutdown(Pin::new(&mut self.stream), context)
    }
}

fn read_at(file: &OpenFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
