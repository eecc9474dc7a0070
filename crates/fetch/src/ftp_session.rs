//! One session with an ftp server (RFC 959, RFC 2428, RFC 3659), in passive and binary mode, up to the first
//! byte.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use model::io_words::{in_words, without_numbers};
use percent_encoding::percent_decode_str;
use suppaftp::types::FileType;
use suppaftp::{FtpError, FtpStream, Mode, Status, TlsStream, TransferStream};
use url::Url;

use super::client::CONNECT_TIMEOUT;
use super::egress::Refusal;
use super::hang_up::Sockets;
use super::{Fault, Fetcher, Resume, Validator, resolver};
use crate::EgressPolicy;

/// The server, the login and the path of a link.
pub(super) struct Session {
    egress: Arc<EgressPolicy>,
    stall: Duration,
    host: String,
    port: u16,
    user: String,
    password: String,
    path: String,
    pub(super) sockets: Sockets,
}

/// The head of a transfer.
pub(super) struct Begun {
    pub(super) start: u64,
    pub(super) total: Option<u64>,
    pub(super) validator: Option<Validator>,
    pub(super) started_over: Option<&'static str>,
}

/// A session at the first byte. Without a transfer, no byte is missing.
pub(super) struct Opened {
    pub(super) connection: FtpStream,
    pub(super) transfer: Option<Box<dyn DataConnection>>,
    pub(super) begun: Begun,
}

/// The bytes, and the server's reply at their end. The library does not export the type that this trait
/// hides.
pub(super) trait DataConnection: Read {
    /// Waits for that reply.
    fn finish(self: Box<Self>) -> Result<(), FtpError>;
}

impl<T: TlsStream> DataConnection for TransferStream<T> {
    fn finish(self: Box<Self>) -> Result<(), FtpError> {
        (*self).finish()
    }
}

impl Session {
    /// Reads the link.
    pub(super) fn new(fetcher: &Fetcher, url: &Url) -> Result<Self, Fault> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        // The path is relative to the folder of the login; `%2F` at its beginning means the root (RFC 1738
        // §3.2.2).
        let path = url.path().strip_prefix('/').unwrap_or(url.path());
        let path = decode(path.split_once(";type=").map_or(path, |(path, _)| path));
        let user = if url.username().is_empty() { "anonymous".to_owned() } else { decode(url.username()) };
        let password = url.password().map_or("image-service@".to_owned(), decode);
        // A line break would let a link send other commands.
        if [&path, &user, &password].iter().any(|text| text.contains(['\r', '\n', '\0'])) {
            return Err(Fault::Permanent("the link contains control characters".into()));
        }
        Ok(Self {
            egress: fetcher.egress.get(),
            stall: fetcher.stall(),
            host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(21),
            user,
            password,
            path,
            sockets: Sockets::default(),
        })
    }

    /// Opens the session up to the first missing byte, or to byte 0 where the file cannot be continued.
    pub(super) fn open(&self, from: Option<&Resume>) -> Result<Opened, Fault> {
        let mut connection = self.log_in(self.connect()?).map_err(|error| explain(&error))?;
        let total = connection.size(&self.path).ok().and_then(|size| u64::try_from(size).ok());
        let modified = connection.mdtm(&self.path).ok();
        let validator = modified.map(|time| Validator::FtpTime(time.to_string()));
        let mut begun = Begun { start: 0, total, validator, started_over: None };
        if let Some(from) = from {
            if !is_same(from, &begun) {
                begun.started_over = Some("the file has changed at its source, or the source does not tell");
            } else if total == Some(from.offset) {
                begun.start = from.offset;
                return Ok(Opened { connection, transfer: None, begun });
            } else if let Some(transfer) = self.resume(&mut connection, from.offset)? {
                begun.start = from.offset;
                return Ok(Opened { connection, transfer: Some(transfer), begun });
            } else {
                begun.started_over = Some("the source does not continue files");
            }
        }
        let transfer = connection.retr_as_stream(&self.path).map_err(|error| explain(&error))?;
        Ok(Opened { connection, transfer: Some(Box::new(transfer)), begun })
    }

    /// The transfer from `offset` (REST, RFC 3659 §5.3); `None` if the server does not support that.
    fn resume(
        &self,
        connection: &mut FtpStream,
        offset: u64,
    ) -> Result<Option<Box<dyn DataConnection>>, Fault> {
        let Ok(offset) = usize::try_from(offset) else { return Ok(None) };
        let started = connection.resume_transfer(offset).and_then(|()| connection.retr_as_stream(&self.path));
        match started {
            Ok(transfer) => Ok(Some(Box::new(transfer))),
            Err(FtpError::UnexpectedResponse(response)) if response.status.code() >= 500 => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }

    fn connect(&self) -> Result<TcpStream, Fault> {
        let unreachable =
            |error| Fault::Unreachable(format!("cannot find the ftp server ({})", in_words(&error)));
        let found = (self.host.as_str(), self.port).to_socket_addrs().map_err(unreachable)?;
        let addresses = resolver::allowed(&self.egress, &self.host, found).map_err(|error| {
            let refusal = error.downcast_ref::<Refusal>().cloned();
            refusal.map_or_else(|| Fault::Unreachable("the ftp server has no address".into()), Into::into)
        })?;
        let mut last = Fault::Unreachable("the ftp server has no address".into());
        for address in addresses {
            let connected = connect(address, self.stall)
                .and_then(|stream| self.sockets.keep_control(&stream).map(|()| stream));
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    let why = in_words(&error);
                    last = Fault::Unreachable(format!("cannot connect to the ftp server ({why})"));
                }
            }
        }
        Err(last)
    }

    fn log_in(&self, stream: TcpStream) -> Result<FtpStream, FtpError> {
        let (stall, peer) = (self.stall, stream.peer_addr().map_err(FtpError::ConnectionError)?);
        let sockets = self.sockets.clone();
        let mut connection =
            FtpStream::connect_with_stream(stream)?.passive_stream_builder(move |announced| {
                // A server behind a gateway announces an internal address, and a hostile one that of another
                // machine. So the data connection goes to the checked address of the control connection.
                let address = SocketAddr::new(peer.ip(), announced.port());
                connect(address, stall)
                    .and_then(|stream| sockets.keep_data(&stream).map(|()| stream))
                    .map_err(FtpError::ConnectionError)
            });
        connection.login(&self.user, &self.password)?;
        connection.transfer_type(FileType::Binary)?;
        connection.set_passive_nat_workaround(true);
        if peer.is_ipv6() {
            connection.set_mode(Mode::ExtendedPassive);
        }
        Ok(connection)
    }
}

/// Whether the file is that of the earlier attempt: same size and time, or only the size if a digest follows.
fn is_same(from: &Resume, now: &Begun) -> bool {
    let known = |size: Option<u64>| size.filter(|size| *size >= from.offset);
    let same_size = known(now.total).is_some() && now.total == from.total;
    let same_time = now.validator.is_some() && now.validator == from.validator;
    same_size && (same_time || from.verified_later)
}

fn connect(address: SocketAddr, stall: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT.min(stall))?;
    stream.set_read_timeout(Some(stall))?;
    stream.set_write_timeout(Some(stall))?;
    Ok(stream)
}

/// The fault of an open connection that broke.
pub(super) fn broken(error: &io::Error) -> Fault {
    Fault::transient(match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "the ftp server sent nothing for too long".to_owned()
        }
        _ => format!("the connection broke before the file was complete ({})", in_words(error)),
    })
}

/// The fault for an error of the FTP library. Codes from 400 to 499 are temporary (RFC 959 §4.2.1).
pub(super) fn explain(error: &FtpError) -> Fault {
    match error {
        FtpError::ConnectionError(error) => broken(error),
        FtpError::UnexpectedResponse(response) if response.status == Status::FileUnavailable => {
            Fault::Missing("the ftp server has no such file".into())
        }
        FtpError::UnexpectedResponse(response) => {
            let code = response.status.code();
            let text = format!("the ftp server answered {code}");
            if (400..500).contains(&code) { Fault::transient(text) } else { Fault::Permanent(text) }
        }
        other => {
            let words = without_numbers(&other.to_string());
            Fault::Permanent(format!("the ftp server cannot be understood ({words})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_cannot_send_commands() {
        let fetcher = Fetcher::new(EgressPolicy::default(), Duration::from_secs(1)).expect("a client");
        let session = |link: &str| Session::new(&fetcher, &link.parse().expect("a link"));
        for link in ["ftp://h/a%0D%0ADELE%20b", "ftp://me%0a@h/a", "ftp://me:x%0dy@h/a", "ftp://h/a%00"] {
            assert!(matches!(session(link), Err(Fault::Permanent(_))), "{link}");
        }
        let session = session("ftp://me:a%40b@h:2121/%2Fd/a%20b.iso;type=i").expect("a session");
        assert_eq!((session.user.as_str(), session.password.as_str()), ("me", "a@b"));
        assert_eq!((session.path.as_str(), session.port), ("/d/a b.iso", 2121));
    }

    #[test]
    fn a_file_is_continued_only_if_it_is_the_same() {
        let time = |text: &str| Some(Validator::FtpTime(text.to_owned()));
        let from =
            |verified_later| Resume { offset: 5, validator: time("1"), total: Some(9), verified_later };
        for (total, validator, plain, verified) in [
            (Some(9), time("1"), true, true),
            (Some(9), time("2"), false, true),
            (Some(9), None, false, true),
            (Some(8), time("1"), false, false),
            (None, time("1"), false, false),
        ] {
            let now = Begun { start: 0, total, validator, started_over: None };
            assert_eq!(
                (is_same(&from(false), &now), is_same(&from(true), &now)),
                (plain, verified),
                "{total:?}"
            );
        }
    }
}
