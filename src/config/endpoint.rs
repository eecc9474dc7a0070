//! `httpEndpoints`: where to listen, and which doors are open there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;

/// A door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Router {
    /// The management API.
    Northbound,
    /// The file server that machines boot from.
    Southbound,
}

impl Router {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Northbound => "northbound",
            Self::Southbound => "southbound",
        }
    }
}

/// An address to bind and what is offered there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// One door, or both.
    pub routers: Vec<Router>,
}

/// Both doors on all addresses: northbound 7070, southbound 9090.
pub(super) fn defaults() -> Vec<Endpoint> {
    let on = |port, router| Endpoint {
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
        routers: vec![router],
    };
    vec![on(7070, Router::Northbound), on(9090, Router::Southbound)]
}

/// Reads the list.
pub(super) fn parse(value: &Value) -> Result<Vec<Endpoint>, String> {
    let list = value
        .as_array()
        .filter(|list| !list.is_empty())
        .ok_or("expected a list of {address, port, routers}")?;
    let endpoints: Result<Vec<Endpoint>, String> = list
        .iter()
        .enumerate()
        .map(|(index, entry)| parse_one(entry).map_err(|problem| format!("entry {index}: {problem}")))
        .collect();
    endpoints.and_then(|endpoints| check(&endpoints).map(|()| endpoints))
}

/// Opens a door at one address and nowhere else.
pub(super) fn move_to(endpoints: &mut Vec<Endpoint>, router: Router, address: SocketAddr) {
    for endpoint in endpoints.iter_mut() {
        endpoint.routers.retain(|open| *open != router);
    }
    endpoints.retain(|endpoint| !endpoint.routers.is_empty());
    match endpoints.iter_mut().find(|endpoint| endpoint.address == address && address.port() != 0) {
        Some(endpoint) => endpoint.routers.push(router),
        None => endpoints.push(Endpoint { address, routers: vec![router] }),
    }
}

/// The endpoints' addresses, for a message.
pub(super) fn shown(endpoints: &[Endpoint]) -> String {
    let addresses: Vec<String> = endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
    addresses.join(", ")
}

/// Checks the list as a whole: each door is open somewhere, and no two endpoints want one port.
pub(super) fn check(endpoints: &[Endpoint]) -> Result<(), String> {
    for router in [Router::Northbound, Router::Southbound] {
        if !endpoints.iter().any(|endpoint| endpoint.routers.contains(&router)) {
            return Err(format!(
                "no endpoint has the router \"{}\"; at least one of each is needed",
                router.as_str()
            ));
        }
    }
    for (index, first) in endpoints.iter().enumerate() {
        if let Some(second) =
            endpoints.iter().skip(index + 1).find(|second| clash(first.address, second.address))
        {
            return Err(format!("the endpoints {} and {} clash", first.address, second.address));
        }
    }
    Ok(())
}

fn parse_one(entry: &Value) -> Result<Endpoint, String> {
    let fields = entry.as_object().ok_or("expected an object {address, port, routers}")?;
    if let Some(unknown) = fields.keys().find(|key| !matches!(key.as_str(), "address" | "port" | "routers")) {
        return Err(format!("unknown key `{unknown}`; known are address, port, routers"));
    }
    let address = match fields.get("address") {
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(value) => value
            .as_str()
            .and_then(|text| {
                if text == "localhost" { Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { text.parse().ok() }
            })
            .ok_or_else(|| format!("`address` is {value}: expected an IP address such as \"0.0.0.0\""))?,
    };
    let port = fields.get("port").ok_or("`port` is missing").and_then(|value| {
        super::whole_number(value)
            .ok()
            .and_then(|port| u16::try_from(port).ok())
            .ok_or("`port` must be a number from 0 to 65535")
    })?;
    let routers = match fields.get("routers") {
        Some(Value::Array(list)) if !list.is_empty() => {
            list.iter().map(router).collect::<Result<Vec<_>, _>>()?
        }
        Some(word @ Value::String(_)) => vec![router(word)?],
        _ => return Err("`routers` must be \"northbound\", \"southbound\" or a list of both".into()),
    };
    Ok(Endpoint { address: SocketAddr::new(address, port), routers })
}

fn router(value: &Value) -> Result<Router, String> {
    match value.as_str() {
        Some("northbound") => Ok(Router::Northbound),
        Some("southbound") => Ok(Router::Southbound),
        _ => Err(format!("`routers` holds {value}: expected \"northbound\" or \"southbound\"")),
    }
}

fn clash(first: SocketAddr, second: SocketAddr) -> bool {
    first.port() != 0
        && first.port() == second.port()
        && (first.ip() == second.ip() || first.ip().is_unspecified() || second.ip().is_unspecified())
}
