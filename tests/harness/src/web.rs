//! A small web server for `isoweb`, each of whose paths behaves, or misbehaves, as a test scripts it.

use super::source::Source;
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

/// What a path does.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// The bytes with their length and an entity tag; single ranges `bytes=N-` are honoured.
    Bytes(Vec<u8>),
    /// The content of a file, as `Bytes`.
    File(PathBuf),
    /// A file with its validators, served well or badly.
    Source(Source),
    /// One of these after the other, request by request, and the last one from then on.
    Each(Vec<Self>),
    /// 503 with this Retry-After.
    Busy(String),
    /// The bytes until the connection closes, without a Content-Length.
    WithoutLength(Vec<u8>),
    /// The bytes with `Content-Disposition: <value>`.
    Disposition(String, Vec<u8>),
    /// An HTML page with status 200.
    Html,
    /// An empty answer with this status.
    Status(u16),
    /// 302 to this Location; the path's own URL makes a loop.
    Redirect(String),
    /// Declares `declared` bytes, sends fewer and closes.
    Short {
        /// The declared length.
        declared: u64,
        /// The bytes sent.
        bytes: Vec<u8>,
    },
    /// As `Short` on the first request; from then on as `Bytes`.
    Interrupted {
        /// How many bytes the first answer carries.
        after: usize,
        /// The whole content.
        bytes: Vec<u8>,
    },
    /// Sends endlessly, without a Content-Length.
    Endless,
    /// The bytes in pieces with a pause before each.
    Dribble {
        /// The whole content.
        bytes: Vec<u8>,
        /// Bytes in a piece.
        piece: usize,
        /// The pause.
        pause: Duration,
    },
    /// Accepts the request and never answers.
    Silent,
    /// Declares the length, sends the first half and then nothing more.
    Stall(Vec<u8>),
}

/// A request that the server received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The target with its query.
    pub target: String,
    /// The headers, names in lower case.
    pub headers: HashMap<String, String>,
    /// Its arrival.
    pub at: Instant,
}

/// The running server; it stops on drop.
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The behaviour of each path, and how many requests it has answered with it.
    paths: Mutex<HashMap<String, (Behaviour, usize)>>,
    seen: Mutex<Vec<Seen>>,
    stopped: AtomicBool,
}

impl Origin {
    /// Starts on a free loopback port; paths without a behaviour answer 404.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&served)) else { continue };
                // A client that disconnects ends only its own thread.
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// Sets the behaviour of a path, replacing an earlier one. Queries are ignored in the match.
    pub fn on(&self, path: &str, behaviour: Behaviour) {
        self.shared.paths.lock().unwrap().insert(path.to_owned(), (behaviour, 0));
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests for a path so far, with any query.
    pub fn asked_for(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.target.split('?').next() == Some(path)).collect()
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; an error means that it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

/// A loopback port that refuses connections until the test program ends: a bound socket that does not listen
/// keeps other sockets off it.
pub fn refusing_port() -> u16 {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let port = socket.local_addr().unwrap().port();
    std::mem::forget(socket);
    port
}

/// A free loopback port for a server that cannot choose one by itself. It lies below those that Linux gives
/// to sockets that ask for any (32768 and above), so no server of another test gets it meanwhile.
pub fn closed_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(101);
    loop {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let port = 20_000 + u16::try_from(offset).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        stream.set_write_timeout(Some(Duration::from_secs(60))).ok()?;
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let seen = read_request(&mut reader)?;
        let path = seen.target.split('?').next()?.to_owned();
        let first = {
            let mut all = self.seen.lock().unwrap();
            let first =
                !all.iter().any(|earlier| earlier.target == seen.target && earlier.method == seen.method);
            all.push(seen.clone());
            first
        };
        let behaviour = self.next(&path);
        self.answer(&mut stream, &seen, behaviour, first)
    }

    fn next(&self, path: &str) -> Behaviour {
        let mut paths = self.paths.lock().unwrap();
        let Some((behaviour, answered)) = paths.get_mut(path) else { return Behaviour::Status(404) };
        *answered += 1;
        match behaviour {
            Behaviour::Each(all) => all[(*answered).min(all.len()) - 1].clone(),
            behaviour => behaviour.clone(),
        }
    }

    fn answer(&self, stream: &mut TcpStream, seen: &Seen, behaviour: Behaviour, first: bool) -> Option<()> {
        match behaviour {
            Behaviour::Bytes(bytes) => send_ranged(stream, seen, &bytes),
            Behaviour::File(path) => send_ranged(stream, seen, &fs::read(path).ok()?),
            Behaviour::Source(source) => source.send(stream, seen),
            Behaviour::Each(_) => unreachable!("lists of lists are not understood"),
            Behaviour::Busy(retry_after) => {
                let headers = format!("Retry-After: {retry_after}\r\nContent-Length: 0\r\n");
                send(stream, seen, "503 Service Unavailable", &headers, b"")
            }
            Behaviour::WithoutLength(bytes) => send(stream, seen, "200 OK", "", &bytes),
            Behaviour::Disposition(value, bytes) => {
                let headers = format!("Content-Disposition: {value}\r\nContent-Length: {}\r\n", bytes.len());
                send(stream, seen, "200 OK", &headers, &bytes)
            }
            Behaviour::Html => {
                let page = b"<!DOCTYPE html><title>Sign in</title><p>Please sign in.</p>";
                let headers = format!("Content-Type: text/html\r\nContent-Length: {}\r\n", page.len());
                send(stream, seen, "200 OK", &headers, page)
            }
            Behaviour::Status(code) => {
                send(stream, seen, &format!("{code} Scripted"), "Content-Length: 0\r\n", b"")
            }
            Behaviour::Redirect(location) => {
                let headers = format!("Location: {location}\r\nContent-Length: 0\r\n");
                send(stream, seen, "302 Found", &headers, b"")
            }
            Behaviour::Short { declared, bytes } => {
                send(stream, seen, "200 OK", &format!("Content-Length: {declared}\r\n"), &bytes)
            }
            Behaviour::Interrupted { after, bytes } if first => {
                let headers = format!("{}Content-Length: {}\r\n", VALIDATOR, bytes.len());
                send(stream, seen, "200 OK", &headers, &bytes[..after])
            }
            Behaviour::Interrupted { bytes, .. } => send_ranged(stream, seen, &bytes),
            Behaviour::Endless => {
                send(stream, seen, "200 OK", "", b"")?;
                while !self.stopped.load(Ordering::Relaxed) {
                    stream.write_all(&[0; 64 * 1024]).ok()?;
                }
                Some(())
            }
            Behaviour::Dribble { bytes, piece, pause } => {
                send(stream, seen, "200 OK", &format!("Content-Length: {}\r\n", bytes.len()), b"")?;
                for part in bytes.chunks(piece).take_while(|_| !self.stopped.load(Ordering::Relaxed)) {
                    std::thread::sleep(pause);
                    stream.write_all(part).ok()?;
                }
                Some(())
            }
            Behaviour::Silent => self.wait_for_the_end(stream),
            Behaviour::Stall(bytes) => {
                let headers = format!("Content-Length: {}\r\n", bytes.len());
                send(stream, seen, "200 OK", &headers, &bytes[..bytes.len() / 2])?;
                self.wait_for_the_end(stream)
            }
        }
    }

    /// Holds a connection open until the client closes it or the test is over.
    fn wait_for_the_end(&self, stream: &mut TcpStream) -> Option<()> {
        stream.set_read_timeout(Some(Duration::from_millis(100))).ok()?;
        let mut byte = [0];
        while !self.stopped.load(Ordering::Relaxed) {
            match stream.read(&mut byte) {
                Ok(0) => return Some(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
        Some(())
    }
}

const VALIDATOR: &str = "ETag: \"scripted\"\r\nAccept-Ranges: bytes\r\n";

fn read_request(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Some(Seen { method, target, headers, at: Instant::now() });
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

fn send_ranged(stream: &mut TcpStream, seen: &Seen, bytes: &[u8]) -> Option<()> {
    let start = seen
        .headers
        .get("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match start {
        Some(start) if start < bytes.len() => {
            let rest = &bytes[start..];
            let range = format!("Content-Range: bytes {start}-{}/{}\r\n", bytes.len() - 1, bytes.len());
            let headers = format!("{VALIDATOR}{range}Content-Length: {}\r\n", rest.len());
            send(stream, seen, "206 Partial Content", &headers, rest)
        }
        _ => {
            let headers = format!("{VALIDATOR}Content-Length: {}\r\n", bytes.len());
            send(stream, seen, "200 OK", &headers, bytes)
        }
    }
}

fn send(stream: &mut TcpStream, seen: &Seen, status: &str, headers: &str, body: &[u8]) -> Option<()> {
    stream.write_all(format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n").as_bytes()).ok()?;
    if seen.method == "HEAD" { Some(()) } else { stream.write_all(body).ok() }
}
