use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::AccountsUnavailable;

/// Finds users in the application's table.
///
/// ```
/// use tower_bearer::sign_in::{Account, AccountKey, Accounts, AccountsUnavailable};
/// # struct Database;
/// # struct Row { id: String, hash: String, is_admin: bool }
/// # impl Database {
/// #     async fn by_name(&self, _: &str) -> Result<Option<Row>, std::io::Error> { Ok(None) }
/// #     async fn by_id(&self, _: &str) -> Result<Option<Row>, std::io::Error> { Ok(None) }
/// # }
///
/// struct Users(Database);
///
/// impl Accounts for Users {
///     async fn find(&self, key: AccountKey<'_>) -> Result<Option<Account>, AccountsUnavailable> {
///         let row = match key {
///             AccountKey::Username(name) => self.0.by_name(name).await,
///             AccountKey::Subject(id) => self.0.by_id(id).await,
///             _ => return Ok(None),
///         };
///         let row = row.map_err(AccountsUnavailable::new)?;
///         Ok(row.map(|row| {
///             let roles = if row.is_admin { &["user", "admin"][..] } else { &["user"] };
///             Account::new(row.id).with_password_hash(row.hash).with_roles(roles.iter().copied())
///         }))
///     }
/// }
/// ```
pub trait Accounts: Send + Sync + 'static {
    /// Returns the account of a user who may sign in: by the name that was typed at a sign-in, and by subject at each
    /// refresh. `None` when there is none, or the user was locked; the user's session then ends.
    ///
    /// A name can be any text of up to 1 KiB that is not empty. Compare names as the registration does: with or
    /// without regard to case, normalised or not.
    ///
    /// # Errors
    ///
    /// [`AccountsUnavailable`] when the table does not answer. The request is answered 503, and the session
    /// stays.
    fn find(
        &self,
        key: AccountKey<'_>,
    ) -> impl Future<Output = Result<Option<Account>, AccountsUnavailable>> + Send;

    /// Replaces the hash of a user's password, if it is still the old one. Returns whether it was.
    ///
    /// Called at a sign-in when the hash is of an older kind than [`Passwords`](crate::password::Passwords) make,
    /// and when the user sets another password. Store it in one step, `UPDATE … WHERE hash = old_hash`, so that of
    /// two changes at once the later one knows.
    ///
    /// The default stores nothing and returns `false`: old hashes stay, and the password cannot be changed.
    ///
    /// # Errors
    ///
    /// [`AccountsUnavailable`] when it is not known whether the hash was stored.
    fn replace_password_hash(
        &self,
        subject: &str,
        old_hash: &str,
        new_hash: &str,
    ) -> impl Future<Output = Result<bool, AccountsUnavailable>> + Send {
        let _ = (subject, old_hash, new_hash);
        ready(Ok(false))
    }
}

/// The key by which an account is looked up.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum AccountKey<'a> {
    /// The name that the user typed to sign in.
    Username(&'a str),
    /// The subject of a session: [`Account::new`].
    Subject(&'a str),
}

// Users type passwords into the field for the name.
impl fmt::Debug for AccountKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Username(_) => "Username(..)",
            Self::Subject(_) => "Subject(..)",
        })
    }
}

/// A user who may sign in, and what the access tokens say of the user.
#[derive(Clone)]
pub struct Account {
    pub(super) subject: String,
    pub(super) password_hash: Option<Zeroizing<String>>,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) claims: Option<Result<Value, String>>,
}

impl Account {
    /// Creates the account of a subject: a name that is never given to another user, such as the primary key of the
    /// table. It becomes `sub`.
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            password_hash: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            claims: None,
        }
    }

    /// Sets the hash of the password, as [`Passwords`](crate::password::Passwords) or other software has made it. A user
    /// without one cannot sign in with a password.
    #[must_use]
    pub fn with_password_hash(mut self, hash: impl Into<String>) -> Self {
        self.password_hash = Some(Zeroizing::new(hash.into()));
        self
    }

    /// Grants roles: the claim `roles`.
    #[must_use]
    pub fn with_roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Grants scopes: the claim `scope`.
    #[must_use]
    pub fn with_scopes<R: Into<String>>(mut self, scopes: impl IntoIterator<Item = R>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Adds claims of the application: anything that serialises to a JSON object.
    #[must_use]
    pub fn with_claims(mut self, claims: &impl Serialize) -> Self {
        self.claims = Some(serde_json::to_value(claims).map_err(|error| error.to_string()));
        self
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("roles", &self.roles)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl<T: Accounts + ?Sized> Accounts for Arc<T> {
    fn find(
        &self,
        key: AccountKey<'_>,
    ) -> impl Future<Output = Result<Option<Account>, AccountsUnavailable>> + Send {
        (**self).find(key)
    }

    fn replace_password_hash(
        &self,
        subject: &str,
        old_hash: &str,
        new_hash: &str,
    ) -> impl Future<Output = Result<bool, AccountsUnavailable>> + Send {
        (**self).replace_password_hash(subject, old_hash, new_hash)
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, AccountsUnavailable>> + Send + 'a>>;

/// Erases the type of [`Accounts`].
pub(super) trait ErasedAccounts: Send + Sync {
    fn find<'a>(&'a self, key: AccountKey<'a>) -> Answer<'a, Option<Account>>;
    fn replace_password_hash<'a>(
        &'a self,
        subject: &'a str,
        old_hash: &'a str,
        new_hash: &'a str,
    ) -> Answer<'a, bool>;
}

impl<A: Accounts> ErasedAccounts for A {
    fn find<'a>(&'a self, key: AccountKey<'a>) -> Answer<'a, Option<Account>> {
        Box::pin(Accounts::find(self, key))
    }

    fn replace_password_hash<'a>(
        &'a self,
        subject: &'a str,
        old_hash: &'a str,
        new_hash: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(Accounts::replace_password_hash(self, subject, old_hash, new_hash))
    }
}
