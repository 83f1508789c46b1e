//! Reads the hashes of a table and verifies passwords with them.
//!
//! The cost of a stored hash is chosen by the party that wrote the table, an import for example. A hash that costs more
//! than the limits here is refused before any memory is taken.

mod common;
mod argon2_hash;
mod bcrypt_hash;
mod scrypt_hash;

use argon2::password_hash::phc::PasswordHash;

use super::error::PasswordError;

pub(super) use argon2_hash::{Argon2Hash, MAX_MEMORY_KIB, MAX_WORK_KIB, Params};
use bcrypt_hash::BcryptHash;
use common::Problem;
use scrypt_hash::ScryptHash;

/// A hash from a table.
pub(super) enum StoredHash {
    Argon2(Argon2Hash),
    Bcrypt(BcryptHash),
    Scrypt(ScryptHash),
}

impl StoredHash {
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_HASH_BYTES {
            return Err("it is longer than 512 bytes");
        }
        if let Some(bcrypt) = BcryptHash::read(text)? {
            return Ok(Self::Bcrypt(bcrypt));
        }
        let hash = PasswordHash::new(text)
            .map_err(|_| "it is neither a PHC string nor a bcrypt hash that can be read")?;
        match hash.algorithm.as_str() {
            "argon2id" | "argon2i" | "argon2d" => Argon2Hash::read(&hash).map(Self::Argon2),
            "scrypt" => ScryptHash::read(&hash).map(Self::Scrypt),
            _ => Err("its algorithm is not Argon2, bcrypt or scrypt"),
        }
    }

    /// Returns whether this is the hash of the password.
    pub(super) fn is_of(&self, password: &str) -> Result<bool, PasswordError> {
        match self {
            Self::Argon2(hash) => hash.is_of(password),
            Self::Bcrypt(hash) => Ok(hash.is_of(password)),
            Self::Scrypt(hash) => hash.is_of(password),
        }
    }

    /// Returns whether a new hash should replace this one, which is of the password.
    pub(super) fn is_outdated(
        &self,
        password: &str,
        is_normalized: bool,
        current: &Params,
    ) -> bool {
        match self {
            Self::Argon2(hash) => !is_normalized || hash.is_weaker_than(current),
            // bcrypt never saw the rest of a longer password: a mistyped end would become a part of it.
            Self::Bcrypt(_) => password.len() <= bcrypt_hash::MAX_BYTES,
            Self::Scrypt(_) => true,
        }
    }
}

/// The length of a PHC string with the longest salt and output, and more.
const MAX_HASH_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Problem {
        StoredHash::read(text).err().expect("the hash was read")
    }

    #[test]
    fn hash_of_no_known_kind_is_refused() {
        for text in [
            "",
            "$",
            "$$$$",
            "password",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
            "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2",
            "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk",
            "$argon2ie$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xX1/9JMV918lxkoNEdQnyQ",
            "\u{0}",
            "$2b$05$☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃",
        ] {
            assert!(!problem(text).is_empty());
        }
    }

    #[test]
    fn long_text_is_refused() {
        assert_eq!(problem(&"$".repeat(513)), "it is longer than 512 bytes");
    }
}
