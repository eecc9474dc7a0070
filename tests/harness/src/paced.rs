//! A web server that sends one file at a chosen rate, honours ranges as RFC 9110 says, and counts requests
//! and bytes.

use super::http;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes in one write.
const PIECE: usize = 16 << 10;

/// The running server; it stops on drop.
pub struct Paced {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A request, and how much of its answer was sent.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The offset of the answer's first byte.
    pub start: usize,
    /// Bytes sent.
    pub sent: usize,
    /// Its `If-Range`.
    pub if_range: Option<String>,
}

struct Shared {
    bytes: Vec<u8>,
    /// Bytes per second; 0 is unlimited.
    rate: AtomicUsize,
    asked: Mutex<Vec<Asked>>,
    stopped: AtomicBool,
}

impl Paced {
    /// Serves `bytes` under every path, at `rate` bytes per second; 0 is unlimited.
    pub fn start(bytes: Vec<u8>, rate: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, stopped) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { bytes, rate: AtomicUsize::new(rate), asked, stopped });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&served)) else { continue };
                // A killed client ends only its own thread.
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Changes the rate, also of answers in progress.
    pub fn set_rate(&self, rate: usize) {
        self.shared.rate.store(rate, Ordering::Relaxed);
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Bytes sent by all answers.
    pub fn sent(&self) -> usize {
        self.asked().iter().map(|asked| asked.sent).sum()
    }

    /// The offset that the last answer reached in the file.
    pub fn reached(&self) -> usize {
        self.asked().last().map_or(0, |asked| asked.start + asked.sent)
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; an error means that it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        stream.set_read_timeout(Some(http::SILENCE)).ok()?;
        stream.set_write_timeout(Some(http::SILENCE)).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let (mut start, mut if_range) = (0, None);
        for line in lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("range") => {
                    start = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?;
                }
                Some((name, value)) if name.eq_ignore_ascii_case("if-range") => {
                    if_range = Some(value.to_owned());
                }
                _ => {}
            }
        }
        let index = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(Asked { start, sent: 0, if_range });
            asked.len() - 1
        };
        let size = self.bytes.len();
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty());
        let Some(rest) = rest else {
            let head = format!(
                "HTTP/1.1 416 No\r\nETag: \"paced\"\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n\r\n"
            );
            return stream.write_all(head.as_bytes()).ok();
        };
        let status = if start == 0 { "200 OK" } else { "206 Partial Content" };
        let range = format!("Content-Range: bytes {start}-{}/{size}\r\n", size - 1);
        let head = format!(
            "HTTP/1.1 {status}\r\nETag: \"paced\"\r\nAccept-Ranges: bytes\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
            if start == 0 { "" } else { &range },
            rest.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut due = Instant::now();
        for piece in rest.chunks(PIECE) {
            if self.stopped.load(Ordering::Relaxed) {
                return None;
            }
            stream.write_all(piece).ok()?;
            self.asked.lock().unwrap()[index].sent += piece.len();
            let rate = self.rate.load(Ordering::Relaxed);
            if rate > 0 {
                due += Duration::from_secs_f64(piece.len() as f64 / rate as f64);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
        Some(())
    }
}
