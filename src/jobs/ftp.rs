//! Fetching over ftp, in passive and binary mode, on a thread of its own.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use percent_encoding::percent_decode_str;
use suppaftp::types::FileType;
use suppaftp::{FtpError, FtpStream, Mode, Status};
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::Failure;
use super::download::Fetched;

/// A host that does not answer the first packet for this long is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes read at once, and how many such chunks may wait for the disk.
const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 4;

type Chunk = Result<Bytes, Failure>;

/// Logs in, asks for the size and begins to fetch. `stall` is how long the server may send nothing.
pub(super) async fn fetch(url: &Url, stall: Duration) -> Result<Fetched, Failure> {
    let (begun, begins) = oneshot::channel();
    let (sender, receiver) = mpsc::channel::<Chunk>(CHUNKS);
    let url = url.clone();
    tokio::task::spawn_blocking(move || run(&url, stall, begun, &sender));
    let length = begins.await.map_err(|_| Failure::Cancelled)??;
    let bytes =
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    Ok(Fetched { length, proposed_name: None, bytes: Box::pin(bytes) })
}

/// The whole conversation: `begun` is told the size, or why there is nothing to fetch; the bytes go to `sender`.
fn run(
    url: &Url,
    stall: Duration,
    begun: oneshot::Sender<Result<Option<u64>, Failure>>,
    sender: &mpsc::Sender<Chunk>,
) {
    let opened = open(url, stall).and_then(|(mut connection, path)| {
        let length = connection.size(&path).ok().and_then(|size| u64::try_from(size).ok());
        let transfer = connection.retr_as_stream(&path).map_err(|error| explain(&error))?;
        Ok((connection, transfer, length))
    });
    let (mut connection, mut transfer) = match opened {
        Ok((connection, transfer, length)) => {
            // Nobody listens any more when the download was cancelled; the first chunk will tell.
            let _ = begun.send(Ok(length));
            (connection, transfer)
        }
        Err(failure) => {
            let _ = begun.send(Err(failure));
            return;
        }
    };
    if pump(&mut transfer, sender).is_err() {
        return;
    }
    // Only the server's closing word tells a whole file from a broken connection (RFC 959 §5.4, code 226).
    if let Err(error) = transfer.finish() {
        let _ = sender.blocking_send(Err(explain(&error)));
        return;
    }
    let _ = connection.quit();
}

fn open(url: &Url, stall: Duration) -> Result<(FtpStream, String), Failure> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    // The path starts from the folder that the login leads to; `%2F` at its beginning means the root (RFC 1738 §3.2.2).
    let path = url.path().strip_prefix('/').unwrap_or(url.path());
    let path = decode(path.split_once(";type=").map_or(path, |(path, _)| path));
    let user = if url.username().is_empty() { "anonymous".to_owned() } else { decode(url.username()) };
    let password = url.password().map_or("image-service@".to_owned(), decode);
    // A line break would let a link speak other commands of the protocol.
    if [&path, &user, &password].iter().any(|text| text.contains(['\r', '\n', '\0'])) {
        return Err(Failure::Source("the link contains control characters".into()));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let addresses = (host, url.port().unwrap_or(21)).to_socket_addrs();
    let addresses =
        addresses.map_err(|error| Failure::Source(format!("cannot find the ftp server ({error})")))?;
    let mut last = Failure::Source("the ftp server has no address".into());
    for address in addresses {
        match connect(address, stall) {
            Ok(stream) => {
                let connection = log_in(stream, &user, &password, stall).map_err(|error| explain(&error))?;
                return Ok((connection, path));
            }
            Err(error) => last = Failure::Source(format!("cannot connect to the ftp server ({error})")),
        }
    }
    Err(last)
}

fn log_in(stream: TcpStream, user: &str, password: &str, stall: Duration) -> Result<FtpStream, FtpError> {
    let ipv6 = stream.peer_addr().is_ok_and(|address| address.is_ipv6());
    let mut connection = FtpStream::connect_with_stream(stream)?
        .passive_stream_builder(move |address| connect(address, stall).map_err(FtpError::ConnectionError));
    connection.login(user, password)?;
    connection.transfer_type(FileType::Binary)?;
    if ipv6 {
        connection.set_mode(Mode::ExtendedPassive);
    }
    // Many servers announce an inner address behind their gateway; the one that answered is the one to ask.
    connection.set_passive_nat_workaround(true);
    Ok(connection)
}

fn connect(address: SocketAddr, stall: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT.min(stall))?;
    stream.set_read_timeout(Some(stall))?;
    stream.set_write_timeout(Some(stall))?;
    Ok(stream)
}

/// Moves the bytes. `Err` means that there is no more to say: the receiver has gone, or was told why.
fn pump(transfer: &mut impl Read, sender: &mpsc::Sender<Chunk>) -> Result<(), ()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match transfer.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                let chunk = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
                sender.blocking_send(Ok(chunk)).map_err(drop)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let _ = sender.blocking_send(Err(broken(&error)));
                return Err(());
            }
        }
    }
}

fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Failure::Source("the ftp server sent nothing for too long".into())
        }
        _ => Failure::Source(format!("the connection broke before the file was complete ({error})")),
    }
}

fn explain(error: &FtpError) -> Failure {
    match error {
        FtpError::ConnectionError(error) => broken(error),
        FtpError::UnexpectedResponse(response) if response.status == Status::FileUnavailable => {
            Failure::Missing("the ftp server has no such file".into())
        }
        FtpError::UnexpectedResponse(response) => {
            Failure::Source(format!("the ftp server answered {}", response.status.code()))
        }
        other => Failure::Source(format!("the ftp server cannot be understood ({other})")),
    }
}
