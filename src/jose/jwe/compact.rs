use zeroize::Zeroizing;

use super::content::Content;
use super::{EncryptionHeader, Recipient, decoded};
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
    /// Splits a token. Everything that is refused here can be seen without a key.
    pub(crate) fn parse(token: &'t str) -> Result<Self, AuthError> {
        if token.len() > MAX_BYTES {
            return Err(Reason::TokenTooLarge.into());
        }
        let malformed = |detail: &'static str| AuthError::with_detail(Reason::Malformed, detail);
        let mut segments = token.split('.');
        let mut next = || segments.next();
        let (Some(written_header), Some(key), Some(iv), Some(text), Some(tag), None) =
            (next(), next(), next(), next(), next(), next())
        else {
            return Err(malformed("there are not five segments"));
        };
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

    /// Decrypts the content with this key. `None` if anything of it is wrong.
    pub(crate) fn decrypt(&self, recipient: &Recipient) -> Option<Zeroizing<Vec<u8>>> {
        let encryption = self.header.encryption;
        // RFC 7516 §11.5: in place of a key that cannot be had, a random one goes on to the content.
        let mut key = Zeroizing::new(vec![0; encryption.key_bytes()]);
        decryption::fill_random(&mut key)?;
        if let Some(found) = recipient.content_key(&self.header, &self.encrypted_key)
            && found.len() == key.len()
        {
            key.copy_from_slice(&found);
        }
        let content = Content {
            header: self.written_header.as_bytes(),
            iv: &self.iv,
            text: &self.text,
            tag: &self.tag,
        };
        content.decrypt(encryption, &key)
    }
}

/// The longest token that is read, which is that of verifiers by default.
const MAX_BYTES: usize = 16 * 1024;
