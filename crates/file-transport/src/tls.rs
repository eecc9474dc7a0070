//! TLS 1.2 and 1.3 under HTTP, with a certificate that may be renewed while the server runs.
//!
//! rustls makes the handshake. Then the kernel takes the connection over, if it has its module `tls`, and
//! `sendfile` goes on as without TLS. The kernel loads that module by itself only for privileged processes.
//! Otherwise rustls encrypts what is read from the file.
//!
//! rustls offers no broken cipher. iPXE before 2024 knows only RSA key exchange and CBC, so it has to be
//! served without TLS. Clients that ask for `http/1.1` or for no protocol are served. Sessions are resumed by
//! tickets, so the server keeps nothing for clients that have left.

mod certificate;
mod handover;
mod handshake;
mod kernel;
mod session;
mod stream;

use std::fmt::{self, Debug, Formatter};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::access_log::ACCESS_LOG;
use crate::counters::Counters;
use crate::worker_load::{Phase, WorkerLoad};
use certificate::Certificate;
pub use certificate::TlsError;
use handover::Offer;
pub use stream::TlsStream;

/// The TLS configuration of a server. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    config: Arc<ServerConfig>,
    certificate: Arc<Certificate>,
    /// Whether the kernel may take connections over.
    kernel: bool,
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and its key from PEM files. The key may be RSA,
    /// ECDSA or Ed25519. Both files are read again when they change. With `kernel`, the kernel takes
    /// connections over after their handshake, if it can.
    ///
    /// # Errors
    ///
    /// A file cannot be read or parsed, or the key does not belong to the certificate.
    pub fn load(certificate: PathBuf, key: PathBuf, kernel: bool) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certificate = Arc::new(Certificate::load(certificate, key, Arc::clone(&provider))?);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new().map_err(TlsError::Setup)?;
        // Only `handover` uses the secrets of a connection.
        config.enable_secret_extraction = kernel;
        Ok(Self(Arc::new(Inner { config: Arc::new(config), certificate, kernel })))
    }

    /// The path of the certificate.
    pub fn certificate(&self) -> &Path {
        self.0.certificate.chain()
    }

    /// The path of the key.
    pub fn key(&self) -> &Path {
        self.0.certificate.key()
    }

    /// The names of the certificate that is in use: those of DNS in its subjectAltName (RFC 5280 §4.2.1.6).
    pub fn dns_names(&self) -> Vec<String> {
        self.0.certificate.dns_names()
    }

    /// Reads both files again if they have changed, without waiting for a client to come. A pair that cannot
    /// be used is logged and not taken.
    pub fn renew(&self) {
        self.0.certificate.check();
    }

    /// Makes the handshake with a client.
    ///
    /// # Errors
    ///
    /// The client went away, or offers nothing that the server accepts.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream> {
        self.0.certificate.keep_fresh().await;
        let offer = if self.0.kernel { Some(Offer::of_kernel().await) } else { None };
        handshake::make(stream, Arc::clone(&self.0.config), offer).await
    }
}

impl Debug for Tls {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Tls").field(&self.0.certificate).finish()
    }
}

/// Makes the handshake with a client if it takes no longer than `limit`. Until then the connection counts as
/// idle, so that a slow client can be evicted.
pub(crate) async fn accept_within(
    limit: Duration,
    tls: &Tls,
    stream: TcpStream,
    peer: SocketAddr,
    counters: &Counters,
    load: &WorkerLoad,
) -> Option<TlsStream> {
    // Before the phase is read, so that no change of it is missed.
    let idle = load.count_idle();
    let evicted = idle.evicted();
    if load.phase() > Phase::Serving {
        return None;
    }
    let made = tokio::select! {
        made = timeout(limit, tls.accept(stream)) => made,
        () = evicted => return None,
    };
    let error = match made {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error,
        Err(late) => late.into(),
    };
    tracing::info!(target: ACCESS_LOG, client = %peer, %error, "no TLS handshake");
    counters.tls_failed.add();
    None
}
