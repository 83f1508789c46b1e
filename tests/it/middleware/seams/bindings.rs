use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get as on_get;
use http::{HeaderName, HeaderValue, request};
use serde_json::json;
use tower_bearer::binding::{Binding, BindingVerdict, Proved};
use tower_bearer::challenge::AuthScheme;
use tower_bearer::claims::{Confirmation, ConfirmationMethod};
use tower_bearer::source::Presented;
use tower_bearer::{AuthError, BearerLayer, Principal, Reason};

use crate::support::{User, WithBearer, get, good, invalid_token, key, layer, send, token};

/// A proof that is the thumbprint itself, in a field of its own.
#[derive(Clone, Default)]
struct Thumbprint {
    asked: Arc<AtomicUsize>,
    is_slow: bool,
}

impl Binding for Thumbprint {
    fn check(
        &self,
        request: &request::Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> BindingVerdict {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let Some(thumbprint) = principal.confirmation().and_then(Confirmation::jwk_thumbprint)
        else {
            // RFC 9449 §7.1: the scheme is for bound tokens
            if presented.scheme() == AuthScheme::DPOP {
                return BindingVerdict::Refused(Reason::BoundToken.into());
            }
            return BindingVerdict::NotApplicable;
        };
        let proof = request.headers.get("dpop").map(|proof| proof.as_bytes().to_vec());
        let is_good = proof.as_deref() == Some(thumbprint.as_bytes());
        let verdict = if is_good { Ok(()) } else { Err(AuthError::from(Reason::BoundToken)) };
        if self.is_slow {
            let proved = Proved::by(ConfirmationMethod::Dpop);
            return BindingVerdict::Pending(
                proved,
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    verdict
                }),
            );
        }
        verdict.map_or_else(BindingVerdict::Refused, |()| {
            BindingVerdict::Proved(Proved::by(ConfirmationMethod::Dpop))
        })
    }
}

fn bound() -> String {
    token().claim("cnf", json!({"jkt": "abc"})).sign(&key())
}

fn app(layer: BearerLayer<User>) -> Router {
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    Router::new().route("/", on_get(name)).layer(layer)
}

const REFUSAL: &str = "The token is bound to a key, which bearer tokens are not";

#[tokio::test]
async fn bound_token_is_accepted_with_its_proof_and_refused_without_on_cache_hits_too() {
    for is_slow in [false, true] {
        let binding = Thumbprint { is_slow, ..Thumbprint::default() };
        let app = app(layer().with_binding(binding.clone()));

        for _ in 0..3 {
            send(&app, get("/").bearer(bound()).field("dpop", "abc")).await.is_ok("alice");
            for answer in [
                send(&app, get("/").bearer(bound()).field("dpop", "other")).await,
                send(&app, get("/").bearer(bound())).await,
            ] {
                answer.is_refused(401, Some(&invalid_token(REFUSAL)), Reason::BoundToken);
            }
        }

        assert_eq!(binding.asked.load(Ordering::SeqCst), 9, "once for each request");
    }
}

#[tokio::test]
async fn bound_token_is_proved_where_nothing_is_cached() {
    for is_slow in [false, true] {
        let binding = Thumbprint { is_slow, ..Thumbprint::default() };
        let verifier = crate::support::verifier().without_cache();
        let app = app(BearerLayer::new(verifier).with_binding(binding));

        send(&app, get("/").bearer(bound()).field("dpop", "abc")).await.is_ok("alice");
        let answer = send(&app, get("/").bearer(bound())).await;
        answer.is_refused(401, Some(&invalid_token(REFUSAL)), Reason::BoundToken);
    }
}

#[tokio::test]
async fn request_is_checked_once_though_its_token_is_not_kept_and_another_proof_takes_time() {
    let (quick, slow) =
        (Thumbprint::default(), Thumbprint { is_slow: true, ..Thumbprint::default() });
    let verifier = crate::support::verifier().without_cache();
    let layer = BearerLayer::new(verifier).with_binding(quick.clone()).with_binding(slow.clone());
    let app = app(layer);

    send(&app, get("/").bearer(bound()).field("dpop", "abc")).await.is_ok("alice");

    let asked = |binding: &Thumbprint| binding.asked.load(Ordering::SeqCst);
    assert_eq!((asked(&quick), asked(&slow)), (1, 1));
}

#[tokio::test]
async fn fields_of_a_binding_are_in_the_response_to_an_admitted_request_and_those_of_an_error_in_the_refusal()
 {
    struct Nonce(bool);
    impl Binding for Nonce {
        fn check(
            &self,
            request: &request::Parts,
            _: Presented<'_>,
            _: &Principal,
        ) -> BindingVerdict {
            let field = (HeaderName::from_static("x-nonce"), HeaderValue::from_static("next"));
            if !request.headers.contains_key("dpop") {
                let error = AuthError::from(Reason::BoundToken);
                return BindingVerdict::Refused(error.with_response_field(field.0, field.1));
            }
            let proved = Proved::by(ConfirmationMethod::Dpop).with_response_field(field.0, field.1);
            match self.0 {
                false => BindingVerdict::Proved(proved),
                true => BindingVerdict::Pending(
                    proved,
                    Box::pin(async {
                        tokio::task::yield_now().await;
                        Ok(())
                    }),
                ),
            }
        }
    }
    for is_slow in [false, true] {
        let app = app(layer().with_binding(Nonce(is_slow)));
        for _ in 0..2 {
            let admitted = send(&app, get("/").bearer(bound()).field("dpop", "abc")).await;
            let refused = send(&app, get("/").bearer(bound())).await;

            assert_eq!(admitted.headers["x-nonce"], "next");
            admitted.is_ok("alice");
            assert_eq!(refused.headers["x-nonce"], "next");
            refused.is_refused(401, Some(&invalid_token(REFUSAL)), Reason::BoundToken);
        }
    }
}

#[tokio::test]
async fn proof_of_one_method_does_not_count_for_another_however_often_it_is_given() {
    let bound = token().claim("cnf", json!({"jkt": "abc", "jwk": {"kty": "EC"}})).sign(&key());
    let layer = layer().with_binding(Thumbprint::default()).with_binding(Thumbprint::default());

    let answer = send(&app(layer), get("/").bearer(bound).field("dpop", "abc")).await;

    answer.is_refused(401, Some(&invalid_token(REFUSAL)), Reason::BoundToken);
}

#[tokio::test]
async fn unbound_token_is_accepted_beside_a_binding_unless_the_binding_refuses_it() {
    let layer = layer()
        .with_binding(Thumbprint::default())
        .with_schemes([AuthScheme::BEARER.into(), AuthScheme::DPOP.into()]);
    let app = app(layer);

    let accepted = send(&app, get("/").bearer(good())).await;
    let refused = send(&app, get("/").field("authorization", format!("DPoP {}", good()))).await;

    accepted.is_ok("alice");
    assert_eq!((refused.status.as_u16(), refused.reason), (401, Some(Reason::BoundToken)));
}

#[tokio::test]
async fn bound_token_is_refused_where_the_only_binding_does_not_know_its_kind() {
    let certificate = token().claim("cnf", json!({"x5t#S256": "abc"})).sign(&key());
    let app = app(layer().with_binding(Thumbprint::default()));

    let answer = send(&app, get("/").bearer(certificate).field("dpop", "abc")).await;

    answer.is_refused(401, Some(&invalid_token(REFUSAL)), Reason::BoundToken);
}

#[tokio::test]
async fn layer_without_a_binding_does_not_find_bound_tokens_that_another_layer_accepted() {
    let verifier = crate::support::verifier();
    let with = app(BearerLayer::new(verifier.clone()).with_binding(Thumbprint::default()));
    let without = app(BearerLayer::new(verifier));

    send(&with, get("/").bearer(bound()).field("dpop", "abc")).await.is_ok("alice");
    let answer = send(&without, get("/").bearer(bound()).field("dpop", "abc")).await;

    answer.is_refused(401, Some(&invalid_token(REFUSAL)), Reason::BoundToken);
}

#[tokio::test]
async fn token_that_is_bound_to_two_keys_needs_two_proofs() {
    struct Certificate;
    impl Binding for Certificate {
        fn check(
            &self,
            request: &request::Parts,
            _: Presented<'_>,
            principal: &Principal,
        ) -> BindingVerdict {
            let sent = request.headers.get("certificate").and_then(|field| field.to_str().ok());
            match principal.confirmation().and_then(Confirmation::certificate_thumbprint) {
                None => BindingVerdict::NotApplicable,
                Some(thumbprint) if sent == Some(thumbprint) => {
                    BindingVerdict::Proved(Proved::by(ConfirmationMethod::Certificate))
                }
                Some(_) => BindingVerdict::Refused(Reason::BoundToken.into()),
            }
        }
    }
    let bound = token().claim("cnf", json!({"jkt": "abc", "x5t#S256": "def"})).sign(&key());
    let request = || get("/").bearer(&bound).field("dpop", "abc").field("certificate", "def");
    let one = app(layer().with_binding(Thumbprint::default()));
    let two = app(layer().with_binding(Thumbprint::default()).with_binding(Certificate));

    send(&two, request()).await.is_ok("alice");
    let answer = send(&one, request()).await;

    answer.is_refused(401, Some(&invalid_token(REFUSAL)), Reason::BoundToken);
}

#[test]
fn confirmation_names_every_method_of_the_token() {
    for (cnf, thumbprint, certificate, has_other) in [
        (json!({"jkt": "a"}), Some("a"), None, false),
        (json!({"x5t#S256": "b"}), None, Some("b"), false),
        (json!({"jkt": "a", "x5t#S256": "b"}), Some("a"), Some("b"), false),
        (json!({"jwk": {"kty": "EC"}}), None, None, true),
        (json!({"jkt": "a", "kid": "k"}), Some("a"), None, true),
        (json!({"jkt": 1}), None, None, true),
        (json!({}), None, None, true),
        (json!("a"), None, None, true),
    ] {
        let token = token().claim("cnf", cnf.clone()).sign(&key());
        let validation = crate::support::validation().dangerous().accept_bound_tokens();
        let verifier = crate::support::verifier_with(key().verifying_key(), validation);

        let verified = verifier.verify_now(&token).unwrap().unwrap();

        let confirmation = verified.principal().confirmation().unwrap();
        assert_eq!(confirmation.jwk_thumbprint(), thumbprint, "{cnf}");
        assert_eq!(confirmation.certificate_thumbprint(), certificate, "{cnf}");
        assert_eq!(confirmation.names(ConfirmationMethod::Other), has_other, "{cnf}");
    }
    let token = token().claim("cnf", json!({"jkt": "a", "jwk": {"kty": "EC"}})).sign(&key());
    let validation = crate::support::validation().dangerous().accept_bound_tokens();
    let verifier = crate::support::verifier_with(key().verifying_key(), validation);
    let verified = verifier.verify_now(&token).unwrap().unwrap();
    let confirmation = verified.principal().confirmation().unwrap();
    assert_eq!(confirmation.other_names().collect::<Vec<_>>(), ["jwk"]);
    assert_eq!(confirmation.other("jwk").as_deref(), Some(r#"{"kty":"EC"}"#));
    assert_eq!(confirmation.other("jkt"), None);
    let verifier = crate::support::verifier();
    assert!(verifier.verify_now(&good()).unwrap().unwrap().principal().confirmation().is_none());
}
