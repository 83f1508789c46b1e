//! The users of the provider, who need no password.

use std::str::FromStr;

use serde::Serialize;

use crate::names::is_scope;

/// A user with roles and scopes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
}

impl User {
    /// Returns the users of a provider that was given none.
    pub(super) fn examples() -> Vec<Self> {
        let user = |name: &str, role: &str, scopes: &[&str]| Self {
            name: name.to_owned(),
            roles: vec![role.to_owned()],
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        };
        vec![user("alice", "user", &["read"]), user("admin", "admin", &["read", "write"])]
    }
}

/// Reads `alice`, `alice:role1,role2` or `alice:role1,role2:scope1,scope2`.
impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default().trim();
        let mut list = || -> Vec<String> {
            let list = parts.next().unwrap_or_default();
            list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Into::into).collect()
        };
        let (roles, scopes) = (list(), list());
        if name.is_empty() {
            return Err("the name is missing; write NAME:ROLE,ROLE:SCOPE,SCOPE".into());
        }
        if parts.next().is_some() {
            return Err("there are too many colons; write NAME:ROLE,ROLE:SCOPE,SCOPE".into());
        }
        if let Some(scope) = scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(format!(
                "the scope {scope:?} is not printable ASCII without spaces, \" and \\"
            ));
        }
        Ok(Self { name: name.to_owned(), roles, scopes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_may_have_roles_and_scopes() {
        let user = |text: &str| text.parse::<User>().unwrap();

        assert_eq!(user("alice"), User { name: "alice".into(), roles: vec![], scopes: vec![] });
        assert_eq!(user("alice:user, admin:read").roles, ["user", "admin"]);
        assert_eq!(user("alice::read,write").scopes, ["read", "write"]);
        assert!(user("alice::read").roles.is_empty());
    }

    #[test]
    fn user_without_name_or_with_an_odd_scope_is_refused() {
        assert!("".parse::<User>().unwrap_err().contains("name"));
        assert!(":admin".parse::<User>().unwrap_err().contains("name"));
        assert!("a:b:c:d".parse::<User>().unwrap_err().contains("colons"));
        assert!("a:b:c d".parse::<User>().unwrap_err().contains("\"c d\""));
    }
}
