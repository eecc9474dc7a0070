//! TLS under HTTP: versions 1.2 and 1.3, with a certificate that may be renewed while the server runs.
//!
//! rustls makes the handshake. Then the kernel takes the connection over, if it has its module `tls` (which it loads by itself only for
//! the privileged), and `sendfile` goes on as without TLS; else rustls encrypts what is read from the file.
//!
//! rustls offers no way to speak that is broken, and so not the ones that iPXE before 2024 asks for: those builds
//! know only RSA key exchange and CBC, and have to be served without TLS. Clients that ask for `http/1.1` or for no protocol are served;
//! sessions are resumed by tickets, so the server keeps nothing for clients that have left.

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

use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Server;
use crate::share::{Phase, Share};
use certificate::Certificate;
pub use certificate::TlsError;
use handover::Offer;
pub use stream::TlsStream;

/// What a server needs to speak TLS. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    config: Arc<ServerConfig>,
    certificate: Arc<Certificate>,
    /// The kernel may take connections over.
    kernel: bool,
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and the key of that one, RSA, ECDSA or Ed25519, from PEM files. Both are read
    /// again when they change. With `kernel`, connections are given to the kernel after their handshake, if it takes them.
    ///
    /// # Errors
    ///
    /// A file cannot be read or understood, or the key is not that of the certificate.
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
        // Nobody gets at the secrets of a connection but `handover`.
        config.enable_secret_extraction = kernel;
        Ok(Self(Arc::new(Inner { config: Arc::new(config), certificate, kernel })))
    }

    /// Where the key is kept.
    pub fn key(&self) -> &Path {
        self.0.certificate.key()
    }

    /// Makes the handshake with a client.
    ///
    /// # Errors
    ///
    /// The client went away, or does not speak TLS as we do.
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

/// Makes the handshake with a client of `server` if it takes no longer than the head of a request may. Until it is made the connection
/// counts as idle, so that who keeps us waiting makes room for others.
pub(crate) async fn meet(
    tls: &Tls,
    stream: TcpStream,
    peer: SocketAddr,
    server: &Server,
    share: &Share,
) -> Option<TlsStream> {
    // Before the look at the phase, so that no change of it is missed.
    let unwanted = share.unwanted();
    let _counted = share.count_idle();
    if share.phase() > Phase::Serving {
        return None;
    }
    let made = tokio::select! {
        made = timeout(server.head_timeout, tls.accept(stream)) => made,
        () = unwanted => return None,
    };
    let error = match made {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error,
        Err(late) => late.into(),
    };
    tracing::debug!(%peer, %error, "no TLS handshake");
    server.counters.tls_failed.add();
    None
}
