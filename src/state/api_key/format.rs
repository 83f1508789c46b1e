//! Writes and reads the text of API keys: `prefix_id_secret`, and a checksum.
//!
//! The prefix says what the text is, to people and to scanners for leaked secrets. The id finds the record. The secret
//! has 256 random bits. The checksum lets a mistyped or made-up key be refused without a look into the store.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::checksum::{ALPHABET, DIGITS, checksum};
use super::record::ApiKeyHash;
use crate::config_error::{ConfigError, KeyProblem};

/// The first part of an application's API keys, which tells them from other tokens: `acme` or `acme_live`.
///
/// It has 2 to 24 characters: lower-case ASCII letters, digits, and single `_` inside. The first is a letter. Choose a
/// name that no other service uses, so that a key that leaked leads to its application.
///
/// ```
/// use tower_bearer::api_key::ApiKeyPrefix;
///
/// let prefix = ApiKeyPrefix::new("acme_live")?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyPrefix(Arc<str>);

impl ApiKeyPrefix {
    /// Creates a prefix.
    ///
    /// # Errors
    ///
    /// [`ConfigError::ApiKeyPrefix`] when it has another length or other characters.
    pub fn new(prefix: impl AsRef<str>) -> Result<Self, ConfigError> {
        let prefix = prefix.as_ref();
        if let Some(problem) = prefix_problem(prefix) {
            return Err(ConfigError::ApiKeyPrefix { prefix: prefix.to_owned(), problem });
        }
        Ok(Self(prefix.into()))
    }

    /// Returns the prefix without the `_` behind it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a token begins as the keys with this prefix do, and not as those with a longer one: `acme` does not
    /// begin a key of `acme_live`.
    pub(crate) fn begins(&self, token: &[u8]) -> bool {
        let end = token.len().checked_sub(BEHIND_PREFIX);
        let is_longer = end.is_some_and(|end| end > self.0.len() && token[end] == b'_');
        let rest = token.strip_prefix(self.0.as_bytes()).filter(|_| !is_longer);
        rest.is_some_and(|rest| rest.first() == Some(&b'_'))
    }
}

/// An API key: the text that its user sends, which is a secret.
///
/// `acme_1cQVHGNxbf7dW0kA_` is followed by 43 characters of secret and 6 of checksum, all of them letters and digits.
/// `Debug` shows only the id, and the text is zeroized when dropped.
#[derive(Clone)]
pub struct ApiKey {
    text: Zeroizing<String>,
    prefix_bytes: usize,
}

impl ApiKey {
    /// Makes a new key from the randomness of the operating system.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoRandomness`] when the operating system has no randomness to give.
    pub fn generate(prefix: &ApiKeyPrefix) -> Result<Self, ConfigError> {
        let prefix = prefix.as_str();
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + BEHIND_PREFIX));
        text.push_str(prefix);
        text.push('_');
        push_random(&mut text, ID)?;
        text.push('_');
        push_random(&mut text, SECRET)?;
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Ok(Self { text, prefix_bytes: prefix.len() })
    }

    /// Reads a key with any prefix.
    ///
    /// # Errors
    ///
    /// [`ApiKeyFault`] when the text is no API key, or one with a mistake.
    pub fn parse(text: &str) -> Result<Self, ApiKeyFault> {
        let parts = KeyParts::parse(text)?;
        Ok(Self { text: Zeroizing::new(text.to_owned()), prefix_bytes: parts.prefix.len() })
    }

    /// Returns the whole key, which is a secret. All its characters may stand in header fields, JSON and URLs.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the prefix of the application, without the `_` behind it.
    pub fn prefix(&self) -> &str {
        &self.text[..self.prefix_bytes]
    }

    /// Returns the id, which is not a secret: 16 letters and digits.
    pub fn id(&self) -> &str {
        &self.text[self.prefix_bytes + 1..][..ID]
    }

    /// Returns the hash of the key, for a store to keep.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the crate was built without a back end for signatures.
    pub fn hash(&self) -> Result<ApiKeyHash, ConfigError> {
        ApiKeyHash::of(self.as_str()).ok_or(ConfigError::Key(KeyProblem::NoBackEnd))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The reason why a text is no API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiKeyFault {
    /// The text does not have the form of API keys.
    Form,
    /// The checksum does not fit: the key was mistyped, cut off, or made up.
    Checksum,
}

impl fmt::Display for ApiKeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "the text does not have the form of an API key",
            Self::Checksum => "the checksum of the API key is wrong, so it was mistyped or made up",
        })
    }
}

impl std::error::Error for ApiKeyFault {}

/// The public parts of a key whose checksum is right.
#[derive(Clone, Copy)]
pub(crate) struct KeyParts<'t> {
    pub(crate) prefix: &'t str,
    pub(crate) id: &'t str,
}

impl<'t> KeyParts<'t> {
    pub(crate) fn parse(text: &'t str) -> Result<Self, ApiKeyFault> {
        // Behind the prefix, which may hold `_` itself, each part has its length.
        let end = text.len().checked_sub(BEHIND_PREFIX).ok_or(ApiKeyFault::Form)?;
        let (prefix, rest) = text.split_at_checked(end).ok_or(ApiKeyFault::Form)?;
        let is_formed = prefix_problem(prefix).is_none()
            && rest.bytes().enumerate().all(|(at, byte)| match at {
                0 | SECOND_BREAK => byte == b'_',
                _ => byte.is_ascii_alphanumeric(),
            });
        if !is_formed {
            return Err(ApiKeyFault::Form);
        }
        let (covered, mark) = text.split_at(text.len() - DIGITS);
        if checksum(covered.as_bytes()) != *mark.as_bytes() {
            return Err(ApiKeyFault::Checksum);
        }
        Ok(Self { prefix, id: &rest[1..=ID] })
    }
}

fn prefix_problem(prefix: &str) -> Option<&'static str> {
    if !(MIN_PREFIX..=MAX_PREFIX).contains(&prefix.len()) {
        Some("does not have 2 to 24 characters")
    } else if !prefix.starts_with(|first: char| first.is_ascii_lowercase()) {
        Some("does not begin with a lower-case letter from a to z")
    } else if !prefix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
        Some("has a character other than a to z, 0 to 9 and `_`")
    } else if prefix.ends_with('_') || prefix.contains("__") {
        Some("has a `_` at its end or two in a row; the key adds one itself")
    } else {
        None
    }
}

/// Returns whether a text is an id of an API key.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Appends random letters and digits, all of them equally likely.
fn push_random(text: &mut String, count: usize) -> Result<(), ConfigError> {
    let mut bytes = Zeroizing::new([0; 64]);
    let end = text.len() + count;
    while text.len() < end {
        getrandom::fill(&mut *bytes).map_err(|_| ConfigError::NoRandomness)?;
        // Of 64 equally likely numbers, two are thrown away.
        let digits = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 0x3f)));
        for &digit in digits.take(end - text.len()) {
            text.push(char::from(digit));
        }
    }
    Ok(())
}

const MIN_PREFIX: usize = 2;
const MAX_PREFIX: usize = 24;
/// 95 bits, so that no two keys have the same.
const ID: usize = 16;
/// 256 bits.
const SECRET: usize = 43;
const SECOND_BREAK: usize = 1 + ID;
const BEHIND_PREFIX: usize = 1 + ID + 1 + SECRET + DIGITS;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> ApiKeyPrefix {
        ApiKeyPrefix::new(text).unwrap()
    }

    fn key() -> ApiKey {
        ApiKey::generate(&prefix("acme_live")).unwrap()
    }

    #[test]
    fn key_is_read_as_it_was_made() {
        let made = key();

        let read = ApiKey::parse(made.as_str()).unwrap();

        assert_eq!((read.prefix(), read.id()), ("acme_live", made.id()));
        assert_eq!(read.as_str(), made.as_str());
        assert_eq!(made.as_str().len(), "acme_live".len() + 67);
        assert!(is_id(made.id()));
        assert!(prefix("acme_live").begins(made.as_str().as_bytes()));
        for other in ["acme", "acme_live_x", "acme_liv", "other"] {
            assert!(!prefix(other).begins(made.as_str().as_bytes()), "{other}");
        }
        // What was cut off is still one of ours.
        assert!(prefix("acme_live").begins(b"acme_live_") && prefix("acme").begins(b"acme_live_"));
    }

    #[test]
    fn debug_shows_the_id_alone() {
        let key = key();

        let shown = format!("{key:?}");

        assert_eq!(shown, format!("ApiKey {{ id: {:?}, .. }}", key.id()));
        assert!(!shown.contains(&key.as_str()[30..40]));
    }

    #[test]
    fn prefix_that_would_not_be_recognised_is_refused() {
        for good in ["ac", "acme", "acme_live", "a1_b2", &"a".repeat(24)] {
            assert!(ApiKeyPrefix::new(good).is_ok(), "{good}");
        }
        for (bad, problem) in [
            ("", "2 to 24"),
            ("a", "2 to 24"),
            (&*"a".repeat(25), "2 to 24"),
            ("1a", "begin"),
            ("_a", "begin"),
            ("Acme", "begin"),
            ("eyJhb", "character"),
            ("a-b", "character"),
            ("a.b", "character"),
            ("aé", "character"),
            ("acme_", "in a row"),
            ("a__b", "in a row"),
        ] {
            let refused = ApiKeyPrefix::new(bad).unwrap_err();
            assert!(refused.to_string().contains(problem), "{bad}: {refused}");
        }
    }

    #[test]
    fn random_characters_are_all_of_the_alphabet() {
        let mut text = String::new();
        push_random(&mut text, 20_000).unwrap();

        for digit in ALPHABET {
            let count = text.bytes().filter(|byte| byte == digit).count();
            // 322 on average; this far off once in more than a million runs.
            assert!((200..450).contains(&count), "{}: {count}", char::from(*digit));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,120}") {
            drop(ApiKey::parse(&text));
        }

        #[test]
        fn no_text_of_the_length_of_a_key_panics(text in "[a-zé_0]{60,90}") {
            prop_assert!(ApiKey::parse(&text).is_err());
        }

        #[test]
        fn key_with_one_character_changed_is_refused(at in 0_usize..76, by in any::<char>()) {
            let key = key();
            let mut text: Vec<char> = key.as_str().chars().collect();
            prop_assume!(text[at] != by);
            text[at] = by;
            let text: String = text.into_iter().collect();

            let read = ApiKey::parse(&text);

            prop_assert!(read.is_err(), "{}", at);
            // Of letters and digits, the checksum finds each.
            if by.is_ascii_alphanumeric() && !matches!(at, 0..=9 | 26) {
                prop_assert_eq!(read.unwrap_err(), ApiKeyFault::Checksum);
            }
        }

        #[test]
        fn key_with_two_neighbours_exchanged_is_refused(at in 0_usize..75) {
            let key = key();
            let mut text = key.as_str().as_bytes().to_vec();
            prop_assume!(text[at] != text[at + 1]);
            text.swap(at, at + 1);

            prop_assert!(ApiKey::parse(str::from_utf8(&text).unwrap()).is_err());
        }

        #[test]
        fn key_that_was_cut_or_grew_is_refused(cut in 0_usize..76, more in "[a-zA-Z0-9]{1,9}") {
            let key = key();

            prop_assert!(ApiKey::parse(&key.as_str()[..cut]).is_err());
            prop_assert!(ApiKey::parse(&key.as_str()[76 - cut..]).is_err());
            let grown = format!("{}{more}", key.as_str());
            prop_assert!(ApiKey::parse(&grown).is_err());
        }
    }
}
