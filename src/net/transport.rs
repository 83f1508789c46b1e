//! Builds the usual HTTP client, with its certificates, proxies and resolver.
//!
//! TLS library, HTTP version, compression and resolver are named here, because features of reqwest unify: a
//! program with `native-tls` or `hickory-dns` must not change how keys are fetched. Proxies are read from the
//! environment here and not by reqwest, whose feature `system-proxy` would find others. The client keeps no
//! connections: it would hand a connection of one runtime to another.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use reqwest::{Certificate, Client, NoProxy, Proxy};

use super::address::{Address, check_text, shown_address};
use super::network::{Reach, Resolver};
use crate::config_error::ConfigError;
use crate::error::chain;

/// The parts of a client, and the clients that were built from them.
pub(crate) struct Transport {
    roots: Vec<Certificate>,
    proxy: Option<String>,
    /// The client for plain HTTP on this machine.
    here: OnceLock<Client>,
    anywhere: OnceLock<Client>,
    private: OnceLock<Client>,
    public: OnceLock<Client>,
}

impl Transport {
    /// Returns the transport that all sources share, unless they were given certificates or a proxy.
    pub(crate) fn usual() -> Arc<Self> {
        static USUAL: LazyLock<Arc<Transport>> =
            LazyLock::new(|| Arc::new(Transport::new(Vec::new(), None)));
        Arc::clone(&USUAL)
    }

    fn new(roots: Vec<Certificate>, proxy: Option<String>) -> Self {
        let (here, anywhere, private, public) = Default::default();
        Self { roots, proxy, here, anywhere, private, public }
    }

    /// Trusts these certificates too.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when the text holds no certificates.
    pub(crate) fn with_roots(&self, pem: &[u8]) -> Result<Self, ConfigError> {
        let unreadable = |problem: String| ConfigError::UnreadableKeys {
            expected: "certificates of an authority in PEM",
            problem,
        };
        let added = Certificate::from_pem_bundle(pem).map_err(|error| unreadable(chain(&error)))?;
        if added.is_empty() {
            return Err(unreadable("there is no line -----BEGIN CERTIFICATE-----".to_owned()));
        }
        let roots = self.roots.iter().cloned().chain(added).collect();
        let transport = Self::new(roots, self.proxy.clone());
        // The operator learns of a bad certificate at the start.
        transport.client_for(Reach::Anywhere).map_err(unreadable)?;
        Ok(transport)
    }

    /// Sends requests through this proxy.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when this is not the address of a proxy.
    pub(crate) fn with_proxy(&self, url: &str) -> Result<Self, ConfigError> {
        let wrong = |problem| ConfigError::Address { address: shown_address(url), problem };
        check_text(url).map_err(wrong)?;
        let parsed = reqwest::Url::parse(url).ok().filter(reqwest::Url::has_host);
        match parsed.as_ref().map(reqwest::Url::scheme) {
            Some("http" | "https") => {}
            Some("socks4" | "socks4a" | "socks5" | "socks5h") => {
                return Err(wrong("is of a SOCKS proxy; proxies for HTTP are supported"));
            }
            _ => return Err(wrong("is no proxy's address; write it with http:// and a host")),
        }
        Proxy::all(url).map_err(|_| wrong("is no proxy's address"))?;
        Ok(Self::new(self.roots.clone(), Some(url.to_owned())))
    }

    /// Returns the client for this address.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be built, for example a system without certificates.
    pub(crate) fn client(&self, address: &Address, reach: Reach) -> Result<Client, String> {
        // On this machine there is no proxy in between, and no certificate of the system's is needed
        // for plain HTTP.
        if address.is_plain() && address.is_loopback() && reach == Reach::Anywhere {
            return made(&self.here, || {
                builder(reach, Arc::default()).no_proxy().tls_certs_only([])
            });
        }
        self.client_for(reach)
    }

    fn client_for(&self, reach: Reach) -> Result<Client, String> {
        let place = match reach {
            Reach::Anywhere => &self.anywhere,
            Reach::Private => &self.private,
            Reach::Public => &self.public,
        };
        made(place, || {
            let Proxies { proxies, hosts } = Proxies::of(self.proxy.as_deref());
            // First, switch off everything that features of other crates could switch on.
            let builder = builder(reach, hosts).no_proxy().tls_certs_merge(self.roots.clone());
            proxies.into_iter().fold(builder, reqwest::ClientBuilder::proxy)
        })
    }

    /// Returns whether this is the host of a proxy. Its name is resolved without a check of its addresses.
    pub(crate) fn is_proxy(&self, address: &Address) -> bool {
        let hosts = Proxies::of(self.proxy.as_deref()).hosts;
        hosts.iter().any(|host| **host == *address.host())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("root_certificates", &self.roots.len())
            .field("proxy", &self.proxy.as_deref().map(shown_address))
            .finish_non_exhaustive()
    }
}

fn made(
    place: &OnceLock<Client>,
    builder: impl FnOnce() -> reqwest::ClientBuilder,
) -> Result<Client, String> {
    if let Some(client) = place.get() {
        return Ok(client.clone());
    }
    let client = builder().build().map_err(|error| chain(&error))?;
    Ok(place.get_or_init(|| client).clone())
}

/// Sets the options that every client has. Features of reqwest unify: any crate of a program may
/// enable another TLS library, HTTP/2, compression or a resolver, so every option that a feature
/// could change is set here.
fn builder(reach: Reach, proxies: Arc<[Box<str>]>) -> reqwest::ClientBuilder {
    Client::builder()
        .tls_backend_rustls()
        .http1_only()
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .dns_resolver(Arc::new(Resolver { reach, proxies }))
        .user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // Redirects are followed, if at all, where the address is checked.
        .redirect(reqwest::redirect::Policy::none())
        // A kept connection belongs to a runtime, and this client outlives runtimes. A new connection every
        // few minutes costs nothing.
        .pool_max_idle_per_host(0)
}

/// Proxies and their hosts.
struct Proxies {
    proxies: Vec<Proxy>,
    hosts: Arc<[Box<str>]>,
}

impl Proxies {
    /// Returns the proxy that was set, or those that the environment names.
    fn of(set: Option<&str>) -> Self {
        let all = match set {
            Some(url) => vec![(Proxy::all(url), url.to_owned())],
            None => Self::of_environment(),
        };
        let proxies = all.iter().filter_map(|(proxy, url)| Some((proxy.as_ref().ok()?, url)));
        let no_proxy = if set.is_none() { NoProxy::from_env() } else { None };
        Self {
            hosts: proxies.clone().filter_map(|(_, url)| host_of(url)).collect(),
            proxies: proxies.map(|(proxy, _)| proxy.clone().no_proxy(no_proxy.clone())).collect(),
        }
    }

    fn of_environment() -> Vec<(reqwest::Result<Proxy>, String)> {
        // In a CGI program, clients can set `HTTP_PROXY` by the field `Proxy` (CVE-2016-5385).
        if std::env::var_os("REQUEST_METHOD").is_some() {
            return Vec::new();
        }
        Self::of_variables(|name| std::env::var(name).ok())
    }

    fn of_variables(
        value: impl Fn(&str) -> Option<String>,
    ) -> Vec<(reqwest::Result<Proxy>, String)> {
        let first = |names: [&str; 2]| names.into_iter().find_map(&value);
        let all = first(["ALL_PROXY", "all_proxy"]);
        let https = first(["HTTPS_PROXY", "https_proxy"]).filter(|url| !url.is_empty());
        let http = first(["HTTP_PROXY", "http_proxy"]).filter(|url| !url.is_empty());
        let mut proxies = Vec::new();
        proxies.extend(https.or_else(|| all.clone()).map(|url| (Proxy::https(&url), url)));
        proxies.extend(http.or(all).map(|url| (Proxy::http(&url), url)));
        proxies
    }
}

fn host_of(url: &str) -> Option<Box<str>> {
    let parse = |url: &str| Some(reqwest::Url::parse(url).ok()?.host_str()?.into());
    parse(url).or_else(|| parse(&format!("http://{url}")))
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_those_that_the_variables_name() {
        let of = |variables: &[(&str, &str)]| {
            let value = |name: &str| {
                let found = variables.iter().find(|(one, _)| *one == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let proxies = Proxies::of_variables(value);
            proxies.into_iter().map(|(_, url)| url).collect::<Vec<_>>()
        };

        // Those for HTTPS come first.
        assert_eq!(
            of(&[("HTTPS_PROXY", "http://a"), ("http_proxy", "http://b")]),
            ["http://a", "http://b"]
        );
        assert_eq!(of(&[("https_proxy", "http://a")]), ["http://a"]);
        assert_eq!(of(&[("ALL_PROXY", "http://c")]), ["http://c", "http://c"]);
        assert_eq!(of(&[("HTTPS_PROXY", ""), ("all_proxy", "http://c")]), ["http://c", "http://c"]);
        assert_eq!(of(&[("HTTPS_PROXY", "http://a"), ("HTTP_PROXY", "")]), ["http://a"]);
        assert_eq!(of(&[]), [""; 0]);
    }
}
