//! Decrypts and encrypts tokens (JWE in compact form, RFC 7516) with one key.
//!
//! A token is decrypted with a key that is there already, for its one `alg`. It is encrypted as a nested JWT (RFC 7519
//! §5.2) alone, around a token that was signed before.
//!
//! All faults behind the header have one outcome, `None`: an encrypted key that does not unwrap, a tag that is wrong,
//! a padding that is. In place of a content key that cannot be had, a random one goes on to the content
//! (RFC 7516 §11.5), so that both faults are found in the same place and take the same time.
//! `scripts/decryption-failures` counts the instructions of each class of failure: of one `alg`, all classes take the same
//! number, up to half a per cent, or some 150 instructions with shared secrets. A timed test would see the other programs of the machine first.

mod algorithms;
mod header;
mod content;
mod derived_key;
mod recipient;
mod compact;
mod sender;

pub use algorithms::{ContentEncryption, KeyManagement, ParseEncryptionError};
pub(crate) use compact::EncryptedToken;
pub(crate) use header::{ClaimCopies, EncryptionHeader};
pub(crate) use recipient::{Recipient, RecipientKey};
pub(crate) use sender::{Sender, SenderKey};

/// Decodes base64url without padding, strictly.
fn decoded(segment: &str) -> Option<Vec<u8>> {
    use crate::jose::base64url;
    let mut bytes = vec![0; base64url::room(segment.len())];
    let length = base64url::decode(segment, &mut bytes)?;
    bytes.truncate(length);
    Some(bytes)
}
