//! Where machines find the southbound.

use std::net::{IpAddr, SocketAddr};

use http::uri::Authority;

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
    /// the client named it, by `host`; a `host` that is no name is ignored.
    pub(super) fn url(&self, api_root: &str, host: Option<&str>) -> String {
        let (scheme, address) = match self {
            Self::Known(url) => return url.clone(),
            Self::At { scheme, address } => (scheme, address),
        };
        let port = match (*scheme, address.port()) {
            ("http", 80) | ("https", 443) => String::new(),
            (_, port) => format!(":{port}"),
        };
        let named = host.filter(|_| address.ip().is_unspecified()).and_then(name_of);
        let name = named.unwrap_or_else(|| match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
        format!("{scheme}://{name}{port}{api_root}/")
    }
}

/// The host of a `Host` field, without its port; `None` for text that is no host name, such as an attempt at
/// HTML.
fn name_of(host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok()?;
    let name = authority.host();
    let is_plain =
        |name: &str| name.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_'));
    let is_address = |name: &str| name.chars().all(|one| one.is_ascii_hexdigit() || matches!(one, ':' | '.'));
    let is_host = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(inside) => is_address(inside),
        None => is_plain(name),
    };
    (is_host && !name.is_empty() && !host.contains('@')).then(|| name.to_owned())
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
            ("0.0.0.0:9090", Some("boot.example:7070"), "http://boot.example:9090/files/"),
            ("0.0.0.0:9090", Some("192.0.2.1"), "http://192.0.2.1:9090/files/"),
            ("[::]:9090", Some("[2001:db8::1]:7070"), "http://[2001:db8::1]:9090/files/"),
            ("0.0.0.0:80", Some("boot.example"), "http://boot.example/files/"),
            ("192.0.2.7:9090", Some("boot.example"), "http://192.0.2.7:9090/files/"),
            ("[2001:db8::7]:9090", None, "http://[2001:db8::7]:9090/files/"),
            ("0.0.0.0:9090", None, "http://0.0.0.0:9090/files/"),
            ("0.0.0.0:9090", Some("a\"><script>"), "http://0.0.0.0:9090/files/"),
            ("0.0.0.0:9090", Some("user@evil.example"), "http://0.0.0.0:9090/files/"),
            ("0.0.0.0:9090", Some("evil.example/x"), "http://0.0.0.0:9090/files/"),
        ] {
            assert_eq!(at(address).url("/files", host), url, "{address} {host:?}");
        }
        let known = SouthboundAddress::Known("http://boot.example/".into());
        assert_eq!(known.url("/files", Some("x")), "http://boot.example/");
    }
}
