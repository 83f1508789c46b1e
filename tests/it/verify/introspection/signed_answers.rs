use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::ACCEPT;
use serde_json::{Map, Value, json};
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::introspection::Introspection;
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, KeySet, Reason};

use super::server::{Reply, Server, response};
use super::{CLIENT, active, app, introspection};
use crate::support::{
    AUDIENCE, ISSUER, WithBearer, get, invalid_token, key_for, send, token, validation,
    verifier_with,
};

const SIGNED: &str = "application/token-introspection+jwt";

fn issuer_key() -> TestKey {
    key_for(Algorithm::ES256).with_key_id("issuer")
}

fn signed(server: &Server) -> Introspection {
    let keys = KeySet::from_iter([issuer_key().verifying_key()]);
    introspection(server).with_signed_answers(ISSUER, keys).unwrap()
}

fn seconds() -> u64 {
    SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A good answer of the issuer about a good token.
fn answer() -> TestToken {
    TestToken::new(ISSUER, CLIENT)
        .header("typ", "token-introspection+jwt")
        .raw_payload(payload(&json!({})).to_string())
}

/// The claims of a good answer, with these in place of its own.
fn payload(more: &Value) -> Value {
    let mut payload = json!({
        "iss": ISSUER, "aud": CLIENT, "iat": seconds(), "token_introspection": active(&json!({})),
    });
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => {
                drop(payload.as_object_mut().map(|all: &mut Map<_, _>| all.remove(name)))
            }
            value => payload[name] = value.clone(),
        }
    }
    payload
}

fn with_payload(more: &Value) -> TestToken {
    answer().raw_payload(payload(more).to_string())
}

fn say(server: &Server, content_type: &'static str, answer: String) {
    server.script(move |_| Reply::Whole(response(200, content_type, answer.clone())));
}

#[tokio::test]
async fn signed_answer_is_asked_for_and_its_claims_are_those_of_the_nested_member() {
    // RFC 9701 §4: signed answers are asked for by their media type
    // RFC 9701 §5: a signed answer has its `typ`, issuer and audience, and its claim
    let server = Server::start().await;
    let app = app(signed(&server));
    say(&server, SIGNED, answer().sign(&issuer_key()));

    send(&app, get("/").bearer("token")).await.is_ok("alice");

    let request = server.received().pop().unwrap();
    assert_eq!(request.headers[ACCEPT], SIGNED);
    // The audience is a list, the media type has a parameter, and claims beside the member are not those of the token.
    let more =
        json!({ "aud": ["other", CLIENT], "sub": "mallory", "scope": "admin", "active": true });
    say(&server, SIGNED, with_payload(&more).sign(&issuer_key()));
    send(&app, get("/").bearer("another")).await.is_ok("alice");
    let typ = answer().header("typ", "application/token-introspection+jwt").sign(&issuer_key());
    say(&server, "application/token-introspection+jwt;charset=utf-8", typ);
    send(&app, get("/").bearer("third")).await.is_ok("alice");
}

#[tokio::test]
async fn signed_answer_that_says_inactive_is_a_401() {
    let server = Server::start().await;
    let app = app(signed(&server));
    let inactive = json!({ "token_introspection": { "active": false }, "active": true });
    say(&server, SIGNED, with_payload(&inactive).sign(&issuer_key()));

    let refused = send(&app, get("/").bearer("token")).await;

    let challenge = invalid_token("The token is not active any more");
    refused.is_refused(401, Some(&challenge), Reason::Inactive);
}

#[tokio::test]
async fn answer_that_is_not_signed_for_this_client_by_the_issuer_is_a_503() {
    // RFC 9701 §5: an answer for another client, of another issuer, or of another type is not used
    let server = Server::start().await;
    let app = app(signed(&server));
    let stranger = TestKey::generate(Algorithm::ES256).with_key_id("issuer");
    let sign = |answer: TestToken| answer.sign(&issuer_key());
    let unsigned = [
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"token-introspection+jwt"}"#),
        URL_SAFE_NO_PAD.encode(payload(&json!({})).to_string()),
        String::new(),
    ];
    let repeated = payload(&json!({ "token_introspection": "X" }))
        .to_string()
        .replace("\"X\"", r#"{"active":false,"active":true,"sub":"alice"}"#);
    for (name, content_type, text) in [
        ("a plain answer", "application/json", active(&json!({})).to_string()),
        ("a signed answer as JSON", "application/json", sign(answer())),
        ("a signed answer as a JWT", "application/jwt", sign(answer())),
        ("JSON as a signed answer", SIGNED, active(&json!({})).to_string()),
        ("no signature", SIGNED, unsigned.join(".")),
        ("another key", SIGNED, answer().sign(&stranger)),
        ("no typ", SIGNED, sign(answer().header("typ", Value::Null))),
        ("an access token", SIGNED, sign(answer().header("typ", "at+jwt"))),
        ("any JWT", SIGNED, sign(answer().header("typ", "JWT"))),
        ("a logout token", SIGNED, sign(answer().header("typ", "logout+jwt"))),
        ("another JWT inside", SIGNED, sign(answer().header("cty", "JWT"))),
        (
            "another issuer",
            SIGNED,
            sign(with_payload(&json!({ "iss": "https://other.example.com" }))),
        ),
        ("no issuer", SIGNED, sign(with_payload(&json!({ "iss": null })))),
        ("another client", SIGNED, sign(with_payload(&json!({ "aud": "other-api" })))),
        ("the API and not the client", SIGNED, sign(with_payload(&json!({ "aud": AUDIENCE })))),
        ("no audience", SIGNED, sign(with_payload(&json!({ "aud": null })))),
        ("no date", SIGNED, sign(with_payload(&json!({ "iat": null })))),
        ("an old answer", SIGNED, sign(with_payload(&json!({ "iat": seconds() - 400 })))),
        (
            "an answer of tomorrow",
            SIGNED,
            sign(with_payload(&json!({ "iat": seconds() + 86_400 }))),
        ),
        ("an expired answer", SIGNED, sign(with_payload(&json!({ "exp": seconds() - 100 })))),
        (
            "no member",
            SIGNED,
            sign(with_payload(
                &json!({ "token_introspection": null, "active": true, "sub": "alice" }),
            )),
        ),
        (
            "a member that is text",
            SIGNED,
            sign(with_payload(&json!({ "token_introspection": "{\"active\":true}" }))),
        ),
        (
            "a member that is a list",
            SIGNED,
            sign(with_payload(&json!({ "token_introspection": [true] }))),
        ),
        (
            "a member without `active`",
            SIGNED,
            sign(with_payload(&json!({ "token_introspection": { "sub": "alice" } }))),
        ),
        (
            "`active` as text",
            SIGNED,
            sign(with_payload(
                &json!({ "token_introspection": { "active": "true", "sub": "alice" } }),
            )),
        ),
        ("a repeated member", SIGNED, sign(answer().raw_payload(repeated))),
    ] {
        say(&server, content_type, text);
        let refused = send(&app, get("/").bearer("token")).await;
        assert_eq!(refused.status, 503, "{name}: {refused:?}");
        refused.is_refused(503, None, Reason::AuthenticatorFailed);
        assert_eq!(refused.headers["retry-after"], "5", "{name}");
    }
    say(&server, SIGNED, sign(answer()));
    send(&app, get("/").bearer("token")).await.is_ok("alice");
}

#[tokio::test]
async fn plain_answer_is_required_where_no_signed_one_is_asked_for() {
    let server = Server::start().await;
    let app = app(introspection(&server));
    say(&server, SIGNED, answer().sign(&issuer_key()));

    let refused = send(&app, get("/").bearer("token")).await;

    refused.is_refused(503, None, Reason::AuthenticatorFailed);
    assert_eq!(server.received().pop().unwrap().headers[ACCEPT], "application/json");
}

#[tokio::test]
async fn signed_answer_is_no_access_token_even_where_any_kind_is_accepted() {
    // RFC 9701 §8.1: an introspection response is no access token
    let key = issuer_key();
    let usual = verifier_with(key.verifying_key(), validation());
    let any = validation().dangerous().accept_any_kind();
    let any = verifier_with(key.verifying_key(), any);

    for typ in ["token-introspection+jwt", "application/Token-Introspection+JWT"] {
        let token = token().header("typ", typ).sign(&key);
        for verifier in [&usual, &any] {
            let error = verifier.verify(&token).await.unwrap_err();
            assert_eq!(error.reason(), Reason::WrongTokenType, "{typ}");
            let app = axum::Router::new()
                .route("/", axum::routing::get(|| async {}))
                .layer(tower_bearer::BearerLayer::new(verifier.clone()));
            let refused = send(&app, get("/").bearer(&token)).await;
            let challenge = invalid_token("The token cannot be verified");
            refused.is_refused(401, Some(&challenge), Reason::WrongTokenType);
        }
    }
    let other = token().header("typ", "other+jwt").sign(&key);
    assert!(any.verify(&other).await.is_ok());
    assert!(usual.verify(&token().sign(&key)).await.is_ok());
}
