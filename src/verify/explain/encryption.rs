//! Says what would have to change about the encryption of a token. Edits cannot encrypt, so there are none.

use super::change::{Change, ChangeSide};
use crate::error::{AuthError, Reason, shown};
use crate::jose::jwe::EncryptedToken;
use crate::keys::DecryptionKeys;

impl Change {
    /// Returns the change with which these keys would decrypt the token.
    pub(in crate::verify) fn of_encryption(
        keys: &DecryptionKeys,
        token: &str,
        error: &AuthError,
    ) -> Self {
        match (error.reason(), EncryptedToken::parse(token, usize::MAX)) {
            (Reason::Encrypted, Ok(token)) => {
                let header = token.header();
                let named = header
                    .key_id
                    .as_deref()
                    .map_or("no `kid`".to_owned(), |kid| format!("the `kid` \"{}\"", shown(kid)));
                let (algorithm, encryption) = (header.algorithm, header.encryption);
                let own = keys.names().join(", ");
                if keys.has_key_for(header) {
                    let sentence = format!(
                        "Encrypt a signed token for the key that the API has now ({own}): the key fits the header \
                         ({algorithm}, {encryption}, {named}), and does not decrypt what is there."
                    );
                    Self::new(ChangeSide::Token, sentence)
                } else {
                    let own = if own.is_empty() { "none".to_owned() } else { own };
                    let sentence = format!(
                        "Give the API the private key for {algorithm} with {encryption} and {named}, or encrypt for a key \
                         that it has: {own}."
                    );
                    Self::new(ChangeSide::Verifier, sentence)
                }
            }
            (Reason::Malformed, _) => {
                let detail = error.detail().unwrap_or("it is not in compact form");
                let sentence = format!(
                    "Let the provider encrypt a signed token in compact form, with `cty` `JWT` and without `zip` in the \
                     header: {detail}."
                );
                Self::new(ChangeSide::Token, sentence)
            }
            (Reason::UnsupportedAlgorithm, _) => Self::new(
                ChangeSide::Token,
                "Let the provider encrypt with RSA-OAEP-256 or ECDH-ES+A256KW, and the content with A256GCM.",
            ),
            (reason, _) => Self::of_reason(reason),
        }
    }

    /// Returns the change with which the header of the encrypted token would fit its claims.
    pub(in crate::verify) fn of_header_claims() -> Self {
        Self::new(
            ChangeSide::Token,
            "Let the provider write the same `iss`, `sub` and `aud` into the header of the encrypted token as into its \
             claims, or leave them out of the header.",
        )
    }
}
