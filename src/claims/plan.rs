//! What to look for in the claims, prepared for one walk over a token.

use super::grants::Kinds;
use crate::config_error::ConfigError;
use crate::jose::json;

/// A tree of member names; at some nodes there are roles or scopes, or a claim that must be there.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadPlan {
    root: Node,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    children: Vec<(Box<str>, Node)>,
    pub(super) kinds: Kinds,
    /// Whether a string here is a list whose entries are separated by spaces.
    pub(super) is_separated: bool,
    /// The bit to set when there is something here.
    pub(super) watched: Option<u32>,
}

impl ReadPlan {
    /// Prepares paths: a claim name, or a JSON Pointer (RFC 6901) when it starts with `/`.
    ///
    /// Strings at the last paths are lists separated by spaces.
    pub(crate) fn new<'a>(
        roles: impl IntoIterator<Item = &'a str>,
        scopes: impl IntoIterator<Item = &'a str>,
        separated: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ConfigError> {
        let mut paths = Self::default();
        for path in roles {
            paths.leaf(path)?.kinds.roles = true;
        }
        for path in scopes {
            paths.leaf(path)?.kinds.scopes = true;
        }
        for (name, node) in &mut paths.root.children {
            node.is_separated = SEPARATED.contains(&&**name);
        }
        for path in separated {
            let leaf = paths.leaf(path)?;
            if !leaf.kinds.any() {
                let problem = "holds neither roles nor scopes, so nothing there can be separated";
                return Err(ConfigError::ClaimPath { path: path.to_owned(), problem });
            }
            leaf.is_separated = true;
        }
        Ok(paths)
    }

    /// Watches for a top-level claim, unless the reader knows it by itself.
    pub(crate) fn watch(&mut self, claim: &str) -> Result<(), ConfigError> {
        let wrong = |problem| ConfigError::ClaimPath { path: claim.to_owned(), problem };
        if claim.is_empty() {
            return Err(wrong("is empty"));
        }
        if KNOWN.contains(&claim) {
            return Ok(());
        }
        let next = self.root.children.iter().filter_map(|(_, node)| node.watched).count();
        let next = u32::try_from(next).unwrap_or(u32::MAX);
        if next >= u64::BITS {
            return Err(wrong("is one required claim too many; 64 are the most"));
        }
        self.root.child_or_insert(claim.to_owned()).watched.get_or_insert(next);
        Ok(())
    }

    pub(super) fn watched_bit(&self, claim: &str) -> Option<u32> {
        self.root.child(claim)?.watched
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    fn leaf(&mut self, path: &str) -> Result<&mut Node, ConfigError> {
        let wrong = |problem| ConfigError::ClaimPath { path: path.to_owned(), problem };
        let segments = segments(path).map_err(wrong)?;
        if segments.len() >= json::MAX_DEPTH {
            return Err(wrong("is deeper than any token that is read"));
        }
        if KNOWN.contains(&&*segments[0]) {
            return Err(wrong(
                "names a claim of another meaning, which cannot hold roles or scopes",
            ));
        }
        Ok(segments.into_iter().fold(&mut self.root, Node::child_or_insert))
    }
}

impl Node {
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(child, _)| **child == *name).map(|(_, node)| node)
    }

    pub(super) fn has_children(&self) -> bool {
        !self.children.is_empty()
    }

    fn child_or_insert(&mut self, name: String) -> &mut Self {
        let at = self.children.iter().position(|(child, _)| **child == *name);
        let at = at.unwrap_or_else(|| {
            self.children.push((name.into_boxed_str(), Self::default()));
            self.children.len() - 1
        });
        &mut self.children[at].1
    }
}

fn segments(path: &str) -> Result<Vec<String>, &'static str> {
    let Some(pointer) = path.strip_prefix('/') else {
        return if path.is_empty() { Err("is empty") } else { Ok(vec![path.to_owned()]) };
    };
    pointer.split('/').map(unescape).collect()
}

// RFC 6901 §3: `~0` is `~` and `~1` is `/`; nothing else may follow a `~`.
fn unescape(segment: &str) -> Result<String, &'static str> {
    let mut parts = segment.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err("is not a JSON Pointer: `~` is written `~0` and `/` is written `~1`"),
        };
        out.push(escaped);
        out.push_str(rest);
    }
    Ok(out)
}

/// RFC 8693 §4.2, and what Entra and Okta call it: scopes hold no spaces.
const SEPARATED: [&str; 2] = ["scope", "scp"];

/// The claims that the reader knows by itself.
const KNOWN: [&str; 20] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "client_id",
    "azp",
    "nonce",
    "at_hash",
    "c_hash",
    "events",
    "cnf",
    "typ",
    "token_use",
    "cid",
    "appid",
    "idtyp",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointer_is_unescaped_and_a_name_is_one_segment() {
        assert_eq!(segments("/a~1b/c~0d").unwrap(), ["a/b", "c~d"]);
        assert_eq!(segments("https://example.com/roles").unwrap(), ["https://example.com/roles"]);
        assert_eq!(segments("a.b").unwrap(), ["a.b"]);
    }

    #[test]
    fn impossible_paths_are_config_errors() {
        let deep = "/a".repeat(200_000);
        for path in ["", "/a~2b", "/a~", "aud", "/client_id/x", &deep, &"/a".repeat(32)] {
            let error = ReadPlan::new([path], [], []).unwrap_err();
            assert!(matches!(error, ConfigError::ClaimPath { .. }), "{path}");
        }
    }

    #[test]
    fn only_a_place_of_roles_or_scopes_can_be_separated() {
        for path in ["role", "/a", "/a/b/c"] {
            let error = ReadPlan::new(["/a/b"], ["may"], [path]).unwrap_err();
            assert!(matches!(error, ConfigError::ClaimPath { .. }), "{path}");
        }
        assert!(ReadPlan::new(["/a/b"], ["may"], ["/a/b", "/may"]).is_ok());
    }
}
