//! Looks up names, without the addresses that the policy refuses. The connection uses the checked addresses,
//! so a name whose addresses change after the check gains nothing (DNS rebinding).

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use model::settings::Live;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::egress::{Refusal, check_address};
use crate::EgressPolicy;

/// The longest time to look up a name that a proxy looks up as well.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// The system's look-up, filtered by the policy.
pub(super) struct Guarded(pub(super) Live<EgressPolicy>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = self.0.get();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(&egress, name.as_str(), found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a host that the policy allows; if there is none, the first refusal.
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

/// Checks a name that a proxy looks up. If it has addresses here, the policy must allow all of them, because
/// the proxy may choose any. A name that only the proxy knows is allowed, unless the policy lists networks.
pub(super) async fn check_for_proxy(egress: &EgressPolicy, host: &str) -> Result<(), Refusal> {
    let looked_up = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 0))).await;
    match looked_up {
        Ok(Ok(found)) => found.into_iter().try_for_each(|address| check_address(egress, host, address.ip())),
        _ if egress.networks.is_empty() => Ok(()),
        _ => Err(Refusal::unknown(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_addresses_of_a_name_are_left_out() {
        let egress = EgressPolicy { private: false, ..EgressPolicy::default() };
        let look_up = |addresses: &[&str]| {
            let found = addresses.iter().map(|address| address.parse().expect("an address"));
            allowed(&egress, "a.example", found)
        };
        let kept = look_up(&["127.0.0.1:0", "192.0.1.1:0", "[fe80::1]:0"]).expect("one address");
        assert_eq!(kept, ["192.0.1.1:0".parse().expect("an address")]);
        let refused = look_up(&["127.0.0.1:0", "10.0.0.1:0"]).expect_err("no address").to_string();
        assert!(refused.contains("127.0.0.1") && refused.contains("downloadPrivate"), "{refused}");
        assert!(look_up(&[]).is_err());
    }
}
