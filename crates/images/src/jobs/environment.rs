//! What the work on images uses: the catalog, the client for downloads, and the settings.

use std::path::PathBuf;
use std::time::Duration;

use fetch::Fetcher;
use fetch::checksums::{self, ChecksumError, Promise};

use crate::Catalog;
use model::link::Link;
use model::settings::Live;

/// The settings of the jobs.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// Downloads that run at once. Others wait.
    pub max_downloads: Live<usize>,
    /// Downloads that wait or run at most. More are refused.
    pub max_queued: Live<usize>,
    /// A download that brings nothing for this long has failed.
    pub stall_timeout: Live<Duration>,
    /// The folder of the keyrings for signatures.
    pub keyring: Option<PathBuf>,
    /// How often the folders of the stores are scanned; zero is never.
    pub watch_interval: Live<Duration>,
    /// How long after its last verification a stored file is read again; zero is never.
    pub scrub_interval: Live<Duration>,
    /// Bytes a second that the scrub reads; 0 is no limit.
    pub scrub_rate: Live<u64>,
}

/// What the work on images uses.
pub struct Environment {
    pub(super) catalog: Catalog,
    pub(super) fetcher: Fetcher,
    pub(super) settings: JobSettings,
}

/// What an attempt at work on images may use.
pub(super) type Context<'a> = ::jobs::Context<'a, Environment>;

impl Environment {
    /// The digests that a checksum file has for a file with one of `names`.
    pub(super) async fn promised(
        &self,
        checksum: &Link,
        signature: Option<&Link>,
        names: &[&str],
    ) -> Result<Promise, ChecksumError> {
        let keyring = self.settings.keyring.as_deref();
        let signature = signature.map(Link::secret_url);
        checksums::expected(&self.fetcher, checksum.secret_url(), signature, keyring, names).await
    }
}
