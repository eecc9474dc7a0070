//! The client of a request: the other end of the connection, or the address that trusted proxies tell.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;
use ipnet::IpNet;
use model::client::ClientKey;

use crate::forwarded;

/// The client of a request. Services get it beside the request, handlers of a router as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The other end of the connection.
    peer: SocketAddr,
    address: IpAddr,
    /// `None` if a proxy told the address alone.
    port: Option<u16>,
    /// Trusted proxies that the request passed, as far as their header fields tell.
    proxies: usize,
    is_proxy: bool,
    is_encrypted: bool,
}

/// The networks of proxies whose `Forwarded` (RFC 7239) and `X-Forwarded-*` are believed. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<ArcSwap<Vec<IpNet>>>);

impl Client {
    /// The client at the other end of a connection, which may be encrypted.
    pub fn at(peer: SocketAddr, is_encrypted: bool) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let (address, port) = (peer.ip(), Some(peer.port()));
        Self { peer, address, port, proxies: 0, is_proxy: false, is_encrypted }
    }

    /// The address. An IPv4 client of an IPv6 socket has its IPv4 address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The other end of the connection: the client itself, or the last proxy before it.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What limits count the client by.
    pub fn key(&self) -> ClientKey {
        ClientKey::from(self.address)
    }

    /// The same, but `None` for a trusted proxy itself: it speaks for many, so no limit holds it to a share.
    pub fn limit_key(&self) -> Option<ClientKey> {
        (!self.is_proxy).then(|| self.key())
    }

    /// Whether this is a trusted proxy itself, whose request names no other client.
    pub fn is_proxy(&self) -> bool {
        self.is_proxy
    }

    /// Whether the connection to this program is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// How many trusted proxies the request passed, as far as is known.
    pub fn proxies(&self) -> usize {
        self.proxies
    }
}

/// Address and port, as in a URL; the address alone if the port is unknown.
impl fmt::Display for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (address, Some(port)) => SocketAddr::new(address, port).fmt(formatter),
            (IpAddr::V4(address), None) => address.fmt(formatter),
            (IpAddr::V6(address), None) => write!(formatter, "[{address}]"),
        }
    }
}

impl TrustedProxies {
    /// These networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(networks)))
    }

    /// Trusts these networks from now on, in all clones.
    pub fn replace(&self, networks: Vec<IpNet>) {
        self.0.store(Arc::new(networks));
    }

    /// Whether a proxy at `address` is trusted.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.load().iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came from `peer`. A trusted proxy tells for which address it speaks, and
    /// if that is a trusted proxy as well, the one before it does. Fields that cannot be read, or contradict
    /// each other, tell nothing.
    pub fn client(&self, peer: SocketAddr, is_encrypted: bool, headers: &HeaderMap) -> Client {
        let direct = Client::at(peer, is_encrypted);
        if !self.contains(direct.address) {
            return direct;
        }
        let told = forwarded::client(headers, |address| self.contains(address));
        let (address, port) = told.last.unwrap_or((direct.address, direct.port));
        Client { address, port, proxies: told.proxies, is_proxy: !told.is_forwarded, ..direct }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn client(peer: &str, fields: &[(&'static str, &'static str)]) -> Client {
        let networks = ["192.0.2.0/24", "2001:db8:1::/48"].map(|network| network.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let proxies = TrustedProxies::new(networks.to_vec());
        proxies.client(peer.parse().expect("an address"), false, &headers)
    }

    #[test]
    fn a_trusted_proxy_tells_the_client() {
        for (field, value, shown) in [
            ("x-forwarded-for", "198.51.100.7", "198.51.100.7"),
            ("x-forwarded-for", "203.0.113.1, 198.51.100.7", "198.51.100.7"),
            ("x-forwarded-for", "203.0.113.1, 198.51.100.7, 192.0.2.9", "198.51.100.7"),
            ("x-forwarded-for", "192.0.2.8, 192.0.2.9", "192.0.2.8"),
            ("x-forwarded-for", "garbage, 198.51.100.7,", "198.51.100.7"),
            ("x-forwarded-for", "198.51.100.7:4711", "198.51.100.7:4711"),
            ("x-forwarded-for", "2001:db8::7", "[2001:db8::7]"),
            ("x-forwarded-for", "[2001:db8::7]:4711", "[2001:db8::7]:4711"),
            ("x-forwarded-for", "::ffff:198.51.100.7", "198.51.100.7"),
            ("forwarded", "for=198.51.100.7", "198.51.100.7"),
            ("forwarded", "For=\"198.51.100.7:4711\";proto=https", "198.51.100.7:4711"),
            ("forwarded", "for=203.0.113.1, for=\"[2001:db8::7]\" , by=x;for=192.0.2.9", "[2001:db8::7]"),
            ("forwarded", "for=\"a\\\",b\", for=198.51.100.7;secret=\"x, for=203.0.113.1\"", "198.51.100.7"),
        ] {
            let found = client("192.0.2.1:80", &[(field, value)]);
            assert_eq!((found.to_string().as_str(), found.is_proxy()), (shown, false), "{field}: {value}");
            assert_eq!(found.peer().to_string(), "192.0.2.1:80");
        }
        let both = [("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=198.51.100.7")];
        assert_eq!(client("192.0.2.1:80", &both).to_string(), "198.51.100.7");
        let lines = [("x-forwarded-for", "203.0.113.1"), ("x-forwarded-for", "198.51.100.7")];
        assert_eq!(client("[::ffff:192.0.2.1]:80", &lines).to_string(), "198.51.100.7");
    }

    #[test]
    fn what_cannot_be_believed_leaves_the_peer() {
        for fields in [
            &[("x-forwarded-for", "garbage")] as &[_],
            &[("x-forwarded-for", "198.51.100.7, ex.example")],
            &[("x-forwarded-for", "198.51.100.7:99999")],
            &[("x-forwarded-for", "fe80::1%eth0")],
            &[("x-forwarded-for", "")],
            &[("forwarded", "for=unknown")],
            &[("forwarded", "for=198.51.100.7, for=_hidden")],
            &[("forwarded", "for=\"198.51.100.7")],
            &[("forwarded", "for=2001:db8::7")],
            &[("forwarded", "for=198.51.100.7;for=203.0.113.1")],
            &[("forwarded", "for 198.51.100.7")],
            &[("forwarded", "proto=https")],
            // Most proxies append to one of the two and pass the other on as the client wrote it.
            &[("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=203.0.113.1")],
            &[("x-forwarded-for", "198.51.100.7"), ("forwarded", "nothing")],
        ] {
            let found = client("192.0.2.1:80", fields);
            assert_eq!((found.to_string().as_str(), found.is_proxy()), ("192.0.2.1:80", false), "{fields:?}");
        }
        assert!(client("192.0.2.1:80", &[]).is_proxy());
        let stranger = client("203.0.113.1:80", &[("x-forwarded-for", "198.51.100.7")]);
        assert_eq!((stranger.to_string().as_str(), stranger.is_proxy()), ("203.0.113.1:80", false));
        let far = client("192.0.2.1:80", &[("x-forwarded-for", "garbage, 192.0.2.9")]);
        assert_eq!(far.to_string(), "192.0.2.9", "the farthest that is known");
    }

    #[test]
    fn a_chain_without_end_is_followed_for_a_while() {
        let fields: Vec<_> = (0..200).map(|_| ("x-forwarded-for", "198.51.100.7, 192.0.2.9")).collect();
        assert_eq!(client("192.0.2.1:80", &fields).to_string(), "198.51.100.7");
        let fields: Vec<_> = (0..200).map(|_| ("x-forwarded-for", "192.0.2.9, 192.0.2.8")).collect();
        assert_eq!(client("192.0.2.1:80", &fields).proxies(), forwarded::MAX_PROXIES);
    }

    #[test]
    fn limits_count_addresses_and_networks_of_hosts() {
        let key = |peer: &str| client(peer, &[]).key();
        assert_eq!(key("198.51.100.7:1"), key("[::ffff:198.51.100.7]:2"));
        assert_ne!(key("198.51.100.7:1"), key("198.51.100.8:1"));
        assert_eq!(key("[2001:db8::1]:1"), key("[2001:db8::ffff:0:0:2]:1"));
        assert_ne!(key("[2001:db8::1]:1"), key("[2001:db8:0:1::1]:1"));
        assert_eq!(key("[2001:db8:0:1::1]:1").to_string(), "2001:db8:0:1::/64");
        assert_eq!(key("198.51.100.7:1").to_string(), "198.51.100.7");
    }
}
