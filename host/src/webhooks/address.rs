//! Which addresses a webhook may lead to. A team chooses the URL and this server sends to it, so an address that only this server
//! can reach (its own, its network's, its cloud's metadata) would let a team reach through it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Special ranges of IPv4: the IANA special-purpose registry (RFC 6890) without those that are public, multicast (RFC 5771), and
/// the address at which one large cloud runs its metadata service although it looks public.
const SPECIAL_V4: [(Ipv4Addr, u32, &str); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private network"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a carrier's inner network"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "this machine"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud's metadata service"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "the local link, where clouds keep their metadata"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private network"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "a range of protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "a range of examples"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a former relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private network"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "a range of benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "a range of examples"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "a range of examples"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "a reserved range"),
];

/// Special ranges within 2000::/3, the part of IPv6 that is given out. Teredo and 6to4 carry an IPv4 address.
const SPECIAL_V6: [(Ipv6Addr, u32, &str); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "a range of protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "a range of examples"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "IPv4 in another form"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "a range of examples"),
];

const GIVEN_OUT_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is special about the address; `None` for a public one.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => SPECIAL_V4
            .iter()
            .find(|(network, bits, _)| contains_v4(*network, *bits, address))
            .map(|(_, _, meaning)| *meaning),
        // Loopback, unique local, link local, IPv4-mapped, NAT64 and multicast are all outside.
        IpAddr::V6(address) if !contains_v6(GIVEN_OUT_V6.0, GIVEN_OUT_V6.1, address) => Some("not a public address"),
        IpAddr::V6(address) => SPECIAL_V6
            .iter()
            .find(|(network, bits, _)| contains_v6(*network, *bits, address))
            .map(|(_, _, meaning)| *meaning),
    }
}

/// `bits` is in 1..=32.
fn contains_v4(network: Ipv4Addr, bits: u32, address: Ipv4Addr) -> bool {
    (network.to_bits() ^ address.to_bits()) >> (32 - bits) == 0
}

/// `bits` is in 1..=128.
fn contains_v6(network: Ipv6Addr, bits: u32, address: Ipv6Addr) -> bool {
    (network.to_bits() ^ address.to_bits()) >> (128 - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_public(text: &str) -> bool {
        special(text.parse().unwrap()).is_none()
    }

    #[test]
    fn the_first_and_last_address_of_every_special_range_is_refused() {
        let refused = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
            "100.100.100.200",
        ];
        for address in refused {
            assert!(!is_public(address), "{address}");
        }
    }

    #[test]
    fn the_neighbours_of_special_ranges_are_public() {
        let public = [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
        ];
        for address in public {
            assert!(is_public(address), "{address}");
        }
    }

    #[test]
    fn of_ipv6_only_what_is_given_out_and_leads_nowhere_else_is_public() {
        let refused = [
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "1fff:ffff::1",
            "2001::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "3fff:fff::1",
            "4000::",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in refused {
            assert!(!is_public(address), "{address}");
        }
        for address in ["2000::1", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "3ffe::1", "3fff:1000::1"]
        {
            assert!(is_public(address), "{address}");
        }
    }
}
