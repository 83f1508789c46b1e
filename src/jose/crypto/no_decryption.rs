//! Refuses every key for decryption where no back end is compiled in. The error names the feature.

use std::convert::Infallible;

use zeroize::Zeroizing;

use super::{AgreementCurve, Hash};
use crate::config_error::KeyProblem;

pub(crate) fn available() -> Result<(), KeyProblem> {
    Err(KeyProblem::NoDecryption)
}

pub(crate) struct RsaDecryption(Infallible);

impl RsaDecryption {
    pub(crate) fn new(_: &[u8]) -> Result<Self, KeyProblem> {
        Err(KeyProblem::NoDecryption)
    }

    pub(crate) fn decrypt(&self, _: Hash, _: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.0 {}
    }
}

pub(crate) struct AgreementKey(Infallible);

impl AgreementKey {
    pub(crate) fn new(_: AgreementCurve, _: &[u8]) -> Result<Self, KeyProblem> {
        Err(KeyProblem::NoDecryption)
    }

    pub(crate) fn public(&self) -> Option<Vec<u8>> {
        match self.0 {}
    }

    pub(crate) fn agree(&self, _: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.0 {}
    }
}

pub(crate) fn unwrap_key(_: &[u8], _: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    None
}

pub(crate) fn open_gcm(_: &[u8], _: &[u8], _: &[u8], _: &mut [u8], _: &[u8]) -> Option<()> {
    None
}

pub(crate) fn decrypt_cbc(_: &[u8], _: &[u8], _: &mut [u8]) -> Option<usize> {
    None
}

pub(crate) fn cut_hmac(_: &[u8], _: &[&[u8]]) -> Option<Vec<u8>> {
    None
}

pub(crate) fn are_equal(_: &[u8], _: &[u8]) -> bool {
    false
}

pub(crate) fn hash(_: &[&[u8]], _: &mut [u8; 32]) {}

pub(crate) fn fill_random(_: &mut [u8]) -> Option<()> {
    None
}
