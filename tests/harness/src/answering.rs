//! A server that answers every connection with the same bytes, for response heads that `web` cannot send.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The running server; it stops on drop.
pub struct Answering {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Answering {
    /// Answers with `head` (lines ended by `\n`, without the empty one) and `body`, then closes.
    pub fn start(head: &str, body: &[u8]) -> Self {
        let head = format!("{}\r\n\r\n", head.trim().replace('\n', "\r\n"));
        Self::exactly([head.as_bytes(), body].concat())
    }

    /// Answers with these bytes, head and body, then closes.
    pub fn exactly(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopped);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), answer) = (stream, answer.clone()) else { continue };
                std::thread::spawn(move || reply(stream, &answer));
            }
        });
        Self { address, stopped }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; an error means that it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

fn reply(mut stream: TcpStream, answer: &[u8]) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
    }
    stream.write_all(answer).ok()
}
