//! Keeps the table of users, and answers the questions of `tower_bearer::sign_in` about it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::json;
use tower_bearer::sign_in::{Account, AccountKey, Accounts, AccountsUnavailable};
use unicode_normalization::UnicodeNormalization as _;

use crate::database::{Database, now, with_pool};

/// The table of users.
#[derive(Clone)]
pub struct Users {
    database: Database,
}

/// A user as the admin page shows it.
#[derive(Serialize)]
pub struct ListedUser {
    id: String,
    username: String,
    roles: Vec<String>,
    created_at: i64,
}

/// A name that a user can have: 1 to 64 characters in the normal form NFC, without blanks around it and without
/// control characters.
pub struct Username(String);

impl Username {
    pub fn new(typed: &str) -> Result<Self, &'static str> {
        let name: String = typed.trim().nfc().collect();
        match name.chars().count() {
            0 => Err("The user name is empty"),
            65.. => Err("The user name is longer than 64 characters"),
            _ if name.chars().any(is_invisible) => Err("The user name has an invisible character"),
            _ => Ok(Self(name)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, and those with which a name looks like another: of no width, or of the other direction.
fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns the form in which names are compared: `Alice`, ` alice` and `ＡＬＩＣＥ` are one user.
pub fn compared(name: &str) -> String {
    name.trim().nfkc().collect::<String>().to_lowercase().nfkc().collect()
}

type Row = (String, String, String, String);

impl Users {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Adds a user. Returns the new id, or `None` if another user has the name.
    pub async fn add(
        &self,
        name: &Username,
        password_hash: &str,
        roles: &str,
    ) -> Result<Option<String>, AccountsUnavailable> {
        // Not the name: a subject is never given to another user, and a name may be.
        let id = random_id().map_err(AccountsUnavailable::new)?;
        let insert = "INSERT INTO users (id, name, compared_name, password_hash, roles, created_at) \
                      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let added = with_pool!(&self.database, pool => {
            let insert = sqlx::query(insert).bind(&id).bind(name.as_str()).bind(compared(name.as_str()));
            let insert = insert.bind(password_hash).bind(roles).bind(now());
            insert.execute(pool).await.map(|done| done.rows_affected())
        });
        Ok((added.map_err(AccountsUnavailable::new)? == 1).then_some(id))
    }

    /// Returns whether there is a user of this name.
    pub async fn has(&self, name: &Username) -> Result<bool, AccountsUnavailable> {
        Ok(self.find(AccountKey::Username(name.as_str())).await?.is_some())
    }

    /// Returns the users, the first ones first. A real table needs pages.
    pub async fn list(&self) -> Result<Vec<ListedUser>, AccountsUnavailable> {
        let select =
            "SELECT id, name, roles, created_at FROM users ORDER BY created_at, name LIMIT 200";
        let rows = with_pool!(&self.database, pool => {
            sqlx::query_as::<_, (String, String, String, i64)>(select).fetch_all(pool).await
        });
        let listed = |(id, username, roles, created_at): (_, _, String, _)| {
            let roles = roles.split_whitespace().map(str::to_owned).collect();
            ListedUser { id, username, roles, created_at }
        };
        Ok(rows.map_err(AccountsUnavailable::new)?.into_iter().map(listed).collect())
    }
}

impl Accounts for Users {
    async fn find(&self, key: AccountKey<'_>) -> Result<Option<Account>, AccountsUnavailable> {
        let (select, value) = match key {
            AccountKey::Username(typed) => (BY_NAME, compared(typed)),
            AccountKey::Subject(id) => (BY_ID, id.to_owned()),
            _ => return Ok(None),
        };
        // PostgreSQL keeps no NUL in a text, and no user has one.
        if value.contains('\0') {
            return Ok(None);
        }
        let row = with_pool!(&self.database, pool => {
            sqlx::query_as::<_, Row>(select).bind(value).fetch_optional(pool).await
        });
        let row = row.map_err(AccountsUnavailable::new)?;
        Ok(row.map(|(id, name, password_hash, roles)| {
            Account::new(id)
                .with_password_hash(password_hash)
                .with_roles(roles.split_whitespace())
                .with_claims(&json!({ "preferred_username": name }))
        }))
    }

    async fn replace_password_hash(
        &self,
        subject: &str,
        old_hash: &str,
        new_hash: &str,
    ) -> Result<bool, AccountsUnavailable> {
        let update = "UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3";
        let changed = with_pool!(&self.database, pool => {
            let update = sqlx::query(update).bind(new_hash).bind(subject).bind(old_hash);
            update.execute(pool).await.map(|done| done.rows_affected())
        });
        Ok(changed.map_err(AccountsUnavailable::new)? == 1)
    }
}

fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

const BY_NAME: &str = "SELECT id, name, password_hash, roles FROM users WHERE compared_name = $1";
const BY_ID: &str = "SELECT id, name, password_hash, roles FROM users WHERE id = $1";
