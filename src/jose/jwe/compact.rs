use zeroize::Zeroizing;

use super::content::Content;
use super::{EncryptionHeader, KeyManagement, Recipient, decoded};
use crate::error::{AuthError, Reason};
use crate::jose::crypto::decryption;

/// An encrypted token in compact form (RFC 7516 §7.1), taken apart.
pub(crate) struct EncryptedToken<'t> {
    header: EncryptionHeader,
    written_header: &'t str,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    text: Vec<u8>,
    tag: Vec<u8>,
}

impl<'t> EncryptedToken<'t> {
    /// Splits a token that is at most `max_bytes` long. Everything that is refused here can be seen without a key.
    pub(crate) fn parse(token: &'t str, max_bytes: usize) -> Result<Self, AuthError> {
        if token.len() > max_bytes {
            return Err(Reason::TokenTooLarge.into());
        }
        let malformed = |detail: &'static str| AuthError::with_detail(Reason::Malformed, detail);
        let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
        let mut next = || dots.next();
        let (Some(first), Some(second), Some(third), Some(fourth), None) =
            (next(), next(), next(), next(), next())
        else {
            return Err(malformed("there are not five segments"));
        };
        let (written_header, key) = (&token[..first], &token[first + 1..second]);
        let (iv, text) = (&token[second + 1..third], &token[third + 1..fourth]);
        let tag = &token[fourth + 1..];
        let read = |segment: &str| {
            decoded(segment).ok_or_else(|| malformed("a segment is not base64url without padding"))
        };
        Ok(Self {
            header: EncryptionHeader::parse(&read(written_header)?)?,
            written_header,
            encrypted_key: read(key)?,
            iv: read(iv)?,
            text: read(text)?,
            tag: read(tag)?,
        })
    }

    /// Returns the header, to choose keys by.
    pub(crate) fn header(&self) -> &EncryptionHeader {
        &self.header
    }

    /// Returns the header alone.
    pub(crate) fn into_header(self) -> EncryptionHeader {
        self.header
    }

    /// Decrypts the content with this key. `None` if anything of it is wrong.
    pub(crate) fn decrypt(&self, recipient: &Recipient) -> Option<Zeroizing<Vec<u8>>> {
        let encryption = self.header.encryption;
        let content = Content {
            header: self.written_header.as_bytes(),
            iv: &self.iv,
            text: &self.text,
            tag: &self.tag,
        };
        if recipient.algorithm() == KeyManagement::Dir {
            // Nothing is decrypted for the key, so there is nothing to hide.
            let key = recipient.content_key(&self.header, &self.encrypted_key)?;
            return content.decrypt(encryption, &key);
        }
        // RFC 7516 §11.5: in place of a key that cannot be had, a random one goes on to the content.
        let mut key = Zeroizing::new(vec![0; encryption.key_bytes()]);
        decryption::fill_random(&mut key)?;
        if let Some(found) = recipient.content_key(&self.header, &self.encrypted_key)
            && found.len() == key.len()
        {
            key.copy_from_slice(&found);
        }
        content.decrypt(encryption, &key)
    }
}
