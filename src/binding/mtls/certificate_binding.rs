use http::header::VARY;
use http::request;

use super::ClientCertificate;
use super::certificate::SentByHop;
use crate::binding::{Binding, BindingVerdict, Proved};
use crate::claims::{Confirmation, ConfirmationMethod, Principal};
use crate::error::{AuthError, Reason};
use crate::verify::presented::Presented;

/// Checks that a token which is bound to a certificate (`cnf` with `x5t#S256`, RFC 8705 §3) comes with that
/// certificate.
///
/// The certificate is the [`ClientCertificate`] in the extensions of the request, which a
/// [`ClientCertificateLayer`](super::ClientCertificateLayer) outside of the [`BearerLayer`](crate::BearerLayer) puts
/// there. Both refusals are answered 401 `invalid_token`: [`Reason::BoundToken`] without a certificate,
/// [`Reason::WrongBinding`] with another one.
///
/// If the certificate comes from a field of a trusted hop, the answer to a request with a bound token has `Vary` with
/// the name of the field, so that a cache between them does not give it to another client (RFC 9440 §2.4).
///
/// ```
/// use tower_bearer::BearerLayer;
/// use tower_bearer::mtls::CertificateBinding;
///
/// # fn add(layer: BearerLayer<()>) -> BearerLayer<()> {
/// let layer = layer.with_binding(CertificateBinding::new());
/// # layer
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CertificateBinding {
    is_required: bool,
}

impl CertificateBinding {
    /// Creates a binding that accepts tokens which are bound to no certificate, too.
    pub const fn new() -> Self {
        Self { is_required: false }
    }

    /// Refuses tokens that are bound to no certificate with [`Reason::UnboundToken`], 401 `invalid_token`. By default
    /// they are accepted.
    ///
    /// It concerns every token of the layer, API keys and introspected tokens too.
    /// [`bound_by`](crate::policy::bound_by) requires a bound token for one route.
    #[must_use]
    pub const fn with_required_certificates(mut self) -> Self {
        self.is_required = true;
        self
    }
}

impl Binding for CertificateBinding {
    fn check(
        &self,
        request: &request::Parts,
        _: Presented<'_>,
        principal: &Principal,
    ) -> BindingVerdict {
        let named = principal.confirmation().and_then(Confirmation::certificate_thumbprint);
        let Some(thumbprint) = named else {
            if self.is_required {
                return BindingVerdict::Refused(AuthError::with_detail(
                    Reason::UnboundToken,
                    UNBOUND,
                ));
            }
            return BindingVerdict::NotApplicable;
        };
        let hop = request.extensions.get::<SentByHop>();
        match request.extensions.get::<ClientCertificate>() {
            None => refused(Reason::BoundToken, NO_CERTIFICATE, hop),
            Some(certificate) if certificate.is_named_by(thumbprint) => proved(hop),
            Some(_) => refused(Reason::WrongBinding, ANOTHER, hop),
        }
    }

    fn method(&self) -> Option<ConfirmationMethod> {
        Some(ConfirmationMethod::Certificate)
    }
}

// RFC 9440 §2.4: an answer that was selected by the field, or by its absence, has `Vary`.

fn proved(hop: Option<&SentByHop>) -> BindingVerdict {
    let proved = Proved::by(ConfirmationMethod::Certificate);
    BindingVerdict::Proved(match hop {
        None => proved,
        Some(hop) => proved.with_response_field(VARY, hop.vary()),
    })
}

fn refused(reason: Reason, detail: &'static str, hop: Option<&SentByHop>) -> BindingVerdict {
    let error = AuthError::with_detail(reason, detail);
    BindingVerdict::Refused(match hop {
        None => error,
        Some(hop) => error.with_response_field(VARY, hop.vary()),
    })
}

const UNBOUND: &str = "the token has no `x5t#S256` in `cnf`, and this layer requires tokens that are bound to a \
                       certificate";
const NO_CERTIFICATE: &str = "the token is bound to a certificate (`x5t#S256`), and the request has none: the client \
     sent none, or the proxy in front does not forward it or is not a trusted hop (without the address of the \
     connection, none is), or no `ClientCertificateLayer` stands outside of this layer";
const ANOTHER: &str =
    "the token is bound to another certificate (`x5t#S256`) than the one of the request";
