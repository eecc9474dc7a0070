//! One conversation with an ftp server (RFC 959, RFC 2428, RFC 3659), in passive and binary mode, up to the first byte.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use suppaftp::types::FileType;
use suppaftp::{FtpError, FtpStream, Mode, Status, TlsStream, TransferStream};
use url::Url;

use super::client::CONNECT_TIMEOUT;
use super::egress::Refusal;
use super::hang_up::Sockets;
use super::{Fault, Fetcher, Resume, Validator, resolver};
use crate::EgressPolicy;

/// Whom to ask for what.
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

/// What is going to come.
pub(super) struct Begun {
    pub(super) start: u64,
    pub(super) total: Option<u64>,
    pub(super) validator: Option<Validator>,
    pub(super) started_over: Option<&'static str>,
}

/// A conversation at the first byte. Without a transfer nothing is missing.
pub(super) struct Opened {
    pub(super) connection: FtpStream,
    pub(super) transfer: Option<Box<dyn Transfer>>,
    pub(super) begun: Begun,
}

/// The bytes, and the server's word at their end. The library does not tell the name of its type.
pub(super) trait Transfer: Read {
    /// Waits for that word.
    fn finish(self: Box<Self>) -> Result<(), FtpError>;
}

impl<T: TlsStream> Transfer for TransferStream<T> {
    fn finish(self: Box<Self>) -> Result<(), FtpError> {
        (*self).finish()
    }
}

impl Session {
    /// Reads the link.
    pub(super) fn new(fetcher: &Fetcher, url: &Url) -> Result<Self, Fault> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        // The path starts from the folder that the login leads to; `%2F` at its beginning means the root (RFC 1738 §3.2.2).
        let path = url.path().strip_prefix('/').unwrap_or(url.path());
        let path = decode(path.split_once(";type=").map_or(path, |(path, _)| path));
        let user = if url.username().is_empty() { "anonymous".to_owned() } else { decode(url.username()) };
        let password = url.password().map_or("image-service@".to_owned(), decode);
        // A line break would let a link speak other commands of the protocol.
        if [&path, &user, &password].iter().any(|text| text.contains(['\r', '\n', '\0'])) {
            return Err(Fault::Permanent("the link contains control characters".into()));
        }
        Ok(Self {
            egress: Arc::clone(&fetcher.egress),
            stall: fetcher.stall,
            host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(21),
            user,
            password,
            path,
            sockets: Sockets::default(),
        })
    }

    /// Goes up to the first byte of what is missing, or of the whole file where it cannot be continued.
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
            } else if let Some(transfer) = self.go_on(&mut connection, from.offset)? {
                begun.start = from.offset;
                return Ok(Opened { connection, transfer: Some(transfer), begun });
            } else {
                begun.started_over = Some("the source does not continue files");
            }
        }
        let transfer = connection.retr_as_stream(&self.path).map_err(|error| explain(&error))?;
        Ok(Opened { connection, transfer: Some(Box::new(transfer)), begun })
    }

    /// The transfer from `offset` on (REST, RFC 3659 §5.3); `None` if the server does not do that.
    fn go_on(&self, connection: &mut FtpStream, offset: u64) -> Result<Option<Box<dyn Transfer>>, Fault> {
        let Ok(offset) = usize::try_from(offset) else { return Ok(None) };
        let started = connection.resume_transfer(offset).and_then(|()| connection.retr_as_stream(&self.path));
        match started {
            Ok(transfer) => Ok(Some(Box::new(transfer))),
            Err(FtpError::UnexpectedResponse(response)) if response.status.code() >= 500 => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }

    fn connect(&self) -> Result<TcpStream, Fault> {
        let unreachable = |error| Fault::Unreachable(format!("cannot find the ftp server ({error})"));
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
                    last = Fault::Unreachable(format!("cannot connect to the ftp server ({error})"));
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
                // Many servers announce an inner address behind their gateway, and an evil one that of another machine. The one that answered,
                // whose address was looked at, is the one to ask.
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

/// Whether the file is the one of the earlier try: same time and size, or at least the size where the whole is going to be verified.
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

/// Why a connection that once stood did not hold.
pub(super) fn broken(error: &io::Error) -> Fault {
    Fault::transient(match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "the ftp server sent nothing for too long".to_owned()
        }
        _ => format!("the connection broke before the file was complete ({error})"),
    })
}

/// What the server said, in words for people. Codes from 400 to 499 ask to try again (RFC 959 §4.2.1).
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
        other => Fault::Permanent(format!("the ftp server cannot be understood ({other})")),
    }
}
