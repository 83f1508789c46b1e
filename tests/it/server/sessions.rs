//! Tests sessions: signing in, refreshing, ending, and what becomes of the access tokens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tower_bearer::revocation::{
    MemoryRevocations, Revocable, Revocation, RevocationStore, Revocations, RevocationsUnavailable,
    Revoked,
};
use tower_bearer::session::{
    CreationOutcome, MemorySessions, NewSession, Rotation, RotationOutcome, Session, SessionError,
    SessionKey, SessionStore, SessionTokens, Sessions, SessionsUnavailable, SignIn, Swept,
};
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, Reason, SigningKey, TokenIssuer, Verifier};
use tracing::Level;

use crate::support::log::Log;
use crate::support::{AUDIENCE, ISSUER, NOW, validation};

/// An issuer with sessions, and the verifier of an API that shares its revocations.
struct House {
    sessions: Sessions,
    store: MemorySessions,
    revocations: MemoryRevocations,
    verifier: Verifier<serde_json::Value>,
    clock: Arc<TestClock>,
}

fn tokens(clock: &Arc<TestClock>) -> TokenIssuer {
    let key = SigningKey::from_secret(Algorithm::HS256, [7; 32]).unwrap();
    TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap().with_clock(Arc::clone(clock))
}

fn key() -> SessionKey {
    SessionKey::from_secret([1; 32]).unwrap()
}

fn house() -> House {
    let clock = Arc::new(TestClock::at(NOW));
    let (store, revocations) = (MemorySessions::new(), MemoryRevocations::new());
    let sessions = Sessions::new(tokens(&clock), store.clone(), revocations.clone(), key())
        .with_clock(Arc::clone(&clock));
    let verifier = Verifier::new(tokens(&clock).verifying_key(), validation())
        .unwrap()
        .with_clock(Arc::clone(&clock))
        .with_revocations(revocations.clone());
    House { sessions, store, revocations, verifier, clock }
}

impl House {
    async fn begin(&self, subject: &str) -> SessionTokens {
        self.sessions.begin(SignIn::now(subject)).await.unwrap()
    }

    async fn refresh(&self, tokens: &SessionTokens) -> Result<SessionTokens, SessionError> {
        self.sessions.refresh(tokens.refresh_token.as_str(), None).await
    }

    /// Makes an access token of the session, and says how the API answers it.
    async fn access(&self, tokens: &SessionTokens) -> String {
        let issued = self.sessions.access_token(&tokens.session).issue_async().await.unwrap();
        issued.into_string()
    }

    async fn verdict(&self, access_token: &str) -> Result<(), Reason> {
        let verified = self.verifier.verify(access_token).await;
        verified.map(|_| ()).map_err(|error| error.reason())
    }
}

fn kind(result: Result<SessionTokens, SessionError>) -> String {
    match result {
        Ok(_) => "refreshed".into(),
        Err(error) => format!("{error:?}").split('(').next().unwrap_or_default().to_owned(),
    }
}

#[tokio::test]
async fn access_token_of_a_session_is_good_and_names_it() {
    let house = house();
    let sign_in = SignIn::now("alice").with_client_id("app").with_device("Firefox\n on Linux ");

    let begun = house.sessions.begin(sign_in).await.unwrap();
    let access = house.access(&begun).await;

    let verified = house.verifier.verify(&access).await.unwrap();
    let claims = verified.principal().registered();
    assert_eq!(claims.subject(), Some("alice"));
    assert_eq!(claims.client_id(), Some("app"));
    assert_eq!(claims.session_id(), Some(begun.session.id.as_str()));
    assert_eq!(begun.session.device.as_deref(), Some("Firefox on Linux"));
    assert_eq!(house.sessions.list("alice").await.unwrap(), [begun.session]);
}

#[tokio::test]
async fn access_token_does_not_outlive_its_session() {
    let house = house();
    let sessions = house.sessions.clone().with_max_lifetime(Duration::from_secs(60));

    let begun = sessions.begin(SignIn::now("alice")).await.unwrap();
    let short = sessions.access_token(&begun.session).issue_async().await.unwrap();
    let usual = house.sessions.access_token(&house.begin("alice").await.session);

    assert_eq!(short.expires_in(), Duration::from_secs(60));
    assert_eq!(usual.issue_async().await.unwrap().expires_in(), Duration::from_secs(900));
}

#[tokio::test]
async fn refresh_token_is_exchanged_and_the_same_again_after_a_lost_answer() {
    // RFC 9700 §4.14.2: refresh token rotation
    let house = house();
    let begun = house.begin("alice").await;

    let lost = house.refresh(&begun).await.unwrap();
    let again = house.refresh(&begun).await.unwrap();
    let next = house.refresh(&again).await.unwrap();

    assert_eq!(lost.refresh_token.as_str(), again.refresh_token.as_str());
    assert_ne!(next.refresh_token.as_str(), again.refresh_token.as_str());
    assert_eq!(house.verdict(&house.access(&next).await).await, Ok(()));
}

#[tokio::test]
async fn token_that_was_used_before_its_successor_ends_the_session_and_its_access_tokens() {
    // RFC 9700 §4.14.2: a refresh token that was used before ends the grant
    // OWASP ASVS 10.4.5
    let (log, _guard) = Log::of_this_thread();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let house = house();
    let hook = Arc::clone(&seen);
    let sessions = house.sessions.clone().on_reuse(move |session| {
        hook.lock().unwrap().push(session.subject.clone());
    });
    let (begun, other) = (house.begin("alice").await, house.begin("alice").await);
    let (access, access_of_other) = (house.access(&begun).await, house.access(&other).await);
    let next = house.refresh(&begun).await.unwrap();
    let last = house.refresh(&next).await.unwrap();

    let reused = sessions.refresh(begun.refresh_token.as_str(), None).await;

    assert_eq!(kind(reused), "Reused");
    assert_eq!(house.verdict(&access).await, Err(Reason::Revoked));
    assert_eq!(kind(house.refresh(&last).await), "UnknownToken");
    assert_eq!(*seen.lock().unwrap(), ["alice"]);
    let told = log.about("used again after its successor");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, Level::WARN);
    assert!(!told[0].1.contains(begun.refresh_token.as_str()));
    // The other session of the same user is as it was.
    assert_eq!(house.verdict(&access_of_other).await, Ok(()));
    assert_eq!(kind(house.refresh(&other).await), "refreshed");
}

#[tokio::test]
async fn made_up_token_ends_nothing_although_it_names_a_session() {
    let house = house();
    let begun = house.begin("alice").await;
    let of_other_key = {
        let clock = Arc::clone(&house.clock);
        let key = SessionKey::from_secret([2; 32]).unwrap();
        Sessions::new(tokens(&clock), house.store.clone(), MemoryRevocations::new(), key)
    };
    let foreign = of_other_key.begin(SignIn::now("alice")).await.unwrap();

    let mut made_up = begun.refresh_token.as_str().to_owned();
    made_up.replace_range(30..40, "AAAAAAAAAA");
    for token in ["", "rt_", "x", &made_up, foreign.refresh_token.as_str()] {
        let refused = house.sessions.refresh(token, None).await;
        assert_eq!(kind(refused), "UnknownToken", "{token}");
        let refused = house.sessions.end_by_token(token).await;
        assert!(matches!(refused, Err(SessionError::UnknownToken)), "{token}");
    }

    assert_eq!(kind(house.refresh(&begun).await), "refreshed");
}

#[tokio::test]
async fn session_expires_when_idle_and_at_its_longest_lifetime() {
    // OWASP ASVS 10.4.8: refresh tokens have an absolute expiration
    let house = house();
    let sessions = house
        .sessions
        .clone()
        .with_idle_lifetime(Duration::from_secs(100))
        .with_max_lifetime(Duration::from_secs(250));
    let refresh =
        async |tokens: &SessionTokens| sessions.refresh(tokens.refresh_token.as_str(), None).await;
    let idle = sessions.begin(SignIn::now("alice")).await.unwrap();
    let busy = sessions.begin(SignIn::now("alice")).await.unwrap();

    house.clock.set(NOW + 99);
    let busy = refresh(&busy).await.unwrap();
    house.clock.set(NOW + 100);
    assert_eq!(kind(refresh(&idle).await), "Expired");
    house.clock.set(NOW + 198);
    let busy = refresh(&busy).await.unwrap();
    house.clock.set(NOW + 249);
    let busy = refresh(&busy).await.unwrap();
    house.clock.set(NOW + 250);

    assert!(matches!(kind(refresh(&busy).await).as_str(), "Expired" | "UnknownToken"));
    assert!(sessions.list("alice").await.unwrap().is_empty());
}

#[tokio::test]
async fn default_lifetimes_are_a_week_and_thirty_days() {
    let house = house();
    let day = Duration::from_secs(24 * 60 * 60);

    let session = house.begin("alice").await.session;

    assert_eq!(session.idle_until, session.created_at + 7 * day);
    assert_eq!(session.expires_at, session.created_at + 30 * day);
}

#[tokio::test]
async fn refresh_token_is_bound_to_its_client() {
    // RFC 6749 §6: the refresh token is bound to the client to which it was issued
    let house = house();
    let begun = house.sessions.begin(SignIn::now("alice").with_client_id("app")).await.unwrap();
    let token = begun.refresh_token.as_str();

    for client_id in [None, Some("other")] {
        let refused = house.sessions.refresh(token, client_id).await;
        assert_eq!(kind(refused), "WrongClient", "{client_id:?}");
    }

    assert_eq!(kind(house.sessions.refresh(token, Some("app")).await), "refreshed");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_its_access_tokens_alone() {
    // OWASP ASVS 10.4.9: the user can revoke refresh tokens
    let house = house();
    let (begun, other) = (house.begin("alice").await, house.begin("alice").await);
    let (access, access_of_other) = (house.access(&begun).await, house.access(&other).await);
    house.refresh(&begun).await.unwrap();

    // By a token that was exchanged already: a tab that was asleep.
    let ended = house.sessions.end_by_token(begun.refresh_token.as_str()).await.unwrap();

    assert_eq!(ended.unwrap().id, begun.session.id);
    assert_eq!(house.verdict(&access).await, Err(Reason::Revoked));
    assert_eq!(kind(house.refresh(&begun).await), "UnknownToken");
    assert_eq!(house.verdict(&access_of_other).await, Ok(()));
    // A second time is no error.
    assert!(house.sessions.end_by_token(begun.refresh_token.as_str()).await.unwrap().is_none());
}

#[tokio::test]
async fn user_ends_own_sessions_by_name_and_no_others() {
    let house = house();
    let (alice, bob) = (house.begin("alice").await, house.begin("bob").await);
    let access = house.access(&bob).await;

    assert!(house.sessions.end(&bob.session.id, "alice").await.unwrap().is_none());
    assert_eq!(house.verdict(&access).await, Ok(()));
    assert!(house.sessions.end(&bob.session.id, "bob").await.unwrap().is_some());

    assert_eq!(house.verdict(&access).await, Err(Reason::Revoked));
    assert_eq!(house.sessions.list("alice").await.unwrap(), [alice.session]);
}

#[tokio::test]
async fn password_change_ends_the_others_and_sign_ins_with_the_old_password() {
    let house = house();
    let (here, there) = (house.begin("alice").await, house.begin("alice").await);
    let (access_here, access_there) = (house.access(&here).await, house.access(&there).await);
    let began = std::time::UNIX_EPOCH + Duration::from_secs(NOW);
    house.clock.advance(Duration::from_secs(1));

    let ended = house.sessions.end_others("alice", &here.session.id).await.unwrap();

    assert_eq!(ended, 1);
    assert_eq!(house.verdict(&access_there).await, Err(Reason::Revoked));
    assert_eq!(house.verdict(&access_here).await, Ok(()));
    assert_eq!(kind(house.refresh(&here).await), "refreshed");
    // Argon2 was at work on the old password all the time.
    let late = house.sessions.begin(SignIn::now("alice").begun_at(began)).await;
    assert_eq!(kind(late), "Superseded");
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(kind(house.sessions.begin(SignIn::now("alice")).await), "refreshed");
}

#[tokio::test]
async fn user_who_was_locked_can_sign_in_again_at_once() {
    let house = house();
    let begun = house.begin("alice").await;
    let access = house.access(&begun).await;

    assert_eq!(house.sessions.end_all("alice").await.unwrap(), 1);

    assert_eq!(house.verdict(&access).await, Err(Reason::Revoked));
    // In the same millisecond, and again and again.
    house.begin("alice").await;
    house.sessions.end_all("alice").await.unwrap();
    let again = house.begin("alice").await;
    assert_eq!(house.verdict(&house.access(&again).await).await, Ok(()));
}

#[tokio::test]
async fn access_token_does_not_outlive_a_session_that_is_not_refreshed() {
    let house = house();
    let sessions = house.sessions.clone().with_idle_lifetime(Duration::from_millis(90_500));

    let begun = sessions.begin(SignIn::now("alice")).await.unwrap();
    let issued = sessions.access_token(&begun.session).issue_async().await.unwrap();

    // To the next whole second.
    assert_eq!(issued.expires_in(), Duration::from_secs(91));
}

#[tokio::test]
async fn sign_in_of_more_than_ten_minutes_is_refused() {
    let house = house();
    let began = std::time::UNIX_EPOCH + Duration::from_secs(NOW);
    let begin = async || house.sessions.begin(SignIn::now("alice").begun_at(began)).await;

    house.clock.advance(Duration::from_secs(599));
    assert_eq!(kind(begin().await), "refreshed");
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(kind(begin().await), "Superseded");
}

#[tokio::test]
async fn oldest_session_gives_way_to_one_too_many_with_its_access_tokens() {
    let house = house();
    let sessions = house.sessions.clone().with_max_per_subject(2);
    let mut access = Vec::new();
    for _ in 0..3 {
        let begun = sessions.begin(SignIn::now("alice")).await.unwrap();
        access.push(house.access(&begun).await);
        house.clock.advance(Duration::from_secs(1));
    }

    assert_eq!(house.verdict(&access[0]).await, Err(Reason::Revoked));
    assert_eq!(house.verdict(&access[1]).await, Ok(()));
    assert_eq!(house.verdict(&access[2]).await, Ok(()));
    assert_eq!(sessions.list("alice").await.unwrap().len(), 2);
    // By default there is no limit.
    assert_eq!(kind(house.sessions.begin(SignIn::now("alice")).await), "refreshed");
    assert_eq!(sessions.list("alice").await.unwrap().len(), 3);
}

/// Revocations that fail a number of times before they work.
#[derive(Clone)]
struct Failing(MemoryRevocations, Arc<AtomicUsize>);

impl Revocations for Failing {
    fn lookup(&self, issuer: &str, name: Revocable<'_>) -> Option<Revoked> {
        self.0.lookup(issuer, name)
    }

    fn epoch(&self) -> u64 {
        self.0.epoch()
    }
}

impl RevocationStore for Failing {
    async fn add(&self, revocation: Revocation) -> Result<(), RevocationsUnavailable> {
        let left = self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if left.is_ok() {
            return Err(RevocationsUnavailable::new("away"));
        }
        self.0.add(revocation).await
    }
}

#[tokio::test]
async fn access_tokens_that_could_not_be_revoked_are_revoked_by_the_next_attempt() {
    for way in ["the same call", "a refresh", "the sweep"] {
        let house = house();
        let failures = Arc::new(AtomicUsize::new(0));
        let revocations = Failing(house.revocations.clone(), Arc::clone(&failures));
        let sessions = Sessions::new(tokens(&house.clock), house.store.clone(), revocations, key())
            .with_clock(Arc::clone(&house.clock));
        let begun = sessions.begin(SignIn::now("alice")).await.unwrap();
        let access = house.access(&begun).await;
        let token = begun.refresh_token.as_str();

        failures.store(1, Ordering::SeqCst);
        let error = sessions.end_by_token(token).await.unwrap_err();
        assert!(matches!(&error, SessionError::NotRevoked(_)), "{error:?}");
        assert!(!error.is_final() && error.retry_after().is_some());
        assert_eq!(house.verdict(&access).await, Ok(()), "not yet: {way}");

        match way {
            "the same call" => assert!(sessions.end_by_token(token).await.unwrap().is_some()),
            "a refresh" => assert_eq!(kind(sessions.refresh(token, None).await), "Ended"),
            _ => sessions.sweep().await.unwrap(),
        }
        assert_eq!(house.verdict(&access).await, Err(Reason::Revoked), "{way}");
        assert!(house.store.is_empty(), "{way}");
    }
}

#[tokio::test]
async fn new_session_begins_although_the_oldest_could_not_be_revoked_yet() {
    let house = house();
    let failures = Arc::new(AtomicUsize::new(0));
    let revocations = Failing(house.revocations.clone(), Arc::clone(&failures));
    let sessions = Sessions::new(tokens(&house.clock), house.store.clone(), revocations, key())
        .with_clock(Arc::clone(&house.clock))
        .with_max_per_subject(1);
    let oldest = sessions.begin(SignIn::now("alice")).await.unwrap();
    let access = house.access(&oldest).await;

    failures.store(1, Ordering::SeqCst);
    house.clock.advance(Duration::from_secs(1));
    let newest = sessions.begin(SignIn::now("alice")).await.unwrap();
    assert_eq!(sessions.list("alice").await.unwrap(), std::slice::from_ref(&newest.session));
    house.clock.advance(Duration::from_secs(60));
    sessions.refresh(newest.refresh_token.as_str(), None).await.unwrap();

    // By a task, for which the refresh does not wait.
    while house.verdict(&access).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.verdict(&access).await, Err(Reason::Revoked));
}

#[tokio::test]
async fn nodes_exchange_each_others_tokens_while_their_key_is_replaced() {
    let house = house();
    let secret = |number| SessionKey::from_secret([number; 32]).unwrap();
    let node = |key| {
        Sessions::new(tokens(&house.clock), house.store.clone(), house.revocations.clone(), key)
            .with_clock(Arc::clone(&house.clock))
    };
    // The old key everywhere, the new one beside it, the new one in front, and alone.
    let old = node(secret(1));
    let beside = node(secret(1).accepting(secret(2)));
    let in_front = node(secret(2).accepting(secret(1)));
    let new = node(secret(2));

    let begun = old.begin(SignIn::now("alice")).await.unwrap();
    let mut token = begun.refresh_token.as_str().to_owned();
    for nodes in [[&old, &beside], [&beside, &in_front], [&in_front, &in_front]] {
        let both = [
            nodes[0].refresh(&token, None).await.unwrap(),
            nodes[1].refresh(&token, None).await.unwrap(),
        ];
        assert_eq!(both[0].session.current, both[1].session.current);
        token = both[1].refresh_token.as_str().to_owned();
    }

    assert_eq!(kind(new.refresh(&token, None).await), "refreshed");
    assert_eq!(kind(old.refresh(&token, None).await), "UnknownToken");
    assert!(SessionKey::from_secret([0; 31]).is_err());
}

#[tokio::test]
async fn no_token_is_in_any_debug_or_error() {
    let house = house();
    let begun = house.begin("alice").await;
    let next = house.refresh(&begun).await.unwrap();
    house.refresh(&next).await.unwrap();
    let error = house.refresh(&begun).await.unwrap_err();

    let shown = format!("{begun:?} {next:?} {error:?} {error} {:?} {:?}", house.sessions, key());

    for secret in [begun.refresh_token.as_str(), next.refresh_token.as_str(), "alice"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn backlog_of_any_size_is_worked_off_while_requests_go_on() {
    let house = house();
    let sessions = house.sessions.clone().with_idle_lifetime(Duration::from_secs(100));
    for number in 0..5_000 {
        sessions.begin(SignIn::now(format!("user-{}", number % 100))).await.unwrap();
    }
    // Ended, and not removed: as nodes leave them that are killed.
    let kept = house.begin("alice").await;
    for _ in 0..3_000 {
        let begun = house.begin("bob").await;
        house.store.end(&begun.session.id, None).await.unwrap();
    }
    house.clock.advance(Duration::from_secs(200));

    house.refresh(&kept).await.unwrap();
    assert_eq!(house.store.len(), 8_001, "the refresh has not waited");
    while house.store.len() > 1 {
        tokio::task::yield_now().await;
    }

    assert_eq!(kind(house.refresh(&kept).await), "refreshed");
    assert_eq!(house.revocations.len(), 3_000);
}

#[tokio::test]
async fn sweep_ends_when_the_ended_sessions_cannot_be_removed() {
    let house = house();
    let sessions = Sessions::new(
        tokens(&house.clock),
        KeepsAll(house.store.clone()),
        house.revocations.clone(),
        key(),
    )
    .with_clock(Arc::clone(&house.clock));
    for _ in 0..1_500 {
        let begun = house.begin("bob").await;
        house.store.end(&begun.session.id, None).await.unwrap();
    }

    sessions.sweep().await.unwrap();

    assert_eq!((house.store.len(), house.revocations.len()), (1_500, 1_000));
}

/// A store that removes nothing.
struct KeepsAll(MemorySessions);

impl SessionStore for KeepsAll {
    async fn create(&self, new: NewSession) -> Result<CreationOutcome, SessionsUnavailable> {
        self.0.create(new).await
    }

    async fn rotate(&self, rotation: Rotation<'_>) -> Result<RotationOutcome, SessionsUnavailable> {
        self.0.rotate(rotation).await
    }

    async fn of_subject(
        &self,
        subject: &str,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        self.0.of_subject(subject, now).await
    }

    async fn end(
        &self,
        id: &str,
        subject: Option<&str>,
    ) -> Result<Option<Session>, SessionsUnavailable> {
        self.0.end(id, subject).await
    }

    async fn end_all(
        &self,
        subject: &str,
        except: Option<&str>,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        self.0.end_all(subject, except, now).await
    }

    async fn remove(&self, _: &[&str]) -> Result<(), SessionsUnavailable> {
        Err(SessionsUnavailable::new("read only"))
    }

    async fn sweep(&self, now: SystemTime) -> Result<Swept, SessionsUnavailable> {
        self.0.sweep(now).await
    }
}

#[tokio::test]
async fn subject_that_a_store_could_not_keep_is_refused_before_it_is_asked() {
    let house = house();
    let (longest, longer) = ("a".repeat(1024), "a".repeat(1025));

    let begun = house.begin(&longest).await;
    assert_eq!(kind(house.refresh(&begun).await), "refreshed");
    assert_eq!(house.sessions.end_all(&longest).await.unwrap(), 1);
    let refused = house.sessions.begin(SignIn::now(longer.as_str())).await.unwrap_err();
    assert!(refused.to_string().contains("1025 bytes"), "{refused}");
    assert!(!refused.is_final() && refused.retry_after().is_none());
    for refused in [
        refused,
        house.sessions.list(&longer).await.unwrap_err(),
        house.sessions.end("s", &longer).await.unwrap_err(),
        house.sessions.end_all(&longer).await.unwrap_err(),
        house.sessions.end_others(&longer, "s").await.unwrap_err(),
    ] {
        assert!(matches!(refused, SessionError::SubjectTooLong { bytes: 1025 }), "{refused:?}");
    }
    assert!(house.store.is_empty());
}

#[tokio::test]
async fn empty_subject_has_no_session() {
    let house = house();

    assert_eq!(kind(house.sessions.begin(SignIn::now("")).await), "NotIssued");
    assert!(house.store.of_subject("", std::time::UNIX_EPOCH).await.unwrap().is_empty());
    assert!(house.store.is_empty());
}
