//! The two questions of the page, which the commands `inspect` and `explain` answer.

use std::future::Future;
use std::pin::Pin;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Answers the page with the JSON of `bearer inspect --json` and `bearer explain --json`.
pub(crate) trait Reports: Send + Sync + 'static {
    /// Returns the content of the token, as JSON. Nothing is verified.
    fn inspect(&self, token: &str) -> String;

    /// Verifies the token, and returns the verdict as JSON. An error says which argument cannot be used.
    fn explain(&self, question: Question) -> Explaining<'_>;
}

pub(crate) type Explaining<'r> = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send + 'r>>;

/// A token, and the expectations to verify it with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    pub(crate) token: Zeroizing<String>,
    #[serde(default)]
    pub(crate) issuer: Option<String>,
    #[serde(default)]
    pub(crate) audience: Option<String>,
    pub(crate) keys: Keys,
    /// The name of a preset of `tower_bearer`.
    #[serde(default)]
    pub(crate) preset: Option<String>,
}

/// The keys to verify with.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keys {
    Secret(Zeroizing<String>),
    Pem(String),
    Jwks(String),
    /// Those that the issuer publishes. The program fetches them.
    Issuer(bool),
    /// A key set at this address. The program fetches it.
    Url(String),
}
