//! Real connections on loopback: whatever pieces a body has, the client gets exactly their bytes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod numbers;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use file_transport::{Body, OpenFile, Piece, ReadAt, Server, ServerLimits, ServerSettings, Workers};

use numbers::{Numbers, file};

/// Serves the pieces that `body` returns for the path of each request. The threads end with the test's
/// process.
fn serve(settings: ServerSettings, body: impl Fn(&str) -> Vec<Piece> + Send + Sync + 'static) -> SocketAddr {
    serve_until(std::future::pending(), settings, move |path| Body::from_pieces(body(path))).0
}

/// Serves until `stop` is ready. The thread ends with the server.
fn serve_until(
    stop: impl Future<Output = ()> + Send + 'static,
    settings: ServerSettings,
    body: impl Fn(&str) -> Body + Send + Sync + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handler = move |request: http::Request<file_transport::Incoming>, _peer| {
        let body = body(request.uri().path());
        async move { http::Response::new(body) }
    };
    let served = std::thread::spawn(move || {
        let workers = Workers::start(2).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Server::new(settings).run(&workers, listener, handler, stop)).unwrap();
    });
    (address, served)
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    BufReader::new(stream)
}

fn ask(connection: &mut BufReader<TcpStream>, path: &str) {
    write!(connection.get_mut(), "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
}

/// Reads the head of an answer and returns its length.
fn head(connection: &mut BufReader<TcpStream>) -> usize {
    let mut length = None;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).unwrap();
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = Some(value.trim().parse().unwrap());
        }
        if line == "\r\n" {
            return length.unwrap();
        }
    }
}

#[test]
fn any_pieces_arrive_as_they_are() {
    const SIZE: usize = 3 << 20;
    let (file, bytes) = file(SIZE);
    let mut numbers = Numbers::new(42);
    let mut cases: Vec<(Vec<Piece>, Vec<u8>)> = Vec::new();
    for _ in 0..200 {
        let (mut pieces, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..numbers.below(8) {
            match numbers.below(3) {
                0 => {
                    let text = Bytes::from(vec![b'x'; usize::try_from(numbers.below(5000)).unwrap()]);
                    expected.extend_from_slice(&text);
                    pieces.push(Piece::Bytes(text));
                }
                1 => {
                    let count = numbers.below(200_000);
                    expected.resize(expected.len() + usize::try_from(count).unwrap(), 0);
                    pieces.push(Piece::Zeros(count));
                }
                _ => {
                    let offset = numbers.below(SIZE as u64);
                    let length = numbers.below(SIZE as u64 - offset + 1);
                    let start = usize::try_from(offset).unwrap();
                    expected.extend_from_slice(&bytes[start..start + usize::try_from(length).unwrap()]);
                    pieces.push(Piece::File { file: Arc::clone(&file), offset, length });
                }
            }
        }
        cases.push((pieces, expected));
    }
    let pieces: Vec<Vec<Piece>> = cases.iter().map(|(pieces, _)| pieces.clone()).collect();
    let case = move |path: &str| pieces[path[1..].parse::<usize>().unwrap()].clone();
    let address = serve(ServerSettings::default(), case);
    // On one connection, four requests ahead: answers must neither mix nor change their order.
    let mut connection = connect(address);
    for first in (0..cases.len()).step_by(4) {
        (first..first + 4).for_each(|index| ask(&mut connection, &format!("/{index}")));
        for (_, expected) in &cases[first..first + 4] {
            let mut body = vec![0; head(&mut connection)];
            connection.read_exact(&mut body).unwrap();
            assert!(body == *expected, "{} bytes instead of {}", body.len(), expected.len());
        }
    }
}

#[test]
fn a_file_that_shrinks_cuts_the_connection() {
    let (file, bytes) = file(1 << 20);
    let short = Arc::clone(&file);
    let body = move |_: &str| vec![Piece::File { file: Arc::clone(&short), offset: 0, length: 1 << 20 }];
    let address = serve(ServerSettings::default(), body);
    file.set_len(300_000).unwrap();
    let mut connection = connect(address);
    ask(&mut connection, "/");
    assert_eq!(head(&mut connection), 1 << 20);
    let mut received = Vec::new();
    // A reset is as good an end as a closed connection.
    let _ = connection.read_to_end(&mut received);
    assert!(received == bytes[..300_000], "{} bytes", received.len());
}

#[test]
fn a_file_that_must_not_change_is_cut_off_when_it_does() {
    const LENGTH: u64 = 64 << 20;
    for changes in [true, false] {
        let file = tempfile::tempfile().unwrap();
        file.set_len(LENGTH).unwrap();
        let same = file.try_clone().unwrap();
        let file = Arc::new(if changes { OpenFile::unchanging(file).unwrap() } else { OpenFile::from(file) });
        let body = move |_: &str| vec![Piece::File { file: Arc::clone(&file), offset: 0, length: LENGTH }];
        let mut connection = connect(serve(ServerSettings::default(), body));
        ask(&mut connection, "/");
        let length = head(&mut connection) as u64;
        // The transfer has filled the buffers of the sockets and waits for the client.
        std::thread::sleep(Duration::from_millis(300));
        same.write_at(b"x", LENGTH - 1).unwrap();
        let received = io::copy(&mut connection.take(length), &mut io::sink()).unwrap_or(0);
        assert_eq!(received < LENGTH, changes, "{received} bytes");
    }
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let (file, bytes) = file(64 << 20);
    let body = move |_: &str| vec![Piece::File { file: Arc::clone(&file), offset: 0, length: 64 << 20 }];
    let settings = ServerSettings { stall_timeout: Duration::from_secs(1), ..ServerSettings::default() };
    let address = serve(settings, body);
    let mut stalled = connect(address);
    ask(&mut stalled, "/");
    // Meanwhile a slow client, which takes a little at a time, is served to the end.
    let mut slow = connect(address);
    ask(&mut slow, "/");
    let length = head(&mut slow);
    let mut received = Vec::with_capacity(length);
    let mut part = vec![0; 8 << 20];
    while received.len() < length {
        slow.read_exact(&mut part).unwrap();
        received.extend_from_slice(&part);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(received == bytes);
    // Connections are checked once a second, and it takes two checks to see that nothing moves.
    std::thread::sleep(Duration::from_secs(4));
    head(&mut stalled);
    let mut rest = Vec::new();
    let _ = stalled.read_to_end(&mut rest);
    assert!(rest.len() < length, "all {length} bytes came, although the client took none for a long time");
    assert!(rest == bytes[..rest.len()]);
}

#[test]
fn a_stop_waits_for_who_is_owed_the_rest_and_for_nobody_else() {
    let (file, bytes) = file(64 << 20);
    let body = move |path: &str| {
        let body = Body::from_pieces([Piece::File { file: Arc::clone(&file), offset: 0, length: 64 << 20 }]);
        if path == "/expendable" { body.expendable() } else { body }
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let limits = ServerLimits { drain_timeout: Duration::from_secs(15), ..ServerLimits::default() };
    let settings = ServerSettings { limits: limits.into(), ..ServerSettings::default() };
    let (address, served) = serve_until(async { drop(stopped.await) }, settings, body);
    let mut stalled: Vec<_> = (0..3).map(|_| connect(address)).collect();
    stalled.iter_mut().for_each(|connection| ask(connection, "/expendable"));
    let mut slow = connect(address);
    ask(&mut slow, "/");
    let mut received = vec![0; head(&mut slow)];
    slow.read_exact(&mut received[..100]).unwrap();
    let begun = Instant::now();
    stop.send(()).unwrap();
    slow.read_exact(&mut received[100..]).unwrap();
    assert!(received == bytes);
    served.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for connection in &mut stalled {
        let mut rest = Vec::new();
        let _ = connection.read_to_end(&mut rest);
        assert!(rest.len() < bytes.len(), "all came, although the client took nothing");
    }
}

/// A disk that hangs: reads block until it is freed.
#[derive(Debug, Default)]
struct Hanging {
    reading: Mutex<usize>,
    freed: Condvar,
}

impl ReadAt for Hanging {
    fn read_exact_at(&self, buffer: &mut [u8], _offset: u64) -> io::Result<()> {
        let mut reading = self.reading.lock().unwrap();
        *reading += 1;
        // From this number on, reads do not block.
        while *reading < usize::MAX / 2 {
            reading = self.freed.wait(reading).unwrap();
        }
        buffer.fill(b'x');
        Ok(())
    }
}

#[test]
fn a_disk_that_hangs_takes_no_more_threads_than_its_share() {
    let disk = Arc::new(Hanging::default());
    let source = Arc::clone(&disk);
    let body = move |_: &str| vec![Piece::Computed { source: source.clone(), offset: 0, length: 1000 }];
    let address = serve(ServerSettings::default(), body);
    let reading = || *disk.reading.lock().unwrap();
    for _ in 0..400 {
        ask(&mut connect(address), "/");
    }
    // Until no more reads begin.
    let mut before = 0;
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(50));
        if reading() == before && before > 0 {
            break;
        }
        before = reading();
    }
    assert!((1..=128).contains(&before), "{before} threads wait for the disk");
    *disk.reading.lock().unwrap() = usize::MAX / 2;
    disk.freed.notify_all();
    let mut connection = connect(address);
    ask(&mut connection, "/");
    let mut bytes = vec![0; head(&mut connection)];
    connection.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, [b'x'; 1000]);
}
