//! The URL that a request called, as the client sees it: scheme, host and port.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Uri, Version};
use url::Host;

use crate::client::Client;
use crate::forwarded;

/// The scheme, host and port that a request called. An extension of admitted requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// `None` for a request of HTTP/1.0 that names none.
    pub(crate) authority: Option<Authority>,
    /// Whether a trusted proxy stands between and did not tell the host, so that it may be its own name for
    /// this program.
    pub(crate) is_hidden: bool,
}

/// A host, and its port if it is not that of the scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: Host,
    port: Option<u16>,
}

impl Called {
    /// The host that the client called; `None` for a request of HTTP/1.0 that names none.
    pub fn host(&self) -> Option<&Host> {
        self.authority.as_ref().map(|authority| &authority.host)
    }

    /// Reads the field `Host` and the target, or what a trusted proxy tells instead.
    ///
    /// # Errors
    ///
    /// What is wrong: the request names no host, or several (RFC 9112 §3.2, §3.2.2).
    pub(crate) fn read(
        client: &Client,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Self, String> {
        let scheme = scheme(client, headers);
        let authority = named(version, uri, headers)?;
        let told = forwarded::hosts(headers, client.proxies());
        let told: Vec<Authority> = told
            .iter()
            .map(|host| {
                host.as_deref().and_then(Authority::parse).ok_or("the host that a proxy tells is none")
            })
            .collect::<Result<_, _>>()?;
        if let [one, other] = told.as_slice()
            && !one.is_same(other, scheme)
        {
            return Err("Forwarded and X-Forwarded-Host tell different hosts".into());
        }
        let is_hidden = client.proxies() > 0 && told.is_empty();
        Ok(Self { scheme, authority: told.into_iter().next().or(authority), is_hidden })
    }

    /// Whether an origin (RFC 6454 §7) is that of the URL.
    pub(crate) fn is_origin(&self, origin: &HeaderValue) -> bool {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let Some((scheme, authority)) = origin else { return false };
        let Some(own) = &self.authority else { return false };
        scheme == self.scheme
            && Authority::parse(authority).is_some_and(|authority| authority.is_same(own, self.scheme))
    }
}

impl Authority {
    /// Reads `host` or `host:port`; `None` for text that is none.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (text, ""),
        };
        // A port is digits alone (RFC 3986 §3.2.3); the parser of numbers takes a sign as well.
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = if port.is_empty() { None } else { Some(port.parse().ok().filter(|_| is_port)?) };
        // The scope of a link-local address means something to the client alone.
        let host = match host.split_once('%') {
            Some((address, scope)) if address.starts_with('[') && scope.ends_with(']') => {
                Host::parse(&format!("{address}]"))
            }
            _ => Host::parse(host),
        };
        Some(Self { host: host.ok()?, port })
    }

    fn is_same(&self, other: &Self, scheme: &str) -> bool {
        let default = if scheme == "https" { 443 } else { 80 };
        self.host == other.host && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }
}

/// The scheme by which the client came.
pub(crate) fn scheme(client: &Client, headers: &HeaderMap) -> &'static str {
    match forwarded::scheme(headers, client.proxies()).as_deref() {
        Some("https" | "wss") => "https",
        Some("http" | "ws") => "http",
        _ if client.is_encrypted() => "https",
        _ => "http",
    }
}

/// The one value of the field `Host`; `None` if there is none.
///
/// # Errors
///
/// There are two.
pub fn host_field(headers: &HeaderMap) -> Result<Option<&HeaderValue>, &'static str> {
    let mut fields = headers.get_all(header::HOST).iter();
    match (fields.next(), fields.next()) {
        (_, Some(_)) => Err("a request has only one field Host (RFC 9112 §3.2)"),
        (field, None) => Ok(field),
    }
}

/// The host that the request itself names.
fn named(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, String> {
    let field = host_field(headers)?;
    let field = match field {
        Some(field) => {
            let host = field.to_str().ok().and_then(Authority::parse);
            Some(host.ok_or("the field Host is no host and port (RFC 9110 §7.2)")?)
        }
        None if version >= Version::HTTP_11 => {
            return Err("a request of HTTP/1.1 has a field Host (RFC 9112 §3.2)".into());
        }
        None => None,
    };
    let Some(target) = uri.authority() else { return Ok(field) };
    let target = Authority::parse(target.as_str()).ok_or("the target has no usable host")?;
    // The two are compared by the scheme that the target names.
    let scheme = uri.scheme_str().unwrap_or("http");
    match field {
        Some(field) if !field.is_same(&target, scheme) => {
            Err("the target and the field Host name different hosts (RFC 9112 §3.2.2)".into())
        }
        _ => Ok(Some(target)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn called(target: &str, fields: &[(&'static str, &str)]) -> Result<Called, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a value"));
        }
        let client = Client::at(SocketAddr::from(([192, 0, 2, 1], 1)), false);
        Called::read(&client, Version::HTTP_11, &target.parse().expect("a target"), &headers)
    }

    #[test]
    fn a_request_names_one_host() {
        for (target, host) in [
            ("/", "a.example"),
            ("/", "a.example:"),
            ("/", "A.example:7070"),
            ("/", "[2001:db8::1]:7070"),
            ("/", "[fe80::1%25eth0]"),
            ("http://a.example/", "a.example:80"),
            ("https://a.example:443/", "a.example"),
        ] {
            assert!(called(target, &[("host", host)]).is_ok(), "{target} {host}");
        }
        for (target, host) in [
            ("/", ""),
            ("/", ":80"),
            ("/", "a b"),
            ("/", "user@127.0.0.1"),
            ("/", "a.example/x"),
            ("/", "a.example:99999"),
            ("/", "a.example:+80"),
            ("/", "[fe80::1%25eth0"),
            ("/", "[fe80::1%25eth0:80"),
            ("/", "a.example, b.example"),
            ("/", "::1"),
            ("http://b.example/", "a.example"),
            ("http://a.example:81/", "a.example"),
        ] {
            assert!(called(target, &[("host", host)]).is_err(), "{target} {host}");
        }
        assert!(called("/", &[]).is_err());
        assert!(called("/", &[("host", "a"), ("host", "a")]).is_err());
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let own = |host: &str, origin: &'static str| {
            let called = called("/", &[("host", host)]).expect("a host");
            called.is_origin(&HeaderValue::from_static(origin))
        };
        assert!(own("a.example", "http://a.example"));
        assert!(own("a.example:80", "http://A.example"));
        assert!(own("[::1]:7070", "http://[::1]:7070"));
        for (host, origin) in [
            ("a.example", "https://a.example"),
            ("a.example:7070", "http://a.example"),
            ("a.example", "http://a.example.evil.example"),
            ("a.example", "null"),
            ("a.example", "a.example"),
        ] {
            assert!(!own(host, origin), "{host} {origin}");
        }
    }
}
