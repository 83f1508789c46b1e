//! Tests revocations that must hold although several things happen at once.

use std::fs::{self, File};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get as on_get;
use futures::executor::block_on;
use proptest::prelude::*;
use tower_bearer::clock::Clock as _;
use tower_bearer::issue::IssuedToken;
use tower_bearer::keys::SigningKey;
use tower_bearer::revocation::{MemoryRevocations, Revocable, Revocation};
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, BearerLayer, Reason, TokenIssuer, Validation, Verifier};

use crate::state::revocations::cases;
use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, User, WithBearer, get, invalid_token, key, send, token,
    validation, verifier_with,
};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn app(verifier: Verifier<User>) -> Router {
    Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier))
}

async fn answer_to(app: &Router, token: &str) -> Answer {
    send(app, get("/").bearer(token)).await
}

async fn is_revoked(app: &Router, token: &str) {
    let challenge = invalid_token("The token was revoked");
    answer_to(app, token).await.is_refused(401, Some(&challenge), Reason::Revoked);
}

/// An issuer and a layer of one clock and one view.
struct Own {
    clock: TestClock,
    view: MemoryRevocations,
    tokens: TokenIssuer,
    verifier: Verifier<User>,
}

impl Own {
    fn new(view: MemoryRevocations) -> Self {
        Self::at(NOW, view)
    }

    fn at(now: u64, view: MemoryRevocations) -> Self {
        let clock = TestClock::at(now);
        let view = view.with_clock(clock.clone());
        let secret = "at least 32 bytes of randomness, please";
        let key = SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
        let tokens = TokenIssuer::new(ISSUER, AUDIENCE, key)
            .unwrap()
            .with_clock(clock.clone())
            .with_revocations(view.clone());
        let rules = Validation::new(ISSUER, AUDIENCE).with_revocation_leeway(Duration::ZERO);
        let verifier = Verifier::new(tokens.verifying_key(), rules)
            .unwrap()
            .with_clock(clock.clone())
            .with_revocations(view.clone());
        Self { clock, view, tokens, verifier }
    }

    fn issue(&self, subject: &str, client: &str) -> String {
        self.tokens.token_for(subject).with_client_id(client).issue().unwrap().into_string()
    }

    fn subject(&self, subject: &str) -> Revocation {
        Revocation::subject(ISSUER, subject, self.clock.now())
    }

    fn client(&self, client: &str) -> Revocation {
        Revocation::client(ISSUER, client, self.clock.now())
    }
}

#[tokio::test]
async fn token_that_is_dated_ahead_because_of_one_name_is_revoked_by_another() {
    let subject: fn(&Own) -> Revocation = |own| own.subject("alice");
    let client: fn(&Own) -> Revocation = |own| own.client("c1");
    for (first, second) in [(subject, client), (client, subject)] {
        let own = Own::new(MemoryRevocations::new());
        let app = app(own.verifier.clone());
        own.view.revoke(first(&own));
        let token = own.issue("alice", "c1");
        answer_to(&app, &token).await.is_ok("in");

        own.view.revoke(second(&own));

        is_revoked(&app, &token).await;
        answer_to(&app, &own.issue("alice", "c1")).await.is_ok("in");
    }
}

#[tokio::test]
async fn token_that_is_dated_ahead_is_revoked_though_what_dated_it_was_taken_back() {
    let own = Own::new(MemoryRevocations::new());
    let app = app(own.verifier.clone());
    own.view.revoke(own.subject("alice"));
    let token = own.issue("alice", "c1");
    assert!(own.view.restore(ISSUER, Revocable::Subject("alice")));
    answer_to(&app, &token).await.is_ok("in");

    own.view.revoke(own.subject("alice"));

    is_revoked(&app, &token).await;
}

#[tokio::test]
async fn token_that_is_dated_ahead_is_revoked_after_a_restart() {
    let name = format!("tower-bearer-{}-restarted", std::process::id());
    let file = std::env::temp_dir().join(name);
    // The system's clock, with which a file is opened.
    let now =
        tower_bearer::clock::SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    let before = Own::at(now, MemoryRevocations::new());
    before.view.revoke(before.subject("alice"));
    let token = before.issue("alice", "c1");
    before.view.save(&file).unwrap();

    let own = Own::at(now, MemoryRevocations::open(&file).unwrap());
    fs::remove_file(&file).unwrap();
    let app = app(own.verifier.clone());
    answer_to(&app, &token).await.is_ok("in");
    own.view.revoke(own.client("c1"));

    is_revoked(&app, &token).await;
}

#[test]
fn other_subjects_sign_in_again_however_many_are_revoked_at_once() {
    let own = Own::new(MemoryRevocations::new());
    for n in 0..100 {
        let name = n.to_string();
        own.view.revoke(own.subject(&name));
        let token = own.issue(&name, "c1");
        assert!(block_on(own.verifier.verify(&token)).is_ok(), "{n}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(64)) })]

    /// By any of the names, and with any other revocations in the same seconds.
    #[test]
    fn revocation_parts_the_tokens_that_have_its_name_exactly(
        steps in proptest::collection::vec((0..1200_u64, 0..2_usize, 0..2_usize, 0..4_u8), 1..40)
    ) {
        let own = Own::new(MemoryRevocations::new());
        let mut tokens: Vec<(IssuedToken, [usize; 2], bool)> = Vec::new();
        for (millis, subject, client, what) in steps {
            own.clock.advance(Duration::from_millis(millis));
            let (alice, app) = (["alice", "bob"][subject], ["c1", "c2"][client]);
            match what {
                0 => {
                    own.view.revoke(own.subject(alice));
                    tokens.iter_mut().for_each(|(_, of, is_in)| *is_in &= of[0] != subject);
                }
                1 => {
                    own.view.revoke(own.client(app));
                    tokens.iter_mut().for_each(|(_, of, is_in)| *is_in &= of[1] != client);
                }
                // It may have to wait when revocations follow each other at once.
                _ => if let Ok(token) = own.tokens.token_for(alice).with_client_id(app).issue() {
                    tokens.push((token, [subject, client], true));
                }
            }
            for (token, _, is_in) in &tokens {
                prop_assert_eq!(block_on(own.verifier.verify(token.as_str())).is_ok(), *is_in);
            }
        }
    }
}

#[tokio::test]
async fn client_is_revoked_by_the_second_of_the_names_that_providers_have_for_it() {
    let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    let verifier = verifier_with(key().verifying_key(), validation());
    let app = app(verifier.with_revocations(view.clone()));
    let token = token().claim("cid", "c1").claim("appid", "c2").sign(&key());
    answer_to(&app, &token).await.is_ok("in");

    view.revoke(Revocation::client(ISSUER, "c2", at(NOW)));

    is_revoked(&app, &token).await;
}

#[tokio::test]
async fn session_stays_revoked_for_as_long_as_the_last_token_of_a_clock_that_is_ahead() {
    let clock = TestClock::at(NOW);
    let view = MemoryRevocations::new()
        .with_clock(clock.clone())
        .with_max_lifetime(Duration::from_secs(900));
    let rules = validation().with_leeway(Duration::from_secs(300));
    let verifier = Verifier::new(key().verifying_key(), rules).unwrap().with_clock(clock.clone());
    let app = app(verifier.with_revocations(view.clone()));
    let token =
        token().claim("sid", "s1").claim("iat", NOW + 300).claim("exp", NOW + 1200).sign(&key());
    answer_to(&app, &token).await.is_ok("in");
    view.revoke(Revocation::session(ISSUER, "s1"));

    clock.set(NOW + 1200 + 299);
    view.forget_expired();

    is_revoked(&app, &token).await;
}

#[tokio::test]
async fn what_one_clone_may_forget_no_verifier_needs() {
    let clock = TestClock::at(NOW);
    let view = MemoryRevocations::new().with_clock(clock.clone());
    let verifier = verifier_with(key().verifying_key(), validation());
    let app = app(verifier.with_revocations(view.clone()));
    let of = |seconds: u64| token().claim("exp", NOW + seconds).sign(&key());
    answer_to(&app, &of(7200)).await.is_ok("in");

    let view = view.with_max_lifetime(Duration::from_secs(900));
    view.revoke(Revocation::subject(ISSUER, "bob", at(NOW)));

    let challenge = invalid_token("A claim of the token is invalid");
    let refused = answer_to(&app, &of(7200)).await;
    refused.is_refused(401, Some(&challenge), Reason::InvalidClaim);
    answer_to(&app, &of(900)).await.is_ok("in");
}

#[test]
fn file_of_a_process_that_was_killed_while_it_saved_does_not_block_the_next() {
    let directory = std::env::temp_dir().join(format!("tower-bearer-{}-save", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let file = directory.join("revoked");
    let left = |n: u32| directory.join(format!("revoked.{}-{n}.new", std::process::id()));
    (0..100).for_each(|n| drop(File::create(left(n)).unwrap()));

    let saved = MemoryRevocations::new().save(&file);

    let are_left = (0..100).all(|n| left(n).exists());
    fs::remove_dir_all(&directory).unwrap();
    assert!(saved.is_ok() && are_left);
}
