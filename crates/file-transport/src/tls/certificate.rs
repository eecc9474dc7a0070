//! The certificate on disk and the one in use. Certificates live for weeks and the service for years, so a
//! changed pair is taken while the server runs. A client that comes when a check is due waits for it; the
//! others go on.

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
use webpki::EndEntityCert;

/// The files are checked no more often than this, and only when a client comes.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// How long a client waits for the check, in case that the disk does not answer.
const CHECK_TIME: Duration = Duration::from_secs(1);

/// The most that is read of a file. Chains have some ten KiB.
const MAX_FILE: u64 = 1 << 20;

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of certificates cannot be used.
    #[error("the certificate {} cannot be used: {problem}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Box<dyn Error + Send + Sync>,
    },
    /// The file of the key cannot be used.
    #[error("the key {} cannot be used: {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Box<dyn Error + Send + Sync>,
    },
    /// Each file is valid, but they do not belong together.
    #[error("the key {} is not that of the certificate {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of certificates.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The TLS library refuses the configuration.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// A pair of files and what was last read from them.
#[derive(Debug)]
pub(super) struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    check: Mutex<LastCheck>,
}

#[derive(Debug)]
struct LastCheck {
    /// When the last check began.
    time: Instant,
    under_way: bool,
    /// The files as the last check saw them, usable or not.
    seen: [Option<Stamp>; 2],
}

/// Tells states of a file apart.
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
        // Before reading: a later change is read again.
        let seen = [stamp(&chain), stamp(&key)];
        let current = read_pair(&chain, &key, &provider)?;
        let check = LastCheck { time: Instant::now(), under_way: false, seen };
        Ok(Self { chain, key, provider, current: RwLock::new(Arc::new(current)), check: Mutex::new(check) })
    }

    pub(super) fn chain(&self) -> &Path {
        &self.chain
    }

    pub(super) fn key(&self) -> &Path {
        &self.key
    }

    /// The DNS names of the server's own certificate; none if it is not of version 3.
    pub(super) fn dns_names(&self) -> Vec<String> {
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let own = current.cert.first().and_then(|own| EndEntityCert::try_from(own).ok());
        own.iter().flat_map(|own| own.valid_dns_names().map(str::to_owned)).collect()
    }

    /// Checks whether the files have changed, if the last check is old enough.
    pub(super) async fn keep_fresh(self: &Arc<Self>) {
        {
            let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
            if check.under_way || check.time.elapsed() < CHECK_INTERVAL {
                return;
            }
            (check.time, check.under_way) = (Instant::now(), true);
        }
        let this = Arc::clone(self);
        // Whatever the check finds, there is a certificate to go on with.
        let _ = timeout(CHECK_TIME, spawn_blocking(move || this.check())).await;
    }

    /// Reads the files again if they have changed.
    pub(super) fn check(&self) {
        let now = [stamp(&self.chain), stamp(&self.key)];
        let changed = {
            let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut check.seen, now) != now
        };
        if changed {
            match read_pair(&self.chain, &self.key, &self.provider) {
                Ok(pair) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                    tracing::info!(certificate = %self.chain.display(), "the certificate was renewed");
                }
                // Perhaps only one of the two is new. The other one will be another change.
                Err(error) => {
                    tracing::warn!(%error, "the changed certificate is not taken; the old one stays");
                }
            }
        }
        self.check.lock().unwrap_or_else(PoisonError::into_inner).under_way = false;
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
    // A pipe would block, and a device might never end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustls::crypto::ring;

    use super::*;

    fn make_pair(folder: &Path) {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test", "-newkey", "ed25519"])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .args(["-addext", "subjectAltName=DNS:box.example,DNS:*.boot.example,IP:192.0.2.1"])
            .current_dir(folder)
            .output()
            .unwrap_or_else(|error| panic!("cannot run openssl, package openssl: {error}"));
        assert!(made.status.success(), "{made:?}");
    }

    #[test]
    fn a_changed_pair_is_taken_if_it_can_be_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let (chain, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        make_pair(folder.path());
        let provider = Arc::new(ring::default_provider());
        let certificate = Certificate::load(chain.clone(), key.clone(), provider).expect("a pair");
        let current = || certificate.current.read().expect("no panic").cert.clone();
        assert_eq!(certificate.dns_names(), ["box.example", "*.boot.example"]);
        let first = current();
        certificate.check();
        assert_eq!(current(), first);
        make_pair(folder.path());
        certificate.check();
        let second = current();
        assert_ne!(second, first);
        let second_key = fs::read(&key).expect("a key");
        fs::write(&key, "no key").expect("written");
        certificate.check();
        assert_eq!(current(), second, "the old pair stays");
        make_pair(folder.path());
        fs::write(&key, second_key).expect("written");
        certificate.check();
        assert_eq!(current(), second, "a key of another certificate");
        let error = read_pair(&chain, &key, &certificate.provider).map(drop).expect_err("they do not match");
        assert!(matches!(error, TlsError::Mismatch { .. }), "{error}");
    }
}
