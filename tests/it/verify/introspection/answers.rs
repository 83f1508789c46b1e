use axum::Router;
use axum::routing::get as on_get;
use serde_json::json;
use tower_bearer::Algorithm::ES256;
use tower_bearer::dpop::{Dpop, DpopKey};
use tower_bearer::introspection::{Introspection, OpaqueTokens};
use tower_bearer::mtls::{CertificateBinding, ClientCertificate};
use tower_bearer::{Principal, Reason};

use super::server::Server;
use super::{active, app, basic, introspection};
use crate::support::{
    AUDIENCE, NOW, PLAIN, WithBearer, get, good, invalid_token, layer, send, validation,
};

#[tokio::test]
async fn active_token_is_accepted_and_another_is_refused() {
    let server = Server::start().await;
    let app = app(introspection(&server));

    send(&app, get("/").bearer("good-1")).await.is_ok("good-1");
    let refused = send(&app, get("/").bearer("other")).await;

    let challenge = invalid_token("The token is not active any more");
    refused.is_refused(401, Some(&challenge), Reason::Inactive);
}

#[tokio::test]
async fn only_the_value_true_is_active_and_any_other_but_false_is_a_fault_of_the_server() {
    // RFC 7662 §2.2: `active` is the JSON value `true`
    let server = Server::start().await;
    let app = app(introspection(&server));
    let odd =
        [json!("true"), json!("false"), json!(1), json!(0), json!(null), json!([]), json!({})];

    for (number, odd) in odd.into_iter().enumerate() {
        server.say(&active(&json!({ "active": odd })));
        let answer = send(&app, get("/").bearer(format!("odd-{number}"))).await;
        answer.is_refused(503, None, Reason::AuthenticatorFailed);
        assert_eq!(answer.headers["retry-after"], "5", "{odd}");
    }
    server.say(&json!({ "sub": "alice" }));
    let answer = send(&app, get("/").bearer("absent")).await;
    answer.is_refused(503, None, Reason::AuthenticatorFailed);
    server.say(&active(&json!({})));
    send(&app, get("/").bearer("odd-0")).await.is_ok("alice");
}

#[tokio::test]
async fn dates_issuer_audience_and_binding_of_the_answer_are_checked_here_again() {
    // RFC 7662 §2.2: `exp`, `nbf`, `iss`, `aud` of the answer are checked here again
    // RFC 8705 §3.2: a token that introspection calls bound is refused without its proof
    let server = Server::start().await;
    let app = app(introspection(&server));
    let other = "https://other.example.com";

    for (number, (wrong, good, reason, sentence)) in [
        (
            json!({"exp": NOW - 61}),
            json!({"exp": NOW + 1}),
            Reason::Expired,
            "The token has expired",
        ),
        (
            json!({"nbf": NOW + 61}),
            json!({"nbf": NOW}),
            Reason::NotYetValid,
            "The token is not valid yet",
        ),
        (json!({"iss": other}), json!({}), Reason::WrongIssuer, "The token is from another issuer"),
        (
            json!({"aud": other}),
            json!({}),
            Reason::WrongAudience,
            "The token is for another audience",
        ),
        (
            json!({"aud": []}),
            json!({"aud": [other, crate::support::AUDIENCE]}),
            Reason::WrongAudience,
            "The token is for another audience",
        ),
        (
            json!({"cnf": {"jkt": "abc"}}),
            json!({}),
            Reason::BoundToken,
            "The token is bound to a key, which bearer tokens are not",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        server.say(&active(&wrong));
        let refused = send(&app, get("/").bearer(format!("token-{number}"))).await;
        server.say(&active(&good));
        let accepted = send(&app, get("/").bearer(format!("good-{number}"))).await;

        refused.is_refused(401, Some(&invalid_token(sentence)), reason);
        accepted.is_ok("alice");
    }
}

#[tokio::test]
async fn token_that_introspection_calls_bound_needs_its_proof() {
    // RFC 9449 §6.2: jkt is read from introspection
    let server = Server::start().await;
    let dpop = Dpop::new(AUDIENCE).unwrap().with_bearer_allowed();
    let name = async |principal: Principal| principal.is_bound().to_string();
    let app = Router::new().route("/", on_get(name)).layer(
        layer().with_authenticator(introspection(&server), validation()).unwrap().with_dpop(dpop),
    );
    let (client, thief) = (DpopKey::generate(ES256).unwrap(), DpopKey::generate(ES256).unwrap());
    let sent = |key: &DpopKey, token: &str| {
        let uri = format!("{AUDIENCE}/");
        let proof = key.proof(&http::Method::GET, &uri).with_token(token).sign().unwrap();
        get("/").field("authorization", format!("DPoP {token}")).field("dpop", proof)
    };

    server.say(&active(&json!({"cnf": {"jkt": client.thumbprint()}})));
    for _ in 0..2 {
        send(&app, sent(&client, "opaque")).await.is_ok("true");
        let stolen = send(&app, get("/").bearer("opaque")).await;
        assert_eq!((stolen.status.as_u16(), stolen.reason), (401, Some(Reason::BoundToken)));
        let stolen = send(&app, sent(&thief, "opaque")).await;
        assert_eq!((stolen.status.as_u16(), stolen.reason), (401, Some(Reason::WrongBinding)));
    }
    // Under each of the two schemes.
    assert_eq!(server.asked(), 2);
    server.say(&active(&json!({})));
    send(&app, get("/").bearer("other")).await.is_ok("false");
    let unbound = send(&app, sent(&client, "another")).await;
    assert_eq!((unbound.status.as_u16(), unbound.reason), (401, Some(Reason::UnboundToken)));
}

#[tokio::test]
async fn introspected_token_that_is_bound_to_a_certificate_needs_it_on_every_request() {
    let server = Server::start().await;
    let own = ClientCertificate::from_sha256([1; 32]);
    let other = ClientCertificate::from_sha256([2; 32]);
    let layer = layer().with_authenticator(introspection(&server), validation()).unwrap();
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    let layer = layer.with_binding(CertificateBinding::new());
    let app = Router::new().route("/", on_get(name)).layer(layer);
    server.say(&active(&json!({ "cnf": { "x5t#S256": own.thumbprint() } })));
    let ask = async |certificate: &ClientCertificate| {
        let mut request = get("/").bearer("opaque");
        request.extensions_mut().insert(certificate.clone());
        send(&app, request).await
    };

    // RFC 8705 §3.2: an introspected token is accepted with its certificate alone
    for _ in 0..2 {
        ask(&own).await.is_ok("alice");
        let refused = ask(&other).await;
        let challenge = invalid_token("The token is bound to another key");
        refused.is_refused(401, Some(&challenge), Reason::WrongBinding);
    }
}

#[tokio::test]
async fn answer_without_issuer_and_audience_is_good_unless_they_are_required() {
    let server = Server::start().await;
    let usual = app(introspection(&server));
    let strict = introspection(&server).with_required_members(["aud", "token_type"]);
    let strict = app(strict);
    server.say(&json!({ "active": true, "sub": "alice", "token_type": "Bearer" }));

    send(&usual, get("/").bearer("token")).await.is_ok("alice");
    let refused = send(&strict, get("/").bearer("token")).await;
    server.say(&active(&json!({})));
    send(&strict, get("/").bearer("other")).await.is_ok("alice");

    let challenge = invalid_token("The token lacks a claim");
    refused.is_refused(401, Some(&challenge), Reason::MissingClaim);
}

#[tokio::test]
async fn guards_and_claims_read_the_answer() {
    // RFC 7662 §2.2: the other members are read
    let server = Server::start().await;
    let app = app(introspection(&server));

    server.say(&active(&json!({ "email": "a@b.example" })));
    send(&app, get("/email").bearer("one")).await.is_ok("a@b.example");
    send(&app, get("/read").bearer("one")).await.is_ok("alice");
    server.say(&active(&json!({ "scope": "orders:write" })));
    let refused = send(&app, get("/read").bearer("two")).await;

    let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\", \
                     error_description=\"The token lacks a scope\", scope=\"orders:read\"";
    refused.is_refused(403, Some(challenge), Reason::InsufficientScope);
}

#[tokio::test]
async fn refresh_token_is_no_access_token_although_it_is_active() {
    let server = Server::start().await;
    let app = app(introspection(&server));

    for (number, mark) in [
        json!({"token_type": "refresh_token"}),
        json!({"token_use": "refresh_token"}),
        json!({"typ": "Refresh"}),
        json!({"token_type": "urn:ietf:params:oauth:token-type:id_token"}),
    ]
    .iter()
    .enumerate()
    {
        server.say(&active(mark));
        let refused = send(&app, get("/").bearer(format!("token-{number}"))).await;
        let challenge = invalid_token("The token is not an access token");
        refused.is_refused(401, Some(&challenge), Reason::WrongTokenType);
    }
    // Keycloak, and Hydra.
    for mark in [json!({"typ": "Bearer"}), json!({"token_use": "access_token"})] {
        server.say(&active(&mark));
        send(&app, get("/").bearer(format!("good-{mark}").replace(['{', '}', '"', ':'], "")))
            .await
            .is_ok("alice");
    }
}

#[tokio::test]
async fn token_goes_to_the_server_or_to_the_verifier_by_the_choice_that_was_made() {
    let server = Server::start().await;
    let of = |tokens| app(Introspection::new(&server.url("/"), basic(), tokens).unwrap());
    let prefix = of(OpaqueTokens::by_prefix("good-").unwrap());
    let (shape, all) = (of(OpaqueTokens::by_shape()), of(OpaqueTokens::all()));

    // A JWT of the verifier's own, which the server does not know.
    for app in [&shape, &prefix] {
        send(app, get("/").bearer(good())).await.is_ok("alice");
    }
    assert_eq!(server.asked(), 0);
    let challenge = invalid_token("The token is not active any more");
    let refused = send(&all, get("/").bearer(good())).await;
    refused.is_refused(401, Some(&challenge), Reason::Inactive);
    for app in [&shape, &prefix, &all] {
        send(app, get("/").bearer("good-1")).await.is_ok("good-1");
    }
    // Opaque, and without the prefix.
    let left = send(&prefix, get("/").bearer("other")).await;
    left.is_refused(401, Some(&invalid_token("The token cannot be verified")), Reason::Malformed);
    let asked = send(&shape, get("/").bearer("other")).await;
    asked.is_refused(401, Some(&challenge), Reason::Inactive);
    assert_eq!(server.asked(), 5);
}

#[tokio::test]
async fn token_that_is_too_long_is_not_asked_about() {
    let server = Server::start().await;
    let app = app(introspection(&server).with_max_token_bytes(10));

    send(&app, get("/").bearer("good-67890")).await.is_ok("good-67890");
    let refused = send(&app, get("/").bearer("good-678901")).await;

    refused.is_refused(
        401,
        Some(&invalid_token("The token cannot be verified")),
        Reason::TokenTooLarge,
    );
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn answer_may_not_repeat_a_member_or_hide_one() {
    let server = Server::start().await;
    let app = app(introspection(&server));

    for (number, text) in [
        r#"{"active":false,"active":true,"sub":"alice"}"#,
        r#"{"active":true,"sub":"bob","sub":"alice"}"#,
        r#"{"active":true,"sub":"alice","exp":"never"}"#,
        r#"[{"active":true,"sub":"alice"}]"#,
        r#"{"active":true,"sub":"alice"} "#.repeat(2).as_str(),
    ]
    .into_iter()
    .enumerate()
    {
        server.say_as(200, "application/json", text);
        let answer = send(&app, get("/").bearer(format!("token-{number}"))).await;
        answer.is_refused(503, None, Reason::AuthenticatorFailed);
    }
    server.say_as(200, "application/json;charset=UTF-8", r#"{"active":true,"sub":"alice"}"#);
    send(&app, get("/").bearer("token-0")).await.is_ok("alice");
}

#[tokio::test]
async fn claims_that_do_not_fit_the_type_of_the_application_are_forbidden() {
    let server = Server::start().await;
    let app = app(introspection(&server));
    server.say(&active(&json!({ "email": 7 })));

    let answer = send(&app, get("/email").bearer("token")).await;

    answer.is_refused(403, Some(PLAIN), Reason::ClaimsMismatch);
}
