use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use scrypt::Params;
use zeroize::Zeroizing;

use super::super::error::PasswordError;
use super::common::{Problem, is_same};

/// A scrypt hash (RFC 7914) in the form of passlib: `$scrypt$ln=16,r=8,p=1$…$…`.
pub(in crate::server::password) struct ScryptHash {
    params: Params,
    salt: Salt,
    output: Output,
}

impl ScryptHash {
    pub(super) fn read(hash: &PasswordHash) -> Result<Self, Problem> {
        let (mut log_n, mut r, mut p) = (None, None, None);
        for (name, value) in hash.params.iter() {
            let param = match name.as_str() {
                "ln" => &mut log_n,
                "r" => &mut r,
                "p" => &mut p,
                _ => return Err(INVALID),
            };
            if param.replace(value.decimal().map_err(|_| INVALID)?).is_some() {
                return Err(INVALID);
            }
        }
        let (Some(log_n @ 1..=31), Some(r @ 1..), Some(p @ 1..)) = (log_n, r, p) else {
            return Err(INVALID);
        };
        let (None, Some(salt), Some(output)) = (hash.version, hash.salt, hash.hash) else {
            return Err("its salt or its output is missing");
        };
        // Before `Params::new`, which multiplies without a check.
        let [n, r64, p64] = [1 << log_n, u64::from(r), u64::from(p)];
        if (128 * r64).saturating_mul(n + p64) > MAX_MEMORY {
            return Err("it needs more than 256 MiB");
        }
        if (128 * r64).saturating_mul(n).saturating_mul(p64) > MAX_WORK {
            return Err("its memory times its parallelism is more than 1 GiB");
        }
        let log_n = u8::try_from(log_n).map_err(|_| INVALID)?;
        let params = Params::new(log_n, r, p).map_err(|_| INVALID)?;
        Ok(Self { params, salt, output })
    }

    pub(super) fn is_of(&self, password: &str) -> Result<bool, PasswordError> {
        let mut computed = Zeroizing::new([0_u8; Output::MAX_LENGTH]);
        let computed = &mut computed[..self.output.len()];
        scrypt::scrypt(password.as_bytes(), self.salt.as_ref(), &self.params, computed)
            .map_err(|_| PasswordError::UnreadableHash { problem: INVALID })?;
        Ok(is_same(computed, &self.output))
    }
}

/// The most memory of one hash, in bytes.
const MAX_MEMORY: u64 = 256 * 1024 * 1024;

/// The most memory times parallelism of one hash, in bytes: some seconds of a core.
const MAX_WORK: u64 = 1024 * 1024 * 1024;

const INVALID: Problem = "its parameters of scrypt are invalid";

#[cfg(test)]
mod tests {
    use super::super::StoredHash;
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";

    const OF_OTHER_SOFTWARE: [&str; 3] = [
        // passlib 1.7.4.
        "$scrypt$ln=10,r=8,p=1$SIkx5jxH6P0f4xwjRAiB8A$6A79Gar3wFHarNAB1X4YMTcW2O8NBO9UOBfxO8eQa+0",
        "$scrypt$ln=12,r=8,p=2$kdLaG2Ms5fw/JwQAQOhdSw$8K5X/aaFDRF+6w/Hgc8ZHAYmzDGYaqo5cR4FBT74Q9Y",
        // hashlib of Python 3.11, with an output of 64 bytes.
        "$scrypt$ln=11,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$oPDCewmhfP7u4xIQRlcKeESNK80eSXkogVNui7f3nGYptvQy4xtT2RiYLPzTUEpsgnp4hZKqDgkQdNnYUlGNNw",
    ];

    fn with_params(params: &str) -> Result<StoredHash, Problem> {
        StoredHash::read(&format!(
            "$scrypt${params}$SIkx5jxH6P0f4xwjRAiB8A$6A79Gar3wFHarNAB1X4YMTcW2O8NBO9UOBfxO8eQa+0"
        ))
    }

    #[test]
    fn password_of_hashes_from_other_software_is_correct_and_another_wrong() {
        for text in OF_OTHER_SOFTWARE {
            let hash = StoredHash::read(text).ok().unwrap();

            assert_eq!(hash.is_of(PASSWORD), Ok(true), "{text}");
            assert_eq!(hash.is_of("correct horse battery stapl"), Ok(false), "{text}");
        }
    }

    #[test]
    fn hash_at_the_limits_is_read() {
        // The parameters of OWASP.
        assert!(with_params("ln=17,r=8,p=1").is_ok());
        assert!(with_params("ln=13,r=8,p=10").is_ok());
        assert!(with_params("ln=17,r=8,p=8").is_ok());
    }

    #[test]
    fn hash_beyond_the_limits_is_refused() {
        for (params, problem) in [
            ("ln=18,r=8,p=1", "it needs more than 256 MiB"),
            ("ln=31,r=4294967295,p=4294967295", "it needs more than 256 MiB"),
            ("ln=1,r=8,p=4294967295", "it needs more than 256 MiB"),
            ("ln=1,r=65536,p=65536", "it needs more than 256 MiB"),
            ("ln=17,r=8,p=9", "its memory times its parallelism is more than 1 GiB"),
        ] {
            assert_eq!(with_params(params).err(), Some(problem), "{params}");
        }
    }

    #[test]
    fn hash_with_invalid_parameters_is_refused() {
        for params in [
            "ln=0,r=8,p=1",
            "ln=32,r=8,p=1",
            "ln=64,r=8,p=1",
            "ln=10,r=0,p=1",
            "ln=10,r=8,p=0",
            "ln=10,r=8",
            "ln=10,r=8,p=1,x=1",
            "ln=10,ln=10,r=8,p=1",
            "ln=x,r=8,p=1",
        ] {
            assert!(with_params(params).is_err(), "{params}");
        }
    }

    #[test]
    fn hash_with_a_missing_part_is_refused() {
        for text in
            ["$scrypt", "$scrypt$ln=10,r=8,p=1", "$scrypt$ln=10,r=8,p=1$SIkx5jxH6P0f4xwjRAiB8A"]
        {
            assert!(StoredHash::read(text).is_err(), "{text}");
        }
    }
}
