//! What proxies tell of a request: `Forwarded` (RFC 7239), and the older `X-Forwarded-For`, `-Proto` and
//! `-Host`. Each proxy appends to the lists, so the last entry is that of the nearest one, and only entries
//! of trusted proxies mean anything. All before them may be the client's invention.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::FORWARDED;

/// The most proxies that a request is followed through.
pub(crate) const MAX_PROXIES: usize = 16;

/// The list of addresses by the older convention.
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The host and the scheme that the client called, by the older convention.
const X_FORWARDED_HOST: &str = "x-forwarded-host";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

/// An address, and its port if it is known.
type Node = (IpAddr, Option<u16>);

/// What the fields of a request from a trusted proxy tell of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ForwardedFor {
    /// The client, or the farthest trusted proxy that is known; `None` if the peer is all that is known.
    pub(crate) last: Option<Node>,
    /// Trusted proxies on the way, the peer among them.
    pub(crate) proxies: usize,
    /// Whether there is a field that should name the client.
    pub(crate) is_forwarded: bool,
}

/// One element of `Forwarded`: the parameters that one proxy wrote, by their names in lower case.
type Element = Vec<(String, String)>;

/// Follows the entries from the last one on, through proxies that are trusted.
pub(crate) fn client(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> ForwardedFor {
    let by_standard = headers.contains_key(FORWARDED).then(|| {
        let nodes = elements(headers).map(|element| bracketed(parameter(&element?, "for")?));
        follow(nodes, &is_trusted)
    });
    let by_convention = headers.contains_key(X_FORWARDED_FOR).then(|| {
        let nodes = entries(headers, X_FORWARDED_FOR).map(|entry| node(entry?));
        follow(nodes, &is_trusted)
    });
    match (by_standard, by_convention) {
        (Some(one), Some(other)) if one.address() == other.address() => one,
        // A proxy appends to one of the two and may pass the other on as the client wrote it.
        (Some(_), Some(_)) => ForwardedFor { last: None, proxies: 1, is_forwarded: true },
        (Some(told), None) | (None, Some(told)) => told,
        (None, None) => ForwardedFor { last: None, proxies: 1, is_forwarded: false },
    }
}

/// The hosts that the farthest of some trusted proxies tells, one for each convention that it uses. `None` is
/// a field that cannot be read.
pub(crate) fn hosts(headers: &HeaderMap, proxies: usize) -> Vec<Option<String>> {
    let by_standard = match elements(headers).take(proxies).last() {
        Some(Some(element)) => parameter(&element, "host").map(|host| Some(host.to_owned())),
        Some(None) => Some(None),
        None => None,
    };
    let by_convention = entries(headers, X_FORWARDED_HOST).take(proxies).last();
    let by_convention = by_convention.map(|host| host.map(str::to_owned));
    by_standard.into_iter().chain(by_convention).collect()
}

/// The scheme that the farthest of some trusted proxies tells, in lower case.
pub(crate) fn scheme(headers: &HeaderMap, proxies: usize) -> Option<String> {
    let element = elements(headers).take(proxies).last().flatten();
    let by_standard = element.and_then(|element| parameter(&element, "proto").map(str::to_ascii_lowercase));
    by_standard.or_else(|| {
        let scheme = entries(headers, X_FORWARDED_PROTO).take(proxies).last().flatten()?;
        Some(scheme.to_ascii_lowercase())
    })
}

impl ForwardedFor {
    fn address(&self) -> Option<IpAddr> {
        self.last.map(|(address, _)| address)
    }
}

/// Walks from the nearest entry to the first that is no trusted proxy. `None` is an entry that is no address.
fn follow(nodes: impl Iterator<Item = Option<Node>>, is_trusted: impl Fn(IpAddr) -> bool) -> ForwardedFor {
    let mut told = ForwardedFor { last: None, proxies: 1, is_forwarded: true };
    for node in nodes.take(MAX_PROXIES) {
        let Some(node) = node else { break };
        told.last = Some(node);
        if told.proxies == MAX_PROXIES || !is_trusted(node.0) {
            break;
        }
        told.proxies += 1;
    }
    told
}

/// The entries of a list in all lines of a field, the last first. `None` is an entry that is no text.
fn entries<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = Option<&'a str>> {
    let lines = headers.get_all(name).iter().rev().map(|line| line.to_str().ok());
    lines.flat_map(|line| match line {
        // Empty entries count for nothing (RFC 9110 §5.6.1).
        Some(line) => line.rsplit(',').map(str::trim).filter(|entry| !entry.is_empty()).map(Some).collect(),
        None => vec![None],
    })
}

/// The elements of all lines of `Forwarded`, the last first. `None` is an element that breaks the grammar.
fn elements(headers: &HeaderMap) -> impl Iterator<Item = Option<Element>> {
    let lines = headers.get_all(FORWARDED).iter().rev().map(|line| line.to_str().ok());
    lines.flat_map(|line| match line {
        Some(line) => {
            let elements = split(line, ',').map(str::trim).filter(|element| !element.is_empty());
            elements.collect::<Vec<_>>().into_iter().rev().map(element).collect()
        }
        None => vec![None],
    })
}

/// The pairs of an element; each name stands once (RFC 7239 §4).
fn element(text: &str) -> Option<Element> {
    let mut pairs = Element::new();
    for pair in split(text, ';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.to_ascii_lowercase(), unquoted(value)?);
        if parameter(&pairs, &name).is_some() {
            return None;
        }
        pairs.push((name, value));
    }
    Some(pairs)
}

fn parameter<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    element.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The parts of a text between separators that stand in no quoted string.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |one| {
        match one {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => return one == separator && !is_quoted,
        }
        false
    })
}

/// The value of a token or a quoted string (RFC 9110 §5.6.4). Many proxies write ports without quotes.
fn unquoted(text: &str) -> Option<String> {
    let Some(inside) = text.strip_prefix('"') else {
        return (!text.is_empty() && !text.contains(['"', ' ', '\t'])).then(|| text.to_owned());
    };
    let (mut value, mut characters) = (String::new(), inside.strip_suffix('"')?.chars());
    while let Some(one) = characters.next() {
        match one {
            '"' => return None,
            '\\' => value.push(characters.next()?),
            one => value.push(one),
        }
    }
    Some(value)
}

/// A node of `Forwarded` (RFC 7239 §6) that is an address. Its port may be obfuscated.
fn bracketed(text: &str) -> Option<Node> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((address.ip().to_canonical(), Some(address.port())));
    }
    let host = text.split_once(":_").map_or(text, |(host, _)| host);
    let address = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inside) => IpAddr::V6(inside.parse().ok()?),
        None => IpAddr::V4(host.parse().ok()?),
    };
    Some((address.to_canonical(), None))
}

/// An entry of `X-Forwarded-For`, where IPv6 addresses stand with and without brackets.
fn node(text: &str) -> Option<Node> {
    bracketed(text).or_else(|| Some((text.parse::<IpAddr>().ok()?.to_canonical(), None)))
}
