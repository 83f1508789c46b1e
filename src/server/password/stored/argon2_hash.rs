pub(in crate::server::password) use argon2::Params;
use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Error, Version};
use zeroize::Zeroizing;

use super::super::error::PasswordError;
use super::common::{Problem, is_same};

/// A hash of Argon2 (RFC 9106), in any of its three variants and both versions.
pub(in crate::server::password) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Argon2Hash {
    /// Returns the PHC string of a new Argon2id hash with a random salt of 16 bytes.
    pub(in crate::server::password) fn create(
        password: &str,
        params: &Params,
    ) -> Result<String, PasswordError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| PasswordError::Unavailable {
            problem: "the operating system has no randomness to give",
        })?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let hash: Result<PasswordHash, _> =
            argon2.hash_password_with_salt(password.as_bytes(), &salt);
        // The password and the salt have lengths that Argon2 accepts.
        hash.map(|hash| hash.to_string()).map_err(|_| NO_MEMORY)
    }

    /// Returns a hash of no password, which costs as much to verify as a new one.
    pub(in crate::server::password) fn of_no_password(params: &Params) -> Self {
        Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: params.clone(),
            salt: Salt::new(&[0; 16]).expect("a salt may have 16 bytes"),
            output: Output::new(&[0; 32]).expect("an output may have 32 bytes"),
        }
    }

    pub(super) fn read(hash: &PasswordHash) -> Result<Self, Problem> {
        let algorithm = match hash.algorithm.as_str() {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            _ => Algorithm::Argon2d,
        };
        let version = match hash.version {
            Some(0x13) => Version::V0x13,
            // The first version did not write its number.
            Some(0x10) | None => Version::V0x10,
            Some(_) => return Err("its version of Argon2 is neither 16 nor 19"),
        };
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else {
            return Err("its salt or its output is missing");
        };
        let params = Params::try_from(hash).map_err(|_| "its parameters of Argon2 are invalid")?;
        if params.m_cost() > MAX_MEMORY_KIB {
            return Err("it needs more than 256 MiB");
        }
        if work(&params) > u64::from(MAX_WORK_KIB) {
            return Err("its memory times its iterations is more than 1 GiB");
        }
        Ok(Self { algorithm, version, params, salt, output })
    }

    pub(in crate::server::password) fn is_of(&self, password: &str) -> Result<bool, PasswordError> {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut computed = Zeroizing::new([0_u8; Output::MAX_LENGTH]);
        let computed = &mut computed[..self.output.len()];
        argon2.hash_password_into(password.as_bytes(), self.salt.as_ref(), computed).map_err(
            |error| match error {
                Error::OutOfMemory => NO_MEMORY,
                _ => PasswordError::UnreadableHash {
                    problem: "its parameters of Argon2 are invalid",
                },
            },
        )?;
        Ok(is_same(computed, &self.output))
    }

    /// Returns whether the hash is easier to attack than a new one. The parameters of OWASP trade
    /// memory for iterations, so a hash with more memory may have fewer of them.
    pub(super) fn is_weaker_than(&self, current: &Params) -> bool {
        self.algorithm != Algorithm::Argon2id
            || self.version != Version::V0x13
            || self.params.m_cost() < current.m_cost()
            || work(&self.params) < work(current)
    }
}

/// Returns the memory that is written, in KiB: the time, for an attacker with enough memory.
fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// The most memory of one hash, in KiB: 256 MiB, the `MODERATE` of libsodium.
pub(in crate::server::password) const MAX_MEMORY_KIB: u32 = 256 * 1024;

/// The most memory times iterations of one hash, in KiB: 1 GiB, less than a second on a core of 2020.
pub(in crate::server::password) const MAX_WORK_KIB: u32 = 1024 * 1024;

const NO_MEMORY: PasswordError =
    PasswordError::Unavailable { problem: "there is not enough memory" };

#[cfg(test)]
mod tests {
    use super::super::StoredHash;
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";

    /// Made with argon2-cffi 25.1.
    const OF_ARGON2_CFFI: [&str; 6] = [
        "$argon2id$v=19$m=65536,t=3,p=4$rLdo3ZhqhgX2EuIPhvfH0w$tCPMyt34dZGqFlXfXTvA7mYzIgBgevNhFSDbXu+Plvs",
        "$argon2i$v=19$m=1024,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$Z9tQ5x+TJA0PzMbFcJCUA0Sxu8cKh4sKwxxZauJbgkA",
        "$argon2d$v=19$m=1024,t=3,p=2$MDEyMzQ1Njc4OWFiY2RlZg$UQUNUKmBZz/UqnbJbcO55+GKHMeMBbEv8ZLYAOEeWfU",
        "$argon2id$v=16$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$cRnYu3TMoY6lrLHKxgaA2IwE/oUhA6uhBWewk3VWJtU",
        "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xX1/9JMV918lxkoNEdQnyQ",
        // The first version, without its number.
        "$argon2i$m=1024,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$h3c0NL0IvIh5yl3sQ1Uaey9RBFpB1m7PEfmYbuGkvik",
    ];

    fn read(text: &str) -> Argon2Hash {
        match StoredHash::read(text) {
            Ok(StoredHash::Argon2(hash)) => hash,
            Ok(_) => panic!("another kind"),
            Err(problem) => panic!("{problem}"),
        }
    }

    fn with_params(params: &str) -> Result<StoredHash, Problem> {
        StoredHash::read(&format!(
            "$argon2id$v=19${params}$MDEyMzQ1Njc4OWFiY2RlZg$xX1/9JMV918lxkoNEdQnyQ"
        ))
    }

    #[test]
    fn password_of_hashes_from_other_software_is_correct() {
        for hash in OF_ARGON2_CFFI {
            assert_eq!(read(hash).is_of(PASSWORD), Ok(true), "{hash}");
        }
    }

    #[test]
    fn other_password_is_wrong() {
        for hash in OF_ARGON2_CFFI {
            assert_eq!(read(hash).is_of("correct horse battery stapl"), Ok(false), "{hash}");
        }
    }

    #[test]
    fn new_hashes_have_salts_of_their_own_and_the_current_parameters() {
        let params = Params::new(8, 1, 1, None).unwrap();

        let [first, second] = [(); 2].map(|()| Argon2Hash::create(PASSWORD, &params).unwrap());

        assert_ne!(first, second);
        assert!(first.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{first}");
        assert_eq!(first.split('$').nth(4).unwrap().len(), 22);
        assert_eq!(first.split('$').nth(5).unwrap().len(), 43);
        assert_eq!(read(&first).is_of(PASSWORD), Ok(true));
        assert!(!read(&first).is_weaker_than(&params));
    }

    #[test]
    fn hash_of_no_password_costs_what_a_new_one_costs() {
        let params = Params::new(16, 2, 1, None).unwrap();
        let new = read(&Argon2Hash::create(PASSWORD, &params).unwrap());

        let of_none = Argon2Hash::of_no_password(&params);

        assert_eq!(of_none.algorithm, new.algorithm);
        assert_eq!(of_none.version, new.version);
        assert_eq!(of_none.params.m_cost(), new.params.m_cost());
        assert_eq!(of_none.params.t_cost(), new.params.t_cost());
        assert_eq!(of_none.params.p_cost(), new.params.p_cost());
        assert_eq!(of_none.salt.len(), new.salt.len());
        assert_eq!(of_none.output.len(), new.output.len());
        assert_eq!(of_none.is_of(""), Ok(false));
    }

    #[test]
    fn hash_with_less_memory_or_less_work_is_weaker() {
        let current = Params::DEFAULT;
        let is_weaker = |params| match with_params(params) {
            Ok(StoredHash::Argon2(hash)) => hash.is_weaker_than(&current),
            _ => panic!("not read"),
        };

        assert!(is_weaker("m=19455,t=2,p=1"));
        assert!(is_weaker("m=19456,t=1,p=1"));
        assert!(is_weaker("m=7168,t=5,p=1"));
        assert!(!is_weaker("m=19456,t=2,p=1"));
        assert!(!is_weaker("m=19456,t=3,p=1"));
        assert!(!is_weaker("m=47104,t=1,p=1"));
        assert!(!is_weaker("m=65536,t=3,p=4"));
    }

    #[test]
    fn other_variants_and_versions_are_weaker() {
        let least = Params::new(8, 1, 1, None).unwrap();

        for hash in [OF_ARGON2_CFFI[1], OF_ARGON2_CFFI[2], OF_ARGON2_CFFI[3], OF_ARGON2_CFFI[5]] {
            assert!(read(hash).is_weaker_than(&least), "{hash}");
        }
    }

    #[test]
    fn hash_at_the_limits_is_read() {
        assert!(with_params("m=262144,t=4,p=1").is_ok());
        assert!(with_params("m=1024,t=1024,p=128").is_ok());
    }

    #[test]
    fn hash_beyond_the_limits_is_refused() {
        for (params, problem) in [
            ("m=262145,t=1,p=1", "it needs more than 256 MiB"),
            ("m=4194304,t=1,p=1", "it needs more than 256 MiB"),
            ("m=4294967295,t=4294967295,p=1", "it needs more than 256 MiB"),
            ("m=262144,t=5,p=1", "its memory times its iterations is more than 1 GiB"),
            ("m=8,t=4294967295,p=1", "its memory times its iterations is more than 1 GiB"),
            ("m=4,t=1,p=1", "its parameters of Argon2 are invalid"),
            ("m=19456,t=0,p=1", "its parameters of Argon2 are invalid"),
            ("m=19456,t=2,p=0", "its parameters of Argon2 are invalid"),
            ("m=19456,t=2,p=4294967295", "its parameters of Argon2 are invalid"),
            ("m=19456,t=2,p=1,x=1", "its parameters of Argon2 are invalid"),
        ] {
            assert_eq!(with_params(params).err(), Some(problem), "{params}");
        }
    }

    #[test]
    fn hash_with_a_missing_or_broken_part_is_refused() {
        for text in [
            "$argon2id",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
            "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$",
            "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xX1/9JMV918lxkoNEdQnyQ$x",
            "$argon2id$v=19$m=19456,t=2,p=1$M$xX1/9JMV918lxkoNEdQnyQ",
            "$argon2id$v=20$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xX1/9JMV918lxkoNEdQnyQ",
            "$argon2id$v=19$m=99999999999,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$xX1/9JMV918lxkoNEdQnyQ",
        ] {
            assert!(StoredHash::read(text).is_err(), "{text}");
        }
    }
}
