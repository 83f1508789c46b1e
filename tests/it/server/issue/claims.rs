//! Tests claims that issuers and requests set by methods of their own.

use serde_json::json;
use tower_bearer::issue::IssueError;
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::{ConfigError, Validation};

use super::*;

fn tokens() -> TokenIssuer {
    TokenIssuer::new(ISSUER, AUDIENCE, new_key()).unwrap().with_clock(TestClock::at(NOW))
}

#[tokio::test]
async fn several_audiences_are_a_list_and_one_is_a_string() {
    // RFC 7519 §4.1.3: one audience is a string, several are a list
    let one = tokens();
    let several = tokens().with_audiences(["https://b.example.com", AUDIENCE]).unwrap();

    assert_eq!(claims(&one.token_for("alice").issue().unwrap())["aud"], AUDIENCE);
    let token = several.token_for("alice").issue().unwrap();
    assert_eq!(claims(&token)["aud"], json!([AUDIENCE, "https://b.example.com"]));
    for (audience, is_accepted) in
        [(AUDIENCE, true), ("https://b.example.com", true), ("https://c.example.com", false)]
    {
        let rules = Validation::new(ISSUER, audience);
        let verifier = crate::support::verifier_with(several.verifying_key(), rules);
        let verdict = verifier.verify(token.as_str()).await.map_err(|error| error.reason());
        assert_eq!(verdict.is_ok(), is_accepted, "{audience}");
        assert!(is_accepted || verdict.unwrap_err() == Reason::WrongAudience);
    }
}

#[test]
fn audiences_of_one_token_replace_those_of_the_issuer() {
    let issuer = tokens().with_audiences(["https://b.example.com"]).unwrap();

    let one = issuer.token_for("alice").with_audiences(["https://c.example.com"]).issue();
    let two = issuer.token_for("alice").with_audiences(["https://c.example.com", "d"]).issue();

    assert_eq!(claims(&one.unwrap())["aud"], "https://c.example.com");
    assert_eq!(claims(&two.unwrap())["aud"], json!(["https://c.example.com", "d"]));
    for empty in [vec![], vec![""], vec!["d", ""]] {
        let error = issuer.token_for("alice").with_audiences(empty).issue().unwrap_err();
        assert_eq!(error, IssueError::EmptyAudience);
    }
}

#[test]
fn audience_that_no_token_carries_is_a_config_error() {
    assert_eq!(tokens().with_audiences([""]).unwrap_err(), ConfigError::EmptyAudience);
    let placeholder = tokens().with_audiences(["https://{tenant}.example.com"]).unwrap_err();
    assert!(matches!(placeholder, ConfigError::Name { member: "audience", .. }));
    assert!(tokens().with_audiences(["https://b.example.com"]).is_ok());
}

#[tokio::test]
async fn session_id_is_in_the_token_and_its_session_can_be_revoked() {
    let clock = TestClock::at(NOW);
    let issuer = tokens();
    let view = MemoryRevocations::new().with_clock(clock.clone());
    let verifier = crate::support::verifier_of(issuer.verifying_key());
    let verifier = verifier.with_revocations(view.clone());
    let issue = |session: &str| {
        let token = issuer.token_for("alice").with_session_id(session).issue().unwrap();
        assert_eq!(claims(&token)["sid"], session);
        token
    };
    let (one, other) = (issue("s1"), issue("s2"));

    view.revoke(Revocation::session(ISSUER, "s1"));

    let refused = verifier.verify(one.as_str()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::Revoked);
    assert!(verifier.verify(other.as_str()).await.is_ok());
}

#[test]
fn session_id_is_set_once_and_not_empty() {
    let issuer = tokens();
    let alice = || issuer.token_for("alice");

    let twice = alice().with_session_id("s1").with_claims(&json!({ "sid": "s2" })).issue();
    assert_eq!(twice.unwrap_err(), IssueError::ClaimSetTwice("sid".into()));
    let empty = alice().with_session_id("").issue();
    assert_eq!(empty.unwrap_err(), IssueError::EmptySessionId);
    assert!(alice().with_session_id("s1").issue().is_ok());
}
