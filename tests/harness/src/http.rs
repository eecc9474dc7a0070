//! A small HTTP/1.x client over a plain socket. It keeps the head of every response byte for byte, since
//! tests check the spelling and order of headers. It sends exactly the given bytes, legal or not.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// The longest silence a test tolerates on a connection.
pub const SILENCE: Duration = Duration::from_secs(30);

/// The longest response head and chunk line the client accepts.
const LONGEST_HEAD: u64 = 64 * 1024;

/// A request; the spelling and order of its headers are kept.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    version: &'static str,
    host: bool,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// An HTTP/1.1 request with a Host header; `target` is sent as it is, without any encoding.
    pub fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, version: "HTTP/1.1", host: true, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds several headers.
    #[must_use]
    pub fn headers(self, headers: &[(&str, &str)]) -> Self {
        headers.iter().fold(self, |request, (name, value)| request.header(name, value))
    }

    /// Sets the body; its Content-Length is added unless the headers already hold one.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Speaks HTTP/1.0.
    #[must_use]
    pub fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// Omits the Host header, as HTTP/1.0 boot clients do.
    #[must_use]
    pub fn without_host(mut self) -> Self {
        self.host = false;
        self
    }

    /// The bytes on the wire.
    pub fn to_bytes(&self, authority: &str) -> Vec<u8> {
        let mut text = format!("{} {} {}\r\n", self.method, self.target, self.version);
        if self.host {
            text.push_str(&format!("Host: {authority}\r\n"));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let named = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let needs_length = !self.body.is_empty() || self.method == "PUT" || self.method == "POST";
        if needs_length && !named("Content-Length") && !named("Transfer-Encoding") {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A response: its head as received, its body without chunked encoding.
#[derive(Debug, Clone)]
pub struct Response {
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// The head as received, closing empty line included.
    pub head: Vec<u8>,
    /// The headers in their order and spelling; values without surrounding white space.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header whose name matches in any case. Panics if it comes twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes twice:\n{}", self.head_text());
        value
    }

    /// The raw header line that begins with `name: `, spelled exactly so.
    pub fn raw_line(&self, name: &str) -> Option<String> {
        let start = format!("{name}: ");
        self.head_text().split("\r\n").find(|line| line.starts_with(&start)).map(str::to_owned)
    }

    /// The head as text.
    pub fn head_text(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON. Panics with the whole response if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}):\n{}{}", self.head_text(), self.text()))
    }

    /// The number in Content-Length.
    pub fn content_length(&self) -> Option<u64> {
        self.header("Content-Length").map(|value| value.parse().unwrap())
    }

    /// Panics with the whole response unless it has this status.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        let shown: String = self.text().chars().take(2000).collect();
        assert_eq!(self.status, status, "\n{}{shown}", self.head_text());
        self
    }
}

/// A connection that stays open between requests.
pub struct Connection {
    authority: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to the authority of `url` (`http://host:port/…` or `host:port`).
    pub fn open(url: &str) -> Self {
        let (authority, _) = split(url);
        let stream = TcpStream::connect(authority)
            .unwrap_or_else(|error| panic!("cannot connect to {authority}: {error}"));
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        stream.set_write_timeout(Some(SILENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { authority: authority.to_owned(), stream: BufReader::with_capacity(256 * 1024, stream) }
    }

    /// Speaks over a stream to the authority of `url`.
    pub fn over(stream: TcpStream, url: &str) -> Self {
        let authority = split(url).0.to_owned();
        Self { authority, stream: BufReader::with_capacity(256 * 1024, stream) }
    }

    /// Sends one request and receives its response.
    pub fn exchange(&mut self, request: &Request) -> io::Result<Response> {
        self.send(request)?;
        self.receive(&request.method)
    }

    /// GET of `target` on this connection. Panics when the exchange fails.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        let request = Request::new("GET", target);
        self.exchange(&request).unwrap_or_else(|error| panic!("GET {target}: {error}"))
    }

    /// Sends a request without waiting for its answer.
    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        let bytes = request.to_bytes(&self.authority);
        self.write(&bytes)
    }

    /// Sends raw bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Receives the response to a request of `method`, which decides whether a body follows.
    pub fn receive(&mut self, method: &str) -> io::Result<Response> {
        let mut body = Vec::new();
        let mut response = self.receive_into(method, &mut body)?;
        response.body = body;
        Ok(response)
    }

    /// As `receive`, but the body goes to `sink` and the response's own body stays empty.
    pub fn receive_into(&mut self, method: &str, sink: &mut dyn Write) -> io::Result<Response> {
        let mut response = self.receive_head()?;
        while matches!(response.status, 100..=199) {
            response = self.receive_head()?;
        }
        if method == "HEAD" || matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        if response.header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            self.copy_chunks(sink)?;
        } else if let Some(length) = response.content_length() {
            self.copy_exactly(length, sink)?;
        } else {
            io::copy(&mut self.stream, sink)?;
        }
        Ok(response)
    }

    /// Receives a head only; the body, if any, stays on the connection.
    pub fn receive_head(&mut self) -> io::Result<Response> {
        let mut head = Vec::new();
        let mut limited = (&mut self.stream).take(LONGEST_HEAD);
        while !head.ends_with(b"\r\n\r\n") {
            if limited.read_until(b'\n', &mut head)? == 0 {
                return Err(bad(&format!("the head ends early: {:?}", String::from_utf8_lossy(&head))));
            }
        }
        parse_head(head)
    }

    /// Reads up to `length` bytes of a body whose head has been received.
    pub fn read_some(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The next chunk of a chunked body whose head has been received; `None` at the end of the body.
    pub fn read_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = Vec::new();
        Ok(self.copy_chunk(&mut chunk)?.then_some(chunk))
    }

    /// Everything up to the end of the connection.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// Closes the sending half.
    pub fn finish_sending(&mut self) {
        // An error means that the server has closed the connection already.
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }

    /// Changes the limit for the longest silence.
    pub fn set_silence(&mut self, limit: Duration) {
        self.stream.get_ref().set_read_timeout(Some(limit)).unwrap();
    }

    fn copy_exactly(&mut self, length: u64, sink: &mut dyn Write) -> io::Result<()> {
        let copied = io::copy(&mut (&mut self.stream).take(length), sink)?;
        if copied == length { Ok(()) } else { Err(bad(&format!("{copied} of {length} bytes came"))) }
    }

    fn copy_chunks(&mut self, sink: &mut dyn Write) -> io::Result<()> {
        while self.copy_chunk(sink)? {}
        Ok(())
    }

    /// Copies one chunk; `false` if it was the last, which is empty.
    fn copy_chunk(&mut self, sink: &mut dyn Write) -> io::Result<bool> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = u64::from_str_radix(digits, 16).map_err(|_| bad(&format!("chunk size {line:?}")))?;
        if length == 0 {
            while !self.line()?.is_empty() {}
            return Ok(false);
        }
        self.copy_exactly(length, sink)?;
        if !self.line()?.is_empty() {
            return Err(bad("a chunk is longer than its size"));
        }
        Ok(true)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(LONGEST_HEAD).read_line(&mut line)?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| bad("the chunked body ends early"))
    }
}

/// One request on a connection of its own. The target is the part of `url` after the authority, not encoded.
#[track_caller]
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Response {
    let (_, target) = split(url);
    let request = Request::new(method, target).headers(headers).header("Connection", "close").body(body);
    let mut connection = Connection::open(url);
    connection.exchange(&request).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

/// GET of a URL.
#[track_caller]
pub fn get(url: &str) -> Response {
    request("GET", url, &[], Vec::new())
}

/// GET of a URL with headers.
#[track_caller]
pub fn get_with(url: &str, headers: &[(&str, &str)]) -> Response {
    request("GET", url, headers, Vec::new())
}

/// HEAD of a URL.
#[track_caller]
pub fn head(url: &str) -> Response {
    request("HEAD", url, &[], Vec::new())
}

/// PUT to a URL.
#[track_caller]
pub fn put(url: &str, body: impl Into<Vec<u8>>) -> Response {
    request("PUT", url, &[], body)
}

/// PUT of a JSON body.
#[track_caller]
pub fn put_json(url: &str, body: &serde_json::Value) -> Response {
    request("PUT", url, &[("Content-Type", "application/json")], body.to_string())
}

/// DELETE of a URL.
#[track_caller]
pub fn delete(url: &str) -> Response {
    request("DELETE", url, &[], Vec::new())
}

/// Percent-encodes every byte but the unreserved ones of RFC 3986 §2.3; use it on one segment or value.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    bytes
        .as_ref()
        .iter()
        .map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// As `encode`, but leaves the slashes between segments.
pub fn encode_path(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().split(|&byte| byte == b'/').map(encode).collect::<Vec<_>>().join("/")
}

/// Splits `http://authority/target`; the target of a bare authority is `/`.
pub fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash))
}

fn parse_head(head: Vec<u8>) -> io::Result<Response> {
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let mut parts = status_line.splitn(3, ' ');
    let version = parts.next().unwrap_or_default().to_owned();
    let status = parts.next().and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| bad(&format!("status line {status_line:?}")))?;
    let reason = parts.next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| bad(&format!("header line {line:?}")))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok(Response { version, status, reason, head, headers, body: Vec::new() })
}

fn bad(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
