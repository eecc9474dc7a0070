//! `httpEndpoints`: the addresses to listen at, the services of each, and whether connections are encrypted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use component::ComponentType;
use file_transport::{Tls, TlsError};
use serde_json::Value;

use super::folders::lies_below;
use model::settings::{text, whole_number};

/// A service of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Router {
    /// The management API.
    Northbound,
    /// The file server that machines boot from.
    Southbound,
    /// `/livez` and `/readyz` alone.
    Health,
    /// A service of a component, by the component's word.
    Component(&'static str),
}

impl Router {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Northbound => "northbound",
            Self::Southbound => "southbound",
            Self::Health => "health",
            Self::Component(word) => word,
        }
    }
}

/// An address to bind, and its services.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Address and port. Port 0 lets the system choose.
    pub address: SocketAddr,
    /// Its services, in any order.
    pub routers: Vec<Router>,
    /// Certificate and key of an endpoint that speaks HTTPS alone.
    pub tls: Option<Tls>,
}

impl Endpoint {
    /// The scheme of its URLs.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Both services on all addresses: northbound 7070, southbound 9090.
pub(super) fn defaults() -> Vec<Endpoint> {
    let on = |port, router| Endpoint {
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
        routers: vec![router],
        tls: None,
    };
    vec![on(7070, Router::Northbound), on(9090, Router::Southbound)]
}

/// Reads the list. Relative paths in it start from `folder`.
pub(super) fn parse(
    value: &Value,
    components: &[ComponentType],
    folder: &Path,
) -> Result<Vec<Endpoint>, String> {
    let list = value
        .as_array()
        .filter(|list| !list.is_empty())
        .ok_or("expected a list of {address, port, routers, tls}")?;
    let endpoints: Result<Vec<Endpoint>, String> = list
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            parse_one(entry, components, folder).map_err(|problem| format!("entry {index}: {problem}"))
        })
        .collect();
    endpoints.and_then(|endpoints| check(&endpoints).map(|()| endpoints))
}

/// Moves a service to one address. A service that had HTTPS alone keeps it.
pub(super) fn move_to(endpoints: &mut Vec<Endpoint>, router: Router, address: SocketAddr) {
    let open = || endpoints.iter().filter(|endpoint| endpoint.routers.contains(&router));
    let plain = open().any(|endpoint| endpoint.tls.is_none());
    let tls = open().find_map(|endpoint| endpoint.tls.clone()).filter(|_| !plain);
    for endpoint in endpoints.iter_mut() {
        endpoint.routers.retain(|open| *open != router);
    }
    endpoints.retain(|endpoint| !endpoint.routers.is_empty());
    match endpoints.iter_mut().find(|endpoint| endpoint.address == address && address.port() != 0) {
        Some(endpoint) => endpoint.routers.push(router),
        None => endpoints.push(Endpoint { address, routers: vec![router], tls }),
    }
}

/// The endpoints' addresses, for a message.
pub(super) fn shown(endpoints: &[Endpoint]) -> String {
    let addresses: Vec<String> = endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
    addresses.join(", ")
}

/// Checks the list as a whole: northbound and southbound are somewhere, and no two endpoints want one port.
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

/// A client with the key can pass for the service, so the key must not lie below a served folder.
pub(super) fn check_key(endpoints: &[Endpoint], served: &Path) -> Result<(), PathBuf> {
    let mut keys = endpoints.iter().filter_map(|endpoint| endpoint.tls.as_ref()).map(Tls::key);
    keys.find(|key| lies_below(key, served)).map_or(Ok(()), |key| Err(key.to_owned()))
}

fn parse_one(entry: &Value, components: &[ComponentType], folder: &Path) -> Result<Endpoint, String> {
    let fields = entry.as_object().ok_or("expected an object {address, port, routers, tls}")?;
    if let Some(unknown) =
        fields.keys().find(|key| !matches!(key.as_str(), "address" | "port" | "routers" | "tls"))
    {
        return Err(format!("unknown key `{unknown}`; known are address, port, routers, tls"));
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
        whole_number(value)
            .ok()
            .and_then(|port| u16::try_from(port).ok())
            .ok_or("`port` must be a number from 0 to 65535")
    })?;
    let routers = match fields.get("routers") {
        Some(Value::Array(list)) if !list.is_empty() => {
            list.iter().map(|word| router(word, components)).collect::<Result<Vec<_>, _>>()?
        }
        Some(word @ Value::String(_)) => vec![router(word, components)?],
        _ => {
            return Err(
                "`routers` must be \"northbound\", \"southbound\", \"health\" or a list of these".into()
            );
        }
    };
    let tls = fields.get("tls").map(|value| tls(value, folder)).transpose()?;
    Ok(Endpoint { address: SocketAddr::new(address, port), routers, tls })
}

fn tls(value: &Value, folder: &Path) -> Result<Tls, String> {
    let expected = || format!("`tls` is {value}: expected an object {{certificate, key}}, two PEM files");
    let fields = value.as_object().ok_or_else(expected)?;
    if let Some(unknown) = fields.keys().find(|key| !matches!(key.as_str(), "certificate" | "key" | "kernel"))
    {
        return Err(format!("`tls` has the unknown key `{unknown}`; known are certificate, key, kernel"));
    }
    let path = |name: &str| -> Result<PathBuf, String> {
        let path = fields.get(name).ok_or_else(expected)?;
        let path = text(path).map_err(|problem| format!("`{name}` in `tls` is {path}: {problem}"))?;
        Ok(folder.join(path).components().collect())
    };
    let kernel = match fields.get("kernel") {
        None => true,
        Some(value) => value.as_bool().ok_or_else(|| {
            format!("`kernel` in `tls` is {value}: expected true, if the kernel may encrypt, or false")
        })?,
    };
    Tls::load(path("certificate")?, path("key")?, kernel).map_err(|error| match &error {
        TlsError::Certificate { .. } => format!("`certificate` in `tls`: {error}"),
        TlsError::Key { .. } | TlsError::Mismatch { .. } => format!("`key` in `tls`: {error}"),
        TlsError::Setup(_) => format!("`tls`: {error}"),
    })
}

fn router(value: &Value, components: &[ComponentType]) -> Result<Router, String> {
    let words = components.iter().flat_map(|component| component.routers.iter().copied());
    match value.as_str() {
        Some("northbound") => Ok(Router::Northbound),
        Some("southbound") => Ok(Router::Southbound),
        Some("health") => Ok(Router::Health),
        word => words.clone().find(|known| word == Some(known)).map(Router::Component).ok_or_else(|| {
            let more: String = words.map(|word| format!(" or \"{word}\"")).collect();
            format!("`routers` holds {value}: expected \"northbound\", \"southbound\" or \"health\"{more}")
        }),
    }
}

fn clash(first: SocketAddr, second: SocketAddr) -> bool {
    first.port() != 0
        && first.port() == second.port()
        && (first.ip() == second.ip() || first.ip().is_unspecified() || second.ip().is_unspecified())
}
