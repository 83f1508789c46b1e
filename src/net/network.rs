//! Decides to which IP addresses a document of a provider may lead.
//!
//! Metadata and redirects may lead to the configured host, wherever it is, and to public addresses. The resolver of
//! the client checks the addresses of a name, so no second resolution can differ. A host that is written as an address
//! is checked before, as the client parses it. IPv4 inside of IPv6 is checked by its IPv4 part. Link-local addresses
//! cannot be allowed: clouds keep the credentials of machines there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The IP addresses that a connection may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All addresses: the operator has configured the host.
    Anywhere,
    /// Public addresses, and those of private networks and of this machine.
    Private,
    /// Public addresses only.
    Public,
}

impl Reach {
    /// Checks one address.
    ///
    /// # Errors
    ///
    /// The reason why no connection may use this address.
    pub(crate) fn check(self, address: IpAddr) -> Result<(), Refused> {
        match (self, kind_of(address)) {
            (Self::Anywhere, _) | (_, Kind::Public) | (Self::Private, Kind::Private(_)) => Ok(()),
            (_, Kind::Private(kind)) => Err(Refused { address, kind, can_be_allowed: true }),
            (_, Kind::Special(kind)) => Err(Refused { address, kind, can_be_allowed: false }),
        }
    }

    /// Chooses the addresses that a connection may use.
    ///
    /// # Errors
    ///
    /// The reason why the last address is not allowed, if none is.
    fn choose(
        self,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Refused> {
        let (mut reached, mut refused) = (Vec::new(), None);
        for address in addresses {
            match self.check(address.ip()) {
                Ok(()) => reached.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(refused) if reached.is_empty() => Err(refused),
            _ => Ok(reached),
        }
    }
}

/// An address to which no connection is made.
#[derive(Debug)]
pub(crate) struct Refused {
    address: IpAddr,
    kind: &'static str,
    can_be_allowed: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, kind, can_be_allowed } = self;
        write!(
            f,
            "{address} is {kind}, where no document of a provider may lead; configure an address on \
             that host"
        )?;
        if *can_be_allowed {
            f.write_str(
                " (`HttpFetch::new`, `jwks_url`), or `allow_private_networks` \
                 (`HttpFetch::dangerous`, `dangerous` under `keys`)",
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Resolves names as the system does, and leaves out the addresses that are not allowed. No name is resolved
/// twice, so connections go to the addresses that were checked.
pub(crate) struct Resolver {
    pub(crate) reach: Reach,
    /// Hosts of proxies, which the operator has chosen.
    pub(crate) proxies: Arc<[Box<str>]>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        let reach = if is_proxy { Reach::Anywhere } else { self.reach };
        Box::pin(async move {
            let resolved =
                tokio::task::spawn_blocking(move || (name.as_str(), 0).to_socket_addrs());
            let reached = reach.choose(resolved.await??)?;
            Ok(Box::new(reached.into_iter()) as Addrs)
        })
    }
}

enum Kind {
    Public,
    /// An address of a network that an operator may open to a provider.
    Private(&'static str),
    /// An address that no provider has.
    Special(&'static str),
}

fn kind_of(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

/// Finds the kind of an address in the registry of special addresses (RFC 6890).
fn kind_of_v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        [0, ..] => Kind::Special("unspecified"),
        [127, ..] => Kind::Private("this machine"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private("in a private network"),
        [100, 100, 100, 200] => Kind::Special("a cloud's metadata service"),
        [100, 64..=127, ..] => Kind::Private("in a provider's private network (RFC 6598)"),
        [198, 18 | 19, ..] => Kind::Private("in a network for measurements"),
        [169, 254, ..] => Kind::Special("link-local"),
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Kind::Special("reserved")
        }
        [224..=239, ..] => Kind::Special("multicast"),
        [240..=255, ..] => Kind::Special("reserved"),
        _ => Kind::Public,
    }
}

fn kind_of_v6(address: Ipv6Addr) -> Kind {
    let segments @ [first, second, third, ..] = address.segments();
    let bits = address.to_bits();
    let embedded = |bits: u128| kind_of_v4(Ipv4Addr::from_bits(low_32(bits)));
    match (first, second) {
        _ if address == Ipv6Addr::LOCALHOST => Kind::Private("this machine"),
        _ if address == Ipv6Addr::UNSPECIFIED => Kind::Special("unspecified"),
        // IPv4 inside of IPv6: mapped (RFC 4291 §2.5.5.2), behind NAT64 (RFC 6052 §2.1), 6to4 (RFC 3056).
        (0, 0) if bits >> 32 == 0xffff => embedded(bits),
        (0x64, 0xff9b) if segments[2..6] == [0; 4] => embedded(bits),
        (0x2002, _) => embedded(u128::from(second) << 16 | u128::from(third)),
        _ if METADATA_SERVICES.contains(&address) => Kind::Special("a cloud's metadata service"),
        (0xfc00..=0xfdff, _) => Kind::Private("in a private network"),
        (0xfe80..=0xfebf, _) => Kind::Special("link-local"),
        (0xff00..=0xffff, _) => Kind::Special("multicast"),
        (0x2001, 0x0000..=0x01ff | 0x0db8) | (0x3fff, 0x0000..=0x0fff) => Kind::Special("reserved"),
        (0x2000..=0x3fff, _) => Kind::Public,
        _ => Kind::Special("reserved"),
    }
}

fn low_32(bits: u128) -> u32 {
    u32::try_from(bits & u128::from(u32::MAX)).expect("32 bits fit into 32 bits")
}

/// The addresses where clouds give credentials to machines, besides link-local ones: those of Amazon and Google, in
/// networks that are private otherwise.
const METADATA_SERVICES: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

#[cfg(test)]
mod tests {
    #[test]
    fn metadata_services_of_clouds_are_within_no_reach_of_a_document() {
        for (service, neighbour) in [
            ("fd00:ec2::254", "fd00:ec2::253"),
            ("fd20:ce::254", "fd20:ce::1"),
            ("100.100.100.200", "100.100.100.201"),
        ] {
            assert!(!is_allowed(Reach::Private, service), "{service}");
            assert!(is_allowed(Reach::Private, neighbour), "{neighbour}");
            assert!(is_allowed(Reach::Anywhere, service), "{service}");
        }
    }

    use super::*;

    fn is_allowed(reach: Reach, address: &str) -> bool {
        reach.check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn name_of_public_and_private_addresses_leads_to_the_public_ones() {
        let of = |all: &[&str]| {
            let addresses = all.iter().map(|one| SocketAddr::new(one.parse().unwrap(), 0));
            let chosen = Reach::Public.choose(addresses).map_err(|refused| refused.to_string());
            chosen.map(|chosen| chosen.iter().map(|one| one.ip().to_string()).collect::<Vec<_>>())
        };

        assert_eq!(of(&["10.0.0.1", "1.1.1.1", "::1"]), Ok(vec!["1.1.1.1".to_owned()]));
        assert!(of(&["10.0.0.1", "::1"]).unwrap_err().contains("::1 is this machine"));
        assert_eq!(of(&[]), Ok(Vec::new()));
    }

    #[test]
    fn public_addresses_are_within_every_reach() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            for reach in [Reach::Anywhere, Reach::Private, Reach::Public] {
                assert!(is_allowed(reach, address), "{address} {reach:?}");
            }
        }
    }

    #[test]
    fn private_addresses_in_any_clothes_are_within_reach_where_that_was_allowed() {
        for address in [
            "127.0.0.1",
            "127.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "::1",
            "fc00::",
            "fdff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:a00:1::1",
        ] {
            assert!(is_allowed(Reach::Anywhere, address), "{address}");
            assert!(is_allowed(Reach::Private, address), "{address}");
            assert!(!is_allowed(Reach::Public, address), "{address}");
        }
    }

    #[test]
    fn addresses_where_no_provider_is_are_out_of_reach_of_documents() {
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "169.254.169.254",
            "192.0.0.1",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
            "::",
            "::2",
            "::127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "64:ff9b:1::1.1.1.1",
            "2002:a9fe:a9fe::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(is_allowed(Reach::Anywhere, address), "{address}");
            assert!(!is_allowed(Reach::Private, address), "{address}");
            assert!(!is_allowed(Reach::Public, address), "{address}");
        }
    }
}
