//! Encrypts nothing where no back end is compiled in. No key gets so far: [`available`](super::decryption::available).

use std::convert::Infallible;

use zeroize::Zeroizing;

use super::{AgreementCurve, Hash};
use crate::config_error::KeyProblem;

pub(crate) struct RsaEncryption(Infallible);

impl RsaEncryption {
    pub(crate) fn new(_: &[u8], _: &[u8]) -> Result<Self, KeyProblem> {
        Err(KeyProblem::NoDecryption)
    }

    pub(crate) fn encrypt(&self, _: Hash, _: &[u8]) -> Option<Vec<u8>> {
        match self.0 {}
    }
}

pub(crate) fn agree_once(_: AgreementCurve, _: &[u8]) -> Option<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    None
}

pub(crate) fn wrap_key(_: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    None
}

pub(crate) fn seal_gcm(_: &[u8], _: &[u8], _: &[u8], _: &mut [u8]) -> Option<Vec<u8>> {
    None
}

pub(crate) fn encrypt_cbc(_: &[u8], _: &[u8], _: &mut Vec<u8>) -> Option<()> {
    None
}
