//! Reads the digests of a file from a checksum file, and verifies the signature of that.

mod kind;
mod listing;

use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use url::Url;

use super::signature::{Keyring, SignatureError, Signer, is_clear_signed};
use crate::{Fault, Fetcher, small};
use listing::Listing;
pub use listing::ListingError;
use model::digest::Expected;
use model::link::shown;

/// The largest checksum file, in bytes. Those of distributions are smaller, and it is read into memory.
const MAX_FILE: usize = 1 << 20;

/// The statement of a checksum file about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The digests.
    pub expected: Expected,
    /// The signer, if the signature was verified.
    pub signer: Option<Signer>,
}

/// Why a checksum file gives no digest. The texts contain no credentials and no path of this machine.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChecksumError {
    /// It, or its signature, cannot be fetched.
    #[error("cannot fetch {url}: {fault}")]
    Fetch {
        /// The link, without credentials.
        url: Url,
        /// The reason.
        fault: Fault,
    },
    /// It does not list the file.
    #[error("the checksum file {url} {error}")]
    Listing {
        /// Its link, without credentials.
        url: Url,
        /// The reason.
        error: ListingError,
    },
    /// No known key has signed it.
    #[error("the signature of the checksum file {url} cannot be trusted: {error}")]
    Signature {
        /// Its link, without credentials.
        url: Url,
        /// The reason.
        error: SignatureError,
    },
}

impl ChecksumError {
    /// Whether the file may be listed under another name.
    pub fn is_not_listed(&self) -> bool {
        matches!(self, Self::Listing { error: ListingError::NotListed(_), .. })
    }

    /// The fault of the transfer, if that failed.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fetch { fault, .. } => Some(fault),
            _ => None,
        }
    }
}

/// Fetches a checksum file and reads the digests of the first of `names` that it lists; a name may have
/// folders before it. With `signature`, that must be a valid signature of the checksum file. With a folder of
/// keyrings, a clear-signed file must be signed by one of their keys.
///
/// # Errors
///
/// A file cannot be fetched, does not list the name, or its signature cannot be trusted.
pub async fn expected(
    fetcher: &Fetcher,
    checksums: &Url,
    signature: Option<&Url>,
    keyring: Option<&Path>,
    names: &[&str],
) -> Result<Promise, ChecksumError> {
    let untrusted = |error| ChecksumError::Signature { url: shown(checksums), error };
    if signature.is_some() && keyring.is_none() {
        return Err(untrusted(SignatureError::NoKeyring));
    }
    let file = get(fetcher, checksums).await?;
    let signature = match signature {
        Some(url) => Some(get(fetcher, url).await?),
        None => None,
    };
    let (text, signer) = match keyring {
        Some(folder) if signature.is_some() || is_clear_signed(&file) => {
            let folder = folder.to_owned();
            let verify = move || verify(&folder, &file, signature.as_deref());
            let verified = tokio::task::spawn_blocking(verify).await;
            let (text, signer) = verified.unwrap_or(Err(SignatureError::Unreadable)).map_err(untrusted)?;
            (text, Some(signer))
        }
        _ => (decoded(&file), None),
    };
    let file_name = checksums.path_segments().and_then(|mut segments| segments.next_back());
    let found = Listing::read(&text, file_name.unwrap_or_default()).find(names);
    let expected = found.map_err(|error| ChecksumError::Listing { url: shown(checksums), error })?;
    Ok(Promise { expected, signer })
}

async fn get(fetcher: &Fetcher, url: &Url) -> Result<Bytes, ChecksumError> {
    small(fetcher, url, MAX_FILE).await.map_err(|fault| ChecksumError::Fetch { url: shown(url), fault })
}

/// The text of a file. Windows writes UTF-16 with a byte order mark.
fn decoded(file: &[u8]) -> String {
    let units = |of: fn([u8; 2]) -> u16| -> Vec<u16> {
        file.chunks_exact(2).filter_map(|pair| Some(of(pair.try_into().ok()?))).collect()
    };
    match file {
        [0xff, 0xfe, ..] => String::from_utf16_lossy(&units(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => String::from_utf16_lossy(&units(u16::from_be_bytes)),
        _ => String::from_utf8_lossy(file).into_owned(),
    }
}

/// The signed text and its signer. Blocks on the disk and computes for long.
fn verify(folder: &Path, file: &[u8], signature: Option<&[u8]>) -> Result<(String, Signer), SignatureError> {
    let (keyring, now) = (Keyring::open(folder)?, SystemTime::now());
    match signature {
        Some(signature) => {
            let signer = keyring.verify_detached(file, signature, now)?;
            Ok((String::from_utf8_lossy(file).into_owned(), signer))
        }
        None => keyring.verify_clear_signed(file, now),
    }
}
