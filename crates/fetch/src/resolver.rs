//! Looking names up, without those addresses that may not be connected to. What the connection is made to is what was looked at here:
//! a name that means another address a current later gains nothing.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::egress::{Refusal, check_address};
use crate::EgressPolicy;

/// How long to look for the addresses of a name that a proxy will look up as well.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// The system's look-up, through the settings.
pub(super) struct Guarded(pub(super) Arc<EgressPolicy>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(&egress, name.as_str(), found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Those of a host's addresses that may be connected to; if there is none, why.
pub(super) fn allowed(
    egress: &EgressPolicy,
    host: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let mut first = None;
    let allowed: Vec<SocketAddr> = found
        .filter(|address| match check_address(egress, host, address.ip()) {
            Ok(()) => true,
            Err(refusal) => {
                first.get_or_insert(refusal);
                false
            }
        })
        .collect();
    match first {
        Some(refusal) if allowed.is_empty() => Err(refusal.into()),
        _ if allowed.is_empty() => Err(io::Error::other("the name has no address").into()),
        _ => Ok(allowed),
    }
}

/// What can be known here of a name that a proxy is going to look up: if it has addresses here, all of them must be allowed, for the proxy
/// takes the one it likes. A name that only the proxy knows is its business, unless the networks are listed.
pub(super) async fn check_for_proxy(egress: &EgressPolicy, host: &str) -> Result<(), Refusal> {
    let looked_up = tokio::time::timeout(SECOND_LOOK, tokio::net::lookup_host((host, 0))).await;
    match looked_up {
        Ok(Ok(found)) => found.into_iter().try_for_each(|address| check_address(egress, host, address.ip())),
        _ if egress.networks.is_empty() => Ok(()),
        _ => Err(Refusal::unknown(host)),
    }
}
