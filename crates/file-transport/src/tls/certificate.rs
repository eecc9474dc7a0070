//! The certificate on disk and the one in use. Certificates live for weeks and the service for years, so a changed pair is taken over
//! while it runs: somebody who comes when a look is due waits for it on another thread, everybody else goes on.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The files are looked at no more often than this, and only when a client comes.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How long a client waits for a look at a disk that does not answer.
const LOOK_TIME: Duration = Duration::from_secs(1);

/// The most that is read of a file. Chains have some ten KiB.
const MAX_FILE: u64 = 1 << 20;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of certificates is of no use.
    #[error("the certificate {} cannot be used: {problem}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Box<dyn Error + Send + Sync>,
    },
    /// The file of the key is of no use.
    #[error("the key {} cannot be used: {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Box<dyn Error + Send + Sync>,
    },
    /// Both are in order by themselves.
    #[error("the key {} is not that of the certificate {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of certificates.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The library of TLS refuses.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

/// A pair of files and what was last read from them.
#[derive(Debug)]
pub(super) struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    look: Mutex<Look>,
}

#[derive(Debug)]
struct Look {
    /// When the last one began.
    time: Instant,
    under_way: bool,
    /// The files as they were at the last look, whether they could be used or not.
    seen: [Option<Stamp>; 2],
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change of bytes, then of anything.
    times: [i64; 4],
}

impl Certificate {
    pub(super) fn load(
        chain: PathBuf,
        key: PathBuf,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        // Before reading: what changes meanwhile is read again.
        let seen = [stamp(&chain), stamp(&key)];
        let current = read_pair(&chain, &key, &provider)?;
        let look = Look { time: Instant::now(), under_way: false, seen };
        Ok(Self { chain, key, provider, current: RwLock::new(Arc::new(current)), look: Mutex::new(look) })
    }

    pub(super) fn key(&self) -> &Path {
        &self.key
    }

    /// Looks whether the files have changed, if nobody did lately.
    pub(super) async fn keep_fresh(self: &Arc<Self>) {
        {
            let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
            if look.under_way || look.time.elapsed() < LOOK_INTERVAL {
                return;
            }
            (look.time, look.under_way) = (Instant::now(), true);
        }
        let this = Arc::clone(self);
        // Whatever becomes of the look, there is a certificate to go on with.
        let _ = timeout(LOOK_TIME, spawn_blocking(move || this.look())).await;
    }

    fn look(&self) {
        let now = [stamp(&self.chain), stamp(&self.key)];
        let changed = {
            let mut look = self.look.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut look.seen, now) != now
        };
        if changed {
            match read_pair(&self.chain, &self.key, &self.provider) {
                Ok(pair) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                    tracing::info!(certificate = %self.chain.display(), "the certificate was renewed");
                }
                // Perhaps one of the two is still to come; then there will be another change.
                Err(error) => {
                    tracing::warn!(%error, "the changed certificate is not taken; the old one stays");
                }
            }
        }
        self.look.lock().unwrap_or_else(PoisonError::into_inner).under_way = false;
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        times: [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()],
    })
}

fn read_pair(chain: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let bad_chain = |problem| TlsError::Certificate { path: chain.to_owned(), problem };
    let bad_key = |problem| TlsError::Key { path: key.to_owned(), problem };
    let certificates = read_chain(chain).map_err(bad_chain)?;
    let own = read_key(key).map_err(bad_key)?;
    let signer = provider.key_provider.load_private_key(own).map_err(|error| bad_key(error.into()))?;
    let pair = CertifiedKey::new(certificates, signer);
    match pair.keys_match() {
        Ok(()) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { certificate: chain.to_owned(), key: key.to_owned() })
        }
        Err(error) => Err(bad_chain(error.into())),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Box<dyn Error + Send + Sync>> {
    let text = read_file(path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>()?;
    if certificates.is_empty() {
        return Err("it holds no certificate in PEM".into());
    }
    Ok(certificates)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Box<dyn Error + Send + Sync>> {
    PrivateKeyDer::from_pem_slice(&read_file(path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => "it holds no private key in PEM, or one with a password".into(),
        error => error.into(),
    })
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for, and a device might never end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(text)
}
