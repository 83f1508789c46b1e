//! Checks that rules are those of FAPI 2.0 (Security Profile §5.4), which a preset cannot set alone: an option may
//! contradict it.

use std::time::Duration;

use super::config::{AudienceRule, Validation};
use crate::config_error::ConfigError;
use crate::jose::Algorithm;

/// Narrows the algorithms, and finds what contradicts the profile.
pub(super) fn apply(validation: &mut Validation) -> Result<(), ConfigError> {
    let mut missing = Vec::new();
    let algorithms = validation.algorithms.get_or_insert_with(|| ALGORITHMS.to_vec());
    let is_allowed = |one: &Algorithm| ALGORITHMS.iter().any(|a| a.canonical() == one.canonical());
    if !algorithms.iter().all(is_allowed) {
        missing.push("no algorithms but PS256, ES256 and Ed25519 (`with_algorithms`)");
    }
    // FAPI 2.0 Security Profile §5.3.2.1: dates up to 10 s ahead are accepted, and those of more than 60 s are not.
    if !(LEAST_LEEWAY..=MOST_LEEWAY).contains(&validation.leeway) {
        missing.push("a leeway of 10 to 60 seconds (`with_leeway`)");
    }
    if validation.kind.any_kind || validation.kind.bound_tokens {
        missing.push("access tokens alone, with the proofs of bound ones");
    }
    if validation.missing_issuer || validation.missing_expiry || validation.unrevocable {
        missing.push("tokens with `iss`, `exp` and what revokes them");
    }
    if validation.audience_rule != AudienceRule::Aud {
        missing.push("tokens with an audience");
    }
    if missing.is_empty() { Ok(()) } else { Err(ConfigError::Fapi2 { missing }) }
}

const ALGORITHMS: [Algorithm; 3] = [Algorithm::PS256, Algorithm::ES256, Algorithm::Ed25519];
const LEAST_LEEWAY: Duration = Duration::from_secs(10);
const MOST_LEEWAY: Duration = Duration::from_secs(60);
