//! Each back end decrypts what the other one encrypts, and refuses what is changed.

use super::super::private::rsa_public;
use super::super::{AgreementCurve, Curve, Hash, Material, PrivateMaterial, RsaSize};
use super::super::{aws_lc, rust_crypto};

const CURVES: [AgreementCurve; 4] = [
    AgreementCurve::Ec(Curve::P256),
    AgreementCurve::Ec(Curve::P384),
    AgreementCurve::Ec(Curve::P521),
    AgreementCurve::X25519,
];

/// Calls a function of both back ends, each time with the module of one and of the other.
macro_rules! both_ways {
    ($one:ident, $other:ident => $test:block) => {{
        use aws_lc as $one;
        use rust_crypto as $other;
        $test
    }
    {
        use aws_lc as $other;
        use rust_crypto as $one;
        $test
    }};
}

#[test]
fn keys_are_wrapped_and_unwrapped_alike() {
    both_ways!(one, other => {
        for with in [16, 32] {
            for key in [16, 32, 64] {
                let (with, key) = (vec![3; with], vec![5; key]);
                let mut wrapped = one::encryption::wrap_key(&with, &key).unwrap();

                let found = other::decryption::unwrap_key(&with, &wrapped).unwrap();

                assert_eq!(*found, key);
                wrapped[9] ^= 1;
                assert!(other::decryption::unwrap_key(&with, &wrapped).is_none());
                for length in [0, 1, 7, 8, 15, 16] {
                    let cut = &wrapped[..length];
                    assert!(other::decryption::unwrap_key(&with, cut).is_none(), "{length}");
                }
            }
        }
        assert!(one::encryption::wrap_key(&[1; 24], &[2; 16]).is_none());
        assert!(one::decryption::unwrap_key(&[1; 24], &[2; 24]).is_none());
    });
}

#[test]
fn gcm_is_sealed_and_opened_alike() {
    both_ways!(one, other => {
        for key in [16, 32] {
            for length in [0, 1, 15, 16, 17, 1000] {
                let (key, iv, clear) = (vec![3; key], [9; 12], vec![7; length]);
                let mut text = clear.clone();
                let mut tag = one::encryption::seal_gcm(&key, &iv, b"head", &mut text).unwrap();
                let open = |extra: &[u8], tag: &[u8]| {
                    let mut opened = text.clone();
                    let is_good =
                        other::decryption::open_gcm(&key, &iv, extra, &mut opened, tag).is_some();
                    is_good.then_some(opened)
                };

                assert_eq!(open(b"head", &tag), Some(clear));
                assert_eq!(open(b"Head", &tag), None);
                assert_eq!(open(b"head", &tag[..15]), None);
                tag[0] ^= 1;
                assert_eq!(open(b"head", &tag), None);
            }
        }
    });
}

#[test]
fn cbc_is_encrypted_and_decrypted_alike() {
    both_ways!(one, other => {
        for key in [16, 32] {
            for length in [0, 1, 15, 16, 17, 32, 1000] {
                let (key, iv, clear) = (vec![3; key], [9; 16], vec![7; length]);
                let mut text = clear.clone();
                one::encryption::encrypt_cbc(&key, &iv, &mut text).unwrap();
                assert_eq!(text.len(), (length / 16 + 1) * 16);

                let found = other::decryption::decrypt_cbc(&key, &iv, &mut text).unwrap();

                assert_eq!(text[..found], clear);
            }
            assert!(one::decryption::decrypt_cbc(&vec![3; key], &[9; 16], &mut [0; 15]).is_none());
            assert!(one::decryption::decrypt_cbc(&vec![3; key], &[9; 16], &mut []).is_none());
        }
    });
}

#[test]
fn hashes_are_the_same() {
    for key in [16, 32] {
        let (key, parts) = (vec![3; key], [&b"a"[..], b"", b"bc"]);
        let tags = [
            aws_lc::decryption::cut_hmac(&key, &parts).unwrap(),
            rust_crypto::decryption::cut_hmac(&key, &parts).unwrap(),
        ];
        assert_eq!(tags[0], tags[1]);
        assert_eq!(tags[0].len(), key.len());
    }
    let mut hashes = [[0; 32]; 2];
    aws_lc::decryption::hash(&[b"a", b"bc"], &mut hashes[0]);
    rust_crypto::decryption::hash(&[b"a", b"bc"], &mut hashes[1]);
    assert_eq!(hashes[0], hashes[1]);
    for (other, is_equal) in [(&b"ab"[..], true), (b"ac", false), (b"abc", false), (b"", false)] {
        assert_eq!(aws_lc::decryption::are_equal(b"ab", other), is_equal);
        assert_eq!(rust_crypto::decryption::are_equal(b"ab", other), is_equal);
    }
}

#[test]
fn same_secret_is_agreed_on() {
    both_ways!(one, other => {
        for curve in CURVES {
            let private = match curve {
                AgreementCurve::Ec(curve) => vec![1; curve.field_bytes()],
                AgreementCurve::X25519 => vec![1; 32],
            };
            let private = if curve == AgreementCurve::Ec(Curve::P521) {
                [&[0][..], &private[1..]].concat()
            } else {
                private
            };
            let key = other::decryption::AgreementKey::new(curve, &private).unwrap();
            let public = key.public().unwrap();
            let same = one::decryption::AgreementKey::new(curve, &private).unwrap();
            assert_eq!(same.public().unwrap(), public, "{curve:?}");

            let (ephemeral, secret) = one::encryption::agree_once(curve, &public).unwrap();

            assert_eq!(*key.agree(&ephemeral).unwrap(), *secret, "{curve:?}");
            // RFC 8725 §3.4: points that are not on their curve, or have a small order
            let mut off = public.clone();
            off[3] ^= 1;
            let off = if curve == AgreementCurve::X25519 { vec![0; 32] } else { off };
            for bad in [off, vec![0], Vec::new(), public[1..].to_vec()] {
                assert!(key.agree(&bad).is_none(), "{curve:?} {bad:?}");
                assert!(one::encryption::agree_once(curve, &bad).is_none(), "{curve:?} {bad:?}");
            }
            let length = private.len();
            for bad in [vec![0xff; length], vec![0; length], vec![1; length + 1]] {
                let is_x25519 = curve == AgreementCurve::X25519 && bad.len() == length;
                let read = one::decryption::AgreementKey::new(curve, &bad);
                assert_eq!(read.is_ok(), is_x25519, "{curve:?} {bad:?}");
            }
        }
    });
}

#[test]
fn oaep_is_encrypted_and_decrypted_alike() {
    let PrivateMaterial::Rsa(pkcs1) = aws_lc::generate_rsa(RsaSize::Bits2048).unwrap() else {
        panic!("another kind")
    };
    let Material::Rsa { modulus, exponent } = rsa_public(&pkcs1).unwrap() else {
        panic!("another kind")
    };
    both_ways!(one, other => {
        for (hash, wrong) in [(Hash::Sha1, Hash::Sha256), (Hash::Sha256, Hash::Sha1)] {
            let public = one::encryption::RsaEncryption::new(&modulus, &exponent).unwrap();
            let private = other::decryption::RsaDecryption::new(&pkcs1).unwrap();
            let mut text = public.encrypt(hash, &[5; 32]).unwrap();
            assert_eq!(text.len(), 256);

            assert_eq!(*private.decrypt(hash, &text).unwrap(), [5; 32]);

            assert!(private.decrypt(wrong, &text).is_none());
            for bad in [&text[1..], &[], &[0xff; 256], &[0; 256]] {
                assert!(private.decrypt(hash, bad).is_none());
            }
            text[100] ^= 1;
            assert!(private.decrypt(hash, &text).is_none());
        }
        assert!(one::decryption::RsaDecryption::new(&pkcs1[1..]).is_err());
    });
}
