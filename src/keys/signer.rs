//! Signs with keys that are in this process or elsewhere.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use der::Decode as _;
use der::asn1::{AnyRef, UintRef};

use super::{PublicKeys, VerifyingKey};
use crate::jose::Algorithm;
use crate::jose::crypto::Curve;

/// Signs tokens with a key that may be elsewhere: in a hardware security module or a key management service.
///
/// [`SigningKey`](super::SigningKey) is a signer whose key is in this process. Any signer makes a
/// [`TokenIssuer`](crate::TokenIssuer), whose tokens are then signed by
/// [`issue_async`](crate::issue::TokenRequest::issue_async).
///
/// ```
/// use tower_bearer::keys::{SignError, Signer, VerifyingKey, ecdsa_from_der};
/// use tower_bearer::{Algorithm, ConfigError};
///
/// # struct Kms;
/// # impl Kms {
/// #     async fn public_key(&self, _: &str) -> String { String::new() }
/// #     async fn sign(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, std::io::Error> { Ok(vec![]) }
/// # }
/// struct KmsKey {
///     kms: Kms,
///     name: String,
///     public: VerifyingKey,
/// }
///
/// impl KmsKey {
///     async fn open(kms: Kms, name: &str) -> Result<Self, ConfigError> {
///         let pem = kms.public_key(name).await;
///         let public = VerifyingKey::from_pem(Algorithm::ES256, pem)?.with_key_id(name);
///         Ok(Self { kms, name: name.to_owned(), public })
///     }
/// }
///
/// impl Signer for KmsKey {
///     fn verifying_key(&self) -> VerifyingKey {
///         self.public.clone()
///     }
///
///     async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
///         // Services that take a digest want the SHA-256 of the message here.
///         let der = self.kms.sign(&self.name, message).await.map_err(SignError::new)?;
///         ecdsa_from_der(Algorithm::ES256, &der)
///     }
/// }
/// ```
pub trait Signer: Send + Sync + 'static {
    /// Returns the public key, with the algorithm of the signatures and the key id that tokens carry in `kid`.
    ///
    /// A [`TokenIssuer`](crate::TokenIssuer) asks for each token. If the key has no id, the thumbprint
    /// (RFC 7638) is its id. A signer with several keys returns the one that signs now, and has
    /// [`current`](Self::current).
    fn verifying_key(&self) -> VerifyingKey;

    /// Signs a message: the first two parts of a token, with the point between them.
    ///
    /// The signature has the form of RFC 7518 §3: for ECDSA the two numbers side by side in the full length of the
    /// field, 64 bytes with ES256, and not in DER. [`ecdsa_from_der`] converts. The signer gets the complete message
    /// and not a digest; it may be longer than the 4,096 bytes that some services take.
    ///
    /// The future is dropped with the request that waits for it. Set a timeout inside.
    ///
    /// # Errors
    ///
    /// [`SignError`] when there is no signature. No token is issued then.
    fn sign(&self, message: &[u8]) -> impl Future<Output = Result<Vec<u8>, SignError>> + Send;

    /// Returns the signer of one token, for a signer whose key changes.
    ///
    /// A [`TokenIssuer`](crate::TokenIssuer) asks once for each token. Key id, algorithm and signature are then
    /// those of the signer that it got, so a change of the key in between does not mix two keys. The default is
    /// `None`: the key never changes, and this signer signs.
    fn current(&self) -> Option<BoxSigner> {
        None
    }

    /// Returns the public keys to publish as a JWK set. The default is the
    /// [verifying key](Self::verifying_key) alone.
    ///
    /// A signer whose key changes publishes the next key before it signs, and each former key until its last token
    /// has expired. A [`JwksService`](crate::endpoints::JwksService) asks for each request.
    fn public_keys(&self) -> PublicKeys {
        PublicKeys::from(&self.verifying_key().or_thumbprint())
    }

    /// Returns the longest time for which a token may be valid, if there is one. The default is none.
    ///
    /// A signer whose key changes keeps a former key for this time at least. A
    /// [`TokenIssuer`](crate::TokenIssuer) issues no token that is valid for longer.
    fn max_lifetime(&self) -> Option<Duration> {
        None
    }
}

impl<S: Signer> Signer for Arc<S> {
    fn verifying_key(&self) -> VerifyingKey {
        (**self).verifying_key()
    }

    fn sign(&self, message: &[u8]) -> impl Future<Output = Result<Vec<u8>, SignError>> + Send {
        (**self).sign(message)
    }

    fn current(&self) -> Option<BoxSigner> {
        (**self).current()
    }

    fn public_keys(&self) -> PublicKeys {
        (**self).public_keys()
    }

    fn max_lifetime(&self) -> Option<Duration> {
        (**self).max_lifetime()
    }
}

/// A [`Signer`] that is chosen at run time. Cloning is cheap.
///
/// ```
/// use tower_bearer::keys::BoxSigner;
/// use tower_bearer::{Algorithm, SigningKey, TokenIssuer};
///
/// # let kms: Option<SigningKey> = None;
/// let signer = match kms {
///     Some(kms) => BoxSigner::new(kms),
///     None => BoxSigner::new(SigningKey::generate(Algorithm::ES256)?),
/// };
/// let tokens = TokenIssuer::new("https://id.example.com", "https://api.example.com", signer)?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct BoxSigner(Arc<dyn ErasedSigner>);

impl BoxSigner {
    /// Puts a signer behind a pointer.
    pub fn new(signer: impl Signer) -> Self {
        Self(Arc::new(signer))
    }
}

impl Signer for BoxSigner {
    fn verifying_key(&self) -> VerifyingKey {
        self.0.verifying_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign(message).await
    }

    fn current(&self) -> Option<BoxSigner> {
        self.0.current()
    }

    fn public_keys(&self) -> PublicKeys {
        self.0.public_keys()
    }

    fn max_lifetime(&self) -> Option<Duration> {
        self.0.max_lifetime()
    }
}

impl fmt::Debug for BoxSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxSigner").finish_non_exhaustive()
    }
}

trait ErasedSigner: Send + Sync {
    fn verifying_key(&self) -> VerifyingKey;

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a>;

    fn current(&self) -> Option<BoxSigner>;

    fn public_keys(&self) -> PublicKeys;

    fn max_lifetime(&self) -> Option<Duration>;
}

type Signing<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, SignError>> + Send + 'a>>;

impl<S: Signer> ErasedSigner for S {
    fn verifying_key(&self) -> VerifyingKey {
        Signer::verifying_key(self)
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Signing<'a> {
        Box::pin(Signer::sign(self, message))
    }

    fn current(&self) -> Option<BoxSigner> {
        Signer::current(self)
    }

    fn public_keys(&self) -> PublicKeys {
        Signer::public_keys(self)
    }

    fn max_lifetime(&self) -> Option<Duration> {
        Signer::max_lifetime(self)
    }
}

/// Converts a signature of ECDSA from DER, which key management services return, to the form of JWS
/// (RFC 7518 §3.4).
///
/// # Errors
///
/// [`SignError`] when the bytes are no such signature, a number is longer than the curve's, or the algorithm is
/// not one of ES256, ES384 and ES512.
pub fn ecdsa_from_der(algorithm: Algorithm, signature: &[u8]) -> Result<Vec<u8>, SignError> {
    let curve = Curve::of(algorithm)
        .ok_or_else(|| SignError::new(format!("{algorithm} has no signatures in DER")))?;
    let unreadable = |_| SignError::new("the signature is not an ECDSA signature in DER");
    let numbers = AnyRef::from_der(signature).and_then(|sequence| {
        sequence.sequence(|reader| Ok([UintRef::decode(reader)?, UintRef::decode(reader)?]))
    });
    let length = curve.field_bytes();
    let mut joined = Vec::with_capacity(2 * length);
    for number in numbers.map_err(unreadable)? {
        let number = number.as_bytes();
        let zeros = length.checked_sub(number.len()).ok_or_else(|| {
            SignError::new(format!("the signature is too long for {}", curve.name()))
        })?;
        joined.resize(joined.len() + zeros, 0);
        joined.extend_from_slice(number);
    }
    Ok(joined)
}

/// A signature that could not be made.
///
/// `Display` gives no reason; [`source`](Error::source) does. Two errors are equal if their messages are equal.
#[derive(Clone)]
pub struct SignError(Arc<dyn Error + Send + Sync>);

impl SignError {
    /// Makes an error of a reason, which must hold no secret: it may be logged.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into().into())
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signer made no signature")
    }
}

impl fmt::Debug for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignError").field(&self.0).finish()
    }
}

impl Error for SignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl PartialEq for SignError {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Eq for SignError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_in_der_becomes_two_numbers_of_full_length() {
        // RFC 7518 §3.4: R and S in the full length of the field
        let der = [&[0x30, 8, 2, 2, 0, 0x80, 2, 2, 1, 2][..]].concat();

        let joined = ecdsa_from_der(Algorithm::ES256, &der).unwrap();

        let expected = [&[0; 31][..], &[0x80], &[0; 30], &[1, 2]].concat();
        assert_eq!(joined, expected);
    }

    #[test]
    fn what_is_no_such_signature_is_refused() {
        let number = |bytes: u8| [&[2, bytes, 1][..], &vec![7; usize::from(bytes) - 1]].concat();
        let both = |one: u8, two: u8| {
            let numbers = [number(one), number(two)].concat();
            [&[0x30, u8::try_from(numbers.len()).unwrap()][..], &numbers].concat()
        };
        assert!(ecdsa_from_der(Algorithm::ES256, &both(32, 32)).is_ok());
        for (algorithm, signature) in [
            (Algorithm::ES256, both(33, 32)),
            (Algorithm::ES256, both(32, 33)),
            (Algorithm::RS256, both(32, 32)),
            (Algorithm::EdDSA, both(32, 32)),
            (Algorithm::ES256, vec![7; 64]),
            (Algorithm::ES256, vec![]),
            (Algorithm::ES256, [both(32, 32), vec![0]].concat()),
            // A negative number.
            (Algorithm::ES256, vec![0x30, 6, 2, 1, 0x80, 2, 1, 1]),
            // One number, and three.
            (Algorithm::ES256, vec![0x30, 3, 2, 1, 1]),
            (Algorithm::ES256, vec![0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1]),
        ] {
            assert!(ecdsa_from_der(algorithm, &signature).is_err(), "{signature:02x?}");
        }
    }
}
