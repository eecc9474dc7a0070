//! What a client must get: well-formed heads, and the bytes of the answers.

use http::Method;

use crate::bodies::Part;
use crate::served::original;

/// A request that a handler got, and its answer.
pub(crate) struct Answered {
    pub(crate) method: Method,
    pub(crate) parts: Vec<Part>,
    /// The length is not known in advance.
    pub(crate) streamed: bool,
}

/// Fails unless `output` is the answers in their order, or the beginning of them.
pub(crate) fn check(mut output: &[u8], answered: &[Answered]) {
    let mut answered = answered.iter();
    loop {
        while let Some(rest) = output.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n") {
            output = rest;
        }
        let Some(end) = output.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            let begins = |head: &[u8]| head.starts_with(&output[..output.len().min(head.len())]);
            assert!(begins(b"HTTP/1.1 ") || begins(b"HTTP/1.0 "), "no head: {}", output.escape_ascii());
            return;
        };
        let head = std::str::from_utf8(&output[..end]).expect("heads are text");
        output = &output[end + 4..];
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap();
        let headers: Vec<(&str, &str)> =
            lines.map(|line| line.split_once(": ").expect("a name and a value")).collect();
        let header = |name| {
            let mut values = headers.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value);
            let value = values.next();
            assert!(values.next().is_none(), "{name} twice");
            value
        };
        assert!(headers.iter().all(|(name, _)| name.starts_with(|letter: char| letter.is_ascii_uppercase())));
        assert_eq!(header("Date").map(str::len), Some(29));
        let length = header("Content-Length").map(|length| length.parse::<usize>().unwrap());
        let (version, status) = status.split_at(9);
        assert!(version == "HTTP/1.1 " || version == "HTTP/1.0 ", "{version}");
        if status != "200 OK" {
            let refusals = ["400 Bad Request", "414 URI Too Long", "431 Request Header Fields Too Large"];
            assert!(refusals.contains(&status), "{status}");
            assert!(length == Some(0) && output.is_empty() && answered.next().is_none());
            return;
        }
        let answer = answered.next().expect("an answer without a request");
        let body = original().expected(&answer.parts);
        if answer.method == Method::CONNECT {
            assert!(length.is_none());
            // Another protocol follows, which the server does not speak.
            assert!(output.is_empty());
            return;
        }
        assert!(length == (!answer.streamed).then_some(body.len()) || body.is_empty(), "{head}");
        let chunked = header("Transfer-Encoding").is_some();
        let is_head = answer.method == Method::HEAD;
        let body = match (is_head, chunked) {
            (true, _) => Vec::new(),
            (false, false) => body,
            (false, true) => chunks(&body),
        };
        if output.len() <= body.len() {
            assert!(body.starts_with(output), "wrong bytes");
            return;
        }
        output = output.strip_prefix(&*body).expect("wrong bytes");
    }
}

/// The body as the client sees it in chunks.
fn chunks(body: &[u8]) -> Vec<u8> {
    let mut spelled = Vec::new();
    for chunk in body.chunks(1000) {
        spelled.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
        spelled.extend_from_slice(chunk);
        spelled.extend_from_slice(b"\r\n");
    }
    spelled.extend_from_slice(b"0\r\n\r\n");
    spelled
}
