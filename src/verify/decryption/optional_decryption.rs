#[cfg(feature = "jwe")]
use std::sync::Arc;

use super::Opened;
use crate::claims::RegisteredClaims;
use crate::error::AuthError;
#[cfg(feature = "jwe")]
use crate::error::Reason;
#[cfg(feature = "jwe")]
use crate::keys::DecryptionKeys;
use crate::verify::presented::TokenText;

/// The decryption of tokens, if a verifier does it.
#[derive(Clone, Default)]
pub(crate) struct OptionalDecryption {
    // One pointer, because most verifiers have none.
    #[cfg(feature = "jwe")]
    decryption: Option<Arc<Decryption>>,
}

#[cfg(feature = "jwe")]
#[derive(Clone, Default)]
struct Decryption {
    keys: DecryptionKeys,
    is_required: bool,
}

#[cfg(feature = "jwe")]
impl OptionalDecryption {
    pub(crate) fn with_keys(self, keys: DecryptionKeys) -> Self {
        self.change(|decryption| decryption.keys = keys)
    }

    /// Refuses tokens that are not encrypted.
    pub(crate) fn required(self) -> Self {
        self.change(|decryption| decryption.is_required = true)
    }

    fn change(mut self, change: impl FnOnce(&mut Decryption)) -> Self {
        change(Arc::make_mut(self.decryption.get_or_insert_default()));
        self
    }

    pub(crate) fn is_set(&self) -> bool {
        self.decryption.is_some()
    }

    /// Returns the keys, if decryption is set.
    pub(crate) fn keys(&self) -> Option<&DecryptionKeys> {
        self.decryption.as_ref().map(|decryption| &decryption.keys)
    }

    /// Decrypts a token. `None` if it is not encrypted and need not be.
    #[inline]
    pub(crate) fn open(
        &self,
        token: &str,
        max_bytes: usize,
    ) -> Result<Option<Box<Opened>>, AuthError> {
        match &self.decryption {
            None => Ok(None),
            Some(decryption) => decryption.open(token, max_bytes),
        }
    }
}

#[cfg(feature = "jwe")]
impl Decryption {
    #[inline(never)]
    fn open(&self, token: &str, max_bytes: usize) -> Result<Option<Box<Opened>>, AuthError> {
        // RFC 7516 §9: a JWE has five segments, a JWS three.
        let is_encrypted = memchr::memchr_iter(b'.', token.as_bytes()).count() == 4;
        if is_encrypted {
            return Opened::decrypt(token, &self.keys, max_bytes).map(Box::new).map(Some);
        }
        // A token that is too large is told as such, encrypted or not.
        if self.is_required && token.len() <= max_bytes {
            return Err(AuthError::from(Reason::NotEncrypted).before_signature());
        }
        Ok(None)
    }
}

#[cfg(not(feature = "jwe"))]
impl OptionalDecryption {
    #[expect(clippy::unused_self, reason = "as with `jwe`")]
    pub(crate) fn is_set(&self) -> bool {
        false
    }

    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as with `jwe`")]
    pub(crate) fn open(&self, _: &str, _: usize) -> Result<Option<Box<Opened>>, AuthError> {
        Ok(None)
    }
}

/// A token as it was received, and the signed token in it: itself, or its content.
#[derive(Clone, Copy)]
pub(crate) struct Received<'t> {
    token: TokenText<'t>,
    opened: Option<&'t Opened>,
}

impl<'t> Received<'t> {
    pub(crate) fn new(token: TokenText<'t>, opened: Option<&'t Opened>) -> Self {
        Self { token, opened }
    }

    /// Returns the token as it was sent, by which it is cached.
    pub(crate) fn token(self) -> TokenText<'t> {
        self.token
    }

    /// Returns the signed token.
    pub(crate) fn signed(self) -> &'t str {
        self.opened.map_or(self.token.text, Opened::content)
    }

    /// Returns whether the token was encrypted.
    #[cfg(feature = "jwe")]
    pub(crate) fn was_encrypted(self) -> bool {
        self.opened.is_some()
    }

    /// Checks that claims in the header of an encrypted token are those of the signed token (RFC 7519 §5.3).
    pub(crate) fn check_copies(self, claims: &RegisteredClaims) -> Result<(), AuthError> {
        self.opened.map_or(Ok(()), |opened| opened.check_copies(claims))
    }
}
