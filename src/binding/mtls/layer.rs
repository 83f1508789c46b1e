use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, HeaderMap, HeaderName, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::certificate::SentByHop;
use super::field::WELL_KNOWN;
use super::{CertificateField, ClientCertificate};
use crate::binding::trusted_hops::TrustedHops;
use crate::observe::trace::{self, Pace};

/// Puts the [`ClientCertificate`] of each request into its extensions, and removes the fields with certificates.
///
/// It belongs outside of the [`BearerLayer`](crate::BearerLayer) with its
/// [`CertificateBinding`](super::CertificateBinding), once: behind it, no request has `Client-Cert`,
/// `Client-Cert-Chain`, `X-Forwarded-Client-Cert` or the field that is configured, so application code cannot believe
/// one that a client has made up (RFC 9440 §4).
///
/// The certificate of a request is
/// - that of the field, for a request that comes from a trusted hop. It is the certificate of the client of the hop.
///   The certificate of the hop's own connection to this service is never used for it, even when the field is missing
///   or cannot be read.
/// - that of the connection, for every other request. Fields of such a request are removed unread.
///
/// Of several layers around a route, the outermost that sees a trusted hop decides. Those inside of it only remove
/// fields.
///
/// A hop that sends a field which cannot be read is logged with the level `WARN`, once a minute. `Client-Cert-Chain`
/// binds nothing.
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::extract::ConnectInfo;
/// use tower_bearer::binding::TrustedHops;
/// use tower_bearer::mtls::{CertificateBinding, CertificateField, ClientCertificateLayer};
///
/// # fn app(app: axum::Router, layer: tower_bearer::BearerLayer<()>) -> Result<axum::Router, tower_bearer::ConfigError> {
/// let hops = TrustedHops::new(["10.1.2.3"], |extensions| {
///     extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
/// })?;
/// let app = app
///     .layer(layer.with_binding(CertificateBinding::new()))
///     .layer(ClientCertificateLayer::from_hop(CertificateField::client_cert(), hops));
/// # Ok(app)
/// # }
/// ```
#[derive(Clone)]
pub struct ClientCertificateLayer {
    origins: Origins,
    pace: Arc<Pace>,
}

/// The places where the certificate of a request comes from.
#[derive(Clone, Default)]
struct Origins {
    hops: Vec<(CertificateField, TrustedHops)>,
    connection: Option<Arc<FindCertificate>>,
}

type FindCertificate = dyn Fn(&Extensions) -> Option<ClientCertificate> + Send + Sync;

impl ClientCertificateLayer {
    /// Takes the certificate of the connection, which `find` finds in the extensions of a request: in those that the
    /// server puts there for each connection.
    ///
    /// ```
    /// use axum::extract::ConnectInfo;
    /// use tower_bearer::mtls::{ClientCertificate, ClientCertificateLayer};
    ///
    /// /// The facts about a connection.
    /// #[derive(Clone)]
    /// struct Peer {
    ///     certificate: Option<ClientCertificate>,
    /// }
    ///
    /// let layer = ClientCertificateLayer::from_connection(|extensions| {
    ///     extensions.get::<ConnectInfo<Peer>>()?.0.certificate.clone()
    /// });
    /// ```
    pub fn from_connection(
        find: impl Fn(&Extensions) -> Option<ClientCertificate> + Send + Sync + 'static,
    ) -> Self {
        Self { origins: Origins::default(), pace: Arc::default() }.with_connection(find)
    }

    /// Takes the certificate of the field that a trusted hop sends.
    ///
    /// For a request that comes from no trusted hop, a [`ClientCertificate`] that the server has put into the
    /// extensions stays there: it is that of the connection.
    pub fn from_hop(field: CertificateField, hops: TrustedHops) -> Self {
        Self { origins: Origins::default(), pace: Arc::default() }.with_hop(field, hops)
    }

    /// Adds another hop, which sends another field. If a request comes from several hops, the first one counts.
    #[must_use]
    pub fn with_hop(mut self, field: CertificateField, hops: TrustedHops) -> Self {
        self.origins.hops.push((field, hops));
        self
    }

    /// Takes the certificate of the connection for requests that come from no trusted hop, as
    /// [`from_connection`](Self::from_connection) does. It replaces the function set before.
    #[must_use]
    pub fn with_connection(
        mut self,
        find: impl Fn(&Extensions) -> Option<ClientCertificate> + Send + Sync + 'static,
    ) -> Self {
        self.origins.connection = Some(Arc::new(find));
        self
    }

    fn change(&self, headers: &mut HeaderMap, extensions: &mut Extensions) {
        // A layer outside has read the field of the hop. The certificate of the connection is not that of a client.
        if extensions.get::<SentByHop>().is_none() {
            match self.certificate_of(headers, extensions) {
                Some(certificate) => extensions.insert(certificate),
                None => extensions.remove(),
            };
        }
        // RFC 9440 §2.4: from every request. The certificate has been read, and code behind this must not read it again.
        let configured = self.origins.hops.iter().map(|(field, _)| field.name());
        for name in WELL_KNOWN.iter().chain(configured) {
            headers.remove::<&HeaderName>(name);
        }
    }

    /// Returns the certificate of a request: never that in the extensions if a hop has sent the request. Such a request
    /// is marked.
    fn certificate_of(
        &self,
        headers: &HeaderMap,
        extensions: &mut Extensions,
    ) -> Option<ClientCertificate> {
        let hop = self.origins.hops.iter().find(|(_, hops)| hops.have_sent(extensions));
        let Some((field, _)) = hop else {
            return match &self.origins.connection {
                Some(find) => find(extensions),
                None => extensions.get().cloned(),
            };
        };
        extensions.insert(SentByHop { field: field.name().clone() });
        field.read(headers).unwrap_or_else(|problem| {
            trace::unreadable_client_certificate(field.name().as_str(), problem, &self.pace);
            None
        })
    }
}

impl<S> Layer<S> for ClientCertificateLayer {
    type Service = ClientCertificateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientCertificateService { inner, layer: self.clone() }
    }
}

impl fmt::Debug for ClientCertificateLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificateLayer")
            .field("hops", &self.origins.hops)
            .finish_non_exhaustive()
    }
}

/// The service that [`ClientCertificateLayer`] makes.
#[derive(Clone, Debug)]
pub struct ClientCertificateService<S> {
    inner: S,
    layer: ClientCertificateLayer,
}

impl<S, B> Service<Request<B>> for ClientCertificateService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        self.layer.change(&mut parts.headers, &mut parts.extensions);
        self.inner.call(Request::from_parts(parts, body))
    }
}
