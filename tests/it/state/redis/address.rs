//! Tests mistakes that are found before Redis is reached.

use std::time::{Duration, UNIX_EPOCH};

use tower_bearer::ConfigError;
use tower_bearer::claims::NumericDate;
use tower_bearer::revocation::{
    RedisRevocations, Revocable, Revocation, RevocationKind, RevocationKinds, RevocationStore as _,
    Revocations as _, Revoked,
};
use tower_bearer::test_util::TestClock;

use super::server::free_port;
use super::{HOUR, in_an_hour, until};
use crate::support::{ISSUER, NOW};

#[test]
fn address_that_cannot_be_read_is_an_error_without_its_password() {
    let error = RedisRevocations::new("http://:secret@localhost", HOUR).unwrap_err();

    assert!(matches!(error, ConfigError::Address { .. }), "{error:?}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("redis://") && !shown.contains("secret"), "{shown}");
    RedisRevocations::new("redis://:secret@localhost", HOUR).unwrap();
}

#[test]
fn plain_address_of_another_machine_has_to_be_asked_for_by_name() {
    let address = "redis://:secret@redis.example.com";

    let error = RedisRevocations::new(address, HOUR).unwrap_err();

    let shown = format!("{error} {error:?}");
    assert!(shown.contains("dangerously_without_tls") && !shown.contains("secret"), "{shown}");
    RedisRevocations::dangerously_without_tls(address, HOUR).unwrap();
    RedisRevocations::new("rediss://:secret@redis.example.com", HOUR).unwrap();
    RedisRevocations::new("redis://:secret@127.0.0.1", HOUR).unwrap();
}

#[test]
fn gap_that_never_ends_has_to_be_asked_for_by_name() {
    let with = |gap| RedisRevocations::new("redis://localhost", HOUR).unwrap().with_max_gap(gap);
    let most = std::time::Duration::from_secs(300);

    let error = with(most + std::time::Duration::from_secs(1)).unwrap_err();

    assert!(matches!(error, ConfigError::TooLong { seconds: 301, most: 300, .. }), "{error:?}");
    assert!(error.to_string().contains("dangerous().fail_open()"), "{error}");
    assert!(with(std::time::Duration::MAX).is_err());
    with(most).unwrap();
}

#[test]
fn view_that_asks_for_no_kind_of_revocation_is_a_mistake() {
    let revocations = || RedisRevocations::new("redis://localhost", HOUR).unwrap();

    assert_eq!(revocations().with_kinds([]).unwrap_err(), ConfigError::NoRevocationKinds);
    revocations().with_kinds([tower_bearer::revocation::RevocationKind::Session]).unwrap();
}

#[test]
fn namespace_and_certificates_are_checked_at_once() {
    let revocations = || RedisRevocations::new("redis://localhost", HOUR).unwrap();

    let error = revocations().with_namespace("a}b").unwrap_err();
    assert!(error.to_string().contains("a}b"), "{error}");
    revocations().with_namespace("a:b").unwrap();
    for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] {
        let error = revocations().with_root_certificates(pem).unwrap_err();
        assert!(matches!(error, ConfigError::UnreadableKeys { .. }), "{error:?}");
    }
}

#[test]
fn revoking_where_no_runtime_is_holds_here_and_is_an_error() {
    let revocations = RedisRevocations::new("redis://localhost", HOUR).unwrap();

    let added = revocations.add(Revocation::token(ISSUER, "t1", in_an_hour()));

    let error = futures::executor::block_on(added).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("runtime"));
    let name = tower_bearer::revocation::Revocable::Token("t1");
    assert!(tower_bearer::revocation::Revocations::lookup(&revocations, ISSUER, name).is_some());
    assert_eq!(revocations.status().unwritten(), 1);
}

#[test]
fn node_is_a_view_like_any_other_before_redis_is_there() {
    let revocations = RedisRevocations::new("redis://:secret@localhost/2", HOUR).unwrap();
    let node = revocations.with_kinds([RevocationKind::Session]).unwrap();
    let node = node.with_clock(TestClock::at(NOW));
    let kinds: RevocationKinds = [RevocationKind::Session].into_iter().collect();
    let before = node.memory_bytes();

    assert_eq!((node.kinds(), node.max_lifetime()), (kinds, Some(HOUR)));
    let alice = Revocable::Subject("alice");
    node.dated_ahead(ISSUER, alice, NumericDate::from_seconds(NOW as i64 + 2));
    let at_now = UNIX_EPOCH + Duration::from_secs(NOW);
    drop(node.add(Revocation::subject(ISSUER, "alice", at_now)));

    let covered = NumericDate::from_seconds(NOW as i64 + 2);
    assert_eq!(node.lookup(ISSUER, alice), Some(Revoked::IssuedUpTo(covered)));
    assert!(before > 10_000 && node.memory_bytes() > before);
    let shown = format!("{node:?}");
    assert!(
        shown.starts_with("RedisRevocations { address: \"redis://localhost:6379/2\""),
        "{shown}"
    );
}

/// A node without a server.
struct Lonely(RedisRevocations);

impl Lonely {
    fn new() -> Self {
        Self(RedisRevocations::new(&format!("redis://127.0.0.1:{}", free_port()), HOUR).unwrap())
    }

    fn problem(&self) -> Option<String> {
        self.0.status().problem().map(str::to_owned)
    }

    async fn has_tried(&self) {
        until(|| self.problem().is_some_and(|problem| problem.contains("refused"))).await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn node_outlives_the_runtime_that_it_was_used_in() {
    let node = Lonely::new();
    for _ in 0..3 {
        let runtime = runtime();
        runtime.block_on(node.has_tried());

        drop(runtime);

        assert_eq!(node.problem().as_deref(), Some("the task that follows Redis has ended"));
    }
}

#[test]
fn node_in_a_runtime_without_timers_says_so_and_works_in_another() {
    let node = Lonely::new();
    let without = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();

    let error = without.block_on(async {
        let added = node.0.add(Revocation::token(ISSUER, "t1", in_an_hour()));
        assert!(node.0.ready().is_err());
        added.await.unwrap_err()
    });

    let problem = std::error::Error::source(&error).unwrap().to_string();
    assert!(problem.contains("timers of this tokio runtime"), "{problem}");
    assert_eq!((node.problem(), node.0.status().unwritten()), (None, 1));
    runtime().block_on(async {
        // The next call starts it there.
        drop(node.0.add(Revocation::token(ISSUER, "t2", in_an_hour())).await);
        node.has_tried().await;
    });
}
