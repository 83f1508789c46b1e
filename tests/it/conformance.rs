//! Tests lines of the RFCs that no other test proves; `CONFORMANCE.md` names every line with its
//! tests.

use std::collections::HashSet;

use axum::Router;
use axum::body::Body;
use axum::routing::{get as on_get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeyProblem, KeySource, Lookup, SigningKey, VerifyingKey};
use tower_bearer::policy::{claims_where, scope, when};
use tower_bearer::test_util::{TestClock, TestKey};
use tower_bearer::{
    Algorithm, BearerLayer, Claims, KeySet, Principal, Reason, TokenIssuer, Validation, Verifier,
    require,
};
use tower_http::cors::CorsLayer;

use crate::support::{
    AUDIENCE, ISSUER, NOW, PLAIN, User, WithBearer, challenge, get, good, invalid_token, key,
    key_for, layer, reason, send, token, validation, verifier, verifier_of, verifier_with, verify,
};

fn app() -> Router {
    Router::new().route("/", on_get(|| async { "in" }).post(|| async { "in" })).layer(layer())
}

// Requests.

#[tokio::test]
async fn token_in_the_query_counts_as_nothing_sent() {
    // RFC 6750 §2.3: the query is not read
    // RFC 9700 §4.3.2: tokens in the query are ignored
    // MCP: tokens in the query are ignored
    let path = format!("/?access_token={}", good());

    send(&app(), get(&path)).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    // It is ignored, not counted as a second method.
    send(&app(), get(&path).bearer(good())).await.is_ok("in");
}

#[tokio::test]
async fn token_in_the_form_counts_as_nothing_sent() {
    // RFC 6750 §2.2: the form is not read
    let form = || {
        Request::post("/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("access_token={}", good())))
            .unwrap()
    };

    send(&app(), form()).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app(), form().bearer(good())).await.is_ok("in");
}

#[tokio::test]
async fn body_and_authorization_field_reach_the_handler_as_they_came() {
    // RFC 9110 §11.6.2: the Authorization field is passed on as it came
    let echo = |headers: HeaderMap, body: String| async move {
        format!("{} {body}", headers[AUTHORIZATION].to_str().unwrap())
    };
    let app = Router::new().route("/", post(echo)).layer(layer());
    let field = format!("bEaReR   {}", good());
    let request = Request::post("/").body(Body::from("text")).unwrap();

    let answer = send(&app, request.field("authorization", &field)).await;

    answer.is_ok(&format!("{field} text"));
}

#[tokio::test]
async fn credentials_of_two_schemes_are_a_bad_request_and_dpop_alone_is_nothing_sent() {
    // RFC 9449 §7.2: credentials of Bearer and DPoP together are refused
    let dpop = format!("DPoP {}", good());
    let expected = challenge("invalid_request", "There is more than one Authorization field");

    let alone = send(&app(), get("/").field("authorization", &dpop)).await;
    let both = send(&app(), get("/").bearer(good()).field("authorization", &dpop)).await;

    alone.is_refused(401, Some(PLAIN), Reason::MissingToken);
    both.is_refused(400, Some(&expected), Reason::RepeatedAuthorization);
}

#[tokio::test]
async fn head_and_options_are_judged_like_get() {
    // RFC 6750 §3: every method needs a token
    for method in [Method::HEAD, Method::OPTIONS, Method::GET] {
        let app = Router::new().route("/", axum::routing::any(|| async {})).layer(layer());
        let request = || Request::builder().method(&method).uri("/").body(Body::empty()).unwrap();

        send(&app, request()).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        send(&app, request().bearer(good())).await.is_ok("");
    }
}

#[tokio::test]
async fn preflight_is_answered_by_a_cors_layer_outside_and_the_request_itself_is_not() {
    // Fetch: preflights carry no credentials
    let app = app().layer(CorsLayer::permissive());
    let from = |method| {
        let request = Request::builder().method(method).uri("/").body(Body::empty()).unwrap();
        request.field("origin", "https://app.example.com")
    };
    let preflight = from(Method::OPTIONS)
        .field("access-control-request-method", "GET")
        .field("access-control-request-headers", "authorization");

    let answer = send(&app, preflight).await;
    let refused = send(&app, from(Method::GET)).await;

    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains_key("access-control-allow-headers"));
    refused.is_refused(401, Some(PLAIN), Reason::MissingToken);
    assert!(refused.headers.contains_key("access-control-allow-origin"));
    send(&app, from(Method::GET).bearer(good())).await.is_ok("in");
}

#[tokio::test]
async fn no_challenge_has_a_parameter_twice() {
    // RFC 6750 §3: no parameter comes twice
    let app = Router::new()
        .route("/", on_get(|| async {}))
        .route(
            "/scope",
            on_get(|| async {}).layer(require(scope("a b").or(scope("a")).and(scope("a")))),
        )
        .layer(layer().with_realm("orders").unwrap());
    for (request, expected) in [
        (get("/"), &["realm"][..]),
        (get("/").bearer("x"), &["realm", "error", "error_description"]),
        (get("/").field("authorization", ""), &["realm", "error", "error_description"]),
        (get("/scope").bearer(good()), &["realm", "error", "error_description", "scope"]),
    ] {
        let answer = send(&app, request).await;

        // No value of ours holds a comma or an equals sign.
        let parameters = answer.challenge().unwrap().strip_prefix("Bearer ").unwrap().split(", ");
        let names: Vec<_> = parameters.map(|one| one.split_once('=').unwrap().0).collect();
        assert_eq!(names, expected);
    }
}

#[tokio::test]
async fn scopes_are_words_in_any_order_and_in_their_own_case() {
    // RFC 6750 §3: scope is a list of case-sensitive words in any order
    let app = Router::new()
        .route("/", on_get(|| async { "in" }).layer(require(scope("orders:read orders:write"))))
        .layer(layer());
    for (scope, accepted) in [
        ("orders:read orders:write", true),
        ("orders:write orders:read", true),
        ("x  orders:write orders:read orders:write ", true),
        ("orders:read Orders:Write", false),
        ("orders:read\torders:write", false),
        ("orders:read,orders:write", false),
        ("orders:read orders:writer", false),
    ] {
        let answer = send(&app, get("/").bearer(token().claim("scope", scope).sign(&key()))).await;
        if accepted {
            answer.is_ok("in");
        } else {
            assert_eq!(answer.reason, Some(Reason::InsufficientScope), "{scope:?}");
        }
    }
}

// Structure and header of a token.

/// A token of any three segments, with a good signature.
fn signed_segments(header: &str, payload: &str) -> String {
    let input = format!("{header}.{payload}");
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(key().sign(input.as_bytes())))
}

#[tokio::test]
async fn bits_behind_the_last_byte_are_malformed_although_they_are_signed() {
    // RFC 7515 §2: a segment has one spelling
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    // One byte more than a multiple of three leaves four unused bits in the last character.
    let pad = |text: &str| format!("{text}{}", " ".repeat((4 - text.len() % 3) % 3));
    let header = encode(pad(r#"{"alg":"HS256","typ":"at+jwt"}"#));
    let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 60 });
    let payload = encode(pad(&claims.to_string()));
    // Only two bits of the last character are used; its successor differs in one of the others.
    let other = |segment: &str| {
        let (rest, last) = segment.split_at(segment.len() - 1);
        format!("{rest}{}", if last == "A" { 'B' } else { 'R' })
    };

    assert!(verify(&signed_segments(&header, &payload)).await.is_ok());
    for (header, payload) in [
        (&other(&header), &payload),
        (&header, &other(&payload)),
        (&format!("{header}=="), &payload),
        (&header, &format!("{payload}==")),
    ] {
        assert_eq!(reason(&signed_segments(header, payload)).await, Reason::Malformed);
    }
}

#[tokio::test]
async fn any_character_besides_base64url_and_dots_is_malformed() {
    // RFC 8725bis §3.14: any other character is refused
    let good = good();
    let strange = (0..=0x2ff)
        .filter_map(char::from_u32)
        .filter(|c| !c.is_ascii_alphanumeric() && !['-', '_', '.'].contains(c));
    for c in strange {
        let segments: Vec<_> = good.split('.').collect();
        for at in 0..3 {
            let mut segments: Vec<_> = segments.iter().map(|&one| one.to_owned()).collect();
            segments[at].insert(5, c);
            let token = segments.join(".");
            let expected = if at == 1 {
                // A payload is not even looked at before its signature was good.
                Reason::InvalidSignature
            } else {
                Reason::Malformed
            };
            assert_eq!(reason(&token).await, expected, "{c:?} in segment {at}");
            if at == 1 {
                let signed = signed_segments(&segments[0], &segments[1]);
                assert_eq!(reason(&signed).await, Reason::Malformed, "{c:?}");
            }
        }
    }
    assert!(verify(&good).await.is_ok());
}

#[tokio::test]
async fn json_serialisation_is_no_token() {
    // RFC 7515 §7.2: the JSON serialisations are no JWT
    let good = good();
    let parts: Vec<_> = good.split('.').collect();
    let signature = json!({ "protected": parts[0], "signature": parts[2] });
    for json in [
        json!({ "payload": parts[1], "protected": parts[0], "signature": parts[2] }),
        json!({ "payload": parts[1], "signatures": [signature] }),
    ] {
        assert_eq!(reason(&json.to_string()).await, Reason::Malformed);
    }
    assert!(verify(&good).await.is_ok());
}

#[tokio::test]
async fn unsupported_algorithm_is_refused_whatever_it_looks_like() {
    // RFC 7515 §4.1.1: an algorithm that is not supported is refused
    // RFC 9864: Ed448 is not taken for Ed25519
    let ed25519 = key_for(Algorithm::Ed25519);
    let verifier = verifier_of(ed25519.verifying_key());
    for alg in ["Ed448", "ES256K", "ML-DSA-65", "RS1", "ed25519", "Ed25519 ", "", "A256GCM"] {
        let token = token().header("alg", alg).sign(&ed25519);
        let error = verifier.verify(&token).await.unwrap_err();
        assert_eq!(error.reason(), Reason::UnsupportedAlgorithm, "{alg:?}");
    }
    assert!(verifier.verify(&token().sign(&ed25519)).await.is_ok());
}

#[tokio::test]
async fn keys_that_a_token_brings_along_are_not_used() {
    // RFC 7515 §4.1.2: jku is no source of keys
    // RFC 7515 §4.1.3: jwk is no source of keys
    // RFC 7515 §4.1.5: x5u is no source of keys
    // RFC 7515 §4.1.6: x5c is no source of keys
    let own = key_for(Algorithm::ES256);
    let stranger = TestKey::generate(Algorithm::ES256);
    let verifier = verifier_of(own.verifying_key());
    for (name, value) in [
        ("jwk", stranger.to_jwk()),
        ("jku", json!("https://id.example.com/jwks")),
        ("x5u", json!("https://id.example.com/certificate")),
        ("x5c", json!(["MIIB"])),
        ("x5t#S256", json!("bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2")),
    ] {
        let token = token().header(name, value);

        let forged = verifier.verify(&token.sign(&stranger)).await.unwrap_err();

        assert_eq!(forged.reason(), Reason::InvalidSignature, "{name}");
        assert!(verifier.verify(&token.sign(&own)).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn key_id_is_a_hint_and_is_only_compared() {
    // RFC 7515 §4.1.4: kid is a hint
    // RFC 8725bis §3.10: kid is compared and nothing else
    let own = key_for(Algorithm::ES256).with_key_id("k1");
    let stranger = TestKey::generate(Algorithm::ES256).with_key_id("k1");
    let verifier = verifier_of(KeySet::from(own.verifying_key()));

    let forged = verifier.verify(&token().sign(&stranger)).await.unwrap_err();

    assert_eq!(forged.reason(), Reason::InvalidSignature);
    for kid in ["/dev/null", "../k1", "k1\0", "' OR 1=1 --", "https://x.example/k1", "K1", "*"] {
        let token = token().header("kid", kid).sign(&own);
        let error = verifier.verify(&token).await.unwrap_err();
        assert_eq!(error.reason(), Reason::UnknownKey, "{kid}");
    }
    assert!(verifier.verify(&token().sign(&own)).await.is_ok());
}

#[tokio::test]
async fn critical_list_of_any_shape_is_refused() {
    for crit in [
        // RFC 7515 §4.1.11: an empty list
        json!([]),
        // RFC 7515 §4.1.11: a name that comes twice
        json!(["x", "x"]),
        // RFC 7515 §4.1.11: a name that the header does not have
        json!(["y"]),
        // RFC 7515 §4.1.11: a name that JWS or JWA define
        json!(["alg"]),
    ] {
        let token = token().header("x", 1).header("crit", crit.clone()).sign(&key());
        assert_eq!(reason(&token).await, Reason::CriticalHeader, "{crit}");
    }
    assert!(verify(&token().header("x", 1).sign(&key())).await.is_ok());
}

#[tokio::test]
async fn tokens_of_other_registered_types_are_refused() {
    // RFC 9701 §8.1: an introspection response is no access token
    // OIDC Back-Channel Logout §2.4: a logout token is no access token
    // Token Status List §5.1: a status list is no access token
    // RFC 9449 §4.2: a DPoP proof is no access token
    for typ in ["token-introspection+jwt", "logout+jwt", "statuslist+jwt", "dpop+jwt"] {
        for prefix in ["", "application/"] {
            let token = token().header("typ", format!("{prefix}{typ}")).sign(&key());
            assert_eq!(reason(&token).await, Reason::WrongTokenType, "{prefix}{typ}");
        }
    }
    assert!(verify(&token().header("typ", "application/at+jwt").sign(&key())).await.is_ok());
}

// Signatures and keys.

#[tokio::test]
async fn weak_and_incomplete_keys_cost_no_other() {
    // RFC 7517 §5: a key that lacks members is ignored
    // RFC 7517 §5: a key out of the supported range is ignored
    let good = key_for(Algorithm::ES256).with_key_id("good");
    let (rsa, ec) = (key_for(Algorithm::RS256).to_jwk(), good.to_jwk());
    let changed = |jwk: &Value, name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        jwk
    };
    let set = json!({ "keys": [
        { "kty": "RSA", "e": "AQAB" },
        { "kty": "EC", "crv": "P-256", "x": ec["x"] },
        { "kty": "OKP", "crv": "Ed25519" },
        changed(&rsa, "n", json!("AQAB")),
        changed(&rsa, "e", json!("AQ")),
        changed(&ec, "y", ec["x"].clone()),
        ec,
    ]});

    let keys = KeySet::from_jwks(set.to_string()).unwrap();

    let problems: Vec<_> = keys.skipped().iter().map(|key| key.problem.clone()).collect();
    assert!(problems[..3].iter().all(|one| matches!(one, KeyProblem::Unreadable(_))));
    let weak = [KeyProblem::RsaSize { bits: 17 }, KeyProblem::RsaParameters, KeyProblem::Curve];
    assert_eq!(problems[3..], weak);
    assert!(verifier_of(keys).verify(&token().sign(&good)).await.is_ok());
}

#[test]
fn key_id_of_an_issuer_is_the_thumbprint_of_the_rfcs_example() {
    // RFC 7638 §3: the hash of the required members in their order
    let private = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let pkcs8: &[u8] = &[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let der = [pkcs8, &private].concat();
    let key = SigningKey::from_der(Algorithm::Ed25519, der).unwrap();

    let issuer = TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap();

    let key_id = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert_eq!(issuer.verifying_key().key_id(), Some(key_id));
}

#[tokio::test]
async fn algorithm_of_a_key_holds_whatever_its_source_says() {
    // RFC 8725bis §3.1: enforced at the time of use
    /// Hands its key out for every header.
    struct Careless(VerifyingKey);

    impl KeySource for Careless {
        fn lookup(&self, _: &Header) -> Lookup {
            Lookup::Found(self.0.clone().into())
        }
    }
    let rsa = key_for(Algorithm::RS256);
    let verifier = verifier_of(Careless(rsa.verifying_key()));
    // The signature itself is good; only the name of the algorithm is another.
    for alg in ["RS384", "PS256", "HS256", "ES256"] {
        let token = token().header("alg", alg).sign(&rsa);
        let error = verifier.verify(&token).await.unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidSignature, "{alg}");
    }
    assert!(verifier.verify(&token().sign(&rsa)).await.is_ok());
}

#[tokio::test]
async fn keys_and_algorithms_are_those_of_the_issuer() {
    // RFC 8725bis §3.8: keys belong to the issuer
    // RFC 8725bis §3.1: algorithms are allowed for each issuer by itself
    let other = "https://other.example.com";
    let (ours, theirs) = (key_for(Algorithm::HS256), key_for(Algorithm::HS384));
    let first =
        verifier_with(ours.verifying_key(), validation().with_algorithms([Algorithm::HS256]));
    let second = verifier_with(
        theirs.verifying_key(),
        Validation::new(other, AUDIENCE).with_algorithms([Algorithm::HS384]),
    );
    let from = |issuer: &str, key: &TestKey| token().claim("iss", issuer).sign(key);

    for (verifier, token, expected) in [
        (&first, from(ISSUER, &ours), None),
        (&second, from(other, &theirs), None),
        (&first, from(other, &ours), Some(Reason::WrongIssuer)),
        (&second, from(ISSUER, &theirs), Some(Reason::WrongIssuer)),
        (&first, from(ISSUER, &theirs), Some(Reason::AlgorithmNotAllowed)),
        (&second, from(other, &ours), Some(Reason::AlgorithmNotAllowed)),
        (
            &first,
            from(ISSUER, &TestKey::generate(Algorithm::HS256)),
            Some(Reason::InvalidSignature),
        ),
    ] {
        let reason = verifier.verify(&token).await.err().map(|error| error.reason());
        assert_eq!(reason, expected);
    }
}

// Claims.

#[tokio::test]
async fn strings_are_compared_by_code_points() {
    // RFC 7515 §10.13: strings are compared by code points
    let composed = "https://id.example.com/caf\u{e9}";
    let decomposed = "https://id.example.com/cafe\u{301}";
    let verifier = verifier_with(key().verifying_key(), Validation::new(composed, AUDIENCE));
    let claims =
        |issuer: &str| format!(r#"{{"iss":"{issuer}","aud":"{AUDIENCE}","exp":{}}}"#, NOW + 60);
    let verify = |issuer: &str| {
        let token = token().raw_payload(claims(issuer)).sign(&key());
        let verifier = verifier.clone();
        async move { verifier.verify(&token).await.err().map(|error| error.reason()) }
    };

    assert_eq!(verify(composed).await, None);
    // The same code point, written as an escape.
    assert_eq!(verify(r"https:\/\/id.example.com/caf\u00e9").await, None);
    assert_eq!(verify(decomposed).await, Some(Reason::WrongIssuer));
}

#[tokio::test]
async fn signature_is_judged_before_the_claims() {
    // RFC 7519 §7.2: the signature comes before the claims
    let stranger = TestKey::generate(Algorithm::HS256);
    for (token, expected) in [
        (token().claim("exp", 1), Reason::Expired),
        (token().claim("iss", "x"), Reason::WrongIssuer),
        (token().raw_payload("nonsense"), Reason::Malformed),
        (token().claim("email", 1), Reason::ClaimsMismatch),
    ] {
        assert_eq!(reason(&token.sign(&stranger)).await, Reason::InvalidSignature);
        assert_eq!(reason(&token.sign(&key())).await, expected);
    }
}

#[tokio::test]
async fn groups_and_entitlements_count_as_roles_where_that_is_configured() {
    // RFC 9068 §2.2.3.1: roles, groups and entitlements
    let configured = validation().with_roles_at(["roles", "groups", "entitlements"]);
    let verifier = verifier_with(key().verifying_key(), configured);
    let token = token()
        .claim("roles", json!(["a"]))
        .claim("groups", json!(["b"]))
        .claim("entitlements", json!(["c"]))
        .sign(&key());

    let here = verifier.verify(&token).await.unwrap();
    let usual = verify(&token).await.unwrap();

    let roles = |principal: &Principal| -> HashSet<String> {
        principal.grants().roles().map(str::to_owned).collect()
    };
    assert_eq!(roles(here.principal()), ["a", "b", "c"].map(str::to_owned).into());
    assert_eq!(roles(usual.principal()), ["a".to_owned()].into());
}

// Policies.

#[tokio::test]
async fn subject_is_judged_by_the_application() {
    // RFC 8725bis §3.8: whether a subject is valid the application says
    let known = |who: &Principal| who.subject().is_some_and(|subject| subject == "alice");
    let layer = BearerLayer::new(verifier()).with_policy(when(known));
    let app = Router::new()
        .route("/", on_get(|Claims(user): Claims<User>| async move { user.sub.clone().unwrap() }))
        .layer(layer);

    let mallory = send(&app, get("/").bearer(token().claim("sub", "mallory").sign(&key()))).await;

    mallory.is_refused(403, Some(PLAIN), Reason::Forbidden);
    send(&app, get("/").bearer(good())).await.is_ok("alice");
}

#[tokio::test]
async fn authorization_details_are_judged_by_a_policy_over_claims() {
    // RFC 9700 §2.3: authorization_details restrict what a token may do
    #[derive(serde::Deserialize)]
    struct Grant {
        #[serde(default)]
        authorization_details: Vec<Detail>,
    }
    #[derive(serde::Deserialize)]
    struct Detail {
        r#type: String,
        actions: Vec<String>,
    }
    let may_pay = |grant: &Grant| {
        grant.authorization_details.iter().any(|detail| {
            detail.r#type == "payment" && detail.actions.iter().any(|action| action == "initiate")
        })
    };
    let verifier = Verifier::<Grant>::new(key().verifying_key(), validation()).unwrap();
    let app = Router::new()
        .route("/", on_get(|| async { "in" }).layer(require(claims_where(may_pay))))
        .layer(BearerLayer::new(verifier.with_clock(TestClock::at(NOW))));
    let with = |action: &str| {
        let details = json!([{ "type": "payment", "actions": [action] }]);
        token().claim("authorization_details", details).sign(&key())
    };

    for refused in [good(), with("status")] {
        let answer = send(&app, get("/").bearer(refused)).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    }
    send(&app, get("/").bearer(with("initiate"))).await.is_ok("in");
}

#[tokio::test]
async fn wider_scope_is_accepted_where_the_policy_says_so() {
    // MCP: hierarchies of scopes are accounted for
    let read = scope("files:read").or(scope("files:write")).or(scope("files"));
    let app =
        Router::new().route("/", on_get(|| async { "in" }).layer(require(read))).layer(layer());

    for granted in ["files:read", "files:write", "files"] {
        send(&app, get("/").bearer(token().claim("scope", granted).sign(&key()))).await.is_ok("in");
    }
    let answer = send(&app, get("/").bearer(token().claim("scope", "mail").sign(&key()))).await;
    let expected = challenge("insufficient_scope", "The token lacks a scope");
    let expected = format!("{expected}, scope=\"files:read\"");
    answer.is_refused(403, Some(&expected), Reason::InsufficientScope);
}

#[tokio::test]
async fn missing_invalid_and_expired_tokens_are_401_and_a_missing_scope_is_403() {
    // MCP: 401 for tokens that are missing, invalid or expired, 403 for scopes
    let app = Router::new()
        .route("/", on_get(|| async { "in" }).layer(require(scope("files:read"))))
        .layer(layer());
    let expired = token().claim("exp", 1).sign(&key());
    let scope =
        challenge("insufficient_scope", "The token lacks a scope") + ", scope=\"files:read\"";
    for (request, status, challenge, reason) in [
        (get("/"), 401, PLAIN.to_owned(), Reason::MissingToken),
        (
            get("/").bearer("x"),
            401,
            invalid_token("The token cannot be verified"),
            Reason::Malformed,
        ),
        (get("/").bearer(expired), 401, invalid_token("The token has expired"), Reason::Expired),
        (get("/").bearer(good()), 403, scope, Reason::InsufficientScope),
    ] {
        send(&app, request).await.is_refused(status, Some(&challenge), reason);
    }
    let granted = token().claim("scope", "files:read").sign(&key());
    send(&app, get("/").bearer(granted)).await.is_ok("in");
}
