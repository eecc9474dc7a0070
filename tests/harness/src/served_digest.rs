//! Digests in listings and in header fields.

use super::service::Service;
use super::wait::eventually;
use super::{digest, http};
use std::time::Duration;

/// The value of `Repr-Digest` and `Content-Digest` for these bytes (RFC 9530 §2), encoded without the
/// program's library.
pub fn repr_digest(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", base64(&from_hex(&digest::of_bytes(bytes))))
}

/// Waits until `GET /iso` or `GET /microkernel` shows a file's SHA-256, and returns it.
#[track_caller]
pub fn wait_for_digest(service: &Service, store: &str, name: &str) -> String {
    let url = service.north(&format!("/{store}?name={}", http::encode(name)));
    eventually(Duration::from_secs(20), "a digest in the listing", || {
        let files = http::get(&url).expect_status(200).json();
        files[0]["sha256"].as_str().map(str::to_owned)
    })
}

/// Decodes hexadecimal digits.
pub fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// RFC 4648 §4, with padding.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap();
            text.push(if place <= group.len() { ALPHABET[index].into() } else { '=' });
        }
    }
    text
}

/// The SHA-512 of `bytes` in lower-case hexadecimal.
pub fn sha512(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha512::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
