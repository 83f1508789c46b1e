//! Reads bcrypt hashes with code of its own: other software wrote salts whose unused bits are set, which the crate
//! `bcrypt` refuses. The arithmetic is that of the crate.

use argon2::password_hash::phc::Output;
use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use zeroize::Zeroizing;

use super::common::{Problem, is_same};

/// A bcrypt hash, as OpenBSD, PHP, Python, Ruby, Node.js and Spring write it.
pub(in crate::server::password) struct BcryptHash {
    cost: u32,
    salt: [u8; 16],
    output: Output,
}

impl BcryptHash {
    /// Returns `None` for a hash of another kind.
    pub(super) fn read(text: &str) -> Result<Option<Self>, Problem> {
        let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) else {
            // `$2$` and `$2x$` come from faulty versions that hash non-ASCII characters differently.
            let is_faulty = text.starts_with("$2$") || text.starts_with("$2x$");
            return if is_faulty { Err("its version of bcrypt is a faulty one") } else { Ok(None) };
        };
        let (Some((cost, rest)), true) = (rest.split_once('$'), text.len() == 60) else {
            return Err(MALFORMED);
        };
        let cost: u32 = match cost.parse() {
            Ok(cost @ 4..=MAX_COST) => cost,
            Ok(cost) if cost > MAX_COST => return Err("its cost of bcrypt is more than 15"),
            _ => return Err(MALFORMED),
        };
        let (salt, output) = rest.split_at_checked(22).ok_or(MALFORMED)?;
        let salt = decode(salt).ok_or(MALFORMED)?;
        let output: [u8; OUTPUT_BYTES] = decode(output).ok_or(MALFORMED)?;
        let output = Output::new(&output).map_err(|_| MALFORMED)?;
        Ok(Some(Self { cost, salt, output }))
    }

    pub(super) fn is_of(&self, password: &str) -> bool {
        // A NUL ends the password, unless 72 bytes stand before it. Only these are hashed.
        let mut key = Zeroizing::new([0_u8; MAX_BYTES]);
        let seen = password.len().min(MAX_BYTES);
        key[..seen].copy_from_slice(&password.as_bytes()[..seen]);
        let key = &key[..(seen + 1).min(MAX_BYTES)];
        let computed = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, key));
        is_same(&computed[..OUTPUT_BYTES], &self.output)
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (BASE64.decode_slice(text, &mut bytes) == Ok(N)).then_some(bytes)
}

const PREFIXES: [&str; 3] = ["$2b$", "$2a$", "$2y$"];

/// The number of bytes of a password that bcrypt hashes.
pub(super) const MAX_BYTES: usize = 72;

/// The highest cost, at which a hash takes about two seconds of a core. Each further one doubles that.
const MAX_COST: u32 = 15;

/// The last byte of the cipher text is left out.
const OUTPUT_BYTES: usize = 23;

const MALFORMED: Problem = "it is a malformed bcrypt hash";

const BASE64: GeneralPurpose =
    GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";

    fn read(text: &str) -> BcryptHash {
        BcryptHash::read(text).unwrap().expect("another kind")
    }

    #[test]
    fn password_of_hashes_from_other_software_is_correct() {
        for (password, hash) in [
            // The package bcrypt 5.0 of Python.
            (PASSWORD, "$2b$05$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1IvG"),
            (PASSWORD, "$2a$05$49V.0MVkkN.YrEL8CeGEl.8XUkMjwxImpN.Z9MeBE71m84V59q4V2"),
            (PASSWORD, "$2b$10$YGWr2GOQH4mhgttND5EA0e5xtElaQoCskQgVNcY/nuTPpZc5qXuD2"),
            ("пароль-ünïcode", "$2b$05$VwsF25vV0gnLjRsymtNhEeoWUPBEP.Ff/3/u3E8Vq9vS7quTVnh7K"),
            ("", "$2b$05$xBNWfHvMRSrIolED2h.MjuBr4FUwR4VE74Ln.lEJ7nCd2yc0PTaN2"),
            // `crypt` of libxcrypt.
            (PASSWORD, "$2y$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS"),
            // The same hash with unused bits of the salt set, as older software wrote them.
            (PASSWORD, "$2y$05$abcdefghijklmnopqrstuvFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS"),
        ] {
            assert!(read(hash).is_of(password), "{hash}");
            assert!(!read(hash).is_of("correct horse battery stapl"), "{hash}");
        }
    }

    #[test]
    fn password_of_72_bytes_is_hashed_as_a_whole() {
        // The package bcrypt 5.0 of Python.
        let hash = read("$2b$05$0Rh2E5VjsyVwxzB5mHIFsOeO4Q/wsoQpPLiLFs3lrJ/fF8vdf2sme");
        let password = &"0123456789".repeat(8)[..72];

        assert!(hash.is_of(password));
        assert!(!hash.is_of(&password[..71]));
    }

    #[test]
    fn bytes_beyond_72_make_no_difference() {
        // `crypt` of libxcrypt, of 80 bytes.
        let hash = read("$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q");

        assert!(hash.is_of(&"x".repeat(80)));
        assert!(hash.is_of(&"x".repeat(72)));
        assert!(!hash.is_of(&"x".repeat(71)));
    }

    #[test]
    fn nul_does_not_end_a_password() {
        // The package bcrypt 5.0 of Python, of "abc\0defgh".
        let hash = read("$2b$05$I1qRdL/5/EcFX91k4lzyKudT3YF131T0oStnAmwQf9PT1acU3QxO.");
        // `crypt` of libxcrypt, which took "abc\0def" for "abc".
        let cut = read("$2b$05$abcdefghijklmnopqrstuuRWUgMyyCUnsDr8evYotXg5ZXVF/HhzS");

        assert!(hash.is_of("abc\0defgh"));
        assert!(!hash.is_of("abc"));
        assert!(cut.is_of("abc"));
        assert!(!cut.is_of("abc\0def"));
    }

    #[test]
    fn cost_at_the_limit_is_read() {
        let hash = "$2b$15$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1IvG";

        assert_eq!(read(hash).cost, 15);
    }

    #[test]
    fn cost_beyond_the_limit_is_refused() {
        for cost in [16, 31, 99] {
            let hash = format!("$2b${cost}$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1IvG");

            assert_eq!(BcryptHash::read(&hash).err(), Some("its cost of bcrypt is more than 15"));
        }
    }

    #[test]
    fn malformed_hash_is_refused() {
        for hash in [
            "$2b$",
            "$2b$05$",
            "$2b$03$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1IvG",
            "$2b$-5$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1IvG",
            "$2b$05$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1Iv",
            "$2b$05$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1IvGG",
            "$2b$05$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1Iv+",
            "$2b$05$3MeZPtRPX0FxgLTBEKpd.☃HoLrP4wiP8XQ28V1d.Hpuc0pKoS1I",
        ] {
            assert_eq!(BcryptHash::read(hash).err(), Some(MALFORMED), "{hash}");
        }
    }

    #[test]
    fn hash_of_a_faulty_version_is_refused() {
        let hash = "$2x$05$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1IvG";

        assert!(BcryptHash::read(hash).is_err());
    }
}
