use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::clock::unix;
use crate::jose::Algorithm;

/// The state of one key of an issuer, for an operator and for metrics.
///
/// Serialises as an object; moments are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IssuerKeyStatus {
    pub(super) key_id: Option<String>,
    #[serde(serialize_with = "name")]
    pub(super) algorithm: Algorithm,
    pub(super) state: IssuerKeyState,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(super) since: Option<SystemTime>,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(super) until: Option<SystemTime>,
}

/// The use that an issuer makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IssuerKeyState {
    /// The key is published, so that verifiers know it when it signs.
    Next,
    /// The key signs.
    Active,
    /// The key is published until the last token that it signed has expired.
    Retired,
}

impl IssuerKeyStatus {
    /// Returns the key id, which tokens carry in `kid`. A secret may have none.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns the algorithm of the key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the use of the key.
    pub fn state(&self) -> IssuerKeyState {
        self.state
    }

    /// Returns when the next key was made, or when the active one began to sign.
    pub fn since(&self) -> Option<SystemTime> {
        self.since
    }

    /// Returns when the retired key is dropped.
    pub fn until(&self) -> Option<SystemTime> {
        self.until
    }
}

impl IssuerKeyState {
    /// Returns the state as a stable `snake_case` word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for IssuerKeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn name<S: serde::Serializer>(algorithm: &Algorithm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(algorithm.as_str())
}
