//! A file of a web server that honours ranges, or gets them wrong in one of many ways.

use super::web::Seen;
use std::io::Write;
use std::net::TcpStream;

/// How a source answers to a request for a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranges {
    /// As RFC 9110 says, `If-Range` included.
    Honoured,
    /// With the requested part, without regard to `If-Range`.
    Careless,
    /// With the whole file and 200.
    Ignored,
    /// With a part that begins one byte later.
    Shifted,
    /// With the right part and a total length of one byte more.
    Longer,
    /// With the right part as the only one of a `multipart/byteranges`.
    Multipart,
    /// With the right part and 200.
    CalledWhole,
    /// With the right part and 200, and without `Content-Range`.
    Unlabelled,
}

/// A file of the server.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its ETag, quotes included.
    pub tag: Option<String>,
    /// Its Last-Modified. The Date that goes with it is in 2030.
    pub modified: Option<String>,
    /// How range requests are answered.
    pub ranges: Ranges,
    /// Each answer breaks off after this many bytes of its body.
    pub cut_after: Option<usize>,
    /// A Content-Encoding to claim.
    pub encoding: Option<String>,
}

impl Source {
    /// With the ETag `"one"` and correct ranges.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            tag: Some("\"one\"".to_owned()),
            modified: None,
            ranges: Ranges::Honoured,
            cut_after: None,
            encoding: None,
        }
    }

    /// With another ETag, or none.
    #[must_use]
    pub fn tag(mut self, tag: Option<&str>) -> Self {
        self.tag = tag.map(str::to_owned);
        self
    }

    /// With a Last-Modified.
    #[must_use]
    pub fn modified(mut self, date: &str) -> Self {
        self.modified = Some(date.to_owned());
        self
    }

    /// With another way to answer range requests.
    #[must_use]
    pub fn ranges(mut self, ranges: Ranges) -> Self {
        self.ranges = ranges;
        self
    }

    /// Every answer breaks off after this many bytes.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }

    /// Claims an encoding.
    #[must_use]
    pub fn encoding(mut self, encoding: &str) -> Self {
        self.encoding = Some(encoding.to_owned());
        self
    }

    /// Answers one request.
    pub(super) fn send(&self, stream: &mut TcpStream, seen: &Seen) -> Option<()> {
        let size = self.bytes.len();
        let start = self.start(seen);
        if start.is_some_and(|start| start >= size) {
            let head = format!("Content-Range: bytes */{size}\r\nContent-Length: 0\r\n");
            return self.answer(stream, seen, "416 Range Not Satisfiable", &head, b"");
        }
        let Some(start) = start else {
            let head = format!("Content-Length: {size}\r\n");
            return self.answer(stream, seen, "200 OK", &head, &self.bytes);
        };
        let (start, total) = match self.ranges {
            Ranges::Shifted => (start + 1, size),
            Ranges::Longer => (start, size + 1),
            _ => (start, size),
        };
        let range = format!("Content-Range: bytes {start}-{}/{total}\r\n", size - 1);
        let rest = self.bytes.get(start..)?;
        if self.ranges == Ranges::Multipart {
            let body = [format!("--x\r\n{range}\r\n").as_bytes(), rest, b"\r\n--x--\r\n"].concat();
            let kind = "Content-Type: multipart/byteranges; boundary=x\r\n";
            let head = format!("{kind}Content-Length: {}\r\n", body.len());
            return self.answer(stream, seen, "206 Partial Content", &head, &body);
        }
        let (status, range) = match self.ranges {
            Ranges::CalledWhole => ("200 OK", range.as_str()),
            Ranges::Unlabelled => ("200 OK", ""),
            _ => ("206 Partial Content", range.as_str()),
        };
        self.answer(stream, seen, status, &format!("{range}Content-Length: {}\r\n", rest.len()), rest)
    }

    /// Where the answer begins; `None` for the whole file and 200.
    fn start(&self, seen: &Seen) -> Option<usize> {
        if self.ranges == Ranges::Ignored {
            return None;
        }
        let start = seen.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?;
        let condition = seen.headers.get("if-range").filter(|_| self.ranges == Ranges::Honoured);
        let strong = self.tag.as_ref().filter(|tag| !tag.starts_with("W/"));
        let holds = condition.is_none_or(|mark| Some(mark) == strong || Some(mark) == self.modified.as_ref());
        holds.then_some(start)
    }

    fn answer(
        &self,
        stream: &mut TcpStream,
        seen: &Seen,
        status: &str,
        head: &str,
        body: &[u8],
    ) -> Option<()> {
        let mut lines = format!("HTTP/1.1 {status}\r\n{head}Accept-Ranges: bytes\r\nConnection: close\r\n");
        for (name, value) in
            [("ETag", &self.tag), ("Last-Modified", &self.modified), ("Content-Encoding", &self.encoding)]
        {
            if let Some(value) = value {
                lines += &format!("{name}: {value}\r\n");
            }
        }
        lines += "Date: Tue, 01 Jan 2030 00:00:00 GMT\r\n\r\n";
        stream.write_all(lines.as_bytes()).ok()?;
        let sent = self.cut_after.unwrap_or(body.len()).min(body.len());
        if seen.method == "HEAD" { Some(()) } else { stream.write_all(&body[..sent]).ok() }
    }
}
