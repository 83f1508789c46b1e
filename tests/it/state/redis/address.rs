//! Tests mistakes that are found before Redis is reached.

use tower_bearer::ConfigError;
use tower_bearer::revocation::{RedisRevocations, Revocation, RevocationStore as _};

use super::{HOUR, in_an_hour};
use crate::support::ISSUER;

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
