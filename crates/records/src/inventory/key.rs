//! The key with which the inventory seals secrets: ChaCha20-Poly1305 (RFC 8439), in a file that only its
//! owner may read.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::files::{beside, sync_folder, write_durably};

/// The length of a key, and of the file that holds it.
const KEY_BYTES: usize = 32;

/// A key. On the heap, because it takes half a kilobyte.
pub(super) struct SealKey(Box<LessSafeKey>);

impl SealKey {
    /// Reads the key in `path`; `None` if there is no such file.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::with_capacity(KEY_BYTES + 1);
        file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Self::of(&bytes).map(Some)
    }

    /// Creates a key in `path`, where it survives a power cut.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        let mut bytes = [0; KEY_BYTES];
        random(&mut bytes)?;
        let fresh = beside(path, "new");
        // The file of an interrupted attempt may be readable to others.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        write_durably(&fresh, |file| file.write_all(&bytes))?;
        fs::rename(&fresh, path)?;
        sync_folder(path)?;
        Self::of(&bytes)
    }

    fn of(bytes: &[u8]) -> io::Result<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).map(LessSafeKey::new);
        key.map(|key| Self(Box::new(key)))
            .map_err(|_| io::Error::other(format!("a key has {KEY_BYTES} bytes")))
    }

    /// Seals `bytes` for `owner` as hexadecimal digits. Each seal gets a random nonce. No inventory has
    /// enough seals to make two equal nonces probable.
    pub(super) fn seal(&self, owner: &str, mut bytes: Vec<u8>) -> io::Result<String> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let owner = Aad::from(owner.as_bytes());
        let sealed = self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), owner, &mut bytes);
        sealed.map_err(|_| io::Error::other("too long to be sealed"))?;
        Ok(nonce.iter().chain(&bytes).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Opens a text that was sealed for `owner` with this key. `None` for any other text.
    pub(super) fn open(&self, owner: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes: Option<Vec<u8>> = sealed.as_bytes().chunks(2).map(byte_of).collect();
        let mut bytes = bytes?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(owner.as_bytes()), sealed).ok()?;
        Some(opened.to_vec())
    }
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| io::Error::other("the system gives no random numbers"))
}

fn byte_of(digits: &[u8]) -> Option<u8> {
    // `from_str_radix` accepts a sign.
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u8::from_str_radix(digits, 16).ok()
}
