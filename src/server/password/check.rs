use std::fmt;
use std::hint::black_box;

use super::error::PasswordError;
use super::presented::PresentedPassword;
use super::stored::{Argon2Hash, Params, StoredHash};

/// The result of comparing a password with a stored hash.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a password that is wrong must not sign a user in"]
#[non_exhaustive]
pub enum PasswordCheck {
    /// The password is not that of the hash, or there is no such user.
    Wrong,
    /// The password is that of the hash.
    Correct,
    /// The password is that of the hash, and the table should have a better hash.
    CorrectAndOutdated {
        /// The hash to store in place of the old one. Replace the hash only if it is still the old one, so that a new
        /// password which the user sets at the same time is not lost.
        new_hash: String,
    },
}

impl PasswordCheck {
    /// Returns whether the password is correct, with or without a new hash.
    pub const fn is_correct(&self) -> bool {
        match self {
            Self::Wrong => false,
            Self::Correct | Self::CorrectAndOutdated { .. } => true,
        }
    }
}

impl fmt::Debug for PasswordCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wrong => "Wrong",
            Self::Correct => "Correct",
            Self::CorrectAndOutdated { .. } => "CorrectAndOutdated { .. }",
        })
    }
}

/// Compares a password with a stored hash. Without a hash, and with one that cannot be read, the
/// same work is done for nothing.
pub(super) fn check(
    password: &PresentedPassword,
    hash: Option<&str>,
    params: &Params,
) -> Result<PasswordCheck, PasswordError> {
    match hash.map(StoredHash::read) {
        Some(Ok(stored)) => check_stored(password, &stored, params),
        Some(Err(problem)) => {
            work_for_nothing(password, params)?;
            Err(PasswordError::UnreadableHash { problem })
        }
        None => {
            work_for_nothing(password, params)?;
            Ok(PasswordCheck::Wrong)
        }
    }
}

fn check_stored(
    password: &PresentedPassword,
    stored: &StoredHash,
    params: &Params,
) -> Result<PasswordCheck, PasswordError> {
    let Some(form) = matching_form(password, stored)? else {
        return Ok(PasswordCheck::Wrong);
    };
    if !stored.is_outdated(form, form == password.normalized(), params) {
        return Ok(PasswordCheck::Correct);
    }
    // The user can sign in without a new hash.
    Ok(Argon2Hash::create(password.normalized(), params)
        .map_or(PasswordCheck::Correct, |new_hash| PasswordCheck::CorrectAndOutdated { new_hash }))
}

fn matching_form<'p>(
    password: &'p PresentedPassword,
    stored: &StoredHash,
) -> Result<Option<&'p str>, PasswordError> {
    for form in password.forms() {
        if stored.is_of(form)? {
            return Ok(Some(form));
        }
    }
    Ok(None)
}

fn work_for_nothing(password: &PresentedPassword, params: &Params) -> Result<(), PasswordError> {
    let of_none = StoredHash::Argon2(Argon2Hash::of_no_password(params));
    // The compiler must not find out that the result is not used.
    black_box(matching_form(password, &of_none)?);
    Ok(())
}
