//! A connection after its handshake, encrypted by the kernel or by rustls.

use std::fmt::{self, Debug, Formatter};
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use hyper::rt::ReadBufCursor;

use crate::open_file::OpenFile;
use crate::wire::Wire;

/// A client's connection, encrypted.
pub struct TlsStream(Box<dyn Wire>);

impl TlsStream {
    pub(super) fn new(wire: impl Wire) -> Self {
        Self(Box::new(wire))
    }
}

impl Debug for TlsStream {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsStream")
    }
}

impl Wire for TlsStream {
    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read(context, buffer)
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, slices, more)
    }

    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        file: &OpenFile,
        offset: u64,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_send_file(context, file, offset, count)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(context)
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(context)
    }
}
