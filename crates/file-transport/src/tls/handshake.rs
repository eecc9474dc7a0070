//! The handshake. It reads one record at a time and no byte behind the last one. So whatever takes the
//! connection over, perhaps the kernel, finds the following bytes in the socket.

use std::io::{self, Read};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use super::handover::{Offer, hand_over};
use super::kernel::KernelStream;
use super::session::{Session, send_records};
use super::stream::TlsStream;

/// The bytes before each record: its kind, a version, its length.
const HEADER: usize = 5;

/// Makes the handshake. Afterwards the kernel encrypts, if `offer` covers the session.
pub(super) async fn make(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    offer: Option<&Offer>,
) -> io::Result<TlsStream> {
    let mut tls = Box::new(ServerConnection::new(config).map_err(io::Error::other)?);
    let mut records = OneRecord { stream: &stream, header: [0; HEADER], have: 0, left: 0 };
    loop {
        // The tickets that follow the handshake are sent with it.
        while tls.wants_write() {
            stream.writable().await?;
            send_records(&stream, &mut tls, false)?;
        }
        if !tls.is_handshaking() {
            break;
        }
        stream.readable().await?;
        match tls.read_tls(&mut records) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if let Err(error) = tls.process_new_packets() {
            // Tells the client why, if the socket takes it at once.
            let _ = send_records(&stream, &mut tls, false);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
    }
    let suite = tls.negotiated_cipher_suite();
    if suite.zip(offer).is_some_and(|(suite, offer)| offer.covers(suite)) {
        let records = hand_over(&stream, *tls)?;
        return Ok(TlsStream::new(KernelStream::new(stream, records)));
    }
    Ok(TlsStream::new(Session::new(stream, tls)))
}

/// Reads the next record, and no byte behind it.
struct OneRecord<'a> {
    stream: &'a TcpStream,
    header: [u8; HEADER],
    /// Bytes of the header that were read.
    have: usize,
    /// Bytes of the record behind its header that are still to be read.
    left: usize,
}

impl Read for OneRecord<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left > 0 {
            let max = self.left.min(buffer.len());
            let count = self.stream.try_read(buffer.get_mut(..max).unwrap_or_default())?;
            self.left -= count;
            return Ok(count);
        }
        let rest = self.header.get_mut(self.have..).unwrap_or_default();
        let max = rest.len().min(buffer.len());
        let part = rest.get_mut(..max).unwrap_or_default();
        let count = self.stream.try_read(part)?;
        buffer.iter_mut().zip(part.iter().take(count)).for_each(|(to, from)| *to = *from);
        self.have += count;
        if self.have == HEADER {
            let [_, _, _, high, low] = self.header;
            (self.left, self.have) = (u16::from_be_bytes([high, low]).into(), 0);
        }
        Ok(count)
    }
}
