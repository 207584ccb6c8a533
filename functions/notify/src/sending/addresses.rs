//! Which addresses are public. The target of a tenant may have no other address, or a document could have this
//! function speak to the services of its own network:
//! <https://owasp.org/www-community/attacks/Server_Side_Request_Forgery>.
//!
//! The ranges are those of <https://www.iana.org/assignments/iana-ipv4-special-registry> and
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges that are not public, as the first address and the length of the prefix.
const IPV4: [(Ipv4Addr, u32); 16] = [
    // This network, and the unspecified address.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private.
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Between a carrier and its customers.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, with the metadata services.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Protocols.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // The gateways of 6to4.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Benchmarks.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, with the broadcast address.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::BROADCAST, 32),
];

/// Global unicast addresses. Everything else is not public: loopback, link-local, unique-local, multicast,
/// the local form of NAT64, and IPv4 in its deprecated form.
const GLOBAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Ranges of global unicast addresses that are not public.
const IPV6: [(Ipv6Addr, u32); 4] = [
    // Protocols, with Teredo, benchmarks and identifiers that are not routed.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
];

/// The form of IPv4 addresses behind NAT64. Networks without IPv4 reach most services by it.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether an address is public.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_ipv4(address),
        IpAddr::V6(address) => is_public_ipv6(address),
    }
}

fn is_public_ipv4(address: Ipv4Addr) -> bool {
    let within = |(first, prefix): (Ipv4Addr, u32)| {
        (address.to_bits() ^ first.to_bits()).leading_zeros() >= prefix
    };
    !IPV4.into_iter().any(within)
}

fn is_public_ipv6(address: Ipv6Addr) -> bool {
    let within = |(first, prefix): (Ipv6Addr, u32)| {
        (address.to_bits() ^ first.to_bits()).leading_zeros() >= prefix
    };
    if let Some(embedded) = address.to_ipv4_mapped() {
        return is_public_ipv4(embedded);
    }
    if within(NAT64) {
        let [.., a, b, c, d] = address.octets();
        return is_public_ipv4(Ipv4Addr::new(a, b, c, d));
    }
    within(GLOBAL) && !IPV6.into_iter().any(within)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_public_or_not_by_its_class() {
        let check = |texts: &[&str], expected: bool| {
            for text in texts {
                let address = text.parse().expect("an address");
                assert_eq!(is_public(address), expected, "{text}");
            }
        };
        check(&["0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255"], false);
        check(&["127.0.0.1", "127.255.255.255", "169.254.169.254", "169.254.170.2"], false);
        check(&["172.16.0.1", "172.31.255.255", "192.168.1.1", "192.0.0.8", "192.0.2.1"], false);
        check(&["198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"], false);
        check(&["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"], false);
        check(&["192.88.99.1", "::", "::1", "::127.0.0.1", "::8.8.8.8"], false);
        check(&["fe80::1", "febf::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"], false);
        check(&["::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:1.1.1.1"], false);
        check(&["64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::808:808"], false);
        check(&["2002:a00:1::", "2002:808:808::1", "2001::1", "2001:0:4136:e378::1"], false);
        check(&["2001:2::1", "2001:10::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1"], false);
        check(&["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1"], true);
        check(&["9.255.255.255", "11.0.0.1", "128.0.0.1", "169.253.0.1", "223.255.255.255"], true);
        check(&["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a00:1450::1", "2606:4700::1111"], true);
        check(&["2001:200::1", "2600:1f18::1", "2003::1", "3ffe::1"], true);
    }

    fn ipv4_within() -> impl Strategy<Value = Ipv4Addr> {
        (prop::sample::select(IPV4.to_vec()), any::<u32>()).prop_map(|((first, prefix), host)| {
            let mask = u32::MAX.checked_shr(prefix).unwrap_or(0);
            Ipv4Addr::from_bits(first.to_bits() | (host & mask))
        })
    }

    fn ipv6_within() -> impl Strategy<Value = Ipv6Addr> {
        let others =
            [("::", 96), ("fc00::", 7), ("fe80::", 10), ("ff00::", 8), ("64:ff9b:1::", 48)];
        let others = others.map(|(first, prefix)| (first.parse().expect("an address"), prefix));
        let ranges: Vec<(Ipv6Addr, u32)> = IPV6.into_iter().chain(others).collect();
        (prop::sample::select(ranges), any::<u128>()).prop_map(|((first, prefix), host)| {
            Ipv6Addr::from_bits(first.to_bits() | (host & (u128::MAX >> prefix)))
        })
    }

    proptest! {
        #[test]
        fn nothing_in_a_special_range_is_public_in_any_form(
            four in ipv4_within(), six in ipv6_within(),
        ) {
            let low = u128::from(four.to_bits());
            let prefixes = [0, 0xffff << 32, 0x0064_ff9b_u128 << 96, (0x2002 << 112) | (low << 80)];
            prop_assert!(!is_public(four.into()), "{four}");
            prop_assert!(!is_public(six.into()), "{six}");
            for prefix in prefixes {
                let embedded = Ipv6Addr::from_bits(prefix | low);
                prop_assert!(!is_public(embedded.into()), "{embedded}");
            }
        }

        #[test]
        fn an_address_behind_nat64_is_as_public_as_itself(four in any::<Ipv4Addr>()) {
            let embedded = (0x0064_ff9b_u128 << 96) | u128::from(four.to_bits());
            prop_assert_eq!(is_public(Ipv6Addr::from_bits(embedded).into()), is_public(four.into()));
            prop_assert_eq!(is_public(four.to_ipv6_mapped().into()), is_public(four.into()));
        }
    }
}
