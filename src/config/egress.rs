//! The settings of the egress policy: the schemes, hosts and networks that downloads may use.

use std::net::IpAddr;

use fetch::{EgressPolicy, HostPattern, SCHEMES};
use ipnet::IpNet;
use serde_json::Value;

use model::settings::{ConfigError, Settings, truth};

pub(super) fn read(settings: &Settings) -> Result<EgressPolicy, ConfigError> {
    let default = EgressPolicy::default();
    Ok(EgressPolicy {
        schemes: settings.get("downloadSchemes", schemes)?.unwrap_or(default.schemes),
        hosts: settings.get("downloadHosts", hosts)?.unwrap_or_default(),
        networks: settings.get("downloadNetworks", networks)?.unwrap_or_default(),
        private: settings.get("downloadPrivate", truth)?.unwrap_or(default.private),
        link_local: settings.get("downloadLinkLocal", truth)?.unwrap_or(default.link_local),
    })
}

fn schemes(value: &Value) -> Result<Vec<String>, String> {
    let known = |text: &str| SCHEMES.contains(&text).then(|| text.to_owned());
    list(value, known)
        .filter(|list| !list.is_empty())
        .ok_or_else(|| format!("expected a list of schemes from {}, such as [\"https\"]", SCHEMES.join(", ")))
}

fn hosts(value: &Value) -> Result<Vec<HostPattern>, String> {
    list(value, HostPattern::new)
        .ok_or_else(|| "expected a list of hosts such as [\"mirror.example\", \"*.debian.org\"]".into())
}

/// A network, or an address alone.
fn networks(value: &Value) -> Result<Vec<IpNet>, String> {
    let network = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    list(value, network)
        .ok_or_else(|| "expected a list of networks such as [\"192.0.2.0/24\", \"2001:db8::/32\"]".into())
}

fn list<T>(value: &Value, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(|entry| read(entry.as_str()?)).collect()
}
