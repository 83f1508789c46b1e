//! Prepares the claims to look for, so that one walk over a payload finds all of them.

use std::fmt;

use super::grants::GrantKinds;
use super::parsed::ParsedClaims;
use super::table::Claim;
use crate::config_error::ConfigError;
use crate::jose::json;

/// A tree of member names. Some nodes hold roles or scopes, or a claim that must be present.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClaimPaths {
    root: PathNode,
    /// The number of places whose strings are kept.
    kept: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct PathNode {
    children: Vec<(Box<str>, PathNode)>,
    pub(super) kinds: GrantKinds,
    /// Whether a string here is a list whose entries are separated by spaces.
    pub(super) is_separated: bool,
    /// Whether the names of the members of an object here are grants.
    pub(super) is_keyed: bool,
    /// The bit to set when this claim is present and not `null`.
    pub(super) watched: Option<u32>,
    /// The number under which a string here is kept.
    pub(super) kept: Option<u32>,
    /// Whether the tenant is here.
    pub(super) is_tenant: bool,
}

/// The place of a string in a payload: a claim that the crate reads in any case, or a path to keep.
#[derive(Clone, Debug)]
pub(crate) struct TextSource {
    path: Box<str>,
    place: TextPlace,
}

#[derive(Clone, Copy, Debug)]
enum TextPlace {
    Claim(Claim),
    Kept(u32),
}

impl TextSource {
    /// Returns the name of the claim, if it is one at the top.
    pub(crate) fn claim(&self) -> Option<&str> {
        (!self.path.starts_with('/')).then_some(&*self.path)
    }
}

/// A claim that a policy names: the names of the members on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimPointer(Box<[String]>);

impl ClaimPointer {
    /// Reads the name of a claim, or a JSON Pointer (RFC 6901) when it starts with `/`.
    pub(crate) fn parse(path: &str) -> Result<Self, &'static str> {
        segments(path).map(|segments| Self(segments.into()))
    }

    /// Returns the place of a claim that the crate reads in any case, if it names something.
    pub(super) fn always_read(&self) -> Option<TextSource> {
        let [name] = &*self.0 else { return None };
        let claim = Claim::from_name(name).filter(|claim| claim.is_name())?;
        Some(TextSource { path: name.as_str().into(), place: TextPlace::Claim(claim) })
    }
}

impl fmt::Display for TextSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl ClaimPaths {
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

    /// Watches for a top-level claim, unless it is one of the claims that the reader always reads.
    pub(crate) fn watch(&mut self, claim: &str) -> Result<(), ConfigError> {
        let wrong = |problem| ConfigError::ClaimPath { path: claim.to_owned(), problem };
        if claim.is_empty() {
            return Err(wrong("is empty"));
        }
        if Claim::from_name(claim).is_some() {
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

    /// Reads the names of the members of the object at this path as roles.
    pub(crate) fn take_role_keys(&mut self, path: &str) -> Result<(), ConfigError> {
        let leaf = self.leaf(path)?;
        if leaf.has_children() {
            let problem = "holds another place below it, so its members cannot be roles";
            return Err(ConfigError::ClaimPath { path: path.to_owned(), problem });
        }
        leaf.is_keyed = true;
        Ok(())
    }

    /// Keeps the string at this path.
    pub(crate) fn keep_text(&mut self, path: &str) -> Result<TextSource, ConfigError> {
        if let Some(claim) = Claim::from_name(path) {
            if !claim.is_name() {
                return Err(ConfigError::ClaimPath { path: path.to_owned(), problem: NO_NAME });
            }
            return Ok(TextSource { path: path.into(), place: TextPlace::Claim(claim) });
        }
        let next = self.kept;
        let leaf = self.leaf(path)?;
        let kept = *leaf.kept.get_or_insert(next);
        self.kept = next.max(kept + 1);
        Ok(TextSource { path: path.into(), place: TextPlace::Kept(kept) })
    }

    /// Keeps the string of a claim for policies.
    pub(crate) fn keep_claim(
        &mut self,
        path: &str,
    ) -> Result<(ClaimPointer, TextSource), ConfigError> {
        let wrong = |problem| ConfigError::ClaimPath { path: path.to_owned(), problem };
        let pointer = ClaimPointer::parse(path).map_err(wrong)?;
        let source = match (pointer.always_read(), &*pointer.0) {
            (Some(source), _) => source,
            // However its name is written.
            (None, [name]) if Claim::from_name(name).is_some() => return Err(wrong(NO_NAME)),
            (None, _) => self.keep_text(path)?,
        };
        Ok((pointer, source))
    }

    /// Reads the tenant, which stands in `tid`.
    pub(crate) fn read_tenant(&mut self) {
        self.root.child_or_insert(TENANT.to_owned()).is_tenant = true;
    }

    pub(super) fn root(&self) -> &PathNode {
        &self.root
    }

    fn leaf(&mut self, path: &str) -> Result<&mut PathNode, ConfigError> {
        let wrong = |problem| ConfigError::ClaimPath { path: path.to_owned(), problem };
        let segments = segments(path).map_err(wrong)?;
        if segments.len() >= json::MAX_DEPTH {
            return Err(wrong("is deeper than any token that is read"));
        }
        if Claim::from_name(&segments[0]).is_some() {
            return Err(wrong(
                "names a claim of another meaning, which cannot hold roles or scopes",
            ));
        }
        Ok(segments.into_iter().fold(&mut self.root, PathNode::child_or_insert))
    }
}

impl ParsedClaims {
    /// Returns whether a claim is present and not `null`. Knows the claims that the crate always reads, and those
    /// that `paths` watches.
    pub(crate) fn has(&self, claim: &str, paths: &ClaimPaths) -> bool {
        if let Some(claim) = Claim::from_name(claim) {
            return claim.has_value(self);
        }
        let bit = paths.root.child(claim).and_then(|node| node.watched);
        bit.is_some_and(|bit| self.watched & (1 << bit) != 0)
    }
}

impl ParsedClaims {
    /// Returns the string at this place, if there is one.
    pub(crate) fn text_at(&self, source: &TextSource) -> Option<&str> {
        match source.place {
            TextPlace::Claim(claim) => claim.text(self),
            TextPlace::Kept(number) => self.kept_text(number),
        }
    }
}

impl PathNode {
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

const NO_NAME: &str = "names a claim that is no text, or that is checked in any case";

/// The claims whose strings are lists of scopes, because a scope holds no space: `scope` (RFC 8693 §4.2), and
/// `scp`, its name at Entra and Okta.
const SEPARATED: [&str; 2] = ["scope", "scp"];

/// The claim of Microsoft Entra ID that names the tenant. It is not among the claims that the reader
/// always reads, so that verifiers without tenants do not pay for it.
const TENANT: &str = "tid";

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
            let error = ClaimPaths::new([path], [], []).unwrap_err();
            assert!(matches!(error, ConfigError::ClaimPath { .. }), "{path}");
        }
    }

    #[test]
    fn only_a_place_of_roles_or_scopes_can_be_separated() {
        for path in ["role", "/a", "/a/b/c"] {
            let error = ClaimPaths::new(["/a/b"], ["may"], [path]).unwrap_err();
            assert!(matches!(error, ConfigError::ClaimPath { .. }), "{path}");
        }
        assert!(ClaimPaths::new(["/a/b"], ["may"], ["/a/b", "/may"]).is_ok());
    }
}
