//! Decrypts tokens before the signed token inside is verified: nested JWTs (RFC 7519 §5.2, RFC 9068 §4).
//!
//! Encryption says nothing about the sender, because every client may encrypt for a public key. So nothing is decided
//! here except whether there is a signed token: what is inside goes the way of every signed token. The cache of tokens
//! is asked before, by the text as it was sent, so a token that comes again is not decrypted again.
//!
//! `cty` must be `JWT`, as RFC 7519 §5.2 asks for, and a token without it is refused. Its absence means claims without
//! a signature, which this crate never accepts. Case does not matter, and neither does a leading `application/`.
//!
//! All failures behind the header have one reason and no detail, and take the same steps: see `jose/jwe`. A client can
//! tell a token that was decrypted from one that was not by the time that the signature takes. That tells it nothing:
//! to make a token that is decrypted, it must know the key of the content already.

#[cfg(feature = "jwe")]
mod opened;
#[cfg(not(feature = "jwe"))]
mod not_opened;
mod optional_decryption;

#[cfg(not(feature = "jwe"))]
pub(crate) use not_opened::Opened;
#[cfg(feature = "jwe")]
pub(crate) use opened::Opened;
pub(crate) use optional_decryption::{OptionalDecryption, Received};
