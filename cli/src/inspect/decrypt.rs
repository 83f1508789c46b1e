//! Decrypts a token with a key of the user.

use std::path::{Path, PathBuf};

use clap::Args;
use tower_bearer::jose::KeyManagement;
use tower_bearer::keys::{DecryptionKey, DecryptionKeys};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::input::read_text;

/// The key that decrypts the token.
#[derive(Args, Debug)]
pub(crate) struct DecryptArgs {
    /// Decrypt the token with the private key in this file: a JWK or JWK set with `alg`, or PEM.
    #[arg(long, value_name = "FILE")]
    decrypt_key: Option<PathBuf>,
    /// The `alg` that a key in PEM is for: RSA-OAEP-256, ECDH-ES+A256KW and so on. A JWK names its own.
    #[arg(long, value_name = "ALG", value_parser = parse_algorithm, requires = "decrypt_key")]
    decrypt_algorithm: Option<KeyManagement>,
}

impl DecryptArgs {
    /// Returns the content of the token. `None` if no key is named.
    pub(super) fn decrypt(&self, token: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        let Some(keys) = self.keys()? else { return Ok(None) };
        let failed = |error| {
            Failure::new(format_args!("the token is not decrypted: {error:#}")).with_hint(
                "the key has to be the one that the token is encrypted for, with the `alg` and `kid` of its header; \
                 leave --decrypt-key out to see the header",
            )
        };
        keys.decrypt(token).map(Some).map_err(failed)
    }

    /// Returns the keys. `None` if none is named.
    pub(crate) fn keys(&self) -> Result<Option<DecryptionKeys>, Failure> {
        self.decrypt_key.as_ref().map(|path| self.read(path)).transpose()
    }

    fn read(&self, path: &Path) -> Result<DecryptionKeys, Failure> {
        let text = read_text(path)?;
        let is_json = text.trim_start().starts_with('{');
        let keys = match (is_json, self.decrypt_algorithm) {
            (true, None) => DecryptionKeys::from_jwks(&*text),
            (true, Some(_)) => {
                return Err(Failure::new("a JWK names its own `alg`")
                    .with_hint("leave --decrypt-algorithm out, and write `alg` into the JWK"));
            }
            (false, Some(algorithm)) => {
                DecryptionKey::from_pem(algorithm, &*text).map(DecryptionKeys::from)
            }
            (false, None) => {
                return Err(Failure::new("a key in PEM does not say what it is for")
                    .with_hint("name the `alg` of the token's header with --decrypt-algorithm"));
            }
        };
        keys.map_err(|error| Failure::new(format_args!("{}: {error}", path.display())))
    }
}

fn parse_algorithm(name: &str) -> Result<KeyManagement, String> {
    let names = || KeyManagement::ALL.map(KeyManagement::as_str).join(", ");
    name.parse().map_err(|_| format!("it is none of {}", names()))
}
