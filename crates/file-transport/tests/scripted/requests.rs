//! Requests.

use std::fmt::Write as _;

use http::{Method, Version};

use crate::bodies::Part;

/// A request, and the parts of the body that answers it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) connection: Option<&'static str>,
    /// Bytes of a superfluous header.
    pub(crate) padding: usize,
    pub(crate) sends: Sends,
    pub(crate) answer: Vec<Part>,
    /// Whether the handler sets the length of the answer; otherwise hyper takes it from the body.
    pub(crate) measured: bool,
    /// Whether the answer is held to the rate limit of the test.
    pub(crate) limited: bool,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) enum Sends {
    Nothing,
    Sized(Vec<u8>),
    /// The same, with `Expect: 100-continue`.
    Expecting(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

impl Sends {
    /// Whether the request announces a body that may have bytes.
    pub(crate) fn has_body(&self) -> bool {
        matches!(self, Self::Chunked(_)) || !self.bytes().is_empty()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Sized(bytes) | Self::Expecting(bytes) => bytes.clone(),
            Self::Chunked(chunks) => chunks.concat(),
        }
    }
}

impl Asked {
    /// The simplest request.
    pub(crate) fn get(answer: Vec<Part>) -> Self {
        let (method, version) = (Method::GET, Version::HTTP_11);
        Self {
            method,
            version,
            connection: None,
            padding: 0,
            sends: Sends::Nothing,
            answer,
            measured: false,
            limited: false,
        }
    }

    /// Asks for ten bytes of a file.
    pub(crate) fn small() -> Self {
        Self::get(vec![Part::File(10..20)])
    }

    /// The request as the client sends it, with its index as the path.
    pub(crate) fn spell(&self, index: usize) -> Vec<u8> {
        let mut head = format!("{} /{index} {:?}\r\nHost: test\r\n", self.method, self.version);
        if let Some(connection) = self.connection {
            write!(head, "Connection: {connection}\r\n").unwrap();
        }
        if self.padding > 0 {
            write!(head, "X-Padding: {}\r\n", "x".repeat(self.padding)).unwrap();
        }
        let mut body = self.sends.bytes();
        match &self.sends {
            Sends::Nothing => {}
            Sends::Sized(bytes) => write!(head, "Content-Length: {}\r\n", bytes.len()).unwrap(),
            Sends::Expecting(bytes) => {
                write!(head, "Expect: 100-continue\r\nContent-Length: {}\r\n", bytes.len()).unwrap();
            }
            Sends::Chunked(chunks) => {
                head.push_str("Transfer-Encoding: chunked\r\n");
                body = chunks
                    .iter()
                    .filter(|chunk| !chunk.is_empty())
                    .flat_map(|chunk| spell_chunk(chunk))
                    .collect();
                body.extend(spell_chunk(&[]));
            }
        }
        head.push_str("\r\n");
        [head.into_bytes(), body].concat()
    }

    /// Whether the connection stays open after the answer. After a request with a body it never does.
    pub(crate) fn keeps_alive(&self) -> bool {
        !self.sends.has_body() && self.wants_keep_alive()
    }

    /// Whether the client asks for the connection to stay open.
    pub(crate) fn wants_keep_alive(&self) -> bool {
        match self.connection {
            Some("close") => false,
            Some("keep-alive") => true,
            _ => self.version == Version::HTTP_11,
        }
    }
}

fn spell_chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A short form of a request's body, which the answer repeats in a header.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{}-{sum:x}", bytes.len())
}
