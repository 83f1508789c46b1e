//! Derives a key from an agreed secret (RFC 7518 §4.6.2, NIST SP 800-56A §5.8.1).

use zeroize::Zeroizing;

use crate::jose::crypto::decryption;

/// Returns a key of this length for the algorithm.
pub(super) fn derived_key(
    secret: &[u8],
    algorithm: &str,
    producer: &[u8],
    recipient: &[u8],
    bytes: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let length = |part: &[u8]| u32::try_from(part.len()).ok().map(u32::to_be_bytes);
    let algorithm = algorithm.as_bytes();
    let (of_algorithm, of_producer, of_recipient) =
        (length(algorithm)?, length(producer)?, length(recipient)?);
    let bits = u32::try_from(bytes).ok()?.checked_mul(8)?.to_be_bytes();
    let mut key = Zeroizing::new(vec![0; bytes]);
    let mut hash = Zeroizing::new([0; 32]);
    for (round, part) in (1_u32..).zip(key.chunks_mut(hash.len())) {
        decryption::hash(
            &[
                &round.to_be_bytes(),
                secret,
                &of_algorithm,
                algorithm,
                &of_producer,
                producer,
                &of_recipient,
                recipient,
                &bits,
            ],
            &mut hash,
        );
        part.copy_from_slice(&hash[..part.len()]);
    }
    Some(key)
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn key_of_rfc_7518_is_derived() {
        // RFC 7518 §C: the shared secret of Alice and Bob
        let secret = [
            158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49,
            110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
        ];

        let key = derived_key(&secret, "A128GCM", b"Alice", b"Bob", 16).unwrap();

        assert_eq!(URL_SAFE_NO_PAD.encode(&*key), "VqqN6vgjbSBcIijNcacQGg");
    }
}
