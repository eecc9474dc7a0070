//! `GET /about`, and `GET /` for all but browsers: what there is.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use http::header::HOST;
use http::uri::Authority;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::examples;
use super::{Northbound, SouthboundAddress};

/// Where everything is. All but `service`, `version` and `southboundUrl` are paths.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Index {
    service: &'static str,
    version: &'static str,
    images: &'static str,
    jobs: &'static str,
    isos: &'static str,
    microkernels: &'static str,
    uploads: &'static str,
    storage: &'static str,
    events: &'static str,
    transfers: &'static str,
    metrics: &'static str,
    /// The page for people.
    gui: &'static str,
    /// The page about the API.
    docs: &'static str,
    /// The API as an OpenAPI document.
    openapi: &'static str,
    /// The path of the southbound's root.
    southbound: String,
    /// Where machines find the southbound's root.
    #[serde(rename = "southboundUrl")]
    southbound_url: String,
}

/// Show what there is.
#[utoipa::path(
    get, path = "/about", tag = "service", operation_id = "showAbout",
    responses((status = 200, description = "Where everything is.", body = Index, example = json!(examples::index()))),
)]
pub(super) async fn show(State(api): State<Northbound>, headers: HeaderMap) -> Json<Index> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    Json(Index {
        service: "image-service",
        version: env!("CARGO_PKG_VERSION"),
        images: "/images",
        jobs: "/jobs",
        isos: "/iso",
        microkernels: "/microkernel",
        uploads: "/uploads",
        storage: "/storage",
        events: "/events",
        transfers: "/transfers",
        metrics: "/metrics",
        gui: "/gui/",
        docs: "/docs",
        openapi: "/openapi.json",
        southbound: format!("{}/", api.api_root),
        southbound_url: api.southbound.url(&api.api_root, host),
    })
}

impl SouthboundAddress {
    /// The URL of the southbound's root. Where it listens at all addresses of this machine, the one by which the client came is as good for
    /// others; a `host` that is none is passed over.
    fn url(&self, api_root: &str, host: Option<&str>) -> String {
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
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        });
        format!("{scheme}://{name}{port}{api_root}/")
    }
}

/// The host of a `Host` field, without its port. What is no name of a host comes from nobody who means well.
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
