//! Puts a token before the verifier that an API would have.

use std::time::Duration;

use serde_json::Value;
use tower_bearer::explain::Explanation;
use tower_bearer::keys::{
    BoxKeySource, CachedKeys, DecryptionKeys, HttpFetch, KeySource as _, VerifyingKey,
};
use tower_bearer::policy::{all_of, role, scope};
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, Config, KeySet, Validation, Verifier};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::fetch;

/// Where the keys of an issuer are.
pub(crate) enum KeyPlace {
    /// A JWK set, a JWK, or PEM.
    Text(Zeroizing<String>),
    /// The address of a JWK set.
    Url(String),
    /// Found by the metadata of the issuer.
    Issuer,
    /// An HMAC secret.
    Secret(Zeroizing<Vec<u8>>),
}

/// The expectations of an API.
pub(crate) struct Question {
    verifier: Verifier<Value>,
    roles: Vec<String>,
    scopes: Vec<String>,
}

impl Question {
    /// Creates the question of an API that expects tokens of one issuer.
    pub(crate) fn new(
        issuer: &str,
        keys: &KeyPlace,
        algorithms: &[Algorithm],
        validation: Validation,
    ) -> Result<Self, Failure> {
        let keys = key_source(issuer, keys, algorithms)?;
        let validation = match algorithms {
            [] => validation,
            _ => validation.with_algorithms(algorithms.iter().copied()),
        };
        Ok(Self::of(Verifier::new(keys, validation).map_err(Failure::new)?))
    }

    /// Creates the question of an API with this configuration.
    pub(crate) fn of_config(config: &Config) -> Result<Self, Failure> {
        let issuers = config.issuers().map_err(Failure::new)?;
        Ok(Self::of(config.verifier(&issuers).map_err(Failure::new)?))
    }

    fn of(verifier: Verifier<Value>) -> Self {
        Self { verifier, roles: Vec::new(), scopes: Vec::new() }
    }

    /// Asks with the keys that decrypt tokens, if there are any.
    pub(crate) fn decrypting(self, keys: Option<DecryptionKeys>) -> Self {
        match keys {
            Some(keys) => Self { verifier: self.verifier.with_decryption_keys(keys), ..self },
            None => self,
        }
    }

    /// Asks for roles and scopes too.
    pub(crate) fn needing(self, roles: &[String], scopes: &[String]) -> Self {
        Self { roles: roles.to_vec(), scopes: scopes.to_vec(), ..self }
    }

    /// Asks as at another moment, in seconds since 1970.
    pub(crate) fn at(self, seconds: Option<u64>) -> Self {
        match seconds {
            Some(seconds) => {
                Self { verifier: self.verifier.with_clock(TestClock::at(seconds)), ..self }
            }
            None => self,
        }
    }

    /// Explains what the API says about a token.
    pub(crate) async fn ask(&self, token: &str) -> Explanation {
        let verifier = &self.verifier;
        let roles = || all_of(self.roles.iter().cloned().map(role));
        let scopes = || all_of(self.scopes.iter().cloned().map(scope));
        match (self.roles.is_empty(), self.scopes.is_empty()) {
            (true, true) => verifier.explain(token).await,
            (false, true) => verifier.explain_with_policy(token, roles()).await,
            (true, false) => verifier.explain_with_policy(token, scopes()).await,
            (false, false) => verifier.explain_with_policy(token, roles().and(scopes())).await,
        }
    }
}

fn key_source(
    issuer: &str,
    place: &KeyPlace,
    algorithms: &[Algorithm],
) -> Result<BoxKeySource, Failure> {
    match place {
        KeyPlace::Text(text) => key_set(text, algorithms).map(KeySet::boxed),
        KeyPlace::Secret(secret) => secret_keys(secret, algorithms).map(KeySet::boxed),
        KeyPlace::Url(url) => {
            let fetch = if fetch::is_plain_loopback(url) {
                on_this_machine().from_url(url)
            } else {
                HttpFetch::new(url)
            };
            Ok(remote(fetch.map_err(Failure::new)?, algorithms))
        }
        KeyPlace::Issuer => {
            let fetch = if fetch::is_plain_loopback(issuer) {
                on_this_machine().discover(issuer)
            } else {
                HttpFetch::discover(issuer)
            };
            Ok(remote(fetch.map_err(Failure::new)?, algorithms))
        }
    }
}

fn key_set(text: &str, algorithms: &[Algorithm]) -> Result<KeySet, Failure> {
    let is_pem = text.contains("-----BEGIN");
    let keys = match (is_pem, algorithms) {
        (true, []) => KeySet::from_pem(text),
        (true, _) => KeySet::from_pem_for(text, algorithms),
        (false, []) => KeySet::from_jwks(text),
        (false, _) => KeySet::from_jwks_for(text, algorithms),
    };
    keys.map_err(|error| {
        Failure::new(error).with_hint("`bearer keys check FILE` says more about a key set")
    })
}

/// Returns the secret for each algorithm that it is long enough for.
fn secret_keys(secret: &[u8], algorithms: &[Algorithm]) -> Result<KeySet, Failure> {
    let algorithms = match algorithms {
        [] => &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512][..],
        _ => algorithms,
    };
    let mut problem = None;
    let keys: Vec<_> = algorithms
        .iter()
        .filter_map(|algorithm| {
            let key = VerifyingKey::from_secret(*algorithm, secret);
            key.map_err(|error| problem.get_or_insert(Failure::new(error))).ok()
        })
        .collect();
    match problem {
        Some(problem) if keys.is_empty() => Err(problem),
        _ => Ok(keys.into_iter().collect()),
    }
}

fn remote(fetch: HttpFetch, algorithms: &[Algorithm]) -> BoxKeySource {
    let fetch = fetch.with_timeout(PATIENCE);
    let fetch = match algorithms {
        [] => fetch,
        _ => fetch.with_algorithms(algorithms.iter().copied()),
    };
    CachedKeys::new(fetch).with_wait(PATIENCE).boxed()
}

/// A provider for development is on this machine, without TLS.
fn on_this_machine() -> tower_bearer::keys::DangerousFetch {
    HttpFetch::dangerous().allow_plain_http().allow_private_networks()
}

const PATIENCE: Duration = Duration::from_secs(10);
