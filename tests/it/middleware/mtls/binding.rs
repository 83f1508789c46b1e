//! Tests the comparison of the certificate in the extensions with the one that the token names.

use axum::Router;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_bearer::binding::{Binding, BindingVerdict, Proved};
use tower_bearer::claims::{Confirmation, ConfirmationMethod};
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::mtls::{CertificateBinding, ClientCertificate};
use tower_bearer::policy::bound_by;
use tower_bearer::source::Presented;
use tower_bearer::{AuthError, BearerLayer, Principal, Reason, require};
use tracing::Level;

use super::{
    ANOTHER, NO_CERTIFICATE, RFC_8705, RFC_8705_THUMBPRINT, RFC_9440, app, bound, certificate,
    checked, der_of,
};
use crate::support::log::Log;
use crate::support::{
    Answer, WithBearer, get, good, invalid_token, key, layer, send, token, validation,
};

/// Sends a token over a connection with this certificate.
async fn send_over(app: &Router, certificate: Option<&ClientCertificate>, token: &str) -> Answer {
    let mut request = get("/").bearer(token);
    if let Some(certificate) = certificate {
        request.extensions_mut().insert(certificate.clone());
    }
    send(app, request).await
}

fn with_cnf(cnf: &Value) -> String {
    token().claim("cnf", cnf.clone()).sign(&key())
}

#[tokio::test]
async fn bound_token_is_accepted_with_its_certificate_and_refused_with_another_or_none_on_cache_hits_too()
 {
    let app = app(checked());
    let (own, other) = (certificate(RFC_9440), certificate(RFC_8705));

    for _ in 0..3 {
        // RFC 8705 §3: the certificate of the connection is the token's
        send_over(&app, Some(&own), &bound()).await.is_ok("alice");
        let another = send_over(&app, Some(&other), &bound()).await;
        let none = send_over(&app, None, &bound()).await;

        // RFC 8705 §3: a token of another certificate is 401 invalid_token
        another.is_refused(401, Some(&invalid_token(ANOTHER)), Reason::WrongBinding);
        none.is_refused(401, Some(&invalid_token(NO_CERTIFICATE)), Reason::BoundToken);
    }
}

#[tokio::test]
async fn thumbprint_is_that_of_the_rfc() {
    // RFC 8705 §3.1: x5t#S256 is the SHA-256 of the DER in base64url without padding
    assert_eq!(certificate(RFC_8705).thumbprint(), RFC_8705_THUMBPRINT);
    let token = with_cnf(&json!({ "x5t#S256": RFC_8705_THUMBPRINT }));

    send_over(&app(checked()), Some(&certificate(RFC_8705)), &token).await.is_ok("alice");
}

#[tokio::test]
async fn thumbprint_in_any_other_spelling_is_another_certificate() {
    let app = app(checked());
    let own = certificate(RFC_8705);
    let hex = "0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd";
    for spelling in [
        &format!("{RFC_8705_THUMBPRINT}="),
        &format!(" {RFC_8705_THUMBPRINT}"),
        &RFC_8705_THUMBPRINT.to_lowercase(),
        &RFC_8705_THUMBPRINT[..42],
        // The same 32 bytes, with bits behind the end.
        &RFC_8705_THUMBPRINT.replace("5v0", "5v1"),
        hex,
        "",
    ] {
        let token = with_cnf(&json!({ "x5t#S256": spelling }));
        let answer = send_over(&app, Some(&own), &token).await;
        answer.is_refused(401, Some(&invalid_token(ANOTHER)), Reason::WrongBinding);
    }
}

#[tokio::test]
async fn thumbprint_that_is_no_text_or_a_method_beside_it_is_never_ignored() {
    let app = app(checked());
    let own = certificate(RFC_8705);
    for cnf in [
        json!({ "x5t#S256": 1 }),
        json!({ "x5t#S256": null }),
        json!({ "x5t#S256": [RFC_8705_THUMBPRINT] }),
        json!({ "x5t#S256": RFC_8705_THUMBPRINT, "kid": "a" }),
        json!({ "x5t": RFC_8705_THUMBPRINT }),
        json!({}),
    ] {
        let answer = send_over(&app, Some(&own), &with_cnf(&cnf)).await;
        answer.is_refused(401, Some(&invalid_token(NO_CERTIFICATE)), Reason::BoundToken);
    }
}

#[tokio::test]
async fn unbound_token_is_accepted_unless_certificates_are_required() {
    let usual = app(checked());
    let strict = app(layer().with_binding(CertificateBinding::new().with_required_certificates()));
    let own = certificate(RFC_9440);

    for certificate in [None, Some(&own)] {
        send_over(&usual, certificate, &good()).await.is_ok("alice");
        let refused = send_over(&strict, certificate, &good()).await;

        let challenge = invalid_token("A token that is bound to a key is needed");
        refused.is_refused(401, Some(&challenge), Reason::UnboundToken);
    }
    send_over(&strict, Some(&own), &bound()).await.is_ok("alice");
}

#[tokio::test]
async fn guard_asks_for_a_token_that_is_bound_to_a_certificate() {
    let guard = require(bound_by(ConfirmationMethod::Certificate));
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    let app = Router::new().route("/", axum::routing::get(name).layer(guard)).layer(checked());

    send_over(&app, Some(&certificate(RFC_9440)), &bound()).await.is_ok("alice");
    let refused = send_over(&app, Some(&certificate(RFC_9440)), &good()).await;

    let challenge = invalid_token("A token that is bound to a key is needed");
    refused.is_refused(401, Some(&challenge), Reason::UnboundToken);
}

#[tokio::test]
async fn token_that_is_bound_twice_needs_both_proofs() {
    struct Dpop;
    impl Binding for Dpop {
        fn check(
            &self,
            request: &http::request::Parts,
            _: Presented<'_>,
            principal: &Principal,
        ) -> BindingVerdict {
            let sent = request.headers.get("dpop").and_then(|field| field.to_str().ok());
            match principal.confirmation().and_then(Confirmation::jwk_thumbprint) {
                None => BindingVerdict::NotApplicable,
                Some(jkt) if sent == Some(jkt) => {
                    BindingVerdict::Proved(Proved::by(ConfirmationMethod::Dpop))
                }
                Some(_) => BindingVerdict::Refused(Reason::MissingProof.into()),
            }
        }
    }
    let twice = with_cnf(&json!({ "jkt": "abc", "x5t#S256": certificate(RFC_9440).thumbprint() }));
    let request = |certificate: Option<&str>| {
        let mut request: Request<_> = get("/").bearer(&twice).field("dpop", "abc");
        if let Some(der) = certificate {
            request.extensions_mut().insert(super::certificate(der));
        }
        request
    };
    let (both, one) = (app(checked().with_binding(Dpop)), app(checked()));

    send(&both, request(Some(RFC_9440))).await.is_ok("alice");
    let other = send(&both, request(Some(RFC_8705))).await;
    let none = send(&both, request(None)).await;
    let certificate_alone = send(&one, request(Some(RFC_9440))).await;

    other.is_refused(401, Some(&invalid_token(ANOTHER)), Reason::WrongBinding);
    none.is_refused(401, Some(&invalid_token(NO_CERTIFICATE)), Reason::BoundToken);
    let challenge = invalid_token(NO_CERTIFICATE);
    certificate_alone.is_refused(401, Some(&challenge), Reason::BoundToken);
}

/// Knows one opaque token, which is bound.
struct Opaque;

impl Authenticator for Opaque {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token() == b"opaque"
    }

    async fn authenticate(&self, _: &str) -> Result<Authenticated, AuthError> {
        let cnf = json!({ "x5t#S256": certificate(RFC_9440).thumbprint() });
        let found = Authenticated::from_json(&json!({ "sub": "bob", "cnf": cnf }).to_string())?;
        Ok(found.with_freshness(std::time::Duration::from_secs(60)))
    }
}

#[tokio::test]
async fn token_of_an_authenticator_is_bound_in_the_same_way() {
    let app = app(checked().with_authenticator(Opaque, validation()).unwrap());

    for _ in 0..2 {
        send_over(&app, Some(&certificate(RFC_9440)), "opaque").await.is_ok("bob");
        let another = send_over(&app, Some(&certificate(RFC_8705)), "opaque").await;
        let none = send_over(&app, None, "opaque").await;

        another.is_refused(401, Some(&invalid_token(ANOTHER)), Reason::WrongBinding);
        none.is_refused(401, Some(&invalid_token(NO_CERTIFICATE)), Reason::BoundToken);
    }
}

#[tokio::test]
async fn log_says_what_to_set_up_and_neither_thumbprint_nor_certificate() {
    let (log, _guard) = Log::of_this_thread();
    let app = app(checked());
    let own = certificate(RFC_9440);

    send_over(&app, None, &bound()).await;
    send_over(&app, Some(&certificate(RFC_8705)), &bound()).await;

    let events = log.events();
    assert!(events[0].1.contains("ClientCertificateLayer"), "{events:?}");
    assert!(events[1].1.contains("another certificate"), "{events:?}");
    assert!(events.iter().all(|(level, _)| *level == Level::DEBUG), "{events:?}");
    let told = format!("{events:?}{own:?}");
    assert!(!told.contains(own.thumbprint()) && !told.contains(RFC_8705_THUMBPRINT), "{told}");
}

#[test]
fn bytes_that_are_not_exactly_one_sequence_are_no_certificate() {
    let der = der_of(RFC_9440);
    let longer = [&der[..], &[0]].concat();
    for bytes in [&b""[..], b"certificate", &der[1..], &der[..der.len() - 1], &longer, &[4, 1, 0]] {
        let error = ClientCertificate::from_der(bytes).unwrap_err();
        assert!(error.to_string().contains("DER"), "{error}");
    }
    assert_eq!(ClientCertificate::from_der(&der).unwrap(), certificate(RFC_9440));
    assert_ne!(certificate(RFC_8705), certificate(RFC_9440));
}

#[tokio::test]
async fn layer_without_the_binding_refuses_a_token_with_its_certificate() {
    let bare: BearerLayer<_> = layer();
    let mut request = get("/").bearer(bound());
    request.extensions_mut().insert(certificate(RFC_9440));

    let answer = Answer::of(app(bare).oneshot(request).await.unwrap()).await;

    answer.is_refused(401, Some(&invalid_token(NO_CERTIFICATE)), Reason::BoundToken);
}
