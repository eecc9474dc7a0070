//! The sockets of endpoints, and the address of the southbound.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};
use tokio::net::TcpSocket;

use crate::config::{Config, Endpoint, Router};
use crate::northbound::SouthboundAddress;

/// Connections that may wait to be accepted: all machines of a rack power on at once.
const BACKLOG: u32 = 4096;

/// The endpoints with their sockets.
pub(super) type Listeners<'a> = Vec<(&'a Endpoint, TcpListener)>;

/// Listens on all endpoints.
pub(super) fn listen(endpoints: &[Endpoint]) -> Result<Listeners<'_>> {
    let mut listeners = Vec::new();
    for endpoint in endpoints {
        let listener = listen_at(endpoint.address)
            .with_context(|| format!("cannot listen on {} (httpEndpoints)", endpoint.address))?;
        listeners.push((endpoint, listener));
    }
    Ok(listeners)
}

fn listen_at(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait until connections of the previous run time out.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // `::` is all addresses of both families, whatever the system's default is (net.ipv6.bindv6only).
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// The address of the southbound for machines: the configured URL, else the first southbound endpoint. An
/// endpoint without TLS comes first, because not all firmware speaks it.
pub(super) fn southbound_address(config: &Config, listeners: &Listeners<'_>) -> Result<SouthboundAddress> {
    if let Some(url) = &config.southbound_url {
        return Ok(SouthboundAddress::Known(url.clone()));
    }
    let southbound = listeners.iter().filter(|(endpoint, _)| endpoint.routers.contains(&Router::Southbound));
    let (endpoint, listener) = southbound
        .min_by_key(|(endpoint, _)| endpoint.tls.is_some())
        .context("there is no southbound endpoint")?;
    Ok(SouthboundAddress::At { scheme: endpoint.scheme(), address: listener.local_addr()? })
}
