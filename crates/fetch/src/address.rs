//! The kinds of addresses: the special ones in the registries of RFC 6890 and its successors, and those where
//! clouds serve the secrets of their machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// The setting that allows an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// `downloadLinkLocal`.
    LinkLocal,
    /// `downloadPrivate`.
    Private,
}

/// The first entry that contains an address counts.
const SPECIAL_V4: [(Ipv4Net, &str, Needs); 19] = [
    (v4([169, 254, 0, 0], 16), "link-local", Needs::LinkLocal),
    (v4([100, 100, 100, 200], 32), METADATA, Needs::LinkLocal),
    (v4([168, 63, 129, 16], 32), METADATA, Needs::LinkLocal),
    (v4([192, 0, 0, 192], 32), METADATA, Needs::LinkLocal),
    (v4([0, 0, 0, 0], 8), "unspecified", Needs::Private),
    (v4([127, 0, 0, 0], 8), "loopback", Needs::Private),
    (v4([10, 0, 0, 0], 8), "private", Needs::Private),
    (v4([172, 16, 0, 0], 12), "private", Needs::Private),
    (v4([192, 168, 0, 0], 16), "private", Needs::Private),
    (v4([100, 64, 0, 0], 10), "shared behind a carrier's gateway", Needs::Private),
    (v4([192, 0, 0, 0], 24), RESERVED, Needs::Private),
    (v4([192, 0, 2, 0], 24), RESERVED, Needs::Private),
    (v4([192, 88, 99, 0], 24), RESERVED, Needs::Private),
    (v4([198, 18, 0, 0], 15), RESERVED, Needs::Private),
    (v4([198, 51, 100, 0], 24), RESERVED, Needs::Private),
    (v4([203, 0, 113, 0], 24), RESERVED, Needs::Private),
    (v4([224, 0, 0, 0], 4), "multicast", Needs::Private),
    (v4([255, 255, 255, 255], 32), "broadcast", Needs::Private),
    (v4([240, 0, 0, 0], 4), RESERVED, Needs::Private),
];

const SPECIAL_V6: [(Ipv6Net, &str, Needs); 12] = [
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local", Needs::LinkLocal),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), METADATA, Needs::LinkLocal),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), METADATA, Needs::LinkLocal),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified", Needs::Private),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback", Needs::Private),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique-local", Needs::Private),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local", Needs::Private),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast", Needs::Private),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), RESERVED, Needs::Private),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), RESERVED, Needs::Private),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), RESERVED, Needs::Private),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), RESERVED, Needs::Private),
];

/// Contains all public addresses (RFC 4291 §2.4).
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const METADATA: &str = "tells the secrets of cloud machines";
const RESERVED: &str = "reserved";

/// A network's own translation to IPv4 (RFC 8215). Its operator chooses the position of the IPv4 address in
/// it (RFC 6052 §2.2), so the target of such an address is not certain.
const LOCAL_NAT64: Ipv6Net = v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);

/// Why an address is special and the setting that it needs; `None` for an ordinary one.
pub(super) fn special(address: IpAddr) -> Option<(&'static str, Needs)> {
    let local = is_local_nat64(address).then_some(("a network's own NAT64", Needs::Private));
    of_unwrapped(unwrapped(address)).or(local)
}

/// The address that a connection reaches, as far as that is certain.
pub(super) fn target(address: IpAddr) -> IpAddr {
    if is_local_nat64(address) { address } else { unwrapped(address) }
}

fn is_local_nat64(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if LOCAL_NAT64.contains(&address))
}

fn of_unwrapped(address: IpAddr) -> Option<(&'static str, Needs)> {
    match address {
        IpAddr::V4(address) => {
            let entry = SPECIAL_V4.iter().find(|(network, ..)| network.contains(&address));
            entry.map(|(_, word, needs)| (*word, *needs))
        }
        IpAddr::V6(address) => {
            let entry = SPECIAL_V6.iter().find(|(network, ..)| network.contains(&address));
            let entry = entry.map(|(_, word, needs)| (*word, *needs));
            entry.or_else(|| (!GLOBAL_V6.contains(&address)).then_some((RESERVED, Needs::Private)))
        }
    }
}

/// The IPv4 address that an IPv6 address translates to, if it does.
fn unwrapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => inner(address).map_or(IpAddr::V6(address), IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let (high, low) = match [a, b, c, d, e, f] {
        // Unspecified and loopback look like the deprecated IPv4-compatible form.
        [0, 0, 0, 0, 0, 0] if g == 0 => return None,
        // IPv4-compatible and IPv4-mapped (RFC 4291 §2.5.5), IPv4-translated (RFC 7915 §2).
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] => (g, h),
        // NAT64, the well-known prefix (RFC 6052 §2.1) and a network's own, where this is the likeliest
        // position.
        [0x64, 0xff9b, 0, 0, 0, 0] | [0x64, 0xff9b, 1, ..] => (g, h),
        // 6to4 (RFC 3056 §2).
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

const fn v4(address: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_octets(address), length)
}

const fn v6(address: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(address), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_address_is_known_in_every_disguise() {
        let (link_local, private) = (Some(Needs::LinkLocal), Some(Needs::Private));
        for (text, needs) in [
            ("169.254.169.254", link_local),
            ("169.254.0.0", link_local),
            ("169.255.0.0", None),
            ("100.100.100.200", link_local),
            ("100.100.100.201", private),
            ("168.63.129.16", link_local),
            ("192.0.0.192", link_local),
            ("0.0.0.0", private),
            ("127.0.0.1", private),
            ("127.255.255.254", private),
            ("10.1.2.3", private),
            ("172.15.255.255", None),
            ("172.31.255.255", private),
            ("172.32.0.0", None),
            ("192.168.0.1", private),
            ("100.63.255.255", None),
            ("100.127.255.255", private),
            ("192.0.2.1", private),
            ("198.19.0.1", private),
            ("224.0.0.1", private),
            ("240.0.0.1", private),
            ("255.255.255.255", private),
            ("8.8.8.8", None),
            ("fe80::1", link_local),
            ("febf::1", link_local),
            ("fd00:ec2::254", link_local),
            ("fd20:ce::254", link_local),
            ("fd00:ec2::253", private),
            ("::", private),
            ("::1", private),
            ("fc00::1", private),
            ("fec0::1", private),
            ("ff02::1", private),
            ("100::1", private),
            ("2001:db8::1", private),
            ("2001::1", private),
            ("3fff::1", private),
            ("2a00:1450::1", None),
            ("::ffff:169.254.169.254", link_local),
            ("::ffff:8.8.8.8", None),
            ("::169.254.169.254", link_local),
            ("::ffff:0:169.254.169.254", link_local),
            ("64:ff9b::169.254.169.254", link_local),
            ("64:ff9b::10.0.0.1", private),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:1::169.254.169.254", link_local),
            ("64:ff9b:1:2:3:4:169.254.169.254", link_local),
            ("64:ff9b:1::8.8.8.8", private),
            ("64:ff9b:1:a9fe:a9:fe00::", private),
            ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", private),
            ("64:ff9b:2::8.8.8.8", private),
            ("2002:a9fe:a9fe::1", link_local),
            ("2002:7f00:1::", private),
            ("2002:808:808::1", None),
        ] {
            let address = text.parse().expect("an address");
            assert_eq!(special(address).map(|(_, needs)| needs), needs, "{text}");
        }
    }
}
