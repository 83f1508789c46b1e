use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use zeroize::Zeroizing;

use super::check::{PasswordCheck, check};
use super::error::PasswordError;
use super::presented::PresentedPassword;
use super::refused::RefusedPasswords;
use super::stored::{Argon2Hash, MAX_MEMORY_KIB, MAX_WORK_KIB, Params};
use super::threads::Threads;
use crate::config_error::ConfigError;

/// Hashes new passwords and verifies passwords with stored hashes, outside of the runtime's threads.
///
/// Make one value for the program and clone it: clones share the limits.
///
/// ```
/// use tower_bearer::password::{PasswordCheck, PasswordError, Passwords};
///
/// # async fn find_hash(_: &str) -> Option<String> { None }
/// # async fn replace_hash(_: &str, _old: Option<String>, _new: String) {}
/// async fn is_signed_in(passwords: &Passwords, name: &str, password: &str) -> Result<bool, PasswordError> {
///     let hash = find_hash(name).await; // `None` if there is no such user
///     let check = passwords.verify(password, hash.as_deref()).await?;
///     let is_correct = check.is_correct();
///     if let PasswordCheck::CorrectAndOutdated { new_hash } = check {
///         replace_hash(name, hash, new_hash).await;
///     }
///     Ok(is_correct)
/// }
/// ```
///
/// # Cost
///
/// A hash is made of Argon2id with 19 MiB of memory, 2 iterations and a parallelism of 1 (OWASP Password Storage Cheat
/// Sheet), with a salt of 16 random bytes: about 30 milliseconds of a core. As many hashes are made at once as there are
/// cores, but 8 at most, and 64 more may wait; [`PasswordError::Busy`] answers all further ones. Hashes of new passwords
/// therefore take 8 × 19 = 152 MiB at most. A stored hash that was made with more memory takes that memory, up to the
/// limit below.
///
/// Work runs on the blocking threads of tokio. A caller that is dropped while it waits frees its place at once; work that
/// has begun is finished.
///
/// # Stored hashes
///
/// | kind | read | limit |
/// |---|---|---|
/// | Argon2id, Argon2i, Argon2d | PHC strings, versions 16 and 19 | 256 MiB; memory times iterations 1 GiB |
/// | bcrypt | `$2a$`, `$2b$`, `$2y$` | cost 15 |
/// | scrypt | `$scrypt$ln=…,r=…,p=…$…$…`, as passlib writes it | 256 MiB; memory times parallelism 1 GiB |
///
/// A hash beyond a limit is [`PasswordError::UnreadableHash`], so that an imported table cannot exhaust the server.
///
/// [`verify`](Self::verify) returns a new hash for a hash that is not Argon2id of version 19, that has less memory, or in
/// which memory times iterations is less than now. A stronger hash stays: set [`with_argon2`](Self::with_argon2) to the
/// parameters of a table that is stronger than the default.
///
/// bcrypt hashes the first 72 bytes of a password only, and so does this. Such a password is accepted with any end, and
/// the hash is not replaced: the new hash would be one of an end that was never verified. A NUL does not end a
/// password, as in Go, Java, Node.js, Python and Rust; `crypt` of C, and with it PHP, ended it there.
///
/// # Unknown users
///
/// Without a hash, and with one that cannot be read, the work is that of a hash with the current parameters. The time
/// therefore does not tell which users exist, as long as all hashes have the current parameters. In 600 measurements of
/// each on a busy machine, the medians for known and unknown users differed by 2 to 3 %, a tenth or less of the distance
/// between the quartiles. A table with other hashes tells, until each user has signed in once. Only a correct password
/// with an outdated hash takes longer.
///
/// # Characters
///
/// Every string is accepted, and there are no rules of composition (NIST SP 800-63B, ASVS 6.2). Keyboards and systems
/// send the same characters as different code points, so new hashes are of the normal form NFC (NIST SP 800-63B-4
/// §3.1.1.2, RFC 8265 §4.2). A password in ASCII is its own normal form, and so is nearly every other. Other software
/// has hashed passwords as they were sent: if the normal form does not match, the password as sent is tried too, and a
/// match returns a new hash. A password that is not in the normal form therefore costs two hashes, for known and
/// unknown users.
///
/// Passwords and their copies are erased from memory after use, apart from working memory of the normal form and of the
/// hash functions.
#[derive(Clone)]
pub struct Passwords {
    rules: Arc<Rules>,
    threads: Threads,
}

#[derive(Clone)]
struct Rules {
    params: Params,
    min_chars: usize,
    refused: Vec<Arc<dyn RefusedPasswords>>,
}

impl Passwords {
    /// Creates a hasher with the parameters of OWASP.
    pub fn new() -> Self {
        let rules = Rules { params: Params::DEFAULT, min_chars: 8, refused: Vec::new() };
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self { rules: Arc::new(rules), threads: Threads::new(cores.min(8), 64) }
    }

    /// Sets the parameters of Argon2id for new hashes. The default is 19,456 KiB, 2 iterations and a parallelism of 1.
    ///
    /// The lanes of a parallelism above 1 are computed one after the other: it costs no more, and gains nothing here.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] when the parameters are weaker than the weakest of OWASP (7 MiB, and 35 MiB as memory
    /// times iterations), stronger than a stored hash may be (256 MiB, and 1 GiB), or the parallelism is not 1 to 255.
    ///
    /// # Panics
    ///
    /// Never: all parameters within these limits are within those of Argon2.
    pub fn with_argon2(
        self,
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
    ) -> Result<Self, ConfigError> {
        let work = u64::from(memory_kib) * u64::from(iterations);
        let (most, most_work) = (MAX_MEMORY_KIB.into(), MAX_WORK_KIB.into());
        in_range("the memory of Argon2 in KiB", memory_kib.into(), 7 * 1024, most)?;
        in_range("the memory of Argon2 in KiB times the iterations", work, 35 * 1024, most_work)?;
        in_range("the parallelism of Argon2", parallelism.into(), 1, 255)?;
        let params = Params::new(memory_kib, iterations, parallelism, None)
            .expect("the parameters are within the limits of Argon2");
        Ok(self.change(|rules| rules.params = params))
    }

    /// Sets how many passwords are hashed at once. The default is the number of cores, but 8 at most. The least is 1.
    ///
    /// Each takes a core, and the memory of [`with_argon2`](Self::with_argon2).
    pub fn with_max_concurrent(mut self, hashes: usize) -> Self {
        self.threads = self.threads.with_max_concurrent(hashes);
        self
    }

    /// Sets how many further passwords may wait to be hashed. The default is 64. Zero answers
    /// [`PasswordError::Busy`] at once when as many as allowed are being hashed.
    pub fn with_max_waiting(mut self, waiting: usize) -> Self {
        self.threads = self.threads.with_max_waiting(waiting);
        self
    }

    /// Sets how many characters a new password needs. The default is 8 (ASVS 6.2.1).
    ///
    /// NIST SP 800-63B-4 requires 15 where the password is the only factor, and ASVS recommends them. A character is a code
    /// point, of the password as sent or of its normal form, whichever has fewer.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] when the number is not 8 to 64. NIST and ASVS ask that passwords of 64 characters
    /// are accepted.
    pub fn with_min_chars(self, chars: usize) -> Result<Self, ConfigError> {
        let value = u64::try_from(chars).unwrap_or(u64::MAX);
        in_range("the number of characters that a new password needs", value, 8, 64)?;
        Ok(self.change(|rules| rules.min_chars = chars))
    }

    /// Adds passwords that are refused: a [`RefusedList`](super::RefusedList) or a closure. By default, none are.
    ///
    /// This is a rule for new passwords; a user can still sign in with an old one.
    pub fn with_refused(self, refused: impl RefusedPasswords) -> Self {
        self.change(|rules| rules.refused.push(Arc::new(refused)))
    }

    /// Hashes a new password, after checking the rules for new passwords.
    ///
    /// The hash is a PHC string of about 97 ASCII characters.
    ///
    /// # Errors
    ///
    /// [`PasswordError::TooShort`], [`PasswordError::TooLong`] and [`PasswordError::Refused`] when the user has to
    /// choose another password; [`PasswordError::Busy`] and [`PasswordError::Unavailable`] when the server cannot hash
    /// now.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let password = PresentedPassword::new(password)?;
        if password.chars() < self.rules.min_chars {
            return Err(PasswordError::TooShort { required: self.rules.min_chars });
        }
        let rules = Arc::clone(&self.rules);
        let work = move || {
            if rules.refused.iter().any(|refused| refused.refuses(password.normalized())) {
                return Err(PasswordError::Refused);
            }
            Argon2Hash::create(password.normalized(), &rules.params)
        };
        self.threads.run(work).await?
    }

    /// Verifies a password with the stored hash of the user. `None` stands for a user that does not exist, and does the
    /// same work.
    ///
    /// The rules for new passwords do not apply.
    ///
    /// # Errors
    ///
    /// [`PasswordError::TooLong`] when the password is longer than [`MAX_PASSWORD_BYTES`](super::MAX_PASSWORD_BYTES);
    /// [`PasswordError::UnreadableHash`] when the hash cannot be used; [`PasswordError::Busy`] and
    /// [`PasswordError::Unavailable`] when the server cannot hash now.
    pub async fn verify(
        &self,
        password: &str,
        hash: Option<&str>,
    ) -> Result<PasswordCheck, PasswordError> {
        let password = PresentedPassword::new(password)?;
        let hash = hash.map(|hash| Zeroizing::new(hash.to_owned()));
        let rules = Arc::clone(&self.rules);
        let work = move || check(&password, hash.as_ref().map(|hash| hash.as_str()), &rules.params);
        self.threads.run(work).await?
    }

    fn change(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("memory_kib", &self.rules.params.m_cost())
            .field("iterations", &self.rules.params.t_cost())
            .field("parallelism", &self.rules.params.p_cost())
            .field("min_chars", &self.rules.min_chars)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

fn in_range(what: &'static str, value: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError::OutOfRange { what, value, least, most })
    }
}
