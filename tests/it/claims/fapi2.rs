//! Tests the rules of FAPI 2.0, and what a layer needs beside them.

use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use http::Method;
use serde_json::json;
use tower_bearer::dpop::{Dpop, DpopKey};
use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
use tower_bearer::revocation::MemoryRevocations;
use tower_bearer::source::HeaderToken;
use tower_bearer::test_util::{TestClock, TestToken};
use tower_bearer::validation::Preset;
use tower_bearer::{
    Algorithm, BearerLayer, ConfigError, Issuers, Principal, Reason, Validation, Verifier,
};

use crate::support::{AUDIENCE, NOW, User, WithBearer, get, key_for, send, token, validation};

const KEY: Algorithm = Algorithm::ES256;

fn rules() -> Validation {
    validation().with_preset(Preset::Fapi2)
}

fn verifier() -> Verifier<User> {
    let verifier = Verifier::new(key_for(KEY).verifying_key(), rules()).unwrap();
    verifier.with_clock(TestClock::at(NOW)).with_revocations(MemoryRevocations::new())
}

fn dpop() -> Dpop {
    let algorithms = [Algorithm::PS256, Algorithm::ES256, Algorithm::Ed25519];
    Dpop::new(AUDIENCE).unwrap().with_algorithms(algorithms).unwrap()
}

fn app(layer: BearerLayer<User>) -> Router {
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    Router::new().route("/", on_get(name)).layer(layer)
}

fn client() -> DpopKey {
    DpopKey::generate(KEY).unwrap()
}

fn bound_to(client: &DpopKey) -> TestToken {
    let token = token().header("typ", "at+jwt").claim("jti", "1");
    token.claim("cnf", json!({"jkt": client.thumbprint()}))
}

async fn answer(app: &Router, client: &DpopKey, token: TestToken) -> (u16, Option<Reason>) {
    let token = token.sign(&key_for(KEY));
    let uri = format!("{AUDIENCE}/");
    let proof = client.proof(&Method::GET, &uri).with_token(&token).sign().unwrap();
    let request = get("/").field("authorization", format!("DPoP {token}")).field("dpop", proof);
    let answer = send(app, request).await;
    (answer.status.as_u16(), answer.reason)
}

#[tokio::test]
async fn bound_access_token_is_accepted_and_every_other_token_is_refused() {
    let client = client();
    let layer = BearerLayer::new(verifier()).with_dpop(dpop()).with_fapi2().unwrap();
    let app = app(layer);

    assert_eq!(answer(&app, &client, bound_to(&client)).await, (200, None));
    for (token, reason) in [
        (bound_to(&client).without("cnf"), Reason::UnboundToken),
        (bound_to(&client).header("typ", "JWT"), Reason::WrongTokenType),
        // Dates that are 10 s ahead are accepted, and those that are more than 60 s ahead are not.
        (bound_to(&client).claim("iat", NOW + 61), Reason::NotYetValid),
        (bound_to(&client).claim("nbf", NOW + 61), Reason::NotYetValid),
        // What could not be revoked.
        (bound_to(&client).without("jti"), Reason::MissingClaim),
    ] {
        assert_eq!(answer(&app, &client, token).await, (401, Some(reason)));
    }
    let ahead = bound_to(&client).claim("iat", NOW + 10).claim("nbf", NOW + 10);
    assert_eq!(answer(&app, &client, ahead).await, (200, None));
}

#[tokio::test]
async fn algorithms_are_those_of_the_profile() {
    for algorithm in Algorithm::ALL {
        let key = key_for(algorithm);
        let verifier = Verifier::<User>::new(key.verifying_key(), rules()).unwrap();
        let verifier = verifier.with_clock(TestClock::at(NOW));
        let client = client();
        let app = app(BearerLayer::new(verifier).with_dpop(dpop()));
        let token = bound_to(&client).sign(&key);
        let uri = format!("{AUDIENCE}/");
        let proof = client.proof(&Method::GET, &uri).with_token(&token).sign().unwrap();
        let request = get("/").field("authorization", format!("DPoP {token}")).field("dpop", proof);

        let answer = send(&app, request).await;

        let is_allowed = ["PS256", "ES256", "Ed25519", "EdDSA"].contains(&algorithm.as_str());
        let reason = (!is_allowed).then_some(Reason::AlgorithmNotAllowed);
        assert_eq!(answer.reason, reason, "{algorithm}");
    }
}

fn missing(error: ConfigError) -> Vec<&'static str> {
    let ConfigError::Fapi2 { missing } = error else { panic!("{error}") };
    missing
}

#[test]
fn option_that_contradicts_the_profile_is_a_mistake() {
    let seconds = Duration::from_secs;
    let of = |rules: Validation| Verifier::<User>::new(key_for(KEY).verifying_key(), rules);
    for (rules, what) in [
        (rules().with_algorithms([Algorithm::ES256, Algorithm::RS256]), "no algorithms but PS256"),
        (rules().with_leeway(seconds(9)), "a leeway of 10 to 60 seconds"),
        (rules().with_leeway(seconds(61)), "a leeway of 10 to 60 seconds"),
        (rules().dangerous().accept_any_kind(), "access tokens alone"),
        (rules().dangerous().accept_bound_tokens(), "access tokens alone"),
        (rules().dangerous().accept_missing_issuer(), "tokens with `iss`"),
        (rules().dangerous().accept_missing_expiry(), "tokens with `iss`"),
        (rules().dangerous().accept_unrevocable_tokens(), "tokens with `iss`"),
        (rules().dangerous().accept_any_audience(), "tokens with an audience"),
        (rules().with_client_id_as_audience(), "tokens with an audience"),
    ] {
        let error = of(rules).unwrap_err();
        assert!(error.to_string().starts_with("FAPI 2.0 needs "), "{error}");
        let missing = missing(error);
        assert!(missing.len() == 1 && missing[0].starts_with(what), "{missing:?}");
    }
    for good in [
        rules(),
        rules().with_algorithms([Algorithm::EdDSA]),
        rules().with_leeway(seconds(10)),
        rules().with_leeway(seconds(60)),
    ] {
        assert!(of(good).is_ok());
    }
}

#[tokio::test]
async fn layer_says_everything_that_is_missing() {
    let rules = "`Preset::Fapi2` in the rules of every issuer and authenticator";
    let binding = "a binding, by which tokens are bound to a key (`with_dpop`)";
    let revocations =
        "revocations (`Verifier::with_revocations`), or introspection of all tokens, JWTs too";
    let header = "tokens in the `Authorization` field alone";
    let proofs = "proofs by PS256, ES256 or Ed25519, made 10 to 60 seconds ahead at the most";
    let required = "a token in every request";
    let plain = || Verifier::<User>::new(key_for(KEY).verifying_key(), validation()).unwrap();
    let unrevoked = || Verifier::<User>::new(key_for(KEY).verifying_key(), self::rules()).unwrap();
    let field = http::HeaderName::from_static("x-token");
    let introspection = |tokens| {
        let client = ClientAuthentication::client_secret_basic("api", "secret");
        let url = "https://id.example.com/introspect";
        Introspection::new(url, client, tokens).unwrap()
    };
    let introspected = |tokens, rules| {
        let layer = BearerLayer::new(unrevoked()).with_dpop(dpop().with_bearer_allowed());
        layer.with_authenticator(introspection(tokens), rules).unwrap()
    };
    let several = Issuers::new();
    let none = Verifier::<User>::multi_issuer(&several);
    several.add(key_for(KEY).verifying_key(), self::rules()).unwrap();
    let one = Verifier::<User>::multi_issuer(&several);
    let other = Validation::new("https://other.example.com", AUDIENCE);
    let with_other = Issuers::new();
    with_other.add(key_for(KEY).verifying_key(), self::rules()).unwrap();
    with_other.add(key_for(KEY).verifying_key(), other).unwrap();

    for (layer, lacks) in [
        (BearerLayer::new(plain()), vec![rules, binding, revocations]),
        (BearerLayer::new(unrevoked()).with_dpop(dpop()), vec![revocations]),
        (BearerLayer::new(verifier()), vec![binding]),
        (BearerLayer::new(verifier()).with_dpop(Dpop::new(AUDIENCE).unwrap()), vec![proofs]),
        (
            BearerLayer::new(verifier())
                .with_dpop(dpop().with_max_ahead(Duration::from_secs(61)).unwrap()),
            vec![proofs],
        ),
        // JWTs are not introspected.
        (introspected(OpaqueTokens::by_shape(), self::rules()), vec![revocations]),
        (introspected(OpaqueTokens::all(), validation()), vec![rules]),
        (
            BearerLayer::new(verifier())
                .with_dpop(dpop())
                .with_source(HeaderToken::new(field.clone())),
            vec![header],
        ),
        (
            BearerLayer::new(verifier())
                .with_dpop(dpop())
                .with_source_instead(HeaderToken::new(field)),
            vec![header],
        ),
        (BearerLayer::new(verifier()).with_dpop(dpop()).with_optional_token(), vec![required]),
        (
            BearerLayer::new(Verifier::multi_issuer(&with_other)).with_dpop(dpop()),
            vec![rules, revocations],
        ),
        (
            BearerLayer::new(Verifier::multi_issuer(&Issuers::new())).with_dpop(dpop()),
            vec![rules, revocations],
        ),
    ] {
        assert_eq!(missing(layer.with_fapi2().unwrap_err()), lacks);
    }
    for good in [
        BearerLayer::new(verifier()).with_dpop(dpop()),
        BearerLayer::new(one.with_revocations(MemoryRevocations::new())).with_dpop(dpop()),
        BearerLayer::new(none.with_revocations(MemoryRevocations::new())).with_dpop(dpop()),
        introspected(OpaqueTokens::all(), self::rules()),
    ] {
        assert!(good.with_fapi2().is_ok());
    }
}

#[tokio::test]
async fn rules_refuse_every_token_where_no_layer_asks_for_proofs() {
    let client = client();
    let app = app(BearerLayer::new(verifier()));
    let token = bound_to(&client).sign(&key_for(KEY));

    let bound = send(&app, get("/").bearer(token)).await;
    let unbound =
        send(&app, get("/").bearer(bound_to(&client).without("cnf").sign(&key_for(KEY)))).await;

    assert_eq!((bound.status.as_u16(), bound.reason), (401, Some(Reason::BoundToken)));
    assert_eq!((unbound.status.as_u16(), unbound.reason), (401, Some(Reason::UnboundToken)));
}
