//! What a file must be, as the file of checksums beside it says, and who signed that.

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

/// No distribution lists so many files that it needs more, and it is read whole.
const MAX_FILE: usize = 1 << 20;

/// What a file of checksums promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// What the digests must be.
    pub expected: Expected,
    /// Who signed it, where that was verified.
    pub signer: Option<Signer>,
}

/// Why a file of checksums does not tell what a file must be. The texts name no credentials and no path of the server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChecksumError {
    /// It, or its signature, cannot be fetched.
    #[error("cannot fetch {url}: {fault}")]
    Fetch {
        /// From where, without credentials.
        url: Url,
        /// Why.
        fault: Fault,
    },
    /// It does not say what is asked for.
    #[error("the checksum file {url} {error}")]
    Listing {
        /// Which one, without credentials.
        url: Url,
        /// What is wrong with it.
        error: ListingError,
    },
    /// Nobody known has signed it.
    #[error("the signature of the checksum file {url} cannot be trusted: {error}")]
    Signature {
        /// Which one, without credentials.
        url: Url,
        /// Why.
        error: SignatureError,
    },
}

impl ChecksumError {
    /// What went wrong on the way, if that was it.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fetch { fault, .. } => Some(fault),
            _ => None,
        }
    }
}

/// Fetches the file of checksums and reads what it says of a file that has one of `names`, of which the first that is listed counts; a name
/// may have folders before it. With `signature` the file must be signed by it, and with a folder of keyrings a clear-signed file must be
/// signed by one of their keys.
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
        _ => (String::from_utf8_lossy(&file).into_owned(), None),
    };
    let found = Listing::read(&text).find(names);
    let expected = found.map_err(|error| ChecksumError::Listing { url: shown(checksums), error })?;
    Ok(Promise { expected, signer })
}

async fn get(fetcher: &Fetcher, url: &Url) -> Result<Bytes, ChecksumError> {
    small(fetcher, url, MAX_FILE).await.map_err(|fault| ChecksumError::Fetch { url: shown(url), fault })
}

/// The text that was signed, and by whom. Reads files and takes its time to compute.
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
