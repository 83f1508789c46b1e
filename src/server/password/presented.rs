use std::fmt;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use zeroize::Zeroizing;

use super::error::PasswordError;

/// The length of the longest password that is hashed or verified, in bytes of UTF-8: 1 KiB.
///
/// ASVS 6.2.9 asks for 64 characters or more. A limit keeps long requests from costing more than
/// the hash itself.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// A password that a client sent, with its normal form. Both are erased when dropped.
pub(super) struct PresentedPassword {
    as_sent: Zeroizing<String>,
    /// Absent if the password was sent in its normal form, as nearly all are.
    normalized: Option<Zeroizing<String>>,
}

impl PresentedPassword {
    pub(super) fn new(password: &str) -> Result<Self, PasswordError> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(PasswordError::TooLong { most: MAX_PASSWORD_BYTES });
        }
        Ok(Self {
            as_sent: Zeroizing::new(password.to_owned()),
            normalized: (!is_nfc(password)).then(|| normalized(password)),
        })
    }

    /// Returns the form that new hashes are made of: NFC.
    pub(super) fn normalized(&self) -> &str {
        self.normalized.as_ref().unwrap_or(&self.as_sent)
    }

    /// Returns the forms that a stored hash may be of. Other software hashes a password as it is
    /// sent.
    pub(super) fn forms(&self) -> impl Iterator<Item = &str> {
        let as_sent = self.normalized.as_ref().map(|_| self.as_sent.as_str());
        std::iter::once(self.normalized()).chain(as_sent)
    }

    /// Returns the number of code points, of the form that has fewer. An accent counts with its
    /// letter, and the few code points that their normal form takes apart count as one.
    pub(super) fn chars(&self) -> usize {
        self.as_sent.chars().count().min(self.normalized().chars().count())
    }
}

impl fmt::Debug for PresentedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedPassword").finish_non_exhaustive()
    }
}

/// Returns the normal form NFC.
pub(super) fn normalized(password: &str) -> Zeroizing<String> {
    // The text never moves, which would leave a copy behind: no text grows to more than three times
    // its length (UAX 15).
    let mut normalized = Zeroizing::new(String::with_capacity(password.len() * 3));
    normalized.extend(password.nfc());
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_in_normal_form_has_one_form() {
        let password = PresentedPassword::new("café ☃ 🔑").unwrap();

        assert_eq!(password.forms().collect::<Vec<_>>(), ["café ☃ 🔑"]);
    }

    #[test]
    fn password_with_combining_marks_has_two_forms_and_its_normal_form_comes_first() {
        let password = PresentedPassword::new("cafe\u{301}").unwrap();

        assert_eq!(password.forms().collect::<Vec<_>>(), ["caf\u{e9}", "cafe\u{301}"]);
        assert_eq!(password.chars(), 4);
    }

    #[test]
    fn code_point_whose_normal_form_has_several_counts_as_one() {
        let password = PresentedPassword::new("\u{1d160}").unwrap();

        assert_eq!(password.normalized().chars().count(), 3);
        assert_eq!(password.chars(), 1);
    }

    #[test]
    fn normal_form_is_made_without_moving_the_text() {
        let longest = "\u{1d160}".repeat(MAX_PASSWORD_BYTES / 4);

        let normalized = normalized(&longest);

        assert_eq!(normalized.capacity(), longest.len() * 3);
        assert_eq!(normalized.len(), longest.len() * 3);
    }

    #[test]
    fn longest_password_is_accepted() {
        assert!(PresentedPassword::new(&"x".repeat(1024)).is_ok());
    }

    #[test]
    fn longer_password_is_refused() {
        let error = PresentedPassword::new(&"x".repeat(1025)).unwrap_err();

        assert_eq!(error, PasswordError::TooLong { most: 1024 });
    }
}
