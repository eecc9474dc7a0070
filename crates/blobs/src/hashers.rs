//! Computes digests of bytes as they arrive: SHA-256 always, and SHA-512, which costs twice as much, only if
//! one is expected. Their state can be saved, so that a resume reads no byte again.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::Digest;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};

use model::digest::{Digests, Expected, Sha256, Sha512};

/// The digests of the bytes so far.
#[derive(Debug, Clone)]
pub(super) struct Hashers {
    sha256: sha2::Sha256,
    sha512: Option<sha2::Sha512>,
}

/// Their state as hexadecimal digits. Another minor version of `sha2` may not read it; a test detects that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DigestState {
    sha256: String,
    sha512: Option<String>,
}

impl Hashers {
    /// Hashers without bytes, for a file with these expected digests.
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

    pub(super) fn state(&self) -> DigestState {
        DigestState { sha256: hex_state(&self.sha256), sha512: self.sha512.as_ref().map(hex_state) }
    }
}

impl DigestState {
    /// The hashers; `None` if the format is unknown, or if a digest is expected that they do not compute.
    pub(super) fn restore(&self, expected: &Expected) -> Option<Hashers> {
        let sha512 = match (&self.sha512, expected.sha512) {
            (_, None) => None,
            (Some(state), Some(_)) => Some(read(state)?),
            (None, Some(_)) => return None,
        };
        Some(Hashers { sha256: read(&self.sha256)?, sha512 })
    }
}

fn hex_state(hasher: &impl SerializableState) -> String {
    let mut digits = String::new();
    for byte in hasher.serialize() {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn read<H: SerializableState>(digits: &str) -> Option<H> {
    let mut state = SerializedState::<H>::default();
    if digits.len() != 2 * state.len() {
        return None;
    }
    for (index, byte) in state.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    H::deserialize(&state).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_remembered() {
        let expected = Expected { sha256: None, sha512: Some(Sha512([0; 64])) };
        let text: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut whole = Hashers::new(&expected);
        whole.update(&text);
        for cut in [0, 1, 63, 64, 127, 128, 999] {
            let (first, second) = text.split_at(cut);
            let mut hashers = Hashers::new(&expected);
            hashers.update(first);
            let mut hashers = hashers.state().restore(&expected).expect("understood");
            hashers.update(second);
            assert_eq!(hashers.finish(), whole.clone().finish(), "{cut}");
        }
        assert!(Hashers::new(&Expected::default()).state().restore(&expected).is_none());
        assert!(DigestState { sha256: "00".into(), sha512: None }.restore(&Expected::default()).is_none());
    }

    #[test]
    fn what_earlier_versions_wrote_down_is_understood() {
        // After "abc": the initial values (FIPS 180-4 §5.3) word by word, the number of blocks, and the
        // incomplete block.
        let sha256 = concat!(
            "67e6096a85ae67bb72f36e3c3af54fa57f520e518c68059babd9831f19cde05b",
            "0000000000000000",
            "03616263"
        );
        let sha512 = concat!(
            "08c9bcf367e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5",
            "d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b",
            "00000000000000000000000000000000",
            "03616263"
        );
        let padded = |text: &str, bytes: usize| format!("{text:0<width$}", width = 2 * bytes);
        let kept = DigestState { sha256: padded(sha256, 104), sha512: Some(padded(sha512, 208)) };
        let expected = Expected { sha256: None, sha512: Some(Sha512([0; 64])) };
        let mut hashers = Hashers::new(&expected);
        hashers.update(b"abc");
        assert_eq!(kept.restore(&expected).expect("understood").finish(), hashers.finish());
    }
}
