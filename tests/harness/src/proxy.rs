//! A small HTTP proxy that resolves names which DNS does not know.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The running proxy. It ends with the test.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    names: Mutex<HashMap<String, SocketAddr>>,
    seen: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl Proxy {
    /// Starts on a free loopback port.
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
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// Resolves `authority`, a host with its port, to `address`.
    pub fn knows(&self, authority: &str, address: SocketAddr) {
        self.shared.names.lock().unwrap().insert(authority.to_owned(), address);
    }

    /// The proxy's own URL, with credentials.
    pub fn url(&self) -> String {
        format!("http://proxy-user:proxy-s3cr3t@{}", self.address)
    }

    /// The heads of the requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread; an error means that it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let limit = Some(Duration::from_secs(60));
        client.set_read_timeout(limit).ok()?;
        let mut reader = BufReader::new(client.try_clone().ok()?);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        self.seen.lock().unwrap().push(head.clone());
        let (line, rest) = head.split_once("\r\n")?;
        let [method, target, _version] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let (authority, path) = match target.strip_prefix("http://") {
            Some(target) => target.split_at(target.find('/').unwrap_or(target.len())),
            None => (target, ""),
        };
        let known = self.names.lock().unwrap().get(authority).copied();
        let Some(address) = known.or_else(|| authority.parse().ok()) else {
            return client.write_all(b"HTTP/1.1 502 Unknown\r\nContent-Length: 0\r\n\r\n").ok();
        };
        let mut server = TcpStream::connect(address).ok()?;
        server.set_read_timeout(limit).ok()?;
        if method == "CONNECT" {
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
        } else {
            server.write_all(format!("{method} {path} HTTP/1.1\r\n{rest}").as_bytes()).ok()?;
        }
        let up = server.try_clone().ok()?;
        std::thread::spawn(move || relay(reader, up));
        relay(server, client)
    }
}

fn relay(mut from: impl Read, mut to: TcpStream) -> Option<()> {
    // A broken connection is closed like one that ended.
    let _ = io::copy(&mut from, &mut to);
    to.shutdown(Shutdown::Write).ok()
}
