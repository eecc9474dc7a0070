//! Applies the egress policy to links and addresses. A link comes from a client and a redirect from a server,
//! so neither may lead to internal services: the management of a machine, the metadata service of a cloud.

use std::net::IpAddr;

use url::{Host, Url};

use super::Fault;
use super::address::{self, Needs};
use crate::EgressPolicy;

/// The policy refuses the link or the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(String);

impl Refusal {
    /// A name whose addresses cannot be looked up here.
    pub(super) fn unknown(host: &str) -> Self {
        Self(format!(
            "the addresses of host {} are not known here (not within `downloadNetworks`)",
            Fault::quoted(host)
        ))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.0)
    }
}

/// Checks a link's scheme and host, and its address if the host is one. The addresses of a name are checked
/// when it is looked up, see [`check_address`].
pub(super) fn check_link(egress: &EgressPolicy, url: &Url) -> Result<(), Refusal> {
    let scheme = url.scheme();
    if !egress.schemes.iter().any(|allowed| allowed == scheme) {
        return Err(Refusal(format!(
            "links of the scheme {} may not be followed (`downloadSchemes`)",
            Fault::quoted(scheme)
        )));
    }
    let host = url.host_str().unwrap_or_default();
    if !egress.hosts.is_empty() && !egress.hosts.iter().any(|pattern| pattern.fits(host)) {
        return Err(Refusal(format!(
            "the host {} may not be connected to (`downloadHosts`)",
            Fault::quoted(host)
        )));
    }
    literal(url).map_or(Ok(()), |address| check_address(egress, host, address))
}

/// Checks an address before a connection to it. `host` is the name that was looked up.
pub(super) fn check_address(egress: &EgressPolicy, host: &str, found: IpAddr) -> Result<(), Refusal> {
    let address = address::target(found);
    let of_host = if host.trim_matches(['[', ']']).parse() == Ok(found) {
        String::new()
    } else {
        format!(" of host {}", Fault::quoted(host))
    };
    let refuse =
        |why: &str| Err(Refusal(format!("the address {found}{of_host} may not be connected to ({why})")));
    if !egress.networks.is_empty() {
        let allowed = egress.networks.iter().any(|network| network.contains(&address));
        return if allowed { Ok(()) } else { refuse("not within `downloadNetworks`") };
    }
    match address::special(found) {
        Some((word, Needs::LinkLocal)) if !egress.link_local => {
            refuse(&format!("{word}; `downloadLinkLocal`"))
        }
        Some((word, Needs::Private)) if !egress.private => refuse(&format!("{word}; `downloadPrivate`")),
        _ => Ok(()),
    }
}

/// The address that a link has instead of a name.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(private: bool, link_local: bool, networks: &[&str]) -> EgressPolicy {
        let networks = networks.iter().map(|network| network.parse().expect("a network")).collect();
        EgressPolicy { private, link_local, networks, ..EgressPolicy::default() }
    }

    #[test]
    fn addresses_are_held_against_the_settings() {
        let default = EgressPolicy::default();
        let public = egress(false, false, &[]);
        let all = egress(true, true, &[]);
        let only = egress(false, false, &["10.0.0.0/8", "169.254.169.254/32", "2001:db8::/32"]);
        for (address, egress, refused_by) in [
            ("127.0.0.1", &default, None),
            ("10.0.0.1", &default, None),
            ("8.8.8.8", &default, None),
            ("169.254.169.254", &default, Some("link-local; `downloadLinkLocal`")),
            ("::ffff:169.254.169.254", &default, Some("link-local; `downloadLinkLocal`")),
            ("fd00:ec2::254", &default, Some("`downloadLinkLocal`")),
            ("127.0.0.1", &public, Some("loopback; `downloadPrivate`")),
            ("10.0.0.1", &public, Some("private; `downloadPrivate`")),
            ("::1", &public, Some("loopback; `downloadPrivate`")),
            ("169.254.1.1", &public, Some("`downloadLinkLocal`")),
            ("8.8.8.8", &public, None),
            ("169.254.169.254", &all, None),
            ("127.0.0.1", &all, None),
            ("10.0.0.1", &only, None),
            ("64:ff9b::10.0.0.1", &only, None),
            ("64:ff9b:1::a00:1", &only, Some("`downloadNetworks`")),
            ("64:ff9b:1:a9fe:a9:fe00:a00:1", &only, Some("`downloadNetworks`")),
            ("64:ff9b:1:a9fe:a9:fe00::", &public, Some("`downloadPrivate`")),
            ("169.254.169.254", &only, None),
            ("2001:db8::1", &only, None),
            ("127.0.0.1", &only, Some("`downloadNetworks`")),
            ("8.8.8.8", &only, Some("`downloadNetworks`")),
        ] {
            let checked = check_address(egress, "x.example", address.parse().expect("an address"));
            let text = checked.as_ref().err().map(ToString::to_string);
            assert_eq!(checked.is_err(), refused_by.is_some(), "{address} {text:?}");
            if let (Some(text), Some(part)) = (text, refused_by) {
                let whole = format!("the address {address} of host x.example may not be connected to");
                assert!(text.contains(part) && text.starts_with(&whole), "{text}");
            }
        }
    }

    #[test]
    fn links_are_held_against_the_settings() {
        let default = EgressPolicy::default();
        let https = EgressPolicy { schemes: vec!["https".into()], ..EgressPolicy::default() };
        let public = egress(false, false, &[]);
        for (link, egress, refused_by) in [
            ("http://a.example/x", &default, None),
            ("ftp://a.example/x", &default, None),
            ("file:///etc/passwd", &default, Some("scheme file")),
            ("http://a.example/x", &https, Some("`downloadSchemes`")),
            ("https://a.example/x", &https, None),
            // Other spellings that a browser takes for the same address.
            ("http://169.254.169.254/latest", &default, Some("the address 169.254.169.254 may not")),
            ("http://2852039166/", &default, Some("169.254.169.254")),
            ("http://0xa9.0xfe.0xa9.0xfe/", &default, Some("169.254.169.254")),
            ("http://[::ffff:a9fe:a9fe]/", &default, Some("link-local")),
            ("http://[fe80::1]/", &default, Some("the address fe80::1 may not")),
            ("http://0/", &public, Some("unspecified")),
            ("http://127.1/", &public, Some("loopback")),
            ("http://localhost/", &public, None),
        ] {
            let checked = check_link(egress, &link.parse().expect("a link"));
            let text = checked.err().map(|refusal| refusal.to_string());
            assert_eq!(text.is_some(), refused_by.is_some(), "{link} {text:?}");
            assert!(text.is_none_or(|text| text.contains(refused_by.unwrap_or_default())), "{link}");
        }
    }
}
