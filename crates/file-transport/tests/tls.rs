//! Encrypted connections on loopback with rustls as the client: the same bytes as without TLS, and the same
//! ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod numbers;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use file_transport::{
    Body, Counters, LiveLimits, OpenFile, Piece, Server, ServerLimits, ServerSettings, Tls, Workers,
};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use tempfile::TempDir;

use numbers::{Numbers, file};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Longer than any wait of these tests.
const LONG: Duration = Duration::from_secs(20);

/// A certificate and its key, for all tests.
static PAIR: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    make_pair(folder.path(), "rsa:2048");
    folder
});

/// Makes `cert.pem` and `key.pem`.
fn make_pair(folder: &Path, algorithm: &str) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test", "-newkey", algorithm])
        .args([
            "-pkeyopt",
            if algorithm == "ec" { "ec_paramgen_curve:prime256v1" } else { "rsa_keygen_pubexp:65537" },
        ])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("cannot run openssl, package openssl: {error}"));
    assert!(made.status.success(), "{made:?}");
}

/// Limits under which one address may have a few connections.
fn a_few(max_connections_per_address: usize) -> LiveLimits {
    ServerLimits { max_connections_per_address, ..ServerLimits::default() }.into()
}

fn load(folder: &Path) -> Tls {
    Tls::load(folder.join("cert.pem"), folder.join("key.pem"), true).unwrap()
}

/// Settings with TLS, and their counters.
fn settings() -> (ServerSettings, Arc<Counters>) {
    let settings = ServerSettings { tls: Some(load(PAIR.path())), ..ServerSettings::default() };
    let counters = Arc::clone(&settings.counters);
    (settings, counters)
}

/// Serves the pieces that `body` returns for the path of each request. The threads end with the test's
/// process.
fn serve(settings: ServerSettings, body: impl Fn(&str) -> Vec<Piece> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    serve_at(listener, settings, body)
}

fn serve_at(
    listener: TcpListener,
    settings: ServerSettings,
    body: impl Fn(&str) -> Vec<Piece> + Send + Sync + 'static,
) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    let handler = move |request: http::Request<file_transport::Incoming>, _peer| {
        let body = Body::from_pieces(body(request.uri().path()));
        async move { http::Response::new(body) }
    };
    thread::spawn(move || {
        let workers = Workers::start(2).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime
            .block_on(Server::new(settings).run(&workers, listener, handler, std::future::pending()))
            .unwrap();
    });
    address
}

fn text(_: &str) -> Vec<Piece> {
    vec![Piece::Bytes(Bytes::from_static(b"text"))]
}

/// Accepts any certificate, if the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn client(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

type Connection = BufReader<StreamOwned<ClientConnection, TcpStream>>;

fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Connection {
    connect_over(TcpStream::connect(address).unwrap(), config)
}

fn connect_over(stream: TcpStream, config: &Arc<ClientConfig>) -> Connection {
    stream.set_read_timeout(Some(LONG)).unwrap();
    let session = ClientConnection::new(Arc::clone(config), "test".try_into().unwrap()).unwrap();
    BufReader::new(StreamOwned::new(session, stream))
}

fn ask(connection: &mut Connection, path: &str) {
    write!(connection.get_mut(), "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
}

/// Reads the head of an answer and returns its length.
fn head(connection: &mut Connection) -> usize {
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
        assert!(!line.is_empty(), "the connection ended in a head");
    }
}

#[track_caller]
fn expect_text(connection: &mut Connection) {
    ask(connection, "/");
    let mut body = vec![0; head(connection)];
    connection.read_exact(&mut body).unwrap();
    assert_eq!(body, b"text");
}

#[track_caller]
fn eventually(what: &str, mut probe: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !probe() {
        assert!(Instant::now() < deadline, "not within {LONG:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn size(numbers: &mut Numbers, limit: usize) -> usize {
    usize::try_from(numbers.below(limit as u64)).unwrap()
}

/// Pieces of all kinds, and their bytes.
fn pieces(numbers: &mut Numbers, file: &Arc<OpenFile>, bytes: &[u8]) -> (Vec<Piece>, Vec<u8>) {
    let (mut pieces, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..numbers.below(8) {
        match numbers.below(3) {
            0 => {
                let text = Bytes::from(vec![b'x'; size(numbers, 5000)]);
                expected.extend_from_slice(&text);
                pieces.push(Piece::Bytes(text));
            }
            1 => {
                let count = numbers.below(50_000);
                expected.resize(expected.len() + usize::try_from(count).unwrap(), 0);
                pieces.push(Piece::Zeros(count));
            }
            _ => {
                let start = size(numbers, bytes.len());
                let length = size(numbers, (bytes.len() - start + 1).min(200_000));
                expected.extend_from_slice(&bytes[start..start + length]);
                let (offset, length) = (start as u64, length as u64);
                pieces.push(Piece::File { file: Arc::clone(file), offset, length });
            }
        }
    }
    (pieces, expected)
}

/// Any pieces, with small and large buffers, and a client that takes them slowly.
#[test]
fn any_pieces_arrive_as_they_are() {
    const CASES: usize = 60;
    let (file, bytes) = file(1 << 20);
    for (version, buffers) in
        VERSIONS.into_iter().flat_map(|version| [(version, None), (version, Some(32 << 10))])
    {
        let mut numbers = Numbers::new(42);
        let cases: Vec<_> = (0..CASES).map(|_| pieces(&mut numbers, &file, &bytes)).collect();
        let sent: Vec<Vec<Piece>> = cases.iter().map(|(pieces, _)| pieces.clone()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Some(size) = buffers {
            // Connections inherit the size, so records leave in parts.
            set_socket_send_buffer_size(&listener, size).unwrap();
        }
        let address =
            serve_at(listener, settings().0, move |path| sent[path[1..].parse::<usize>().unwrap()].clone());
        let stream = TcpStream::connect(address).unwrap();
        if let Some(size) = buffers {
            set_socket_recv_buffer_size(&stream, size).unwrap();
        }
        let mut connection = connect_over(stream, &client(version));
        // Four requests ahead: answers must neither mix nor lose their order.
        for first in (0..CASES).step_by(4) {
            (first..first + 4).for_each(|index| ask(&mut connection, &format!("/{index}")));
            for (_, expected) in &cases[first..first + 4] {
                let length = head(&mut connection);
                let mut body = Vec::with_capacity(length);
                while body.len() < length {
                    let mut part = vec![0; (1 + size(&mut numbers, 100_000)).min(length - body.len())];
                    connection.read_exact(&mut part).unwrap();
                    body.extend_from_slice(&part);
                    if numbers.below(10) == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
                assert!(body == *expected, "{version:?}: {length} bytes instead of {}", expected.len());
            }
        }
    }
}

#[test]
fn a_session_is_agreed_on_as_promised_and_resumed() {
    let ecdsa = tempfile::tempdir().unwrap();
    make_pair(ecdsa.path(), "ec");
    for folder in [PAIR.path(), ecdsa.path()] {
        let address = serve(ServerSettings { tls: Some(load(folder)), ..ServerSettings::default() }, text);
        for version in VERSIONS {
            let config = client(version);
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let mut connection = connect(address, &config);
                expect_text(&mut connection);
                let session = &connection.get_ref().conn;
                assert_eq!(session.protocol_version(), Some(version.version));
                assert_eq!(session.alpn_protocol(), Some(b"http/1.1".as_slice()));
                assert_eq!(session.handshake_kind(), Some(kind));
            }
        }
    }
}

/// After a quiet moment only the session is left of a connection. The next request goes on from there.
#[test]
fn a_connection_goes_on_after_a_rest() {
    let address = serve(settings().0, text);
    for version in VERSIONS {
        let mut connection = connect(address, &client(version));
        expect_text(&mut connection);
        thread::sleep(Duration::from_millis(2500));
        expect_text(&mut connection);
        // One part of the request comes before the quiet moment, and one after it.
        connection.get_mut().write_all(b"GET / HT").unwrap();
        thread::sleep(Duration::from_millis(2500));
        connection.get_mut().write_all(b"TP/1.1\r\nHost: test\r\n\r\n").unwrap();
        assert_eq!(head(&mut connection), 4);
        connection.read_exact(&mut [0; 4]).unwrap();
    }
}

/// A client may change its keys. That works, or ends the connection; it never hangs.
#[test]
fn new_keys_are_taken_or_end_the_connection() {
    let address = serve(settings().0, text);
    let mut connection = connect(address, &client(&TLS13));
    expect_text(&mut connection);
    connection.get_mut().conn.refresh_traffic_keys().unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    // Where the kernel encrypts, the connection may have ended already.
    let _ = connection.get_mut().write_all(request);
    let mut answer = String::new();
    match connection.read_to_string(&mut answer) {
        Ok(_) if answer.is_empty() => assert!(kernel_encrypts()),
        Ok(_) => {
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\ntext"), "{answer}");
        }
        Err(error) => assert!(kernel_encrypts() && error.kind() != io::ErrorKind::WouldBlock, "{error}"),
    }
    expect_text(&mut connect(address, &client(&TLS13)));
}

/// Whether this kernel takes TLS over.
fn kernel_encrypts() -> bool {
    let offered = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_ulp").unwrap_or_default();
    offered.split_whitespace().any(|name| name == "tls")
}

#[test]
fn a_session_ends_in_order() {
    let address = serve(settings().0, text);
    for version in VERSIONS {
        let mut connection = connect(address, &client(version));
        let request = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
        connection.get_mut().write_all(request).unwrap();
        assert_eq!(head(&mut connection), 4);
        let mut body = String::new();
        // rustls reports an end without an announcement as an error.
        connection.read_to_string(&mut body).unwrap();
        assert_eq!(body, "text");
        // The other way round: the client announces its end, and the server closes.
        let mut connection = connect(address, &client(version));
        expect_text(&mut connection);
        let StreamOwned { conn, sock } = connection.get_mut();
        conn.send_close_notify();
        conn.write_tls(sock).unwrap();
        let mut rest = Vec::new();
        sock.read_to_end(&mut rest).unwrap();
        assert!(rest.len() < 100, "{} bytes after the end", rest.len());
    }
}

/// Many clients leave without an announcement. Between requests that is no error.
#[test]
fn leaving_without_a_word_breaks_nothing() {
    let (settings, counters) = settings();
    let address = serve(ServerSettings { limits: a_few(1), ..settings }, text);
    for version in VERSIONS {
        // The permit of the connection before may not be free yet.
        let mut connection = None;
        eventually("a permit", || {
            let mut fresh = connect(address, &client(version));
            let request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";
            let mut line = String::new();
            let served = fresh.get_mut().write_all(request).and_then(|()| fresh.read_line(&mut line)).is_ok();
            connection = Some(fresh).filter(|_| served);
            connection.is_some()
        });
        drop(connection);
    }
    eventually("the last permit is free", || {
        let mut silent = TcpStream::connect(address).unwrap();
        silent.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        // The server closes a connection without a permit at once, and waits for one that has it.
        silent.read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    });
    assert_eq!(counters.broken.get(), 0);
}

/// The kernel may hold back the last bytes. A connection that is closed then would lose them.
#[test]
fn an_end_does_not_overtake_the_last_bytes() {
    const SIZES: usize = 16;
    let (file, bytes) = file(400_000);
    let length = |path: &str| 250_000 + 7000 * path[1..].parse::<u64>().unwrap();
    let body =
        move |path: &str| vec![Piece::File { file: Arc::clone(&file), offset: 0, length: length(path) }];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    set_socket_send_buffer_size(&listener, 32 << 10).unwrap();
    let address = serve_at(listener, settings().0, body);
    for version in VERSIONS {
        let config = client(version);
        let mut connections: Vec<Connection> = (0..SIZES)
            .map(|index| {
                let stream = TcpStream::connect(address).unwrap();
                set_socket_recv_buffer_size(&stream, 32 << 10).unwrap();
                let mut connection = connect_over(stream, &config);
                let request = format!("GET /{index} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
                connection.get_mut().write_all(request.as_bytes()).unwrap();
                connection
            })
            .collect();
        // In turns, so that some connection always waits for its client.
        let mut received = vec![Vec::new(); SIZES];
        let mut part = vec![0; 8 << 10];
        let mut left = true;
        while left {
            left = false;
            for (connection, received) in connections.iter_mut().zip(&mut received) {
                let count = connection.read(&mut part).expect("an end in order");
                received.extend_from_slice(&part[..count]);
                left |= count > 0;
            }
            thread::sleep(Duration::from_millis(1));
        }
        for (index, received) in received.iter().enumerate() {
            let body = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            assert!(
                received[body..] == bytes[..250_000 + 7000 * index],
                "{version:?}: {} bytes",
                received.len()
            );
        }
    }
}

/// A cut connection must look cut: neither padded nor ended in order.
#[test]
fn a_file_that_shrinks_cuts_the_connection() {
    for version in VERSIONS {
        let (file, bytes) = file(1 << 20);
        let short = Arc::clone(&file);
        let body = move |_: &str| vec![Piece::File { file: Arc::clone(&short), offset: 0, length: 1 << 20 }];
        let address = serve(settings().0, body);
        file.set_len(300_000).unwrap();
        let mut connection = connect(address, &client(version));
        ask(&mut connection, "/");
        assert_eq!(head(&mut connection), 1 << 20);
        let mut received = Vec::new();
        connection.read_to_end(&mut received).expect_err("an end without an announcement");
        assert!(received == bytes[..300_000], "{} bytes", received.len());
    }
}

#[test]
fn clients_that_vanish_or_stall_leave_nothing_behind() {
    const SIZE: usize = 16 << 20;
    let (file, bytes) = file(SIZE);
    for version in VERSIONS {
        let file = Arc::clone(&file);
        let body = move |path: &str| match path {
            "/big" => vec![Piece::File { file: Arc::clone(&file), offset: 0, length: SIZE as u64 }],
            _ => text(path),
        };
        let (settings, counters) = settings();
        let stall_timeout = Duration::from_secs(1);
        let address = serve(ServerSettings { stall_timeout, limits: a_few(2), ..settings }, body);
        let begin = || {
            let mut connection = connect(address, &client(version));
            ask(&mut connection, "/big");
            assert_eq!(head(&mut connection), SIZE);
            connection
        };
        let mut stalled = begin();
        drop(begin());
        eventually("both have ended", || counters.broken.get() == 2);
        assert_eq!(counters.stalled.get(), 1);
        let mut received = Vec::new();
        let _ = stalled.read_to_end(&mut received);
        assert!(received.len() < SIZE && received == bytes[..received.len()], "{} bytes", received.len());
        // Two connections are the limit, so they prove that the first ones gave their permits back.
        let mut connections = [(); 2].map(|()| connect(address, &client(version)));
        connections.iter_mut().for_each(expect_text);
    }
}

#[test]
fn who_does_not_speak_tls_is_sent_away() {
    let (settings, counters) = settings();
    let address = serve(ServerSettings { head_timeout: Duration::from_secs(1), ..settings }, text);
    let mut good = connect(address, &client(&TLS13));
    expect_text(&mut good);
    // Bytes in place of a hello, and whether the server waits for more.
    let garbage: [(&[u8], bool); 7] = [
        (b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", false),
        (&[0x16, 3, 1, 0xff, 0xff], false),
        (&[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5], false),
        (&[0x17, 3, 3, 0, 2, 1, 1], false),
        (&[0; 100], false),
        (&[0x16, 3], true),
        (b"", true),
    ];
    for (index, (bytes, waits)) in garbage.into_iter().enumerate() {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(bytes).unwrap();
        let begun = Instant::now();
        let mut answer = Vec::new();
        // An alert, or nothing; then the end, which may be a reset.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{bytes:?}");
        }
        assert!(answer.len() <= 7, "{bytes:?} was answered with {} bytes", answer.len());
        assert!(!waits || begun.elapsed() > Duration::from_millis(900), "{bytes:?}: {:?}", begun.elapsed());
        eventually("the failure is counted", || counters.tls_failed.get() == index as u64 + 1);
    }
    expect_text(&mut good);
    expect_text(&mut connect(address, &client(&TLS12)));
}

/// Neither a handshake nor an idle connection delays the stop.
#[test]
fn a_stop_does_not_wait_for_handshakes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let settings = thread::spawn(move || {
        let workers = Workers::start(1).unwrap();
        let handler = |_, _| async { http::Response::new(Body::from(Bytes::from_static(b"text"))) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stop = async { drop(ended.await) };
        runtime.block_on(Server::new(settings().0).run(&workers, listener, handler, stop)).unwrap();
    });
    let mut silent = TcpStream::connect(address).unwrap();
    silent.write_all(&[0x16, 3, 1]).unwrap();
    let mut idle = connect(address, &client(&TLS13));
    expect_text(&mut idle);
    let begun = Instant::now();
    end.send(()).unwrap();
    settings.join().unwrap();
    // The handshake alone may take 30 seconds, and so may the drain.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
