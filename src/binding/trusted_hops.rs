use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Extensions;
use ipnet::IpNet;

use crate::config_error::ConfigError;

/// Names the proxies whose header fields are believed, by the address of the connection.
///
/// A proxy that ends TLS tells the service behind it what it has seen: the certificate of the client, the scheme and
/// the host. Any client can send such fields too. A request counts as one of a hop if the *connection* comes from one
/// of these addresses; no field of the request is read for that.
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::extract::ConnectInfo;
/// use tower_bearer::binding::TrustedHops;
///
/// // With `into_make_service_with_connect_info::<SocketAddr>()`.
/// let hops = TrustedHops::new(["10.1.2.3"], |extensions| {
///     extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
/// })?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// A request whose peer is not known does not come from a hop. Every program at one of these addresses can pretend to
/// be any client, so name the proxies alone and not a whole network with other machines in it.
///
/// The peer must be the address of the connection, as the server has seen it. An address from `X-Forwarded-For`, or from
/// an extension that a layer for the "real IP" of clients writes, is chosen by the client: it would make every client a
/// trusted hop.
#[derive(Clone)]
pub struct TrustedHops(Hops);

#[derive(Clone)]
enum Hops {
    Listed { networks: Arc<[IpNet]>, peer: Arc<FindPeer> },
    Every,
}

type FindPeer = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

impl TrustedHops {
    /// Trusts these addresses and networks (`10.1.2.3`, `10.0.0.0/8`, `fd00::/8`). `peer` finds the address of the
    /// connection in the extensions of a request.
    ///
    /// An IPv4 address that is written as IPv6 (`::ffff:10.1.2.3`) is the IPv4 address, here and of a peer. Addresses have
    /// no zone (`fe80::1%eth0`): a link-local one is trusted on every link, where another machine may have it.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TrustedHop`] when the list is empty, or an entry is neither an address nor a network, has bits
    /// behind its prefix, or holds all addresses. Likewise when all entries together hold all addresses.
    pub fn new<N: AsRef<str>>(
        networks: impl IntoIterator<Item = N>,
        peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let networks = networks
            .into_iter()
            .map(|network| read(network.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        if networks.is_empty() {
            return Err(wrong("", "is empty; name the address of the proxy in front"));
        }
        if IpNet::aggregate(&networks).iter().any(|network| network.prefix_len() == 0) {
            return Err(wrong("", ALL));
        }
        Ok(Self(Hops::Listed { networks: networks.into(), peer: Arc::new(peer) }))
    }

    /// Trusts every peer, for a service that listens on a Unix socket, whose peers have no address.
    ///
    /// Every program that can connect to the socket can pretend to be any client. The permissions of the socket must
    /// admit the proxy alone.
    pub const fn dangerously_trust_every_peer() -> Self {
        Self(Hops::Every)
    }

    /// Returns whether a request comes over a connection of one of these hops, by the extensions of the request.
    pub fn have_sent(&self, extensions: &Extensions) -> bool {
        match &self.0 {
            Hops::Every => true,
            Hops::Listed { networks, peer } => peer(extensions).is_some_and(|peer| {
                let peer = peer.to_canonical();
                networks.iter().any(|network| network.contains(&peer))
            }),
        }
    }
}

impl fmt::Debug for TrustedHops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Hops::Every => f.write_str("TrustedHops(every peer)"),
            Hops::Listed { networks, .. } => f.debug_tuple("TrustedHops").field(networks).finish(),
        }
    }
}

fn read(text: &str) -> Result<IpNet, ConfigError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(wrong("", "has an entry without text; give an address or a network"));
    }
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| wrong(text, UNREADABLE))?,
    };
    if network != network.trunc() {
        return Err(wrong(text, LOOSE_BITS));
    }
    let network = canonical(network);
    if network.prefix_len() == 0 {
        return Err(wrong(text, ALL));
    }
    Ok(network)
}

/// Returns the IPv4 network that an IPv6 one stands for.
fn canonical(network: IpNet) -> IpNet {
    let (IpAddr::V4(address), Some(length)) =
        (network.addr().to_canonical(), network.prefix_len().checked_sub(MAPPED))
    else {
        return network;
    };
    match network {
        IpNet::V4(_) => network,
        IpNet::V6(_) => {
            IpNet::new(address.into(), length).expect("128 - 96 bits are 32 at the most")
        }
    }
}

fn wrong(hop: &str, problem: &'static str) -> ConfigError {
    ConfigError::TrustedHop { hop: hop.to_owned(), problem }
}

/// The bits in which all IPv4 addresses agree that are written as IPv6.
const MAPPED: u8 = 96;

const UNREADABLE: &str = "is neither an address (`10.1.2.3`) nor a network (`10.0.0.0/8`); names of hosts, \
                          ports and zones (`%eth0`) are not read";
const LOOSE_BITS: &str =
    "has bits behind its prefix; give the first address of the network, or the address alone";
const ALL: &str = "holds all addresses, so every client could pretend to be the proxy; name the proxies, or see \
                   `dangerously_trust_every_peer`";

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(networks: &[&str]) -> Result<TrustedHops, ConfigError> {
        TrustedHops::new(networks, |extensions| extensions.get::<IpAddr>().copied())
    }

    fn trusts(networks: &[&str], peer: &str) -> bool {
        let mut extensions = Extensions::new();
        extensions.insert(peer.parse::<IpAddr>().unwrap());
        hops(networks).unwrap().have_sent(&extensions)
    }

    #[test]
    fn peer_of_a_listed_network_is_trusted_and_another_is_not() {
        for (network, trusted, other) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            (" 192.0.2.7/32 ", "192.0.2.7", "192.0.2.6"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "::2"),
        ] {
            assert!(trusts(&[network], trusted), "{network} {trusted}");
            assert!(!trusts(&[network], other), "{network} {other}");
            assert!(trusts(&["198.51.100.1", network], trusted), "{network} {trusted}");
        }
    }

    #[test]
    fn ipv4_address_in_ipv6_is_the_ipv4_address() {
        for network in ["10.0.0.0/8", "::ffff:10.0.0.0/104"] {
            for peer in ["10.1.2.3", "::ffff:10.1.2.3"] {
                assert!(trusts(&[network], peer), "{network} {peer}");
            }
            for peer in ["11.1.2.3", "::ffff:11.1.2.3", "::10.1.2.3"] {
                assert!(!trusts(&[network], peer), "{network} {peer}");
            }
        }
        assert!(trusts(&["::ffff:10.1.2.3"], "10.1.2.3"));
        // IPv6 networks that hold the written form hold no IPv4 address.
        assert!(!trusts(&["::/8"], "::ffff:10.1.2.3"));
    }

    #[test]
    fn peer_without_an_address_is_not_trusted_unless_every_peer_is() {
        let without_peer = Extensions::new();

        assert!(!hops(&["10.0.0.0/8"]).unwrap().have_sent(&without_peer));
        assert!(TrustedHops::dangerously_trust_every_peer().have_sent(&without_peer));
    }

    #[test]
    fn networks_that_hold_nearly_all_addresses_are_trusted() {
        let most = ["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3", "8000::/1"];

        assert!(trusts(&most, "223.1.2.3"));
        assert!(!trusts(&most, "224.1.2.3"));
    }

    #[test]
    fn mistake_in_the_list_says_what_to_do() {
        for (networks, expected) in [
            (&[][..], "name the address"),
            (&["10.0.0.0/8", ""], "entry without text"),
            (&["proxy.internal"], "names of hosts"),
            (&["10.0.0.1:443"], "ports"),
            (&["fe80::1%eth0"], "zones"),
            (&["0.0.0.0/1", "128.0.0.0/1"], "list of trusted hops holds all addresses"),
            (&["128.0.0.0/2", "::ffff:0.0.0.0/97", "192.0.0.0/2"], "holds all addresses"),
            (&["::/1", "10.1.2.3", "8000::/1"], "holds all addresses"),
            (&["10.0.0.0/33"], "neither an address"),
            (&["10.0.0.1/8"], "first address of the network"),
            (&["fd00::1/8"], "first address of the network"),
            (&["0.0.0.0/0"], "dangerously_trust_every_peer"),
            (&["::/0"], "dangerously_trust_every_peer"),
            (&["::ffff:0.0.0.0/96"], "dangerously_trust_every_peer"),
            (&["10.0.0.0/8", "0.0.0.0/0"], "dangerously_trust_every_peer"),
        ] {
            let error = hops(networks).unwrap_err();
            assert!(error.to_string().contains(expected), "{networks:?}: {error}");
        }
    }
}
