//! Makes the assertion by which a client authenticates itself with a key (RFC 7523 §2.2).
//!
//! Each request has an assertion of its own, with a `jti` of its own: a server may refuse one that it has seen.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::claims::NumericDate;
use crate::clock::{Clock as _, SystemClock};
use crate::jose::unsigned::{random_id, segment};
use crate::keys::{BoxSigner, SignError, Signer as _};

/// Signs an assertion of this client for this audience. It is good for a minute.
pub(super) async fn assertion(
    client_id: &str,
    audience: &str,
    signer: &BoxSigner,
) -> Result<Zeroizing<String>, SignError> {
    // Key id, algorithm and signature are those of one key, also while keys are replaced.
    let signer = signer.current().unwrap_or_else(|| signer.clone());
    let key = signer.verifying_key().or_thumbprint();
    let header = Header { alg: key.algorithm().as_str(), typ: "JWT", kid: key.key_id() };
    let issued_at = NumericDate::from(SystemClock.now()).as_seconds();
    let claims = Claims {
        iss: client_id,
        sub: client_id,
        aud: audience,
        jti: random_id().ok_or_else(|| SignError::new(NO_RANDOMNESS))?,
        iat: issued_at,
        exp: issued_at.saturating_add(LIFETIME),
    };
    let mut assertion = [segment(&header), segment(&claims)].join(".");
    let signature = signer.sign(assertion.as_bytes()).await?;
    if !key.verify(key.algorithm(), assertion.as_bytes(), &signature) {
        return Err(SignError::new("the signer's key does not verify its signature"));
    }
    assertion.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
    Ok(Zeroizing::new(assertion))
}

#[derive(Serialize)]
struct Header<'h> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'h str>,
}

#[derive(Serialize)]
struct Claims<'c> {
    iss: &'c str,
    sub: &'c str,
    aud: &'c str,
    jti: String,
    iat: i64,
    exp: i64,
}

/// In seconds.
const LIFETIME: i64 = 60;
const NO_RANDOMNESS: &str = "the operating system has no randomness to give";
