//! Dates and other numbers, while serde_json's `arbitrary_precision` is on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tower_bearer::claims::NumericDate;
use tower_bearer::clock::Clock;
use tower_bearer::keys::VerifyingKey;
use tower_bearer::{Algorithm, Config, Reason, Validation, Verified, Verifier};

use crate::tokens::{self, AUDIENCE, ISSUER, SECRET};

pub async fn check() {
    assert!(is_arbitrary(), "without `arbitrary_precision` this would show nothing");

    for date in ["1800000001", "1800000000.25", "1.80000000025e9", "18000000010E-1", "1e300"] {
        let verified = verify(&format!(r#""exp":{date}"#)).await.unwrap();
        assert!(
            verified.principal().registered().expires_at().unwrap()
                > NumericDate::from_seconds(NOW)
        );
    }
    println!("stranger: numbers: integer, fractional and huge `exp` verify");

    for date in ["1799999940", "1799999939.75", "1.7e9", "-1", "0", "-1e300"] {
        assert_eq!(
            verify(&format!(r#""exp":{date}"#)).await.unwrap_err(),
            Reason::Expired,
            "{date}"
        );
    }
    println!("stranger: numbers: past `exp` of every form is expired");

    for date in ["\"1800000001\"", "null", "true", "[1800000001]", "{}", WRAPPED] {
        let reason = verify(&format!(r#""exp":{date}"#)).await.unwrap_err();
        assert_eq!(reason, Reason::InvalidClaim, "{date}");
    }
    println!("stranger: numbers: what is no number is no date");

    configured();

    let with_roles = |roles: &str| {
        format!(
            r#""exp":1800000001,"roles":{roles},"realm_access":1.5,"resource_access":{{"api":2.5}}"#
        )
    };
    for roles in ["1", "1.5", "[1.5,\"user\"]", "{\"a\":1.5}"] {
        let claims = with_roles(roles);
        let verified = verify(&claims).await.unwrap_or_else(|reason| panic!("{roles}: {reason:?}"));
        assert!(!verified.principal().has_role("1.5") && !verified.principal().has_role("1"));
    }
    // A handler would read a number there, and a guard an object.
    assert_eq!(verify(&with_roles(WRAPPED)).await.unwrap_err(), Reason::Malformed);
    println!(
        "stranger: numbers: a number where roles are looked for grants nothing and breaks nothing"
    );
}

/// A configuration has numbers as well.
fn configured() {
    let config = format!(
        r#"{{ "issuers": [{{
            "issuer": "{ISSUER}",
            "audiences": ["{AUDIENCE}"],
            "leeway": 30,
            "keys": {{ "discover": true, "redirects": 2, "budget": {{ "fetches": 5, "one_more_every": 7 }} }}
        }}] }}"#
    );
    let effective = Config::from_json(&config).unwrap().effective().unwrap().to_toml();
    for line in ["leeway = \"30s\"", "redirects = 2", "fetches = 5", "one_more_every = \"7s\""] {
        assert!(effective.contains(line), "{line}\n{effective}");
    }
    println!("stranger: numbers: a configuration is read");
}

/// How serde_json presents a number while the feature is on, written out by a stranger.
const WRAPPED: &str = r#"{"$serde_json::private::Number":"1800000001"}"#;
const NOW: i64 = 1_800_000_000;

fn is_arbitrary() -> bool {
    let digits = "1.0000000000000000000000000001";
    serde_json::from_str::<Value>(digits).unwrap().to_string().as_str() == digits
}

async fn verify(claims: &str) -> Result<Verified<Value>, Reason> {
    let key = VerifyingKey::from_secret(Algorithm::HS256, SECRET).unwrap();
    let paths = ["roles", "/realm_access/roles", "/resource_access/api/roles"];
    let rules = Validation::new(ISSUER, AUDIENCE).with_roles_at(paths);
    let verifier = Verifier::new(key, rules).unwrap().with_clock(Standing);
    verifier.verify(&tokens::signed(claims)).await.map_err(|error| error.reason())
}

struct Standing;

impl Clock for Standing {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs())
    }
}
