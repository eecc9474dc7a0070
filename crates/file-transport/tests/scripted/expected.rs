//! The answers that must come, to the last byte.

use std::ops::Range;

use http::{Method, Version};

use crate::bodies::Original;
use crate::requests::{Asked, Sends, digest};

/// All bytes that a client has to get.
pub(crate) struct Expected {
    bytes: Vec<u8>,
    /// The offsets of dates, which may be any.
    dates: Vec<usize>,
    /// The range of each answer's body.
    pub(crate) bodies: Vec<Range<usize>>,
}

const A_DATE: &[u8] = b"Fri, 20 Nov 2026 23:13:48 GMT";

impl Expected {
    pub(crate) fn new(requests: &[Asked], original: &Original) -> Self {
        let mut this = Self { bytes: Vec::new(), dates: Vec::new(), bodies: Vec::new() };
        for request in requests {
            this.answer(request, &original.expected(&request.answer));
            if !request.keeps_alive() {
                break;
            }
        }
        this
    }

    fn answer(&mut self, request: &Asked, body: &[u8]) {
        if matches!(&request.sends, Sends::Expecting(bytes) if !bytes.is_empty()) {
            self.bytes.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let connection = match (request.version, request.keeps_alive()) {
            (Version::HTTP_11, false) => "Connection: close\r\n",
            (Version::HTTP_10, true) => "Connection: keep-alive\r\n",
            _ if request.sends.has_body() => "Connection: close\r\n",
            _ => "",
        };
        let length = format!("Content-Length: {}\r\n", body.len());
        // hyper writes the length of an empty answer itself, unless it answers HEAD.
        let (first, last) = match (body.is_empty(), request.method == Method::HEAD) {
            (true, true) => (length.as_str(), ""),
            (false, _) if request.measured => (length.as_str(), ""),
            _ => ("", length.as_str()),
        };
        let head = format!(
            "{:?} 200 OK\r\nX-Brought: {}\r\n{first}{connection}{last}Date: ",
            request.version,
            digest(&request.sends.bytes()),
        );
        self.bytes.extend_from_slice(head.as_bytes());
        self.dates.push(self.bytes.len());
        self.bytes.extend_from_slice(A_DATE);
        self.bytes.extend_from_slice(b"\r\n\r\n");
        let begin = self.bytes.len();
        if request.method != Method::HEAD {
            self.bytes.extend_from_slice(body);
        }
        self.bodies.push(begin..self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Fails unless `output` is the beginning of what is expected.
    pub(crate) fn begins_with(&self, output: &[u8]) {
        let mut output = output.to_vec();
        for date in &self.dates {
            let end = output.len().min(date + A_DATE.len());
            let Some(seen) = output.get_mut(*date..end) else { break };
            for (seen, model) in seen.iter_mut().zip(A_DATE) {
                let alike = seen == model
                    || seen.is_ascii_digit() && model.is_ascii_digit()
                    || seen.is_ascii_alphabetic() && model.is_ascii_alphabetic();
                if alike {
                    *seen = *model;
                }
            }
        }
        if self.bytes.starts_with(&output) {
            return;
        }
        let common = output.iter().zip(&self.bytes).take_while(|(seen, expected)| seen == expected).count();
        panic!(
            "wrong from byte {common} on:\n{:?}\ninstead of\n{:?}",
            excerpt(&output, common),
            excerpt(&self.bytes, common),
        );
    }

    /// Fails unless `output` is exactly what is expected.
    pub(crate) fn is(&self, output: &[u8]) {
        self.begins_with(output);
        assert_eq!(output.len(), self.bytes.len(), "the end is missing");
    }
}

fn excerpt(bytes: &[u8], around: usize) -> String {
    let range = around.saturating_sub(200).min(bytes.len())..bytes.len().min(around + 100);
    bytes[range].escape_ascii().to_string()
}
