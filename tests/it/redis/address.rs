//! What can be wrong before Redis is asked.

use tower_bearer::{ConfigError, RedisRevocations, Revocation, RevocationStore as _};

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
    let name = tower_bearer::Revocable::Token("t1");
    assert!(tower_bearer::Revocations::lookup(&revocations, ISSUER, name).is_some());
    assert_eq!(revocations.status().unwritten(), 1);
}
