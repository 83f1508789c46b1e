use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead};

use zeroize::Zeroizing;

use super::presented::normalized;

/// Refuses new passwords that attackers try first: leaked, common, or made of the name of the service.
///
/// Closures implement it. It is asked on a hashing thread, in place of a password that would be hashed there, so it may
/// read a file. A question to a service is better asked before [`hash`](super::Passwords::hash).
pub trait RefusedPasswords: Send + Sync + 'static {
    /// Returns whether the password is refused. The password is in the normal form NFC.
    fn refuses(&self, password: &str) -> bool;
}

impl<F: Fn(&str) -> bool + Send + Sync + 'static> RefusedPasswords for F {
    fn refuses(&self, password: &str) -> bool {
        self(password)
    }
}

/// Keeps a list of refused passwords in memory.
///
/// Upper and lower case are the same: a list with `password1` also refuses `PassWord1`. Each password takes 8 bytes, as
/// a hash of it is kept and not its text; a list of 10 million takes 80 MB. A password that is not in the list is
/// refused by mistake once in 10<sup>12</sup> times with such a list.
///
/// The crate brings no list: lists grow old, and the right one depends on the language of the users. NIST SP 800-63B-4
/// requires a list of common and leaked passwords and of words such as the name of the service; ASVS 6.2.4 asks for the
/// 3,000 most common passwords at least. The project `SecLists` and the NCSC publish longer lists.
///
/// ```
/// use std::io::Cursor;
/// use tower_bearer::password::{Passwords, RefusedList};
///
/// # fn example() -> std::io::Result<()> {
/// # let file = Cursor::new("password1\ncorrecthorse\n"); // BufReader::new(File::open(…)?)
/// let list = RefusedList::from_lines(file)?;
/// let passwords = Passwords::new().with_refused(list);
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
#[derive(Default)]
pub struct RefusedList {
    hasher: RandomState,
    /// Sorted.
    hashes: Vec<u64>,
}

impl RefusedList {
    /// Reads a list with one password on each line.
    ///
    /// Spaces belong to the password, a line end of `\r\n` does not. Empty lines are skipped, and lines that are not
    /// UTF-8, which no password can equal. There are no comments.
    ///
    /// # Errors
    ///
    /// The error of the reader.
    pub fn from_lines(mut lines: impl BufRead) -> io::Result<Self> {
        let mut list = Self::default();
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if let Ok(text) = std::str::from_utf8(&line) {
                list.add(
                    text.strip_suffix('\n')
                        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text)),
                );
            }
            line.clear();
        }
        list.sort();
        Ok(list)
    }

    /// Returns whether the list has the password.
    pub fn contains(&self, password: &str) -> bool {
        self.hashes.binary_search(&self.hash(password)).is_ok()
    }

    /// Returns the number of passwords.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Returns whether the list has no passwords.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    fn add(&mut self, password: &str) {
        if !password.is_empty() {
            self.hashes.push(self.hash(password));
        }
    }

    fn sort(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.shrink_to_fit();
    }

    fn hash(&self, password: &str) -> u64 {
        let lower = Zeroizing::new(normalized(password).to_lowercase());
        self.hasher.hash_one(lower.as_str())
    }
}

impl<S: AsRef<str>> FromIterator<S> for RefusedList {
    fn from_iter<I: IntoIterator<Item = S>>(passwords: I) -> Self {
        let mut list = Self::default();
        passwords.into_iter().for_each(|password| list.add(password.as_ref()));
        list.sort();
        list
    }
}

impl RefusedPasswords for RefusedList {
    fn refuses(&self, password: &str) -> bool {
        self.contains(password)
    }
}

impl fmt::Debug for RefusedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedList").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lines: &[u8]) -> RefusedList {
        RefusedList::from_lines(lines).unwrap()
    }

    #[test]
    fn password_of_each_line_is_refused() {
        let list = list(b"first\r\nsecond\nlast");

        assert!(list.contains("first") && list.contains("second") && list.contains("last"));
        assert_eq!(list.len(), 3);
    }

    #[test]
    fn password_of_no_line_is_accepted() {
        let list = list(b"first\r\nsecond\nlast");

        assert!(!list.contains("third") && !list.contains("first\r") && !list.contains(""));
    }

    #[test]
    fn case_and_normal_form_make_no_difference() {
        let list = list("Motörhead\n".as_bytes());

        assert!(list.contains("MOTO\u{308}RHEAD"));
    }

    #[test]
    fn spaces_and_number_signs_belong_to_the_password() {
        let list = list(b" #secret \n");

        assert!(list.contains(" #secret ") && !list.contains("#secret"));
    }

    #[test]
    fn lines_that_are_empty_not_utf_8_or_repeated_are_not_counted() {
        let list = list(b"\n\r\n\xff\xfe\nonce\nONCE\nonce\n");

        assert_eq!(list.len(), 1);
        assert!(list.contains("once"));
    }

    #[test]
    fn list_shows_its_length_only() {
        assert_eq!(format!("{:?}", list(b"hunter2\n")), "RefusedList { len: 1, .. }");
    }
}
