use std::time::Duration;

use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL};
use tower_bearer::dpop::{Nonces, ProofId, ProofUse, ReplayCheck, ReplayStore};
use tower_bearer::keys::KeyProblem;
use tower_bearer::policy::role;
use tower_bearer::{ConfigError, require};

use super::*;
use crate::support::{get, send};

const SECRET: [u8; 32] = *b"a secret of thirty-two bytes, so";

fn app_at(clock: &TestClock) -> Router {
    let nonces = Nonces::from_secret(SECRET).unwrap();
    let dpop = Dpop::new(ORIGIN).unwrap().with_nonces(nonces).with_clock(clock.clone());
    let verifier = crate::support::verifier();
    app(BearerLayer::new(verifier).with_dpop(dpop))
}

fn nonce_of(answer: &Answer) -> Option<String> {
    let nonces: Vec<_> = answer.headers.get_all("dpop-nonce").iter().collect();
    assert!(nonces.len() <= 1, "{answer:?}");
    let nonce = nonces.first()?.to_str().unwrap().to_owned();
    assert!(
        nonce.len() >= 22
            && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
    assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers[ACCESS_CONTROL_EXPOSE_HEADERS], "DPoP-Nonce, WWW-Authenticate");
    Some(nonce)
}

async fn with_nonce(app: &Router, nonce: Option<&str>) -> Answer {
    let proof = match nonce {
        Some(nonce) => Proof::good().claim("nonce", nonce),
        None => Proof::good(),
    };
    send(app, with_proof(&bound(), proof.sign())).await
}

#[tokio::test]
async fn proof_without_the_nonce_of_the_server_is_told_it_and_accepted_with_it() {
    // RFC 9449 §9: a missing nonce is 401 use_dpop_nonce with one
    // RFC 9449 §11.3: once a nonce was given, a proof needs one
    // RFC 9449 §8: refusals that carry a nonce are no-store
    // RFC 9449 §4.3: nonce is the one that was given
    // RFC 9449 §8: there is one DPoP-Nonce at most, of its characters
    // RFC 9449 §8: answers with a nonce are not cached, and browsers may read it
    let app = app_at(&TestClock::at(NOW));

    let refused = with_nonce(&app, None).await;
    is_refused(&refused, Reason::NonceNeeded);
    let nonce = nonce_of(&refused).unwrap();

    let accepted = with_nonce(&app, Some(&nonce)).await;
    accepted.is_ok("alice");
    assert_eq!(nonce_of(&accepted), None, "the client has it");

    // RFC 9449 §8: a nonce that is not exactly a recent one is refused
    for wrong in
        ["", "x", &nonce[1..], &format!("{nonce}A"), &nonce.to_lowercase(), &format!(" {nonce}")]
    {
        let answer = with_nonce(&app, Some(wrong)).await;
        is_refused(&answer, Reason::NonceNeeded);
        assert_eq!(nonce_of(&answer).as_ref(), Some(&nonce));
    }
}

#[tokio::test]
async fn nonce_becomes_old_and_the_next_one_comes_with_an_answer_before_that() {
    // RFC 9449 §8.2: a new nonce may come with a 200
    let clock = TestClock::at(NOW);
    let app = app_at(&clock);
    let first = nonce_of(&with_nonce(&app, None).await).unwrap();

    clock.advance(Duration::from_secs(60));
    let renewed = with_nonce(&app, Some(&first)).await;
    renewed.is_ok("alice");
    let second = nonce_of(&renewed).unwrap();
    assert_ne!(first, second);
    let current = with_nonce(&app, Some(&second)).await;
    current.is_ok("alice");
    assert_eq!(nonce_of(&current), None);

    clock.advance(Duration::from_secs(60));
    let old = with_nonce(&app, Some(&first)).await;
    is_refused(&old, Reason::NonceNeeded);
    let third = nonce_of(&old).unwrap();
    with_nonce(&app, Some(&second)).await.is_ok("alice");
    with_nonce(&app, Some(&third)).await.is_ok("alice");
}

#[tokio::test]
async fn nodes_with_one_secret_accept_the_nonces_of_each_other_though_their_clocks_differ() {
    let (early, late) = (TestClock::at(NOW - 50), TestClock::at(NOW + 10));
    let nodes = [app_at(&early), app_at(&late)];
    for (one, other) in [(0, 1), (1, 0)] {
        let nonce = nonce_of(&with_nonce(&nodes[one], None).await).unwrap();
        with_nonce(&nodes[other], Some(&nonce)).await.is_ok("alice");
    }
    // RFC 9449 §8: nonces cannot be predicted
    let stranger = Nonces::from_secret([7; 32]).unwrap();
    let stranger = app(layer().with_dpop(dpop().with_nonces(stranger)));
    let nonce = nonce_of(&with_nonce(&stranger, None).await).unwrap();
    is_refused(&with_nonce(&nodes[0], Some(&nonce)).await, Reason::NonceNeeded);
    let generated = app(layer().with_dpop(dpop().with_nonces(Nonces::generate().unwrap())));
    let other = nonce_of(&with_nonce(&generated, None).await).unwrap();
    assert_ne!(nonce, other);
    with_nonce(&generated, Some(&other)).await.is_ok("alice");
}

#[tokio::test]
async fn clock_of_the_client_does_not_count_beside_a_nonce_and_its_proof_is_still_used_once() {
    let app = app_at(&TestClock::at(NOW));
    let nonce = nonce_of(&with_nonce(&app, None).await).unwrap();
    for iat in [0, NOW - 86_400, NOW + 86_400] {
        let proof = Proof::good().claim("iat", iat).claim("exp", iat + 120).claim("nonce", &*nonce);
        let proof = proof.sign();
        send(&app, with_proof(&bound(), &proof)).await.is_ok("alice");
        is_refused(&send(&app, with_proof(&bound(), &proof)).await, Reason::ReplayedProof);
    }
}

#[tokio::test]
async fn every_refusal_of_a_proof_has_the_nonce_and_no_other_answer() {
    let app = app_at(&TestClock::at(NOW));
    let nonce = nonce_of(&with_nonce(&app, None).await).unwrap();
    let without = get("/").field("authorization", format!("DPoP {}", bound()));
    for request in [
        without,
        with_proof(&bound(), "x"),
        with_proof(&bound(), Proof::good().claim("nonce", &*nonce).claim("htm", "PUT").sign()),
    ] {
        let answer = send(&app, request).await;
        assert_eq!(answer.status, 401);
        assert_eq!(nonce_of(&answer).as_ref(), Some(&nonce));
    }
    let used = Proof::good().claim("nonce", &*nonce).sign();
    assert_eq!(nonce_of(&send(&app, with_proof(&bound(), &used)).await), None);
    let replayed = send(&app, with_proof(&bound(), &used)).await;
    is_refused(&replayed, Reason::ReplayedProof);
    assert_eq!(nonce_of(&replayed).as_ref(), Some(&nonce));
    for request in [get("/"), get("/").bearer(bound())] {
        assert_eq!(nonce_of(&send(&app, request).await), None);
    }
}

#[tokio::test]
async fn new_nonce_is_in_the_answer_of_a_guard_and_of_the_layers_policy_too() {
    let clock = TestClock::at(NOW);
    let nonces = Nonces::from_secret(SECRET).unwrap();
    let dpop = Dpop::new(ORIGIN).unwrap().with_nonces(nonces).with_clock(clock.clone());
    let guarded = any(async || "in").layer(require(role("admin")));
    let inside = Router::new().route("/", guarded).layer(layer().with_dpop(dpop.clone()));
    let policy = layer().with_policy(role("admin")).with_dpop(dpop);
    for app in [inside, app(policy)] {
        clock.set(NOW);
        let nonce = nonce_of(&with_nonce(&app, None).await).unwrap();

        clock.advance(Duration::from_secs(60));
        let answer = with_nonce(&app, Some(&nonce)).await;

        answer.is_refused(403, Some(&plain()), Reason::Forbidden);
        assert!(nonce_of(&answer).is_some());
    }
}

#[tokio::test]
async fn lifetime_of_nonces_is_heeded() {
    let clock = TestClock::at(NOW);
    let nonces =
        Nonces::from_secret(SECRET).unwrap().with_lifetime(Duration::from_secs(600)).unwrap();
    let dpop = Dpop::new(ORIGIN).unwrap().with_nonces(nonces).with_clock(clock.clone());
    let app = app(layer().with_dpop(dpop));
    let nonce = nonce_of(&with_nonce(&app, None).await).unwrap();

    clock.advance(Duration::from_secs(599));
    with_nonce(&app, Some(&nonce)).await.is_ok("alice");
    clock.advance(Duration::from_secs(1200));
    is_refused(&with_nonce(&app, Some(&nonce)).await, Reason::NonceNeeded);
}

#[test]
fn settings_that_cannot_be_are_mistakes() {
    let error = Nonces::from_secret([0; 31]).unwrap_err();
    assert_eq!(error, ConfigError::Key(KeyProblem::SecretTooShort { bits: 248, required: 256 }));
    let nonces = || Nonces::from_secret(SECRET).unwrap();
    let dpop = || Dpop::new(ORIGIN).unwrap();
    let seconds = Duration::from_secs;
    for (result, least, most) in [
        (nonces().with_lifetime(Duration::ZERO).err(), 1, 3600),
        (nonces().with_lifetime(seconds(3601)).err(), 1, 3600),
        (dpop().with_lifetime(Duration::ZERO).err(), 1, 3600),
        (dpop().with_lifetime(seconds(3601)).err(), 1, 3600),
        (dpop().with_max_ahead(seconds(301)).err(), 0, 300),
    ] {
        let Some(ConfigError::OutOfRange { least: l, most: m, .. }) = result else { panic!() };
        assert_eq!((l, m), (least, most));
    }
    assert!(
        nonces().with_lifetime(seconds(3600)).is_ok() && dpop().with_lifetime(seconds(1)).is_ok()
    );
    let debug = format!("{:?} {:?}", nonces(), dpop().with_nonces(nonces()));
    assert!(!debug.contains("97, 32") && !debug.contains("a secret"), "{debug}");
}

#[tokio::test]
async fn script_of_another_origin_may_read_the_nonce_if_the_cors_layer_outside_says_so() {
    use http::header::WWW_AUTHENTICATE;
    use http::{HeaderName, HeaderValue};
    use tower_http::cors::CorsLayer;
    let cors = || CorsLayer::new().allow_origin(HeaderValue::from_static("https://app.example"));
    let fields = [HeaderName::from_static("dpop-nonce"), WWW_AUTHENTICATE];
    for (cors, exposed) in [
        (cors(), "DPoP-Nonce, WWW-Authenticate"),
        (cors().expose_headers(fields), "dpop-nonce,www-authenticate"),
    ] {
        let app = app_at(&TestClock::at(NOW)).layer(cors);
        let request =
            with_proof(&bound(), Proof::good().sign()).field("origin", "https://app.example");

        let answer = send(&app, request).await;

        assert_eq!(answer.reason, Some(Reason::NonceNeeded));
        let told: Vec<_> = answer.headers.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter().collect();
        assert_eq!(told, [exposed]);
    }
}

#[tokio::test]
async fn nonces_of_another_length_of_step_are_others() {
    let clock = TestClock::at(60 * 3600);
    let nonces = |seconds| {
        let nonces = Nonces::from_secret(SECRET).unwrap();
        let nonces = nonces.with_lifetime(Duration::from_secs(seconds)).unwrap();
        let dpop = Dpop::new(ORIGIN).unwrap().with_nonces(nonces).with_clock(clock.clone());
        app(layer().with_dpop(dpop))
    };
    // 60 hours are 3600 steps of a minute; an hour is 3600 steps of a second.
    let minute = nonce_of(&with_nonce(&nonces(60), None).await).unwrap();
    clock.set(3600);
    is_refused(&with_nonce(&nonces(1), Some(&minute)).await, Reason::NonceNeeded);
}

#[tokio::test]
async fn used_proof_is_remembered_for_as_long_as_its_nonce_is_good() {
    struct Asks;
    impl ReplayStore for Asks {
        fn remember(&self, _: ProofId, lifetime: Duration) -> ReplayCheck {
            // Three steps, if a node is one ahead, and 30 seconds for stores that are slow.
            assert_eq!(lifetime, Duration::from_secs(3 * 40 + 30));
            ReplayCheck::Done(Ok(ProofUse::First))
        }
    }
    let nonces = Nonces::from_secret(SECRET).unwrap();
    let nonces = nonces.with_lifetime(Duration::from_secs(40)).unwrap();
    let dpop = Dpop::new(ORIGIN).unwrap().with_nonces(nonces).with_replay_store(Asks);
    let app = app(layer().with_dpop(dpop));

    let nonce = nonce_of(&with_nonce(&app, None).await).unwrap();
    assert_eq!(with_nonce(&app, Some(&nonce)).await.status, 200);
}
