//! Holds the claims that the crate itself reads in a payload.

use super::grants::{GrantKinds, GrantList, Grants, entries};
use super::markers::TextClaim;
use super::text_range::TextRange;
use super::{PolicyClaims, RegisteredClaims, TypeMarkers};

/// The registered claims, the grants and the markers of one token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParsedClaims {
    pub(crate) registered: RegisteredClaims,
    pub(super) grants: GrantList,
    pub(crate) markers: TypeMarkers,
    pub(crate) asked: PolicyClaims,
    /// A bit for each watched claim that is present and not `null`.
    pub(super) watched: u64,
    /// The strings that are compared with configured ones, by the numbers of their places.
    kept: Vec<(u32, TextRange)>,
}

impl ParsedClaims {
    /// Returns the bytes on the heap that belong to these claims.
    pub(super) fn heap_bytes(&self) -> usize {
        let kept = self.kept.capacity() * size_of::<(u32, TextRange)>();
        self.registered.heap_bytes() + self.grants.heap_bytes() + self.asked.heap_bytes() + kept
    }

    /// Grants one entry, without splitting it at spaces.
    pub(super) fn grant(&mut self, kinds: GrantKinds, entry: &str) {
        // An empty string names no role.
        if kinds.any() && !entry.is_empty() {
            self.grants.push(kinds, self.registered.keep(entry));
        }
    }

    /// Grants the entries of a list that is written as one string.
    pub(super) fn grant_list(&mut self, kinds: GrantKinds, list: &str) {
        if kinds.any() {
            let start = self.registered.keep(list).start();
            for entry in entries(list) {
                self.grants.push(kinds, TextRange::new(start + entry.start, start + entry.end));
            }
        }
    }

    /// Keeps the string of a place.
    pub(super) fn keep_text(&mut self, number: u32, text: &str) {
        let range = self.registered.keep(text);
        self.kept.push((number, range));
    }

    /// Returns the string that was kept under this number.
    pub(super) fn kept_text(&self, number: u32) -> Option<&str> {
        let (_, range) = self.kept.iter().find(|(kept, _)| *kept == number)?;
        self.registered.get(Some(*range))
    }

    /// Returns the roles and scopes.
    pub(crate) fn grants(&self) -> Grants<'_> {
        Grants::new(self.registered.text(), &self.grants)
    }

    /// Returns the value of `cnf` as JSON. `None` if the token has none, or `null`.
    pub(super) fn confirmation(&self) -> Option<&str> {
        self.registered.get(self.markers.cnf.range())
    }

    /// Returns the text of a marker, if the marker is a string.
    pub(crate) fn text_of(&self, mark: Option<TextClaim>) -> Option<&str> {
        self.registered.get(mark.and_then(TextClaim::range))
    }
}
