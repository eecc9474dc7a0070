//! The connections that all downloads share: straight ones, whose every address is held against the settings, and those through the proxies
//! that the environment names.
//!
//! A proxy is the operator's choice, so its own address is exempt from the settings. What it connects to is out of sight; links and redirects
//! that go through it are still held against the settings by scheme, host and address, and names by the addresses they have here.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use url::Url;

use super::resolver::{self, Guarded};
use super::{Fault, egress};
use crate::EgressPolicy;

/// A host that does not answer the first packet for this long is down.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches files, as far as the settings reach.
#[derive(Clone)]
pub struct Fetcher {
    pub(super) egress: Arc<EgressPolicy>,
    /// How long a source may send nothing.
    pub(super) stall: Duration,
    straight: Client,
    proxied: Client,
    proxies: Arc<Matcher>,
}

/// The way that a link goes.
pub(super) struct Way {
    pub(super) client: Client,
    pub(super) through_proxy: bool,
}

impl Fetcher {
    /// Goes where `reach` allows. `stall` is how long a source may send nothing. Fails if the system lacks what https needs.
    pub fn new(egress: EgressPolicy, stall: Duration) -> Result<Self, reqwest::Error> {
        // An error means that one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let egress = Arc::new(egress);
        let guarded = Arc::new(Guarded(Arc::clone(&egress)));
        let straight = || builder(stall).no_proxy().dns_resolver(Arc::clone(&guarded));
        let proxied = || builder(stall);
        let (straight, proxied) = match straight().build() {
            Ok(straight) => (straight, proxied().build()?),
            Err(error) => {
                // Minimal systems have no certificates. Everything but https works without.
                tracing::warn!(%error, "downloads over https will fail: this system has no CA certificates (package ca-certificates)");
                (straight().tls_certs_only([]).build()?, proxied().tls_certs_only([]).build()?)
            }
        };
        // The client reads the same variables by the same rules.
        Ok(Self { egress, stall, straight, proxied, proxies: Arc::new(Matcher::from_env()) })
    }

    /// How to ask for `url`, if that is allowed.
    pub(super) async fn way(&self, url: &Url) -> Result<Way, Fault> {
        egress::check_link(&self.egress, url)?;
        // What the library cannot read goes straight, where every address is looked at.
        let proxy = url.as_str().parse().ok().and_then(|uri| self.proxies.intercept(&uri));
        let Some(proxy) = proxy else {
            return Ok(Way { client: self.straight.clone(), through_proxy: false });
        };
        if proxy.uri().scheme_str().is_some_and(|scheme| scheme.starts_with("socks")) {
            return Err(Fault::Permanent(
                "the proxy of the environment speaks SOCKS, only http is supported".into(),
            ));
        }
        if let Some(host) = url.domain() {
            resolver::check_for_proxy(&self.egress, host).await?;
        }
        Ok(Way { client: self.proxied.clone(), through_proxy: true })
    }
}

/// Redirects are followed by [`super::http`], which looks at each of them.
fn builder(stall: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("image-service/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT.min(stall))
        .read_timeout(stall)
}
