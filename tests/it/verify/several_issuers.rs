//! Tests one layer with several issuers: which keys and rules a token is verified by.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use tokio::task::JoinHandle;
use tower_bearer::keys::KeysState;
use tower_bearer::policy::role;
use tower_bearer::test_util::{Fault, Requests, TestClock, TestKey, TestProvider, TestToken};
use tower_bearer::{
    Algorithm, BearerLayer, ConfigError, Issuers, KeySet, Principal, Reason, RemoteKeys,
    Validation, Verifier, require,
};
use tracing::Level;

use crate::support::log::Log;
use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, PLAIN, User, WithBearer, get, invalid_token, key, key_for, send,
    token, validation,
};

const STAFF: &str = "https://login.example.com/realms/staff";

fn verifier(issuers: &Issuers) -> Verifier<User> {
    Verifier::multi_issuer(issuers)
}

fn app_of(verifier: Verifier<User>) -> Router {
    let whose = |caller: Principal| async move { caller.issuer().to_owned() };
    Router::new()
        .route("/", on_get(whose))
        .route("/admin", on_get(whose).layer(require(role("admin"))))
        .layer(BearerLayer::new(verifier))
}

fn app(issuers: &Issuers) -> Router {
    app_of(verifier(issuers).with_clock(TestClock::at(NOW)))
}

async fn answer_to(app: &Router, token: &str) -> Answer {
    send(app, get("/").bearer(token)).await
}

fn staff_key() -> TestKey {
    key_for(Algorithm::ES256)
}

fn staff_token() -> TestToken {
    TestToken::new(STAFF, "staff-api").at(NOW)
}

fn staff_validation() -> Validation {
    Validation::new(STAFF, "staff-api")
}

/// The usual issuer and another one, each with these rules.
fn two(usual: Validation, staff: Validation) -> Issuers {
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), usual).unwrap();
    issuers.add(staff_key().verifying_key(), staff).unwrap();
    issuers
}

fn usual_and_staff() -> Issuers {
    two(validation(), staff_validation())
}

/// A layer that gets the keys of these over their sockets.
fn remote(providers: &[&TestProvider]) -> (Issuers, Router) {
    let issuers = Issuers::new();
    for provider in providers {
        let keys = RemoteKeys::discover(provider.issuer()).unwrap();
        issuers.add(keys, Validation::new(provider.issuer(), AUDIENCE)).unwrap();
    }
    let app = app_of(verifier(&issuers));
    (issuers, app)
}

/// A request that waits for the keys of a provider that has been asked for them.
async fn waiting(app: &Router, provider: &TestProvider) -> JoinHandle<Answer> {
    let (app, token) = (app.clone(), provider.mint(AUDIENCE));
    let request = tokio::spawn(async move { answer_to(&app, &token).await });
    while provider.requests().metadata == 0 {
        tokio::task::yield_now().await;
    }
    request
}

#[tokio::test]
async fn token_is_accepted_by_the_key_of_the_issuer_it_names_and_by_no_other() {
    // RFC 8414 §6.2: no issuer can pose as another one
    // All of the same algorithm, and of the same name.
    let keys = [TestKey::generate(Algorithm::ES256), TestKey::generate(Algorithm::ES256)]
        .map(|key| key.with_key_id("key-1"));
    let tokens = [token(), staff_token()];
    let issuers = Issuers::new();
    issuers.add(keys[0].verifying_key(), validation()).unwrap();
    issuers.add(keys[1].verifying_key(), staff_validation()).unwrap();
    let app = app(&issuers);

    for (one, token) in tokens.iter().enumerate() {
        for (other, key) in keys.iter().enumerate() {
            let answer = answer_to(&app, &token.sign(key)).await;

            if one == other {
                answer.is_ok([ISSUER, STAFF][one]);
            } else {
                let expected = invalid_token("The token cannot be verified");
                answer.is_refused(401, Some(&expected), Reason::InvalidSignature);
            }
        }
    }
}

#[tokio::test]
async fn audience_is_that_of_the_issuer() {
    let app = app(&usual_and_staff());
    let expected = invalid_token("The token is for another audience");

    let answer = answer_to(&app, &staff_token().claim("aud", AUDIENCE).sign(&staff_key())).await;
    answer.is_refused(401, Some(&expected), Reason::WrongAudience);
    answer_to(&app, &staff_token().sign(&staff_key())).await.is_ok(STAFF);

    let answer = answer_to(&app, &token().claim("aud", "staff-api").sign(&key())).await;
    answer.is_refused(401, Some(&expected), Reason::WrongAudience);
    answer_to(&app, &token().sign(&key())).await.is_ok(ISSUER);
}

#[tokio::test]
async fn algorithms_are_those_of_the_issuer() {
    let expected = invalid_token("The token cannot be verified");
    let (hs256, es256) = ([Algorithm::HS256], [Algorithm::ES256]);

    let own =
        app(&two(validation().with_algorithms(hs256), staff_validation().with_algorithms(es256)));
    answer_to(&own, &token().sign(&key())).await.is_ok(ISSUER);
    answer_to(&own, &staff_token().sign(&staff_key())).await.is_ok(STAFF);

    let swapped =
        app(&two(validation().with_algorithms(es256), staff_validation().with_algorithms(hs256)));
    for token in [token().sign(&key()), staff_token().sign(&staff_key())] {
        let answer = answer_to(&swapped, &token).await;
        answer.is_refused(401, Some(&expected), Reason::AlgorithmNotAllowed);
    }
}

#[tokio::test]
async fn leeway_is_that_of_the_issuer() {
    let app = app(&two(
        validation().with_leeway(Duration::from_secs(100)),
        staff_validation().with_leeway(Duration::ZERO),
    ));
    let expected = invalid_token("The token has expired");

    let expired = NOW - 50;
    answer_to(&app, &token().claim("exp", expired).sign(&key())).await.is_ok(ISSUER);
    let answer = answer_to(&app, &staff_token().claim("exp", expired).sign(&staff_key())).await;
    answer.is_refused(401, Some(&expected), Reason::Expired);
    answer_to(&app, &staff_token().claim("exp", NOW + 1).sign(&staff_key())).await.is_ok(STAFF);
}

#[tokio::test]
async fn kind_of_token_is_that_of_the_issuer() {
    let app = app(&two(validation(), staff_validation().with_at_jwt_only()));
    let expected = invalid_token("The token cannot be verified");
    let staff_token = || staff_token().claim("client_id", "shop").claim("jti", "1");

    answer_to(&app, &token().header("typ", "JWT").sign(&key())).await.is_ok(ISSUER);
    let answer = answer_to(&app, &staff_token().header("typ", "JWT").sign(&staff_key())).await;
    answer.is_refused(401, Some(&expected), Reason::WrongTokenType);
    answer_to(&app, &staff_token().sign(&staff_key())).await.is_ok(STAFF);
}

#[tokio::test]
async fn roles_are_where_the_issuer_has_them() {
    let app = app(&two(validation(), staff_validation().with_roles_at(["/realm_access/roles"])));
    let named = |token: TestToken| token.claim("roles", vec!["admin"]);
    let nested =
        |token: TestToken| token.claim("realm_access", serde_json::json!({ "roles": ["admin"] }));
    for (token, issuer) in [
        (named(token()).sign(&key()), Some(ISSUER)),
        (nested(token()).sign(&key()), None),
        (nested(staff_token()).sign(&staff_key()), Some(STAFF)),
        (named(staff_token()).sign(&staff_key()), None),
    ] {
        let answer = send(&app, get("/admin").bearer(token)).await;

        match issuer {
            Some(issuer) => _ = answer.is_ok(issuer),
            None => _ = answer.is_refused(403, Some(PLAIN), Reason::Forbidden),
        }
    }
}

#[tokio::test]
async fn token_of_an_unknown_issuer_is_refused_and_no_provider_is_asked() {
    let (known, unknown) = (TestProvider::start().await, TestProvider::start().await);
    let (_, app) = remote(&[&known]);
    // With any key id, and signed with any key.
    let tokens = [
        unknown.mint(AUDIENCE),
        known.sign(&unknown.token(AUDIENCE)),
        known.sign(&known.token(AUDIENCE).claim("iss", "")),
    ];

    for token in tokens {
        let expected = invalid_token("The token cannot be verified");
        let answer = answer_to(&app, &token).await;
        answer.is_refused(401, Some(&expected), Reason::WrongIssuer);
    }
    for provider in [&known, &unknown] {
        assert_eq!(provider.requests(), Requests::default());
    }

    answer_to(&app, &known.mint(AUDIENCE)).await.is_ok(known.issuer());
    assert_eq!(known.requests().jwks, 1);
}

#[tokio::test]
async fn issuer_is_one_string_that_stands_there_once() {
    let app = app(&usual_and_staff());
    let payload = |issuer: &str| format!(r#"{{{issuer}"aud":"{AUDIENCE}","exp":{}}}"#, NOW + 60);
    let (missing, invalid) = (Reason::MissingClaim, Reason::InvalidClaim);
    let malformed = Reason::Malformed;
    let expected = invalid_token("The token cannot be verified");
    for (issuer, reason) in [
        (String::new(), missing),
        (r#""iss":null,"#.to_owned(), invalid),
        (r#""iss":7,"#.to_owned(), invalid),
        (format!(r#""iss":["{ISSUER}"],"#), invalid),
        (format!(r#""iss":{{"{ISSUER}":1}},"#), invalid),
        (format!(r#""iss":"{ISSUER}","iss":"{ISSUER}","#), malformed),
        (format!(r#""iss":"{ISSUER}","iss":"{STAFF}","#), malformed),
        (format!(r#""iss":"{STAFF}","\u0069ss":"{ISSUER}","#), malformed),
    ] {
        let token = token().raw_payload(payload(&issuer)).sign(&key());

        let answer = answer_to(&app, &token).await;

        answer.is_refused(401, Some(&expected), reason);
    }
    for issuer in [format!(r#""iss":"{ISSUER}","#), format!(r#""\u0069ss" : "{ISSUER}","#)] {
        let token = token().raw_payload(payload(&issuer)).sign(&key());

        answer_to(&app, &token).await.is_ok(ISSUER);
    }
}

#[tokio::test]
async fn issuer_is_compared_to_the_letter() {
    // RFC 9068 §4: iss is the issuer to the letter
    let issuers = Issuers::new();
    let with_slash = format!("{ISSUER}/");
    issuers.add(key().verifying_key(), Validation::new(&with_slash, AUDIENCE)).unwrap();
    let app = app(&issuers);
    let of = |issuer: &str| token().claim("iss", issuer).sign(&key());

    for other in [
        ISSUER,
        "https://id.example.com//",
        "https://ID.example.com/",
        "https://id.example.com:443/",
        "HTTPS://id.example.com/",
        " https://id.example.com/",
        "https://id.example.com/\u{0}",
        "https://id\u{2024}example.com/",
    ] {
        let expected = invalid_token("The token cannot be verified");
        let answer = answer_to(&app, &of(other)).await;
        answer.is_refused(401, Some(&expected), Reason::WrongIssuer);
    }
    answer_to(&app, &of(&with_slash)).await.is_ok(&with_slash);

    issuers.add(key().verifying_key(), validation()).unwrap();
    answer_to(&app, &of(ISSUER)).await.is_ok(ISSUER);
}

#[tokio::test]
async fn nothing_but_the_issuer_matters_before_the_signature_is_good() {
    let app = app(&usual_and_staff());
    let forged = invalid_token("The token cannot be verified");
    let stranger = TestKey::generate(Algorithm::HS256);
    for (token, status, reason) in [
        (token().claim("exp", 1), 401, Reason::Expired),
        (token().claim("exp", "soon"), 401, Reason::InvalidClaim),
        (token().without("exp"), 401, Reason::MissingClaim),
        (token().claim("nbf", NOW + 1_000), 401, Reason::NotYetValid),
        (token().claim("aud", "others"), 401, Reason::WrongAudience),
        (token().claim("nonce", "n").without_header("typ"), 401, Reason::WrongTokenType),
        (token().claim("cnf", serde_json::json!({ "jkt": "x" })), 401, Reason::BoundToken),
        (token().claim("email", 7), 403, Reason::ClaimsMismatch),
    ] {
        let answer = answer_to(&app, &token.sign(&stranger)).await;
        answer.is_refused(401, Some(&forged), Reason::InvalidSignature);

        let answer = answer_to(&app, &token.sign(&key())).await;
        assert_eq!((answer.status.as_u16(), answer.reason), (status, Some(reason)));
    }
}

#[tokio::test]
async fn unsigned_tokens_cannot_tell_configured_issuers_from_others() {
    let named = key().with_key_id("known");
    let issuers = Issuers::new();
    let rules = validation().with_algorithms([Algorithm::HS256]).with_at_jwt_only();
    issuers.add(named.verifying_key(), rules).unwrap();
    let app = app(&issuers);
    let stranger = TestKey::generate(Algorithm::HS256).with_key_id("known");
    let claimed = |issuer: &str| token().claim("iss", issuer);
    let mut seen = Vec::new();

    for issuer in [ISSUER, "https://other.example.com", "https://id.example.com/"] {
        for (what, token) in [
            ("forged", claimed(issuer).sign(&stranger)),
            ("of an unknown key", claimed(issuer).sign(&stranger.clone().with_key_id("x"))),
            ("of another algorithm", claimed(issuer).header("alg", "RS256").sign(&stranger)),
            ("of another kind", claimed(issuer).header("typ", "JWT").sign(&stranger)),
            ("without an algorithm", claimed(issuer).header("alg", "none").sign(&stranger)),
            ("critical", claimed(issuer).header("crit", "x").sign(&stranger)),
        ] {
            let answer = answer_to(&app, &token).await;
            let wire = (answer.status.as_u16(), format!("{:?}", answer.headers), answer.body);
            seen.push((what, answer.reason, wire));
        }
    }

    let expected = invalid_token("The token cannot be verified");
    for (what, reason, wire) in &seen {
        assert_eq!(*wire, seen[0].2, "{what} {reason:?}");
        assert!(wire.0 == 401 && wire.1.contains(&expected.replace('"', "\\\"")), "{wire:?}");
    }
    // The log can.
    let reasons: Vec<_> = seen.iter().filter_map(|(_, reason, _)| *reason).collect();
    for reason in [
        Reason::InvalidSignature,
        Reason::UnknownKey,
        Reason::AlgorithmNotAllowed,
        Reason::WrongTokenType,
        Reason::WrongIssuer,
    ] {
        assert!(reasons.contains(&reason), "{reason}");
    }
    let good = token().claim("client_id", "shop").sign(&named);
    answer_to(&app, &good).await.is_ok(ISSUER);
}

#[tokio::test]
async fn token_that_was_signed_is_told_what_is_wrong_with_it() {
    let app = app(&usual_and_staff());
    for (token, reason, description) in [
        (token().claim("aud", "x"), Reason::WrongAudience, "The token is for another audience"),
        (token().claim("nonce", "x"), Reason::WrongTokenType, "The token is not an access token"),
        (token().without("exp"), Reason::MissingClaim, "The token lacks a claim"),
        (token().claim("exp", "x"), Reason::InvalidClaim, "A claim of the token is invalid"),
    ] {
        let answer = answer_to(&app, &token.sign(&key())).await;
        answer.is_refused(401, Some(&invalid_token(description)), reason);
    }
}

#[tokio::test]
async fn without_issuers_every_token_is_refused() {
    let issuers = Issuers::new();
    let app = app(&issuers);

    let expected = invalid_token("The token cannot be verified");
    let answer = answer_to(&app, &token().sign(&key())).await;
    answer.is_refused(401, Some(&expected), Reason::WrongIssuer);

    issuers.add(key().verifying_key(), validation()).unwrap();
    answer_to(&app, &token().sign(&key())).await.is_ok(ISSUER);
}

#[tokio::test]
async fn provider_that_does_not_answer_stops_no_other() {
    for fault in [Fault::Hang, Fault::Down] {
        let (ill, well) = (TestProvider::start().await, TestProvider::start().await);
        ill.set_fault(fault);
        let (issuers, app) = remote(&[&ill, &well]);
        let waits = tokio::spawn({
            let (app, token) = (app.clone(), ill.mint(AUDIENCE));
            async move { answer_to(&app, &token).await }
        });
        tokio::task::yield_now().await;

        for _ in 0..3 {
            answer_to(&app, &well.mint(AUDIENCE)).await.is_ok(well.issuer());
        }

        assert_eq!(well.requests().jwks, 1);
        if fault == Fault::Hang {
            assert!(!waits.is_finished());
            while ill.requests().metadata == 0 {
                tokio::task::yield_now().await;
            }
        } else {
            waits.await.unwrap().is_refused(503, None, Reason::KeysUnavailable);
        }
        let ready: Vec<_> = issuers.status().iter().map(|(_, keys)| keys.is_ready()).collect();
        assert_eq!(ready.iter().filter(|ready| **ready).count(), 1);

        ill.heal();
        let healed = loop {
            let answer = answer_to(&app, &ill.mint(AUDIENCE)).await;
            if answer.status != 503 {
                break answer;
            }
            tokio::task::yield_now().await;
        };
        healed.is_ok(ill.issuer());
    }
}

#[tokio::test]
async fn issuers_come_and_go_from_one_request_to_the_next() {
    let issuers = Issuers::new();
    let app = app(&issuers);
    let gone = invalid_token("The token cannot be verified");
    for _ in 0..3 {
        issuers.add(key().verifying_key(), validation()).unwrap();
        issuers.add(staff_key().verifying_key(), staff_validation()).unwrap();
        answer_to(&app, &token().sign(&key())).await.is_ok(ISSUER);
        answer_to(&app, &staff_token().sign(&staff_key())).await.is_ok(STAFF);

        assert!(issuers.remove(STAFF));

        let answer = answer_to(&app, &staff_token().sign(&staff_key())).await;
        answer.is_refused(401, Some(&gone), Reason::WrongIssuer);
        answer_to(&app, &token().sign(&key())).await.is_ok(ISSUER);
        assert!(!issuers.remove(STAFF));
        assert_eq!(issuers.names(), [ISSUER]);
        assert!(issuers.remove(ISSUER));
    }
}

#[tokio::test]
async fn request_that_waits_for_keys_is_refused_when_its_issuer_goes() {
    let provider = TestProvider::start().await;
    provider.set_metadata_fault(Fault::SlowHeaders(Duration::from_millis(50)));
    let (issuers, app) = remote(&[&provider]);
    let request = waiting(&app, &provider).await;

    issuers.remove(provider.issuer());

    let expected = invalid_token("The token cannot be verified");
    let answer = request.await.unwrap();
    answer.is_refused(401, Some(&expected), Reason::WrongIssuer);
}

#[tokio::test]
async fn request_that_waits_for_keys_is_served_when_its_issuer_stays() {
    let (provider, other) = (TestProvider::start().await, TestProvider::start().await);
    provider.set_metadata_fault(Fault::SlowHeaders(Duration::from_millis(50)));
    let (issuers, app) = remote(&[&provider, &other]);
    let request = waiting(&app, &provider).await;

    issuers.remove(other.issuer());

    request.await.unwrap().is_ok(provider.issuer());
}

#[tokio::test]
async fn request_that_waits_for_keys_is_judged_by_the_rules_that_are_there_when_they_come() {
    let refused = invalid_token("The token cannot be verified");
    for (algorithm, accepted) in [(Algorithm::EdDSA, false), (Algorithm::ES256, true)] {
        let provider = TestProvider::start().await;
        provider.set_metadata_fault(Fault::SlowHeaders(Duration::from_millis(50)));
        let (issuers, app) = remote(&[&provider]);
        let request = waiting(&app, &provider).await;

        issuers.remove(provider.issuer());
        let rules = Validation::new(provider.issuer(), AUDIENCE).with_algorithms([algorithm]);
        issuers.add(KeySet::from_jwks(provider.jwks()).unwrap(), rules).unwrap();

        let answer = request.await.unwrap();
        if accepted {
            answer.is_ok(provider.issuer());
        } else {
            answer.is_refused(401, Some(&refused), Reason::AlgorithmNotAllowed);
        }
    }
}

#[tokio::test]
async fn request_that_waits_for_keys_waits_for_those_its_issuer_has_come_back_with() {
    let provider = TestProvider::start().await;
    provider.set_metadata_fault(Fault::SlowHeaders(Duration::from_millis(50)));
    let (issuers, app) = remote(&[&provider]);
    let request = waiting(&app, &provider).await;

    issuers.remove(provider.issuer());
    let keys = RemoteKeys::discover(provider.issuer()).unwrap();
    issuers.add(keys, Validation::new(provider.issuer(), AUDIENCE)).unwrap();

    request.await.unwrap().is_ok(provider.issuer());
    assert_eq!(provider.requests().metadata, 2);
}

#[tokio::test]
async fn issuer_is_added_once_and_keeps_what_it_was_added_with() {
    let issuers = usual_and_staff();

    let error = issuers.add(staff_key().verifying_key(), validation()).unwrap_err();

    assert_eq!(error, ConfigError::RepeatedIssuer { issuer: ISSUER.to_owned() });
    answer_to(&app(&issuers), &token().sign(&key())).await.is_ok(ISSUER);
    issuers.remove(ISSUER);
    issuers.add(staff_key().verifying_key(), validation()).unwrap();
    answer_to(&app(&issuers), &token().sign(&staff_key())).await.is_ok(ISSUER);
}

#[test]
fn issuer_with_impossible_rules_is_not_added() {
    let issuers = Issuers::new();

    let error = issuers.add(key().verifying_key(), Validation::new("", AUDIENCE)).unwrap_err();

    assert_eq!(error, ConfigError::EmptyIssuer);
    assert!(issuers.names().is_empty());
}

#[tokio::test]
async fn log_does_not_repeat_an_unverified_issuer() {
    let (log, _guard) = Log::of_this_thread();
    let app = app(&usual_and_staff());
    let stranger = "https://stranger.example/a-secret";

    for token in [
        token().claim("iss", stranger).sign(&key()),
        token().claim("iss", vec![stranger]).sign(&key()),
    ] {
        assert_eq!(answer_to(&app, &token).await.status, 401);
    }

    assert_eq!(log.events().len(), 2);
    for (level, text) in log.events() {
        assert_eq!(level, Level::DEBUG);
        assert!(!text.contains("stranger") && !text.contains("a-secret"), "{text}");
    }
    assert_eq!(log.about("reason=\"wrong_issuer\"").len(), 1);
}

#[tokio::test]
async fn status_tells_of_each_issuer_whose_source_can_tell() {
    let (one, other) = (TestProvider::start().await, TestProvider::start().await);
    let (issuers, app) = remote(&[&one, &other]);
    issuers.add(key().verifying_key(), validation()).unwrap();
    answer_to(&app, &one.mint(AUDIENCE)).await.is_ok(one.issuer());

    let status = issuers.status();

    let mut expected = [
        (one.issuer().to_owned(), KeysState::Fresh),
        (other.issuer().to_owned(), KeysState::Missing),
    ];
    expected.sort_by(|(one, _), (other, _)| one.cmp(other));
    let seen: Vec<_> = status.iter().map(|(issuer, keys)| (issuer.clone(), keys.state())).collect();
    assert_eq!(seen, expected);
    assert!(status.iter().all(|(issuer, keys)| keys.source() == issuer));
}

#[test]
fn status_of_a_set_says_how_many_keys_it_has_and_whether_it_has_any() {
    let issuers = Issuers::new();
    issuers.add(Arc::new(KeySet::from(key().verifying_key())), validation()).unwrap();
    issuers.add(KeySet::default(), staff_validation()).unwrap();

    let status = issuers.status();

    let seen: Vec<_> = status
        .iter()
        .map(|(issuer, keys)| (&**issuer, keys.source(), keys.state(), keys.keys()))
        .collect();
    assert_eq!(
        seen,
        [(ISSUER, "fixed", KeysState::Fresh, 1), (STAFF, "fixed", KeysState::Missing, 0)]
    );
}

#[tokio::test]
async fn thousand_issuers_are_told_apart() {
    let issuer = |number: usize| format!("https://login.example.com/tenants/{number}");
    let key = |number: usize| {
        TestKey::from_secret(
            Algorithm::HS256,
            format!("secret of the tenant {number:032}").as_bytes(),
        )
    };
    let of = |number: usize| TestToken::new(&issuer(number), AUDIENCE).at(NOW);
    let issuers = Issuers::new();
    for number in 0..1_000 {
        let rules = Validation::new(issuer(number), AUDIENCE);
        issuers.add(key(number).verifying_key(), rules).unwrap();
    }
    let app = app(&issuers);

    for number in [0, 1, 499, 998, 999] {
        answer_to(&app, &of(number).sign(&key(number))).await.is_ok(&issuer(number));
        let forged = of(number).sign(&key((number + 1) % 1_000));
        let expected = invalid_token("The token cannot be verified");
        let answer = answer_to(&app, &forged).await;
        answer.is_refused(401, Some(&expected), Reason::InvalidSignature);
    }
    assert_eq!(issuers.names().len(), 1_000);
}
