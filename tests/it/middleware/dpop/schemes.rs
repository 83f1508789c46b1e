use http::request::Parts;
use tower_bearer::binding::{Binding, BindingVerdict, Proved};
use tower_bearer::claims::ConfirmationMethod;
use tower_bearer::source::Presented;

use super::*;
use crate::support::{get, good, invalid_token, send};

fn allowed() -> Router {
    app(layer().with_dpop(dpop().with_bearer_allowed()))
}

const PLAIN_BEARER: &str = "Bearer realm=\"api\"";

#[tokio::test]
async fn layer_that_requires_dpop_offers_no_other_scheme() {
    // RFC 9449 §7.1: the challenge DPoP has its parameters and codes
    send(&required(), get("/")).await.is_refused(401, Some(&plain()), Reason::MissingToken);
    let bound_description = "The token is bound to a key, which bearer tokens are not";
    let unbound_description = "A token that is bound to a key is needed";
    for optional in [false, true] {
        let layer = if optional { layer().with_optional_token() } else { layer() };
        let app = app(layer.with_dpop(dpop()));
        for (token, reason, description) in [
            (bound(), Reason::BoundToken, bound_description),
            (good(), Reason::UnboundToken, unbound_description),
        ] {
            let answer = send(&app, get("/").bearer(token)).await;
            let challenge = challenge("invalid_token", description);
            answer.is_refused(401, Some(&challenge), reason);
        }
    }
    let unbound =
        send(&required(), with_proof(&good(), Proof::new(&client(), &good()).sign())).await;
    is_refused(&unbound, Reason::UnboundToken);
    send(&required(), with_proof(&bound(), Proof::good().sign())).await.is_ok("alice");
}

#[tokio::test]
async fn layer_that_allows_both_has_its_error_in_the_scheme_that_was_used() {
    // RFC 9449 §7.2: with two challenges, only that of the scheme that was used has an error
    let app = allowed();
    send(&app, get("/").bearer(good())).await.is_ok("alice");
    send(&app, with_proof(&bound(), Proof::good().sign())).await.is_ok("alice");

    let none = send(&app, get("/")).await;
    assert_eq!((none.status.as_u16(), none.reason), (401, Some(Reason::MissingToken)));
    assert_eq!(challenges(&none), [PLAIN_BEARER.to_owned(), plain()]);

    // RFC 9449 §7.2: a DPoP-bound token sent as Bearer is refused
    for request in
        [get("/").bearer(bound()), get("/").bearer(bound()).field("dpop", Proof::good().sign())]
    {
        let stolen = send(&app, request).await;
        assert_eq!((stolen.status.as_u16(), stolen.reason), (401, Some(Reason::BoundToken)));
        let description = "The token is bound to a key, which bearer tokens are not";
        assert_eq!(challenges(&stolen), [invalid_token(description), plain()]);
    }

    // RFC 9449 §7.2: an unbound token sent as DPoP is refused
    let unbound = send(&app, with_proof(&good(), Proof::new(&client(), &good()).sign())).await;
    assert_eq!((unbound.status.as_u16(), unbound.reason), (401, Some(Reason::UnboundToken)));
    let refused = challenge("invalid_token", "A token that is bound to a key is needed");
    assert_eq!(challenges(&unbound), [refused, PLAIN_BEARER.to_owned()]);

    let without = get("/").field("authorization", format!("DPoP {}", bound()));
    let without = send(&app, without).await;
    let refused = challenge("invalid_dpop_proof", "A DPoP proof is needed");
    assert_eq!(challenges(&without), [refused, PLAIN_BEARER.to_owned()]);
}

#[tokio::test]
async fn request_with_both_schemes_is_a_bad_request_in_both() {
    let request = with_proof(&bound(), Proof::good().sign()).bearer(good());

    let answer = send(&allowed(), request).await;

    assert_eq!((answer.status.as_u16(), answer.reason), (400, Some(Reason::RepeatedAuthorization)));
    let text = "error=\"invalid_request\", error_description=\"There is more than one Authorization field\"";
    let bearer = format!("Bearer realm=\"api\", {text}");
    let dpop = format!("DPoP realm=\"api\", {text}, algs=\"{ALGS}\"");
    assert_eq!(challenges(&answer), [bearer, dpop]);
}

#[tokio::test]
async fn algorithms_are_told_and_other_schemes_stay_where_bearer_tokens_are_allowed() {
    use tower_bearer::challenge::AuthScheme;
    for allowed in [true, false] {
        let dpop = dpop().with_algorithms([Algorithm::ES256, Algorithm::Ed25519]).unwrap();
        let dpop = if allowed { dpop.with_bearer_allowed() } else { dpop };
        let own = AuthScheme::new("ApiKey").unwrap();
        let layer = layer()
            .with_schemes([AuthScheme::BEARER.into(), own.into(), AuthScheme::DPOP.into()])
            .with_dpop(dpop)
            .with_realm("orders")
            .unwrap();

        let answer = send(&app(layer), get("/")).await;

        let told = "DPoP realm=\"orders\", algs=\"ES256 Ed25519\"";
        match allowed {
            true => assert_eq!(
                challenges(&answer),
                ["Bearer realm=\"orders\"", "ApiKey realm=\"orders\"", told]
            ),
            false => assert_eq!(challenges(&answer), [told]),
        }
    }
}

#[tokio::test]
async fn proof_is_used_up_after_the_other_bindings_have_agreed() {
    struct Certificate;
    impl Binding for Certificate {
        fn check(&self, request: &Parts, _: Presented<'_>, _: &Principal) -> BindingVerdict {
            match request.headers.contains_key("certificate") {
                true => BindingVerdict::Proved(Proved::by(ConfirmationMethod::Certificate)),
                false => BindingVerdict::Refused(Reason::WrongBinding.into()),
            }
        }
    }
    let cnf = json!({"jkt": thumbprint(&client()), "x5t#S256": "abc"});
    let token = token().claim("cnf", cnf).sign(&key());
    let app = app(layer().with_dpop(dpop()).with_binding(Certificate));
    let proof = Proof::new(&client(), &token).sign();

    let refused = send(&app, with_proof(&token, &proof)).await;
    is_refused(&refused, Reason::WrongBinding);
    let accepted = with_proof(&token, &proof).field("certificate", "x");
    send(&app, accepted).await.is_ok("alice");
}

#[tokio::test]
async fn proof_is_marked_as_sensitive_for_inner_services() {
    let seen = async |request: axum::extract::Request| {
        let marked = |name: &str| request.headers()[name].is_sensitive();
        format!("{} {}", marked("dpop"), marked("authorization"))
    };
    let app = Router::new().route("/", any(seen)).layer(layer().with_dpop(dpop()));

    for _ in 0..2 {
        send(&app, with_proof(&bound(), Proof::good().sign())).await.is_ok("true true");
    }
}

#[tokio::test]
async fn all_proofs_of_a_bearer_request_are_marked_as_sensitive() {
    let seen = async |request: axum::extract::Request| {
        let mut proofs = request.headers().get_all("dpop").iter();
        format!("{}", proofs.all(http::HeaderValue::is_sensitive))
    };
    let dpop = dpop().with_bearer_allowed();
    let app = Router::new().route("/", any(seen)).layer(layer().with_dpop(dpop));
    let bearer = || get("/").field("authorization", format!("Bearer {}", token().sign(&key())));

    for request in [bearer(), bearer().field("dpop", "a").field("dpop", "b")] {
        send(&app, request).await.is_ok("true");
    }
}

#[tokio::test]
async fn scheme_is_read_in_any_case() {
    for scheme in ["DPoP", "dpop", "DPOP"] {
        let request = get("/")
            .field("authorization", format!("{scheme} {}", bound()))
            .field("dpop", Proof::good().sign());
        send(&required(), request).await.is_ok("alice");
    }
}

#[tokio::test]
async fn token_without_dpop_binding_is_refused_as_dpop_whatever_else_it_is_bound_to() {
    for cnf in
        [json!({}), json!(null), json!({"x5t#S256": "abc"}), json!({"jkt": 1}), json!({"jwk": {}})]
    {
        let token = token().claim("cnf", cnf.clone()).sign(&key());
        let answer =
            send(&allowed(), with_proof(&token, Proof::new(&client(), &token).sign())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.reason),
            (401, Some(Reason::UnboundToken)),
            "{cnf}"
        );
        let bearer = send(&allowed(), get("/").bearer(token)).await;
        assert_eq!(
            (bearer.status.as_u16(), bearer.reason),
            (401, Some(Reason::BoundToken)),
            "{cnf}"
        );
    }
    // RFC 7800 §3.1: a cnf has one key at most
    for other in ["jwk", "kid", "x5t#S256", "jku"] {
        let cnf = json!({"jkt": thumbprint(&client()), other: "abc"});
        let token = token().claim("cnf", cnf).sign(&key());
        let answer =
            send(&required(), with_proof(&token, Proof::new(&client(), &token).sign())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.reason),
            (401, Some(Reason::BoundToken)),
            "{other}"
        );
    }
}
