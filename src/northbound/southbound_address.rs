//! Where machines find the southbound.

use std::net::{IpAddr, SocketAddr};

use url::Host;

/// Where machines find the southbound's root.
#[derive(Debug)]
pub enum SouthboundAddress {
    /// At this configured URL, which ends in a slash.
    Known(String),
    /// Where it listens.
    At {
        /// `http` or `https`.
        scheme: &'static str,
        /// The address and the port.
        address: SocketAddr,
    },
}

impl SouthboundAddress {
    /// The URL of the southbound's root. A server that listens at all addresses of its machine is named as
    /// the client named it, by `host`.
    pub(super) fn url(&self, api_root: &str, host: Option<&Host>) -> String {
        let (scheme, address) = match self {
            Self::Known(url) => return url.clone(),
            Self::At { scheme, address } => (scheme, address),
        };
        let port = match (*scheme, address.port()) {
            ("http", 80) | ("https", 443) => String::new(),
            (_, port) => format!(":{port}"),
        };
        let named = host.filter(|_| address.ip().is_unspecified());
        // An IPv6 address stands in brackets.
        let name = match named.cloned().unwrap_or_else(|| host_of(address.ip())) {
            Host::Ipv6(ip) => host_of(ip.into()).to_string(),
            name => name.to_string(),
        };
        format!("{scheme}://{name}{port}{api_root}/")
    }
}

fn host_of(address: IpAddr) -> Host {
    match address.to_canonical() {
        IpAddr::V4(ip) => Host::Ipv4(ip),
        IpAddr::V6(ip) => Host::Ipv6(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_southbound_is_found_where_the_client_came_to() {
        let at = |address: &str| SouthboundAddress::At {
            scheme: "http",
            address: address.parse().expect("an address"),
        };
        for (address, host, url) in [
            ("0.0.0.0:9090", Some("boot.example"), "http://boot.example:9090/files/"),
            ("0.0.0.0:9090", Some("192.0.2.1"), "http://192.0.2.1:9090/files/"),
            ("[::]:9090", Some("[2001:db8::1]"), "http://[2001:db8::1]:9090/files/"),
            ("[::]:9090", Some("[::ffff:192.0.2.1]"), "http://192.0.2.1:9090/files/"),
            ("0.0.0.0:80", Some("boot.example"), "http://boot.example/files/"),
            ("192.0.2.7:9090", Some("boot.example"), "http://192.0.2.7:9090/files/"),
            ("[2001:db8::7]:9090", None, "http://[2001:db8::7]:9090/files/"),
            ("0.0.0.0:9090", None, "http://0.0.0.0:9090/files/"),
        ] {
            let host = host.map(|host| Host::parse(host).expect("a host"));
            assert_eq!(at(address).url("/files", host.as_ref()), url, "{address} {host:?}");
        }
        let known = SouthboundAddress::Known("http://boot.example/".into());
        assert_eq!(known.url("/files", None), "http://boot.example/");
    }
}
