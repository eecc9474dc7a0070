//! TLS in the kernel: `sendfile` encrypts, so that no byte of a file passes through the program's memory.
//!
//! When TCP's buffer is full, the kernel holds encrypted bytes back, and loses them if the connection is
//! closed then. So nothing counts as sent before that buffer has space again.
//!
//! The kernel handles records of data. Any other record is an alert, which nearly always ends the connection,
//! or a request for new keys. No client of a file server needs new keys, and only the newest kernels can
//! change them. So such a request ends the connection.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::ReadBufCursor;
use nix::libc::{MSG_DONTWAIT, MSG_NOSIGNAL, SOL_TLS, TLS_SET_RECORD_TYPE};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, TlsGetRecordType, recvmsg};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{MsgHdr, SockRef};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

use crate::open_file::OpenFile;
use crate::wire::Wire;

/// Bytes read at once: requests are short.
const READ_BYTES: usize = 16 << 10;

/// The length of the longest record.
const RECORD_BYTES: u64 = 16 << 10;

/// The content type of an alert.
const ALERT: u8 = 21;

/// The alert `close_notify` (RFC 8446 §6.1), and its level, a warning.
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

/// The alerts that do not end the connection.
const USER_CANCELED: u8 = 90;
const NO_RENEGOTIATION: u8 = 100;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        bytes: vec![0; READ_BYTES],
        control: nix::cmsg_space!(u8),
    });
}

/// A buffer for received bytes and their control messages.
struct Scratch {
    bytes: Vec<u8>,
    control: Vec<u8>,
}

/// What a client sent.
enum Received {
    /// So many bytes of data in the scratch buffer. 0 is the end.
    Data(usize),
    /// A record that needs no answer.
    Nothing,
    /// The client ends the connection.
    End,
}

/// A connection whose keys the kernel has.
pub(super) struct KernelStream {
    stream: TcpStream,
    /// Records that may still be sent with the keys.
    records: u64,
    /// The client has announced its end.
    ended: bool,
    /// The server has announced its end.
    closing: bool,
    /// Bytes were sent after the last time that the buffer surely had space.
    unflushed: bool,
}

impl KernelStream {
    pub(super) fn new(stream: TcpStream, records: u64) -> Self {
        Self { stream, records, ended: false, closing: false, unflushed: false }
    }

    /// Fails if the client has gone. Sending does not tell with every kernel: 6.1 goes on encrypting.
    fn check(&self) -> io::Result<()> {
        match poll_now(&self.stream)?.intersects(PollFlags::ERR | PollFlags::HUP) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }

    /// Counts the records of `sent` bytes. Each record tells an eavesdropper a little about the keys, so
    /// their number is limited.
    fn count(&mut self, sent: io::Result<usize>) -> io::Result<usize> {
        self.unflushed = true;
        let sent = sent?;
        let records = sent as u64 / RECORD_BYTES + 1;
        self.records = self
            .records
            .checked_sub(records)
            .ok_or_else(|| io::Error::other("the keys of the session are used up"))?;
        Ok(sent)
    }

    /// Waits for space in TCP's buffer, then calls `act`, which may still find none.
    fn poll_when_writable(
        &self,
        context: &mut Context<'_>,
        act: impl Fn(&TcpStream) -> io::Result<()>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            // tokio's readiness can be stale, so the kernel is asked. An error is left to `act`.
            let acted = self.stream.try_io(Interest::WRITABLE, || match poll_now(&self.stream)?.is_empty() {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => act(&self.stream),
            });
            match acted {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                acted => return Poll::Ready(acted),
            }
        }
    }
}

fn receive(stream: &TcpStream, scratch: &mut Scratch, max: usize) -> io::Result<Received> {
    let space = scratch.bytes.get_mut(..max.min(READ_BYTES)).unwrap_or_default();
    let mut spaces = [IoSliceMut::new(space)];
    let message =
        recvmsg::<()>(stream.as_raw_fd(), &mut spaces, Some(&mut scratch.control), MsgFlags::MSG_DONTWAIT)?;
    let count = message.bytes;
    let kind = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::TlsGetRecordType(kind) => Some(kind),
        _ => None,
    });
    match kind {
        // Without a control message it is data, or the end.
        None | Some(TlsGetRecordType::ApplicationData) => Ok(Received::Data(count)),
        Some(TlsGetRecordType::Alert) => match scratch.bytes.get(..count) {
            Some([_, 0]) => Ok(Received::End),
            // The client refuses new keys, or is about to end the connection.
            Some([_, NO_RENEGOTIATION | USER_CANCELED]) => Ok(Received::Nothing),
            Some([_, description]) => {
                let told = format!("the client gave up, with the alert {description}");
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, told))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "an alert that is none")),
        },
        Some(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "the client wants other keys")),
    }
}

impl Wire for KernelStream {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended { Poll::Ready(Ok(())) } else { self.stream.poll_read_ready(context) }
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.ended {
            ready!(self.stream.poll_read_ready(context))?;
            let received = SCRATCH.with_borrow_mut(|scratch| {
                let stream = &self.stream;
                let max = buffer.remaining();
                let received = stream.try_io(Interest::READABLE, || receive(stream, scratch, max));
                if let Ok(Received::Data(count)) = received {
                    buffer.put_slice(scratch.bytes.get(..count).unwrap_or_default());
                }
                received
            });
            match received {
                Ok(Received::Data(_)) => break,
                Ok(Received::Nothing) => {}
                Ok(Received::End) => self.ended = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        _more: bool,
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        // Never with `more`: TCP would send the bytes after 200 ms all the same, but the kernel's TLS would
        // not.
        // It would hold them until the next ones come, however long a disk or a rate limit takes.
        let sent = ready!(self.stream.poll_write(context, slices, false));
        Poll::Ready(self.count(sent))
    }

    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &OpenFile,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let sent = ready!(self.stream.poll_send_file(context, file, offset, count));
        Poll::Ready(self.count(sent))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(self.poll_when_writable(context, |_| Ok(())))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing {
            ready!(self.poll_when_writable(context, send_close_notify))?;
            (self.closing, self.unflushed) = (true, true);
        }
        ready!(self.poll_flush(context))?;
        AsyncWrite::poll_shutdown(Pin::new(&mut self.stream), context)
    }
}

/// Whether TCP's buffer has space, and whether the connection has ended.
fn poll_now(stream: &TcpStream) -> io::Result<PollFlags> {
    let mut polled = [PollFd::new(stream, PollFlags::OUT)];
    loop {
        match poll(&mut polled, Some(&Timespec::default())) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let [polled] = polled;
    Ok(polled.revents())
}

/// Announces the end of what is sent.
fn send_close_notify(stream: &TcpStream) -> io::Result<()> {
    let control = record_type(ALERT);
    let slices = [IoSlice::new(&CLOSE_NOTIFY)];
    let message = MsgHdr::new().with_buffers(&slices).with_control(&control);
    SockRef::from(stream).sendmsg(&message, MSG_DONTWAIT | MSG_NOSIGNAL).map(drop)
}

/// The control message that sets the type of a record, as `cmsg(3)` describes it: length, level, type, and
/// one byte with padding.
fn record_type(kind: u8) -> Vec<u8> {
    let header = size_of::<usize>() + 2 * size_of::<i32>();
    let mut message = Vec::with_capacity(header + size_of::<usize>());
    message.extend((header + 1).to_ne_bytes());
    message.extend(SOL_TLS.to_ne_bytes());
    message.extend(TLS_SET_RECORD_TYPE.to_ne_bytes());
    message.push(kind);
    message.resize(header + size_of::<usize>(), 0);
    message
}
