//! Refuses requests of foreign web pages, those after DNS rebinding included.
//!
//! A page whose name an attacker resolves to this server may read its answers, because the browser takes both for one
//! origin. Such a request has the attacker's name in `Host`.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;

use crate::challenge::ChallengeConfig;
use crate::config_error::ConfigError;
use crate::error::{AuthError, Reason, shown};
use crate::loopback::is_loopback;
use crate::middleware::reject::{EmptyBody, Rejection};
use crate::middleware::{GuardFuture, release};
use crate::web_origin::check_spelling;

/// Checks `Host` and `Origin` of each request, as MCP requires against DNS rebinding.
///
/// This is a layer for the outside of a [`BearerLayer`](crate::BearerLayer). A request that it refuses is answered 403.
///
/// | field | allowed |
/// |---|---|
/// | `Host`, or `:authority` of HTTP/2 | the host of the server's URL, `localhost` and the addresses of loopback, and those of [`with_host`](Self::with_host); with any port. A request without a host is refused |
/// | `Origin` | none; the origin of the server's URL; those of [`with_origin`](Self::with_origin); and if the URL is on loopback, every origin on loopback |
///
/// Names of loopback are allowed because proxies send them, and because no attacker can take them.
///
/// ```
/// use tower_bearer::mcp::HostCheck;
/// # use axum::Router;
///
/// # fn protect(app: Router) -> Result<Router, tower_bearer::ConfigError> {
/// let check = HostCheck::new("https://mcp.example.com")?.with_origin("https://inspector.example.com")?;
/// let app = app.layer(check);
/// # Ok(app)
/// # }
/// ```
#[derive(Clone)]
pub struct HostCheck {
    rules: Arc<Rules>,
}

#[derive(Clone)]
struct Rules {
    /// In small letters.
    hosts: Vec<Box<str>>,
    origins: Vec<Box<str>>,
    is_loopback: bool,
    config: Arc<ChallengeConfig>,
}

impl HostCheck {
    /// Allows the host and the origin of this URL.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when this is no `https` or `http` URL with a host.
    pub fn new(url: impl AsRef<str>) -> Result<Self, ConfigError> {
        let url = url.as_ref();
        // A user and a password stand before the `@`.
        let shown = url.rsplit_once('@').map_or(url, |(_, host)| host);
        let wrong = |problem| ConfigError::Address { address: shown.to_owned(), problem };
        let uri: Uri =
            url.split('#').next().unwrap_or_default().parse().map_err(|_| wrong(NO_URL))?;
        let scheme = uri.scheme_str().ok_or_else(|| wrong(NO_URL))?;
        let default_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(wrong("is neither https nor http")),
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| wrong(NO_URL))?;
        if authority.as_str().contains('@') {
            return Err(wrong("has a user in it"));
        }
        let host = authority.host().to_ascii_lowercase();
        let origin = match authority.port_u16().filter(|port| *port != default_port) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        let rules = Rules {
            is_loopback: is_loopback(&host),
            hosts: vec![host.into()],
            origins: vec![origin.into()],
            config: Arc::default(),
        };
        Ok(Self { rules: Arc::new(rules) })
    }

    /// Allows another host: a name or address without a port, as a proxy sends it.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when this is no host, or has a port.
    pub fn with_host(self, host: impl AsRef<str>) -> Result<Self, ConfigError> {
        let host = host.as_ref();
        let problem = "is no host; give a name or an address without a port, as `mcp.example.com` or `[2001:db8::1]`";
        let wrong = || ConfigError::Address { address: host.to_owned(), problem };
        let authority: Authority = host.parse().map_err(|_| wrong())?;
        if authority.host() != host || host.is_empty() {
            return Err(wrong());
        }
        Ok(self.change(|rules| rules.hosts.push(host.to_ascii_lowercase().into())))
    }

    /// Allows web pages of this origin. Plain HTTP is allowed on loopback only.
    ///
    /// Scripts of another origin can read the answers only if a CORS layer outside of this one says so too.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Origin`] when no browser sends this origin, or when it cannot be trusted.
    pub fn with_origin(self, origin: impl AsRef<str>) -> Result<Self, ConfigError> {
        let origin = origin.as_ref();
        check_spelling(origin, is_on_loopback(origin))
            .map_err(|problem| ConfigError::Origin { origin: origin.to_owned(), problem })?;
        Ok(self.change(|rules| rules.origins.push(origin.into())))
    }

    fn change(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

impl HostCheck {
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Rejection> {
        let checked = self.rules.check(request.uri(), request.headers());
        checked.map_err(|rejection| rejection.asked_with(request.method(), request.headers()))
    }
}

impl Rules {
    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Rejection> {
        let fields = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
        let mut hosts = uri.authority().map(Authority::as_str).into_iter().chain(fields).peekable();
        if hosts.peek().is_none() {
            return Err(self.refuse(Reason::ForeignHost, "the request names no host".to_owned()));
        }
        if let Some(foreign) = hosts.find(|host| !self.allows_host(host)) {
            let detail = format!("`{}`; a proxy's is allowed by `with_host`", shown(foreign));
            return Err(self.refuse(Reason::ForeignHost, detail));
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            if !self.allows_origin(origin) {
                let detail = format!("`{}`; it is allowed by `with_origin`", shown(origin));
                return Err(self.refuse(Reason::ForeignOrigin, detail));
            }
        }
        Ok(())
    }

    fn allows_host(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host();
        !host.contains('@')
            && (is_loopback(name)
                || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    fn allows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| **known == *origin)
            || self.is_loopback && is_on_loopback(origin) && check_spelling(origin, true).is_ok()
    }

    #[cold]
    fn refuse(&self, reason: Reason, detail: String) -> Rejection {
        Rejection::new(AuthError::with_detail(reason, detail), Arc::clone(&self.config))
    }
}

/// Returns whether an origin is a page of this machine.
fn is_on_loopback(origin: &str) -> bool {
    let host = origin.parse::<Uri>().ok();
    host.as_ref().and_then(Uri::host).is_some_and(is_loopback)
}

/// The service of a [`HostCheck`].
#[derive(Clone)]
pub struct HostCheckService<S> {
    inner: S,
    check: HostCheck,
}

impl<S> Layer<S> for HostCheck {
    type Service = HostCheckService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HostCheckService { inner, check: self.clone() }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for HostCheckService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: EmptyBody,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.check.check(&request) {
            Ok(()) => GuardFuture::allowed(self.inner.call(request)),
            Err(rejection) => {
                release(&mut self.inner);
                GuardFuture::answered(rejection.into_response())
            }
        }
    }
}

impl fmt::Debug for HostCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostCheck")
            .field("hosts", &self.rules.hosts)
            .field("origins", &self.rules.origins)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for HostCheckService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostCheckService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

const NO_URL: &str = "is no URL; give one such as https://mcp.example.com";
