use zeroize::Zeroizing;

use super::ContentEncryption;
use crate::jose::crypto::decryption;

/// The encrypted content of a token.
pub(super) struct Content<'t> {
    /// The header as it was written, which is authenticated with the content.
    pub(super) header: &'t [u8],
    pub(super) iv: &'t [u8],
    pub(super) text: &'t [u8],
    pub(super) tag: &'t [u8],
}

impl Content<'_> {
    /// Decrypts the content. `None` if anything of it is wrong.
    pub(super) fn decrypt(
        &self,
        encryption: ContentEncryption,
        key: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        // RFC 7518 §5.3, §5.2.2.1: these lengths and no others.
        let (iv_bytes, tag_bytes) = match encryption {
            ContentEncryption::A128GCM | ContentEncryption::A256GCM => (12, 16),
            ContentEncryption::A128CbcHs256 => (16, 16),
            ContentEncryption::A256CbcHs512 => (16, 32),
        };
        let lengths = (self.iv.len(), self.tag.len(), key.len());
        if lengths != (iv_bytes, tag_bytes, encryption.key_bytes()) {
            return None;
        }
        match encryption {
            ContentEncryption::A128GCM | ContentEncryption::A256GCM => self.decrypt_gcm(key),
            ContentEncryption::A128CbcHs256 | ContentEncryption::A256CbcHs512 => {
                self.decrypt_cbc_hmac(key)
            }
        }
    }

    fn decrypt_gcm(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(self.text.to_vec());
        decryption::open_gcm(key, self.iv, self.header, &mut text, self.tag)?;
        Some(text)
    }

    /// RFC 7518 §5.2.2.2: nothing is decrypted before its tag has been verified, so the padding tells nothing.
    fn decrypt_cbc_hmac(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (mac_key, text_key) = key.split_at(key.len() / 2);
        let header_bits = (self.header.len() as u64).checked_mul(8)?.to_be_bytes();
        let parts = [self.header, self.iv, self.text, &header_bits];
        let tag = decryption::cut_hmac(mac_key, &parts)?;
        if !decryption::are_equal(&tag, self.tag) {
            return None;
        }
        let mut text = Zeroizing::new(self.text.to_vec());
        let length = decryption::decrypt_cbc(text_key, self.iv, &mut text)?;
        text.truncate(length);
        Some(text)
    }
}
