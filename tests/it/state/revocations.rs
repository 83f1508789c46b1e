//! Tests tokens that are valid in every other way and refused nevertheless.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::routing::{get as on_get, post};
use futures::executor::block_on;
use proptest::prelude::*;
use tower_bearer::claims::NumericDate;
use tower_bearer::clock::Clock;
use tower_bearer::issue::{IssueError, IssuedToken};
use tower_bearer::keys::SigningKey;
use tower_bearer::revocation::{
    MemoryRevocations, MissingTokenId, Revocable, Revocation, RevocationKind, RevocationKinds,
    Revocations, RevocationsUnavailable, Revoked,
};
use tower_bearer::test_util::{TestClock, TestToken};
use tower_bearer::{
    Algorithm, BearerLayer, ConfigError, Principal, Reason, TokenIssuer, Validation, Verifier,
};

use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, User, WithBearer, get, invalid_token, key, send, token,
    validation, verifier_with,
};

const MINUTE: u64 = 60;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn revocations() -> MemoryRevocations {
    MemoryRevocations::new().with_clock(TestClock::at(NOW))
}

fn app_with(view: impl Revocations, validation: Validation) -> Router {
    let verifier = verifier_with(key().verifying_key(), validation).with_revocations(view);
    Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier))
}

fn app(view: &MemoryRevocations) -> Router {
    app_with(view.clone(), validation())
}

/// A valid token, revocable in every way.
fn full() -> TestToken {
    token().claim("jti", "t1").claim("sid", "s1").claim("client_id", "c1")
}

async fn is_in(app: &Router, token: &TestToken) {
    send(app, get("/").bearer(token.sign(&key()))).await.is_ok("in");
}

async fn is_out(app: &Router, token: &TestToken) {
    let answer = send(app, get("/").bearer(token.sign(&key()))).await;
    answer.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
}

async fn lacks(app: &Router, token: &TestToken) {
    let answer = send(app, get("/").bearer(token.sign(&key()))).await;
    let challenge = invalid_token("The token lacks a claim");
    answer.is_refused(401, Some(&challenge), Reason::MissingClaim);
}

#[tokio::test]
async fn revoked_token_is_refused_and_others_are_not() {
    // RFC 7009 §3: a revoked token is refused although nothing else is wrong with it
    let view = revocations();
    let app = app(&view);
    is_in(&app, &full()).await;

    view.revoke(Revocation::token(ISSUER, "t1", at(NOW + 900)));

    is_out(&app, &full()).await;
    is_in(&app, &full().claim("jti", "t2")).await;
}

#[tokio::test]
async fn token_of_that_name_of_another_issuer_is_not_meant() {
    let view = revocations();
    view.revoke(Revocation::token("https://other.example.com", "t1", at(NOW + 900)));
    view.revoke(Revocation::subject("https://other.example.com", "alice", at(NOW)));

    is_in(&app(&view), &full()).await;
}

#[tokio::test]
async fn revoked_session_takes_its_tokens_with_it() {
    let view = revocations();
    view.revoke(Revocation::session(ISSUER, "s1"));

    is_out(&app(&view), &full()).await;
    is_out(&app(&view), &full().claim("jti", "t2")).await;
    is_in(&app(&view), &full().claim("sid", "s2")).await;
}

#[tokio::test]
async fn subject_is_revoked_up_to_a_moment_and_the_leeway() {
    let view = revocations();
    view.revoke(Revocation::subject(ISSUER, "alice", at(NOW - 100)));
    let app = app(&view);

    is_out(&app, &full().claim("iat", NOW - 101)).await;
    is_out(&app, &full().claim("iat", NOW - 40)).await;
    is_in(&app, &full().claim("iat", NOW - 39)).await;
    is_in(&app, &full().claim("sub", "bob").claim("iat", NOW - 101)).await;
}

#[tokio::test]
async fn second_of_the_moment_counts_whole() {
    let view = revocations();
    view.revoke(Revocation::subject(ISSUER, "alice", at(NOW - 100) + Duration::from_millis(1)));
    let app = app_with(view, validation().with_leeway(Duration::ZERO));

    is_out(&app, &full().claim("iat", NOW - 99)).await;
    is_in(&app, &full().claim("iat", NOW - 98)).await;
}

#[tokio::test]
async fn revocation_leeway_is_another_than_that_of_the_dates() {
    let view = revocations();
    view.revoke(Revocation::subject(ISSUER, "alice", at(NOW - 100)));
    let app = app_with(view, validation().with_revocation_leeway(Duration::from_secs(10)));

    is_out(&app, &full().claim("iat", NOW - 90)).await;
    is_in(&app, &full().claim("iat", NOW - 89)).await;
    // `exp` still has a minute.
    is_in(&app, &full().claim("iat", NOW - 89).claim("exp", NOW - 59)).await;
}

#[tokio::test]
async fn later_moment_stays_when_an_earlier_one_follows() {
    let view = revocations();
    view.revoke(Revocation::subject(ISSUER, "alice", at(NOW)));
    view.revoke(Revocation::subject(ISSUER, "alice", at(NOW - 1000)));

    is_out(&app(&view), &full()).await;
}

#[tokio::test]
async fn client_is_revoked_by_any_of_its_names() {
    for name in ["client_id", "azp", "cid", "appid"] {
        let view = revocations();
        view.revoke(Revocation::client(ISSUER, "bad", at(NOW)));

        is_out(&app(&view), &full().claim(name, "bad")).await;
        is_in(&app(&view), &full().claim(name, "good")).await;
    }
}

#[tokio::test]
async fn token_that_could_not_be_revoked_is_refused_unless_that_is_accepted() {
    let view = revocations();
    let strict = app(&view);
    let mild = app_with(view.clone(), validation().dangerous().accept_unrevocable_tokens());

    for claim in ["jti", "iat"] {
        lacks(&strict, &full().without(claim)).await;
        is_in(&mild, &full().without(claim)).await;
    }
    for claim in ["sid", "client_id", "sub"] {
        is_in(&strict, &full().without(claim)).await;
    }
}

#[tokio::test]
async fn kinds_say_which_claims_a_token_needs() {
    use RevocationKind::{Client, Session, Subject, Token};
    for (kind, claims) in [
        (Token, &["jti"][..]),
        (Session, &["sid"]),
        (Subject, &["iat"]),
        (Client, &["client_id", "iat"]),
    ] {
        let app = app(&revocations().with_kinds([kind]).unwrap());

        for claim in ["jti", "sid", "iat", "client_id"] {
            if claims.contains(&claim) {
                lacks(&app, &full().without(claim)).await;
            } else {
                is_in(&app, &full().without(claim)).await;
            }
        }
    }
}

#[test]
fn kinds_are_those_that_are_named_however_often() {
    use RevocationKind::{Client, Session, Subject, Token};
    let named = |kinds: &RevocationKinds| {
        [Token, Session, Subject, Client].map(|kind| kinds.contains(kind))
    };

    let collected: RevocationKinds = [Session, Client].into_iter().collect();
    let twice = revocations().with_kinds([Token, Token]).unwrap().kinds();

    assert_eq!(named(&collected), [false, true, false, true]);
    assert_eq!(named(&twice), [true, false, false, false]);
    assert_eq!(named(&RevocationKinds::default()), [true, false, true, false]);
}

#[tokio::test]
async fn view_that_asks_for_no_kind_of_revocation_is_a_mistake() {
    let error = revocations().with_kinds([]).unwrap_err();

    assert_eq!(error, ConfigError::NoRevocationKinds);
    assert!(error.to_string().contains("accept_unrevocable_tokens"), "{error}");
    // A view that requires no kind is taken to require the default ones.
    struct Careless;
    impl Revocations for Careless {
        fn lookup(&self, _: &str, _: Revocable<'_>) -> Option<Revoked> {
            None
        }
        fn epoch(&self) -> u64 {
            0
        }
        fn kinds(&self) -> tower_bearer::revocation::RevocationKinds {
            [].into_iter().collect()
        }
    }
    let app = app_with(Careless, validation());
    lacks(&app, &full().without("jti")).await;
    lacks(&app, &full().without("iat")).await;
    is_in(&app, &full()).await;
}

#[tokio::test]
async fn token_without_date_counts_as_issued_before() {
    let view = revocations();
    let app = app_with(view.clone(), validation().dangerous().accept_unrevocable_tokens());
    is_in(&app, &full().without("iat")).await;

    view.revoke(Revocation::subject(ISSUER, "alice", at(1)));

    is_out(&app, &full().without("iat")).await;
}

#[tokio::test]
async fn token_that_would_outlive_its_revocation_is_refused() {
    let view = revocations().with_max_lifetime(Duration::from_secs(900));
    let late = full().claim("exp", NOW + 901);

    is_in(&app(&view), &full()).await;
    let answer = send(&app(&view), get("/").bearer(late.sign(&key()))).await;
    let challenge = invalid_token("A claim of the token is invalid");
    answer.is_refused(401, Some(&challenge), Reason::InvalidClaim);
    is_in(&app_with(view, validation().dangerous().accept_unrevocable_tokens()), &late).await;
}

#[tokio::test]
async fn restored_token_is_accepted_again_and_a_warning_says_so() {
    let view = revocations();
    view.revoke(Revocation::token(ISSUER, "t1", at(NOW + 900)));
    let before = view.epoch();

    let events =
        crate::observe::events::reported(|| assert!(view.restore(ISSUER, Revocable::Token("t1"))));

    is_in(&app(&view), &full()).await;
    assert!(!view.restore(ISSUER, Revocable::Token("t1")));
    assert_ne!(view.epoch(), before);
    let [(level, text)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*level, tracing::Level::WARN);
    assert!(text.contains("t1") && text.contains(ISSUER), "{text}");
}

/// A view that knows one revoked token, and that others may be missing.
struct Torn;

impl Revocations for Torn {
    fn lookup(&self, _: &str, name: Revocable<'_>) -> Option<Revoked> {
        (name == Revocable::Token("t1")).then_some(Revoked::Entirely)
    }

    fn epoch(&self) -> u64 {
        0
    }

    fn ready(&self) -> Result<(), RevocationsUnavailable> {
        Err(RevocationsUnavailable::new("gap").with_retry_after(Duration::from_secs(7)))
    }
}

#[tokio::test]
async fn view_that_is_not_whole_is_503_but_for_what_it_knows() {
    let app = app_with(Torn, validation());

    let unknown = send(&app, get("/").bearer(full().claim("jti", "t2").sign(&key()))).await;

    unknown.is_refused(503, None, Reason::RevocationsUnavailable);
    assert_eq!(unknown.headers["retry-after"], "7");
    is_out(&app, &full()).await;
    lacks(&app, &full().without("jti")).await;
}

#[tokio::test]
async fn two_views_are_one_as_a_pair() {
    let (one, other) =
        (revocations(), revocations().with_kinds([RevocationKind::Session]).unwrap());
    let app = app_with((one.clone(), other.clone()), validation());
    is_in(&app, &full()).await;
    lacks(&app, &full().without("jti")).await;
    lacks(&app, &full().without("sid")).await;

    other.revoke(Revocation::token(ISSUER, "t1", at(NOW + 900)));
    one.revoke(Revocation::token(ISSUER, "t2", at(NOW + 900)));
    one.revoke(Revocation::subject(ISSUER, "bob", at(NOW - 500)));
    other.revoke(Revocation::subject(ISSUER, "bob", at(NOW - 100)));

    is_out(&app, &full()).await;
    is_out(&app, &full().claim("jti", "t2")).await;
    is_out(&app, &full().claim("jti", "t3").claim("sub", "bob").claim("iat", NOW - 200)).await;
    is_in(&app, &full().claim("jti", "t3")).await;
    let torn = app_with((one, Torn), validation());
    let answer = send(&torn, get("/").bearer(full().claim("jti", "t3").sign(&key()))).await;
    answer.is_refused(503, None, Reason::RevocationsUnavailable);
}

/// Revokes a subject right after a token of it was dated ahead, and says up to when that is.
fn covered(view: &MemoryRevocations) -> Option<Revoked> {
    view.revoke(Revocation::subject(ISSUER, "alice", at(NOW)));
    view.lookup(ISSUER, Revocable::Subject("alice"))
}

fn up_to(seconds: u64) -> Option<Revoked> {
    Some(Revoked::IssuedUpTo(NumericDate::from_seconds(seconds.try_into().unwrap())))
}

#[test]
fn view_that_is_shared_is_asked_and_told_like_itself() {
    let own = revocations().with_kinds([RevocationKind::Session]).unwrap();
    let own = own.with_max_lifetime(Duration::from_secs(900));
    let shared: Arc<dyn Revocations> = Arc::new(own.clone());

    assert_eq!((shared.kinds(), shared.max_lifetime()), (own.kinds(), own.max_lifetime()));
    assert!(!shared.is_heeded_by(ISSUER));
    shared.heeded_by(ISSUER);
    shared.dated_ahead(ISSUER, Revocable::Subject("alice"), NumericDate::from(at(NOW + 2)));

    assert!(shared.is_heeded_by(ISSUER) && own.is_heeded_by(ISSUER));
    assert!(!shared.is_heeded_by("https://other.example.com"));
    assert_eq!(covered(&own), up_to(NOW + 2));
    assert_eq!(covered(&revocations()), up_to(NOW));
}

#[test]
fn both_views_of_a_pair_are_told_and_an_issuer_heeds_the_pair_if_it_heeds_both() {
    let (one, other) = (revocations(), revocations());
    let pair = (one.clone(), other.clone());

    one.heeded_by(ISSUER);
    assert!(!pair.is_heeded_by(ISSUER));
    pair.heeded_by(ISSUER);
    pair.dated_ahead(ISSUER, Revocable::Subject("alice"), NumericDate::from(at(NOW + 2)));

    assert!(pair.is_heeded_by(ISSUER) && other.is_heeded_by(ISSUER));
    assert_eq!([covered(&one), covered(&other)], [up_to(NOW + 2); 2]);
}

#[test]
fn shorter_lifetime_of_two_views_counts() {
    let of = |seconds| revocations().with_max_lifetime(Duration::from_secs(seconds));
    for (pair, expected) in [
        ((revocations(), revocations()), None),
        ((of(900), revocations()), Some(900)),
        ((revocations(), of(900)), Some(900)),
        ((of(900), of(600)), Some(600)),
    ] {
        assert_eq!(pair.max_lifetime(), expected.map(Duration::from_secs));
    }
}

#[test]
fn no_issuer_heeds_a_view_that_does_not_say_so() {
    assert!(!Torn.is_heeded_by(ISSUER));
}

#[tokio::test]
async fn bad_token_is_refused_for_what_is_wrong_with_it_before_its_revocation() {
    let view = revocations();
    view.revoke(Revocation::token(ISSUER, "t1", at(NOW + 900)));

    let expired = full().claim("exp", 1).sign(&key());
    let answer = send(&app(&view), get("/").bearer(expired)).await;

    answer.is_refused(401, Some(&invalid_token("The token has expired")), Reason::Expired);
}

#[tokio::test]
async fn next_request_on_the_same_connection_is_refused() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    async fn log_out(State(view): State<MemoryRevocations>, principal: Principal) {
        view.revoke(Revocation::of(&principal).unwrap());
    }
    let view = revocations();
    let verifier =
        verifier_with(key().verifying_key(), validation()).with_revocations(view.clone());
    let app = Router::new()
        .route("/", on_get(|| async { "in" }))
        .route("/logout", post(log_out))
        .layer(BearerLayer::<User>::new(verifier))
        .with_state(view);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut socket = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let token = full().sign(&key());
    let request = |line: &str, more: &str| {
        format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{more}\r\n")
    };
    // All at once, so that nothing can come between them.
    let requests = request("GET /", "")
        + &request("POST /logout", "content-length: 0\r\n")
        + &request("GET /", "connection: close\r\n");

    socket.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    socket.read_to_string(&mut answers).await.unwrap();

    let statuses: Vec<&str> =
        answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "401"], "{answers}");
}

#[test]
fn principal_without_jti_cannot_be_revoked_by_itself() {
    let verifier = verifier_with(key().verifying_key(), validation());
    let verified = block_on(verifier.verify(&token().without("jti").sign(&key()))).unwrap();

    let error: MissingTokenId = Revocation::of(verified.principal()).unwrap_err();

    assert!(error.to_string().contains("no `jti`"), "{error}");
}

#[test]
fn entries_go_when_token_and_leeway_are_over_and_their_memory_with_them() {
    let clock = TestClock::at(NOW);
    let view = MemoryRevocations::new().with_clock(clock.clone());
    let empty = view.memory_bytes();
    for n in 0..100_000 {
        view.revoke(Revocation::token(ISSUER, &n.to_string(), at(NOW + 900)));
    }
    assert!(view.memory_bytes() > empty + 2_000_000);

    clock.set(NOW + 900 + 5 * MINUTE);
    view.forget_expired();
    assert_eq!(view.len(), 100_000);
    clock.set(NOW + 900 + 6 * MINUTE);
    view.forget_expired();

    assert_eq!((view.len(), view.memory_bytes()), (0, empty));
}

#[test]
fn memory_of_every_kind_of_revocation_counts() {
    const ENTRIES: usize = 10_000;
    let of: [fn(&str) -> Revocation; 4] = [
        |name| Revocation::token(ISSUER, name, at(NOW + 900)),
        |name| Revocation::session(ISSUER, name),
        |name| Revocation::subject(ISSUER, name, at(NOW)),
        |name| Revocation::client(ISSUER, name, at(NOW)),
    ];
    let view = revocations();
    assert!(view.is_empty());
    for of in of {
        let before = view.memory_bytes();

        (0..ENTRIES).for_each(|number| view.revoke(of(&number.to_string())));

        let added = view.memory_bytes().checked_sub(before).unwrap();
        // With the free room of many small maps.
        assert!((20 * ENTRIES..100 * ENTRIES).contains(&added), "{added}");
    }
    assert!(!view.is_empty() && view.len() == 4 * ENTRIES);
}

#[test]
fn writing_clears_up_behind_itself() {
    let clock = TestClock::at(NOW);
    let view = MemoryRevocations::new().with_clock(clock.clone());
    for n in 0..50_000 {
        view.revoke(Revocation::token(ISSUER, &n.to_string(), at(NOW + 900)));
    }
    clock.set(NOW + 3600);

    for n in 0..1_024 {
        view.revoke(Revocation::token(ISSUER, &format!("new {n}"), at(NOW + 7200)));
    }

    assert_eq!(view.len(), 1_024);
}

#[test]
fn subjects_and_sessions_go_when_it_is_known_how_long_tokens_live() {
    let clock = TestClock::at(NOW);
    let kept = MemoryRevocations::new().with_clock(clock.clone());
    let known = MemoryRevocations::new()
        .with_clock(clock.clone())
        .with_max_lifetime(Duration::from_secs(900));
    for view in [&kept, &known] {
        view.revoke(Revocation::subject(ISSUER, "alice", at(NOW)));
        view.revoke(Revocation::session(ISSUER, "s1"));
    }

    clock.set(NOW + 900 + 10 * MINUTE);
    known.forget_expired();
    assert_eq!(known.len(), 2);
    clock.set(NOW + 900 + 11 * MINUTE);
    known.forget_expired();
    kept.forget_expired();

    assert_eq!((known.len(), kept.len()), (0, 2));
}

struct TempPath(std::path::PathBuf);

impl TempPath {
    fn new(name: &str) -> Self {
        let name = format!("tower-bearer-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn snapshot_holds_every_kind() {
    let file = TempPath::new("revocations");
    let revoke: [fn(&MemoryRevocations); 4] = [
        |view| view.revoke(Revocation::token(ISSUER, "t1", at(NOW + 900))),
        |view| view.revoke(Revocation::session(ISSUER, "s1")),
        |view| view.revoke(Revocation::subject(ISSUER, "alice", at(NOW))),
        |view| view.revoke(Revocation::client(ISSUER, "c1", at(NOW))),
    ];
    for revoke in revoke {
        let view = MemoryRevocations::new();
        revoke(&view);
        view.save(&file.0).unwrap();

        let opened = MemoryRevocations::open(&file.0).unwrap();

        is_out(&app(&opened), &full()).await;
        assert_eq!(opened.len(), 1);
        let others = full().claim("jti", "t2").claim("sid", "s2").claim("sub", "b");
        is_in(&app(&opened), &others.claim("client_id", "c2")).await;
    }
}

#[test]
fn broken_snapshot_is_an_error_and_stays_as_it_is() {
    let file = TempPath::new("broken-revocations");
    let view = revocations();
    view.revoke(Revocation::token(ISSUER, "t1", at(NOW + 900)));
    view.revoke(Revocation::subject(ISSUER, "alice", at(NOW)));
    view.save(&file.0).unwrap();
    let whole = std::fs::read(&file.0).unwrap();

    let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
    let flipped = (0..whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    });
    for broken in cut.chain(flipped) {
        std::fs::write(&file.0, &broken).unwrap();
        let error = MemoryRevocations::open(&file.0).unwrap_err();
        assert!(matches!(error, ConfigError::UnreadableFile { .. }), "{error}");
        assert_eq!(std::fs::read(&file.0).unwrap(), broken);
    }
}

#[test]
fn file_that_is_not_there_is_no_empty_list_of_revocations() {
    let file = TempPath::new("first-start");
    let message = |result: Result<MemoryRevocations, ConfigError>| result.unwrap_err().to_string();

    assert!(message(MemoryRevocations::open(&file.0)).contains("MemoryRevocations::create"));
    assert!(!file.0.exists());
    let view = MemoryRevocations::create(&file.0).unwrap();
    assert!(view.is_empty() && MemoryRevocations::open(&file.0).unwrap().is_empty());
    view.revoke(Revocation::session(ISSUER, "s1"));
    view.save(&file.0).unwrap();

    assert!(message(MemoryRevocations::create(&file.0)).contains("MemoryRevocations::open"));
    assert_eq!(MemoryRevocations::open(&file.0).unwrap().len(), 1);
    let nowhere = file.0.join("no such folder").join("file");
    let told = message(MemoryRevocations::create(nowhere));
    assert!(told.contains("no such folder") && !told.contains("there already"), "{told}");
    // A file that cannot be read is no first start.
    let folder = message(MemoryRevocations::open(std::env::temp_dir()));
    assert!(!folder.contains("first start"), "{folder}");
}

#[test]
fn revocations_that_cannot_be_saved_are_an_error() {
    let file = TempPath::new("no-such-folder");

    let error = revocations().save(file.0.join("file")).unwrap_err();

    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn debug_output_of_a_revocation_shows_its_issuer_and_kind_and_no_name() {
    let revocation = format!("{:?}", Revocation::session(ISSUER, "s1"));
    let name = format!("{:?}", Revocable::Session("s1"));

    assert!(revocation.starts_with("Revocation") && revocation.contains(ISSUER), "{revocation}");
    assert!(name.starts_with("Revocable"), "{name}");
    for shown in [revocation, name] {
        assert!(shown.contains("kind: Session") && !shown.contains("s1"), "{shown}");
    }
}

#[test]
fn revocation_that_is_here_already_throws_no_remembered_answer_away() {
    let view = revocations();
    for revocation in [
        Revocation::token(ISSUER, "t1", at(NOW + 900)),
        Revocation::session(ISSUER, "s1"),
        Revocation::subject(ISSUER, "alice", at(NOW - 100)),
        Revocation::client(ISSUER, "c1", at(NOW - 100)),
    ] {
        let before = view.epoch();
        view.revoke(&revocation);
        let after = view.epoch();
        view.revoke(&revocation);

        assert_ne!(after, before);
        assert_eq!(view.epoch(), after, "{revocation:?}");
    }
    let before = view.epoch();
    view.revoke(Revocation::subject(ISSUER, "alice", at(NOW - 99)));
    assert_ne!(view.epoch(), before);
}

#[derive(Clone, Debug)]
enum Step {
    Token(u8, u64),
    Subject(u8, u64),
    Restore(u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6_u8, 0..2_000_u64).prop_map(|(id, lives)| Step::Token(id, lives)),
        (0..3_u8, 0..200_u64).prop_map(|(id, ago)| Step::Subject(id, ago)),
        (0..6_u8).prop_map(Step::Restore),
        (0..1_000_u64).prop_map(Step::Pass),
    ]
}

/// The model never forgets; the view may, but only tokens that have expired in any case.
#[track_caller]
fn is_as_the_model_says(steps: &[Step]) {
    let clock = TestClock::at(NOW);
    let view = MemoryRevocations::new().with_clock(clock.clone());
    let verifier = Verifier::<User>::new(key().verifying_key(), Validation::new(ISSUER, AUDIENCE))
        .unwrap()
        .with_clock(clock.clone())
        .with_revocations(view.clone());
    let mut tokens = std::collections::HashMap::new();
    let mut subjects = std::collections::HashMap::<u8, u64>::new();
    let mut now = NOW;
    for step in steps {
        match *step {
            Step::Token(id, lives) => {
                let expires = now + lives;
                // An id names one token, so it expires once.
                let expires = tokens.get(&id).map_or(expires, |(known, _)| *known);
                tokens.insert(id, (expires, true));
                view.revoke(Revocation::token(ISSUER, &id.to_string(), at(expires)));
            }
            Step::Subject(id, ago) => {
                let moment = subjects.entry(id).or_default();
                *moment = (*moment).max(now - ago);
                view.revoke(Revocation::subject(ISSUER, &id.to_string(), at(now - ago)));
            }
            Step::Restore(id) => {
                view.restore(ISSUER, Revocable::Token(&id.to_string()));
                if let Some((_, is_revoked)) = tokens.get_mut(&id) {
                    *is_revoked = false;
                }
            }
            Step::Pass(seconds) => {
                now += seconds;
                clock.set(now);
                view.forget_expired();
            }
        }
        for id in 0..6_u8 {
            let (expires, is_revoked) = tokens.get(&id).copied().unwrap_or((now + 900, false));
            let (subject, issued) = (id % 3, now - 30 * u64::from(id));
            let sent = TestToken::new(ISSUER, AUDIENCE)
                .at(issued)
                .claim("jti", id.to_string())
                .claim("sub", subject.to_string())
                .claim("exp", expires);
            let is_subject_revoked =
                subjects.get(&subject).is_some_and(|moment| issued <= moment + 60);
            let expected = if now >= expires + 60 {
                Some(Reason::Expired)
            } else if is_revoked || is_subject_revoked {
                Some(Reason::Revoked)
            } else {
                None
            };
            let seen = block_on(verifier.verify(&sent.sign(&key()))).err();
            assert_eq!(
                seen.map(|error| error.reason()),
                expected,
                "{id} after {step:?} of {steps:?}"
            );
        }
    }
}

#[test]
fn inputs_that_the_model_once_disagreed_about() {
    use Step::{Pass, Subject};
    for steps in [
        &[Subject(1, 181), Subject(1, 181)][..],
        &[Subject(1, 0), Subject(1, 0), Pass(61)],
        &[Subject(0, 61), Subject(0, 61), Subject(0, 61)],
        &[Subject(2, 3), Subject(2, 1), Subject(2, 3), Pass(62)],
    ] {
        is_as_the_model_says(steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(64)) })]

    #[test]
    fn view_says_of_every_living_token_what_a_model_says(steps in proptest::collection::vec(step(), 1..40)) {
        is_as_the_model_says(&steps);
    }

    /// By any of the names, at any time, and with any other revocations.
    #[test]
    fn same_revocation_twice_is_as_good_as_once(
        steps in proptest::collection::vec((any::<bool>(), 0..3_u8, -6_000..200_000_i64, 0..3_000_u64), 1..20)
    ) {
        let clock = TestClock::at(NOW);
        let [once, twice] = [(); 2].map(|()| MemoryRevocations::new().with_clock(clock.clone()));
        for (is_subject, id, ago, millis) in steps {
            let moment = NOW.cast_signed() * 1000 - ago;
            let moment = UNIX_EPOCH + Duration::from_millis(moment.unsigned_abs());
            let name = id.to_string();
            let (revocation, name) = if is_subject {
                (Revocation::subject(ISSUER, &name, moment), Revocable::Subject(&name))
            } else {
                (Revocation::client(ISSUER, &name, moment), Revocable::Client(&name))
            };
            once.revoke(&revocation);
            twice.revoke(&revocation);
            clock.advance(Duration::from_millis(millis));
            let before = twice.epoch();
            twice.revoke(&revocation);
            prop_assert_eq!(twice.epoch(), before);
            prop_assert_eq!(once.lookup(ISSUER, name), twice.lookup(ISSUER, name));
        }
    }
}

/// The number in `PROPTEST_CASES`, or else this many.
pub fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

#[tokio::test]
async fn logout_that_is_told_again_ends_no_session_that_began_after_it() {
    for revoke in [Revocation::subject, Revocation::client] {
        let view = revocations();
        let app = app_with(view.clone(), validation().with_leeway(Duration::ZERO));
        let again = || view.revoke(revoke(ISSUER, "x", at(NOW - 30)));
        let issued =
            |seconds: u64| full().claim("sub", "x").claim("azp", "x").claim("iat", seconds);
        again();
        is_out(&app, &issued(NOW - 30)).await;
        is_in(&app, &issued(NOW - 29)).await;

        (0..10).for_each(|_| again());

        is_in(&app, &issued(NOW - 29)).await;
        is_out(&app, &issued(NOW - 30)).await;
    }
}

/// An issuer and a layer that share revocations and a clock.
struct OwnIssuer {
    clock: TestClock,
    view: MemoryRevocations,
    tokens: TokenIssuer,
    verifier: Verifier<User>,
    app: Router,
}

impl OwnIssuer {
    fn new() -> Self {
        let clock = TestClock::at(NOW);
        let view = MemoryRevocations::new().with_clock(clock.clone());
        let secret = "at least 32 bytes of randomness, please";
        let key = SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
        let tokens = TokenIssuer::new(ISSUER, AUDIENCE, key)
            .unwrap()
            .with_clock(clock.clone())
            .with_revocations(view.clone());
        let verifier = Verifier::<User>::new(tokens.verifying_key(), validation())
            .unwrap()
            .with_clock(clock.clone())
            .with_revocations(view.clone());
        let layer = BearerLayer::new(verifier.clone());
        let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer);
        Self { clock, view, tokens, verifier, app }
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    async fn send(&self, token: &IssuedToken) -> Answer {
        send(&self.app, get("/").bearer(token.as_str())).await
    }
}

#[tokio::test]
async fn user_who_was_revoked_signs_in_again_at_once() {
    let own = OwnIssuer::new();
    let before = own.tokens.token_for("alice").issue().unwrap();
    own.send(&before).await.is_ok("in");
    // Neither at a whole second nor at any other are the tokens of one second mixed up.
    for millis in [0, 1, 999, 1000, 61_000] {
        own.clock.set(NOW);
        own.clock.advance(Duration::from_millis(millis));
        own.view.revoke(Revocation::subject(ISSUER, "alice", own.now()));

        let after = own.tokens.token_for("alice").issue().unwrap();

        let refused = own.send(&before).await;
        refused.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
        own.send(&after).await.is_ok("in");
    }
}

#[tokio::test]
async fn revocation_that_was_a_while_on_its_way_covers_the_tokens_dated_ahead_before_its_moment() {
    let own = OwnIssuer::new();
    own.view.revoke(Revocation::subject(ISSUER, "alice", own.now()));
    let before = own.tokens.token_for("alice").issue().unwrap();
    let moment = own.now();
    // The time of a database query, for example.
    own.clock.advance(Duration::from_millis(2500));
    let after = own.tokens.token_for("alice").issue().unwrap();

    own.view.revoke(Revocation::subject(ISSUER, "alice", moment));

    let refused = own.send(&before).await;
    refused.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
    own.send(&after).await.is_ok("in");
}

/// The API in front of the issuer's tokens, by its rules and a view.
fn app_of(own: &OwnIssuer, rules: Validation, view: impl Revocations) -> Router {
    let verifier = verifier_with(own.tokens.verifying_key(), rules).with_revocations(view);
    Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier))
}

#[tokio::test]
async fn token_without_an_issuer_is_of_another_clock_than_the_issuer_that_heeds_the_view() {
    let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    view.heeded_by(ISSUER);
    let rules = validation().dangerous().accept_missing_issuer();
    let verifier = verifier_with(key().verifying_key(), rules).with_revocations(view.clone());
    let app = Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier));
    let dated_ahead = token().claim("iat", NOW + 5);
    view.revoke(Revocation::subject(ISSUER, "alice", UNIX_EPOCH + Duration::from_secs(NOW)));

    let named = send(&app, get("/").bearer(dated_ahead.sign(&key()))).await;
    let nameless = send(&app, get("/").bearer(dated_ahead.without("iss").sign(&key()))).await;

    named.is_ok("in");
    nameless.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
}

#[tokio::test]
async fn token_issued_after_a_revocation_is_let_in_where_its_issuer_heeds_the_same_view() {
    let own = OwnIssuer::new();
    let leeway = |seconds| validation().with_revocation_leeway(Duration::from_secs(seconds));
    let other = MemoryRevocations::new().with_clock(own.clock.clone());
    let apps = [
        (app_of(&own, validation(), own.view.clone()), true),
        (app_of(&own, leeway(0), own.view.clone()), true),
        // An explicit setting counts.
        (app_of(&own, leeway(60), own.view.clone()), false),
        // Moments that the issuer does not know may be of another clock.
        (app_of(&own, validation(), (own.view.clone(), other)), false),
    ];

    own.view.revoke(Revocation::subject(ISSUER, "alice", own.now()));
    let fresh = own.tokens.token_for("alice").issue().unwrap();

    for (index, (app, is_in)) in apps.iter().enumerate() {
        let answer = send(app, get("/").bearer(fresh.as_str())).await;
        assert_eq!(answer.status == 200, *is_in, "{index}");
        if !is_in {
            let challenge = invalid_token("The token was revoked");
            answer.is_refused(401, Some(&challenge), Reason::Revoked);
        }
    }
}

#[tokio::test]
async fn token_of_another_issuer_than_that_which_heeds_the_view_has_the_leeway() {
    let own = OwnIssuer::new();
    let rules = Validation::new("https://other.example.com", AUDIENCE);
    let app = app_of(&own, rules, own.view.clone());
    let secret = "at least 32 bytes of randomness, please";
    let key = SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
    let other = TokenIssuer::new("https://other.example.com", AUDIENCE, key).unwrap();
    let tokens = other.with_clock(own.clock.clone());
    own.view.revoke(Revocation::subject("https://other.example.com", "alice", at(NOW - 30)));

    let answer =
        send(&app, get("/").bearer(tokens.token_for("alice").issue().unwrap().as_str())).await;

    answer.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
}

#[test]
fn issuer_makes_no_token_that_is_dead_from_its_birth() {
    let own = OwnIssuer::new();
    own.view.revoke(Revocation::session(ISSUER, "s1"));
    own.view.revoke(Revocation::client(ISSUER, "c1", own.now() + Duration::from_secs(60)));
    let token = || own.tokens.token_for("alice");

    let of_session = token().with_claims(&serde_json::json!({ "sid": "s1" })).issue();
    let of_client = token().with_client_id("c1").issue();

    assert_eq!(of_session.unwrap_err(), IssueError::Revoked { wait: None });
    let wait = Duration::from_secs(56);
    assert_eq!(of_client.unwrap_err(), IssueError::Revoked { wait: Some(wait) });
    assert!(token().with_claims(&serde_json::json!({ "sid": "s2" })).issue().is_ok());
    assert!(token().with_client_id("c2").issue().is_ok());
    own.clock.set(NOW + wait.as_secs());
    assert!(token().with_client_id("c1").issue().is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(64)) })]

    /// For any milliseconds between them: a token that was issued before a revocation is refused
    /// after it, and a token that is issued after it is accepted.
    #[test]
    fn revocation_parts_the_tokens_of_its_own_issuer_exactly(
        steps in proptest::collection::vec((0..1500_u64, any::<bool>()), 1..30)
    ) {
        let own = OwnIssuer::new();
        let mut tokens: Vec<(IssuedToken, bool)> = Vec::new();
        for (millis, is_revoked) in steps {
            own.clock.advance(Duration::from_millis(millis));
            if is_revoked {
                own.view.revoke(Revocation::subject(ISSUER, "alice", own.now()));
                tokens.iter_mut().for_each(|(_, is_in)| *is_in = false);
            }
            // It may have to wait when revocations follow each other at once.
            if let Ok(token) = own.tokens.token_for("alice").issue() {
                tokens.push((token, true));
            }
            for (token, is_in) in &tokens {
                let seen = block_on(own.verifier.verify(token.as_str())).is_ok();
                prop_assert_eq!(seen, *is_in);
            }
        }
    }
}
