//! Tests issuers that change while a request waits.

use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup, VerifyingKey};
use tower_bearer::{Algorithm, Issuers, Reason, Verifier};

use crate::support::named_keys::{named, token_of};
use crate::support::{ISSUER, User, validation};

/// Replaces its own issuer while a request waits for it.
struct Replaced(Issuers, VerifyingKey);

impl KeySource for Replaced {
    fn lookup(&self, _: &Header) -> Lookup {
        Lookup::Refresh
    }

    async fn refresh(&self, _: &Header) -> Result<Lookup, KeysUnavailable> {
        self.0.remove(ISSUER);
        let stricter = validation().with_algorithms([Algorithm::ES384]);
        self.0.add(self.1.clone(), stricter).map_err(KeysUnavailable::new)?;
        Ok(Lookup::Unknown)
    }
}

#[tokio::test]
async fn token_that_waited_is_judged_by_the_rules_that_are_in_force_then() {
    let issuers = Issuers::new();
    let replaced = Replaced(issuers.clone(), named("a").verifying_key());
    issuers.add(replaced, validation()).unwrap();
    let verifier = Verifier::<User>::multi_issuer(&issuers);

    let refused = verifier.verify(&token_of(&named("a"))).await.unwrap_err();

    assert_eq!(refused.reason(), Reason::AlgorithmNotAllowed);
}
