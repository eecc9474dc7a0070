//! Where downloads may go: schemes, hosts and networks. A link comes from a client, so without limits a stranger could have this machine
//! fetch what only it can see.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::settings::{ConfigError, Settings};

/// The schemes that this program speaks.
const SCHEMES: [&str; 3] = ["http", "https", "ftp"];

/// Where downloads may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressPolicy {
    /// The schemes of links and redirects.
    pub schemes: Vec<String>,
    /// The hosts of links and redirects; empty is all.
    pub hosts: Vec<HostPattern>,
    /// The networks of addresses that are connected to; empty is all that the next two allow.
    pub networks: Vec<IpNet>,
    /// Whether private and loopback addresses may be connected to, where `networks` is empty.
    pub private: bool,
    /// Whether link-local addresses may be connected to, where `networks` is empty. Clouds tell their machines' secrets there.
    pub link_local: bool,
}

impl Default for EgressPolicy {
    fn default() -> Self {
        Self {
            schemes: SCHEMES.map(str::to_owned).to_vec(),
            hosts: Vec::new(),
            networks: Vec::new(),
            private: true,
            link_local: false,
        }
    }
}

/// A host's name, or with `*.` before it all names below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: String,
    below: bool,
}

impl HostPattern {
    fn new(text: &str) -> Option<Self> {
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        // The URL library writes names as they are compared: lower case, punycode, addresses in brackets where they need some.
        let host = url::Host::parse(name).ok()?;
        (!below || matches!(host, url::Host::Domain(_))).then(|| Self { name: host.to_string(), below })
    }

    /// Whether `host`, as the URL library writes it, is meant.
    pub fn fits(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match host.strip_suffix(&self.name) {
            Some("") => !self.below,
            Some(rest) => self.below && rest.ends_with('.'),
            None => false,
        }
    }
}

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

fn truth(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "expected true or false".into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_fits_by_name_or_below_a_name() {
        for (pattern, host, fits) in [
            ("mirror.example", "mirror.example", true),
            ("Mirror.Example", "mirror.example", true),
            ("mirror.example", "mirror.example.", true),
            ("mirror.example", "a.mirror.example", false),
            ("*.mirror.example", "a.b.mirror.example", true),
            ("*.mirror.example", "mirror.example", false),
            ("*.mirror.example", "evilmirror.example", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("2001:db8::1", "x", false),
        ] {
            let found = HostPattern::new(pattern).is_some_and(|pattern| pattern.fits(host));
            assert_eq!(found, fits, "{pattern} {host}");
        }
        assert!(HostPattern::new("*.192.0.2.7").is_none());
        assert!(HostPattern::new("a b").is_none());
    }
}
