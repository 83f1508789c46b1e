//! Signs and checks the token of the double submit, for clients that send neither `Sec-Fetch-Site`
//! nor `Origin`.
//!
//! A page of this origin reads the token in a cookie and repeats it in a header, which no page of
//! another site can do. The token is bound to a token of the session: a cookie that a sibling
//! domain has set, from a session of its own, is refused. It is bound to the access or the refresh token
//! and not to an identifier of the session, because these are in the request anyway and cannot be
//! guessed. An identifier would need a cookie of its own, or claims of a token that is not verified
//! yet.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::error::CookieError;
use crate::config_error::ConfigError;
use crate::jose::Algorithm;
use crate::jose::crypto::{self, Material, Verify};

/// The key of the tokens. It is cheap to clone.
#[derive(Clone)]
pub(super) struct CsrfKey(Arc<Key>);

struct Key {
    secret: Zeroizing<Vec<u8>>,
    verifier: Box<dyn Verify>,
}

impl CsrfKey {
    pub(super) fn new(secret: Vec<u8>) -> Result<Self, ConfigError> {
        let secret = Zeroizing::new(secret);
        let verifier = crypto::verifier(Algorithm::HS256, &Material::secret(&secret))?;
        Ok(Self(Arc::new(Key { secret, verifier })))
    }

    /// Makes a token that is bound to another token.
    pub(super) fn sign(&self, bound_to: &str) -> Result<String, CookieError> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).map_err(|_| CookieError::NoRandomness)?;
        let message = message(&random, bound_to.as_bytes());
        let mac = crypto::hmac_sha256(&self.0.secret, &message);
        let mac = mac.expect("a key is made by a back end only");
        Ok(URL_SAFE_NO_PAD.encode([&random[..], &mac].concat()))
    }

    /// Checks that the token is ours and bound to one of these tokens. The comparison takes the
    /// same time for every wrong token.
    pub(super) fn verify<'t>(
        &self,
        token: &[u8],
        bound_to: impl IntoIterator<Item = &'t [u8]>,
    ) -> bool {
        let Ok(token) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((random, mac)) = token.split_first_chunk::<RANDOM>() else { return false };
        bound_to.into_iter().any(|bound_to| self.0.verifier.verify(&message(random, bound_to), mac))
    }
}

/// Begins with a label, so that a secret that signs other messages too signs none of these.
fn message(random: &[u8; RANDOM], bound_to: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([LABEL, random, bound_to].concat())
}

const RANDOM: usize = 16;
const LABEL: &[u8] = b"tower-bearer csrf\0";

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CsrfKey {
        CsrfKey::new(b"a secret of thirty-two bytes, yes".to_vec()).unwrap()
    }

    #[test]
    fn token_is_good_for_the_token_it_is_bound_to_and_no_other() {
        let token = key().sign("the.access.token").unwrap();

        assert!(key().verify(token.as_bytes(), [&b"the.access.token"[..]]));
        assert!(key().verify(token.as_bytes(), [&b"another"[..], b"the.access.token"]));
        assert!(!key().verify(token.as_bytes(), [&b"another"[..]]));
        assert!(!key().verify(token.as_bytes(), []));
    }

    #[test]
    fn token_of_another_secret_is_refused() {
        let other = CsrfKey::new(b"another secret of thirty-two bytes".to_vec()).unwrap();
        let token = other.sign("a").unwrap();

        assert!(other.verify(token.as_bytes(), [&b"a"[..]]));
        assert!(!key().verify(token.as_bytes(), [&b"a"[..]]));
    }

    #[test]
    fn altered_token_is_refused() {
        let token = key().sign("a").unwrap();

        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert!(!key().verify(&altered, [&b"a"[..]]), "{at}");
            assert!(!key().verify(&token.as_bytes()[..at], [&b"a"[..]]), "{at}");
        }
        assert!(!key().verify(format!("{token}A").as_bytes(), [&b"a"[..]]));
    }

    #[test]
    fn two_tokens_differ_for_the_same_session() {
        assert_ne!(key().sign("a").unwrap(), key().sign("a").unwrap());
    }

    #[test]
    fn short_secret_is_refused_and_one_of_32_bytes_accepted() {
        CsrfKey::new(vec![7; 32]).map(drop).unwrap();
        let refused = CsrfKey::new(vec![7; 31]).map(drop).unwrap_err();

        assert!(refused.to_string().contains("the secret has 248 bits"), "{refused}");
    }
}
