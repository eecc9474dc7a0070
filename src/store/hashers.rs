//! Digests of bytes as they come. SHA-256 is always computed; SHA-512 costs twice as much again, so only where somebody expects one.

use sha2::Digest;

use crate::model::digest::{Digests, Expected, Sha256, Sha512};

/// The digests of the bytes so far.
#[derive(Debug, Clone)]
pub(super) struct Hashers {
    sha256: sha2::Sha256,
    sha512: Option<sha2::Sha512>,
}

impl Hashers {
    /// Of nothing yet, for a file of which so much is expected.
    pub(super) fn new(expected: &Expected) -> Self {
        Self { sha256: sha2::Sha256::new(), sha512: expected.sha512.map(|_| sha2::Sha512::new()) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }

    pub(super) fn finish(self) -> Digests {
        Digests {
            sha256: Sha256(self.sha256.finalize().into()),
            sha512: self.sha512.map(|sha512| Sha512(sha512.finalize().into())),
        }
    }
}
