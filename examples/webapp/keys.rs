//! Makes the keys and secrets of the server, and shares them between its instances.
//!
//! They are rows beside the users, so that this program needs no set-up and instances with one database accept each
//! other's tokens. A backup of the database then holds them too. `KEYS_FILE` keeps the private keys out of it, and
//! rotates them.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::issue::{IssuerKeys, KeyRotation};
use tower_bearer::{Algorithm, SigningKey};

use crate::database::Database;
use crate::settings::wrong;

/// Returns the keys that sign access tokens.
pub async fn issuer_keys(
    database: &Database,
    keys_file: Option<&str>,
    access_lifetime: Duration,
) -> Result<IssuerKeys, String> {
    if let Some(path) = keys_file {
        let month = Duration::from_secs(30 * 24 * 60 * 60);
        let rotation =
            KeyRotation::new().with_max_lifetime(access_lifetime).with_rotation_after(month);
        if !Path::new(path).exists() {
            let key = SigningKey::generate(Algorithm::ES256).map_err(|error| error.to_string())?;
            // Another instance may have created it meanwhile.
            if let Ok(keys) = rotation.clone().create(path, key) {
                return Ok(keys);
            }
        }
        return rotation.open(path).map_err(|error| wrong("KEYS_FILE", error));
    }
    let make = || {
        let key = SigningKey::generate(Algorithm::ES256).map_err(|error| error.to_string())?;
        Ok(key.to_private_jwk().as_str().to_owned())
    };
    let jwk = database.shared("signing key", make).await?;
    let key = SigningKey::from_jwk(jwk).map_err(|error| format!("the shared key: {error}"))?;
    Ok(IssuerKeys::new(key))
}

/// Returns a secret of 32 bytes, the same for all instances.
pub async fn secret(database: &Database, name: &str) -> Result<Vec<u8>, String> {
    let make = || {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| format!("no randomness: {error}"))?;
        Ok(URL_SAFE_NO_PAD.encode(secret))
    };
    let secret = database.shared(name, make).await?;
    URL_SAFE_NO_PAD.decode(secret).map_err(|error| format!("the shared {name}: {error}"))
}
