//! The HTTP clients that all downloads share: a direct one, which checks every address by the policy, and one
//! for the proxies that the environment names.
//!
//! A proxy is the operator's choice, so its own address is exempt from the policy. The addresses that it
//! connects to are unknown here. Links and redirects through it are still checked by scheme, host and
//! address, and names by their addresses here.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use model::settings::Live;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use url::Url;

use super::resolver::{self, Guarded};
use super::{Fault, egress};
use crate::EgressPolicy;

/// A host that does not answer the first packet for this long is down.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The most fields of an answer; curl has no limit but one for all bytes.
const MAX_HEADERS: usize = 1000;

/// Fetches files, as far as the egress policy allows. Clones share their connections.
#[derive(Clone)]
pub struct Fetcher {
    pub(super) egress: Live<EgressPolicy>,
    clients: Live<Clients>,
    proxies: Arc<Matcher>,
}

/// The HTTP clients, and the time that they were made with.
struct Clients {
    /// The longest time in which a source may send nothing.
    stall: Duration,
    direct: Client,
    proxied: Client,
}

/// The HTTP client for a link.
pub(super) struct Route {
    pub(super) client: Client,
    pub(super) through_proxy: bool,
}

impl Fetcher {
    /// A fetcher under the policy `egress`. `stall` is the longest time in which a source may send nothing.
    /// Changes of both count from the next request on.
    ///
    /// # Errors
    ///
    /// The HTTP client cannot be made.
    pub fn new(
        egress: impl Into<Live<EgressPolicy>>,
        stall: impl Into<Live<Duration>>,
    ) -> Result<Self, reqwest::Error> {
        // An error means that a provider is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (egress, stall) = (egress.into(), stall.into());
        let clients = Live::new(Clients::new(&egress, *stall.get())?);
        let (policy, changed) = (egress.clone(), clients.clone());
        stall.on_change(move |stall| match Clients::new(&policy, **stall) {
            Ok(clients) => changed.set(clients),
            Err(error) => tracing::error!(%error, "`downloadStallTimeout` stays as it was"),
        });
        // The HTTP client reads the same variables by the same rules.
        Ok(Self { egress, clients, proxies: Arc::new(Matcher::from_env()) })
    }

    /// The longest time in which a source may send nothing.
    pub(super) fn stall(&self) -> Duration {
        self.clients.get().stall
    }

    /// The client for `url`, if the policy allows the link.
    pub(super) async fn route(&self, url: &Url) -> Result<Route, Fault> {
        let egress = self.egress.get();
        egress::check_link(&egress, url)?;
        // A link that the library cannot read goes direct, where every address is checked.
        let proxy = url.as_str().parse().ok().and_then(|uri| self.proxies.intercept(&uri));
        let Some(proxy) = proxy else {
            return Ok(Route { client: self.clients.get().direct.clone(), through_proxy: false });
        };
        if proxy.uri().scheme_str().is_some_and(|scheme| scheme.starts_with("socks")) {
            return Err(Fault::Permanent(
                "the proxy of the environment speaks SOCKS, only http is supported".into(),
            ));
        }
        if let Some(host) = url.domain() {
            resolver::check_for_proxy(&egress, host).await?;
        }
        Ok(Route { client: self.clients.get().proxied.clone(), through_proxy: true })
    }
}

impl Clients {
    fn new(egress: &Live<EgressPolicy>, stall: Duration) -> Result<Self, reqwest::Error> {
        let guarded = Arc::new(Guarded(egress.clone()));
        let direct = || builder(stall).no_proxy().dns_resolver(Arc::clone(&guarded));
        let proxied = || builder(stall);
        let (direct, proxied) = match direct().build() {
            Ok(direct) => (direct, proxied().build()?),
            Err(error) => {
                // A minimal system has no certificates, which only https needs.
                tracing::warn!(%error, "downloads over https will fail: this system has no CA certificates (package ca-certificates)");
                (direct().tls_certs_only([]).build()?, proxied().tls_certs_only([]).build()?)
            }
        };
        Ok(Self { stall, direct, proxied })
    }
}

/// The library follows no redirects, because [`super::http`] checks each of them.
fn builder(stall: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("image-service/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        // As curl and browsers accept answers (RFC 9112 §5.1, §5.2).
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_max_headers(MAX_HEADERS)
        // Some servers close a connection after each answer without a word, so that the next request on it
        // is lost. Redirects and checksum files are few requests, and bytes of a file end their connection.
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_TIMEOUT.min(stall))
        .read_timeout(stall)
}
