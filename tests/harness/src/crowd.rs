//! Thousands of clients: plain sockets from addresses of their own, which send exactly the given bytes, legal
//! or not.

use super::http::{self, Request, SILENCE};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use tokio::net::TcpSocket;

/// Descriptors for ten thousand clients, in the test and in the program, which reserves thousands for files.
const DESCRIPTORS: u64 = 16_384;

/// One of this machine's many addresses; equal numbers are one client.
pub fn address(client: u16) -> Ipv4Addr {
    let [high, low] = client.to_be_bytes();
    Ipv4Addr::new(127, 9, high, low)
}

/// Opens `count` connections from one address to the authority of `url`.
#[track_caller]
pub fn connect(url: &str, client: Ipv4Addr, count: usize) -> Vec<TcpStream> {
    connect_with(url, client, count, |_| Ok(()))
}

/// As `connect`, with receive buffers of a few KiB.
#[track_caller]
pub fn connect_with_small_buffers(url: &str, client: Ipv4Addr, count: usize) -> Vec<TcpStream> {
    connect_with(url, client, count, |socket| socket.set_recv_buffer_size(4096))
}

#[track_caller]
fn connect_with(
    url: &str,
    client: Ipv4Addr,
    count: usize,
    prepare: impl Fn(&TcpSocket) -> io::Result<()>,
) -> Vec<TcpStream> {
    use_hard_limit();
    let target: SocketAddr = http::split(url).0.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let open = || {
        let stream = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            prepare(&socket)?;
            socket.bind(SocketAddr::from((client, 0)))?;
            socket.connect(target).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        io::Result::Ok(stream)
    };
    let connect = |_| open().unwrap_or_else(|error| panic!("cannot connect from {client}: {error}"));
    (0..count).map(connect).collect()
}

/// As `connect`, one connection.
#[track_caller]
pub fn connect_one(url: &str, client: Ipv4Addr) -> TcpStream {
    connect(url, client, 1).remove(0)
}

/// Sends the same bytes on all connections.
#[track_caller]
pub fn say<'a>(crowd: impl IntoIterator<Item = &'a TcpStream>, bytes: &[u8]) {
    for mut stream in crowd {
        stream.write_all(bytes).unwrap();
    }
}

/// The bytes of a GET.
pub fn get(target: &str) -> Vec<u8> {
    Request::new("GET", target).to_bytes("crowd")
}

/// Reads a connection until the server closes it.
#[track_caller]
pub fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Reads the head of an answer and `length` bytes of body; the connection may stay open.
#[track_caller]
pub fn answer(stream: &TcpStream, length: u64) -> Vec<u8> {
    whole_or_nothing(stream, length).expect("no answer came")
}

/// As `answer`, unless the connection ends before the first byte. Panics when it ends later.
#[track_caller]
pub fn whole_or_nothing(mut stream: &TcpStream, length: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 1];
        if let Err(error) = stream.read_exact(&mut byte) {
            assert!(bytes.is_empty(), "torn: {error} after {:?}", String::from_utf8_lossy(&bytes));
            return None;
        }
        bytes.push(byte[0]);
    }
    let mut body = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut body).unwrap_or_else(|error| panic!("the body is torn: {error}"));
    bytes.append(&mut body);
    Some(bytes)
}

/// Sends a last GET on a connection and reads the whole answer, head and body.
#[track_caller]
pub fn last_answer(mut stream: &TcpStream, target: &str) -> String {
    let request = Request::new("GET", target).header("Connection", "close");
    stream.write_all(&request.to_bytes("crowd")).unwrap();
    String::from_utf8_lossy(&rest(stream)).into_owned()
}

/// Closes a connection with a TCP reset, as a machine does that crashed and came back.
pub fn reset(stream: TcpStream) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _inside = runtime.enter();
    stream.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(stream).unwrap().set_zero_linger().unwrap();
}

/// Whether the server closes or resets the connection before it sends a byte. Waits for either.
pub fn is_closed(mut stream: &TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
            true
        }
    }
}

/// Whether the connection is open and holds no unread byte.
pub fn is_open_and_silent(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.peek(&mut [0; 1]);
    stream.set_nonblocking(false).unwrap();
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Raises the descriptor limit of this process and of the programs that it starts, for thousands of
/// connections.
#[track_caller]
pub fn allow_thousands() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = |limit: Option<u64>| Some(limit.map_or(u64::MAX, |limit| limit.max(DESCRIPTORS)));
    let raised = Rlimit { current: wanted(limit.maximum), maximum: wanted(limit.maximum) };
    setrlimit(Resource::Nofile, raised)
        .unwrap_or_else(|error| panic!("{DESCRIPTORS} descriptors are needed, but only {limit:?}: {error}"));
}

/// Raises the descriptor limit of this process as far as any user may: tests of a program share one process,
/// and with it the 1,024 descriptors of a usual soft limit.
fn use_hard_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).unwrap();
    }
}
