//! The egress policy: the schemes, hosts and networks of downloads. A link comes from a client, which could
//! otherwise reach internal services through this machine.

use ipnet::IpNet;
use model::host_pattern::HostPattern;

/// The schemes that this crate supports.
pub const SCHEMES: [&str; 3] = ["http", "https", "ftp"];

/// The links and addresses that downloads may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressPolicy {
    /// The schemes of links and redirects.
    pub schemes: Vec<String>,
    /// The hosts of links and redirects; empty is all.
    pub hosts: Vec<HostPattern>,
    /// The networks of addresses; empty is all that the next two fields allow.
    pub networks: Vec<IpNet>,
    /// Whether private and loopback addresses are allowed, where `networks` is empty.
    pub private: bool,
    /// Whether link-local addresses are allowed, where `networks` is empty. Clouds serve the secrets of
    /// machines there.
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
