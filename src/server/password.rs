//! Hashes and verifies the passwords of users (feature `passwords`).
//!
//! [`Passwords`] makes Argon2id hashes and verifies Argon2, bcrypt and scrypt hashes. It does the same work for a user
//! that does not exist, and limits how many passwords are hashed at once.
//!
//! Three things stay with the application: a limit on attempts for each user and client, the answer to the client (the
//! same for an unknown user and a wrong password), and the table of hashes.
//!
//! ```
//! use tower_bearer::password::{PasswordCheck, Passwords};
//!
//! # async fn example() -> Result<(), tower_bearer::password::PasswordError> {
//! let passwords = Passwords::new();
//!
//! let hash = passwords.hash("correct horse battery staple").await?;
//!
//! let check = passwords.verify("correct horse battery staple", Some(&hash)).await?;
//! assert_eq!(check, PasswordCheck::Correct);
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
//! ```

mod error;
mod threads;
mod presented;
mod refused;
mod stored;
mod check;
mod passwords;

pub use check::PasswordCheck;
pub use error::PasswordError;
pub use passwords::Passwords;
pub use presented::MAX_PASSWORD_BYTES;
pub use refused::{RefusedList, RefusedPasswords};
