//! Reads the keys of all files of a folder, binary or armored, with any number in a file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use pgp::composed::{Deserializable, SignedPublicKey};

use super::SignatureError;

/// The most files in a folder of keyrings.
const MAX_FILES: usize = 256;

/// The largest keyring, in bytes: ten times that of Debian's developers.
const MAX_FILE: u64 = 16 << 20;

/// The most keys of all files.
const MAX_KEYS: usize = 4096;

/// The first line of an armored key (RFC 9580 §6.2).
const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// The keys that may have made a signature.
#[derive(Debug)]
pub struct Keyring {
    pub(super) certificates: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads all keys of a folder. Files without keys are passed over with a warning.
    ///
    /// # Errors
    ///
    /// The folder cannot be read, is too large, or has no key at all.
    pub fn open(folder: &Path) -> Result<Self, SignatureError> {
        let unreadable = |error: io::Error| SignatureError::Keyring(error.kind().to_string());
        let entries = fs::read_dir(folder).map_err(unreadable)?;
        let mut paths =
            entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(unreadable)?;
        paths.retain(|path| path.is_file());
        paths.sort();
        if paths.len() > MAX_FILES {
            return Err(SignatureError::Keyring(format!("more than {MAX_FILES} files")));
        }
        let mut certificates = Vec::new();
        for path in paths {
            let read = read(&path);
            let found = read.as_ref().map_or(0, Vec::len);
            if found == 0 {
                let error = read.as_ref().err().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(file = %path.display(), error, "a file in `keyringDir` holds no OpenPGP keys");
            }
            certificates.extend(read.unwrap_or_default());
            if certificates.len() > MAX_KEYS {
                return Err(SignatureError::Keyring(format!("more than {MAX_KEYS} keys")));
            }
        }
        if certificates.is_empty() {
            return Err(SignatureError::Keyring("there is no key in it".into()));
        }
        Ok(Self { certificates })
    }
}

fn read(path: &Path) -> io::Result<Vec<SignedPublicKey>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("larger than {MAX_FILE} bytes")));
    }
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.contains(ARMOR));
    let Some(text) = text else {
        return Ok(SignedPublicKey::from_bytes_many(&bytes[..]).map(keys).unwrap_or_default());
    };
    // The library reads only the first block of a file.
    let blocks = text.split(ARMOR).skip(1).map(|block| format!("{ARMOR}{block}"));
    let read = |block: String| {
        SignedPublicKey::from_string_many(&block).map(|(found, _)| keys(found)).unwrap_or_default()
    };
    Ok(blocks.flat_map(read).collect())
}

/// The readable keys. Keys of unknown kinds are passed over, up to a limit of failures.
fn keys(found: impl Iterator<Item = pgp::errors::Result<SignedPublicKey>>) -> Vec<SignedPublicKey> {
    let mut failures = 0;
    let mut readable = Vec::new();
    for key in found.take(MAX_KEYS + 1) {
        match key {
            Ok(key) => readable.push(key),
            Err(_) => failures += 1,
        }
        if failures > MAX_FILES {
            break;
        }
    }
    readable
}
