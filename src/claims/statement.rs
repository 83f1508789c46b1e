//! What a token says, as far as the crate itself reads it.

use super::grants::{GrantList, Grants, Kinds, entries};
use super::marks::{Mark, Named};
use super::piece::Piece;
use super::{Events, Marks, ReadPlan, RegisteredClaims};

/// Everything that the crate itself reads in a payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) registered: RegisteredClaims,
    pub(super) grants: GrantList,
    pub(crate) marks: Marks,
    /// A bit for each watched claim that is there and not `null`.
    pub(super) watched: u64,
}

impl Statement {
    /// What it takes in memory besides itself.
    pub(super) fn heap_bytes(&self) -> usize {
        self.registered.heap_bytes() + self.grants.heap_bytes()
    }

    /// Takes the names that providers give to clients for what they are.
    pub(super) fn name_provider_clients(&mut self) {
        let Marks { cid, appid, .. } = self.marks;
        self.registered.provider_clients = [cid, appid].map(|client| client.and_then(Named::piece));
    }

    /// Grants one entry, whole.
    pub(super) fn grant(&mut self, kinds: Kinds, entry: &str) {
        // An empty string names no role.
        if kinds.any() && !entry.is_empty() {
            self.grants.push(kinds, self.registered.keep(entry));
        }
    }

    /// Grants the entries of a list that is written as one string.
    pub(super) fn grant_list(&mut self, kinds: Kinds, list: &str) {
        if kinds.any() {
            let start = self.registered.keep(list).start();
            for entry in entries(list) {
                self.grants.push(kinds, Piece::new(start + entry.start, start + entry.end));
            }
        }
    }

    /// The roles and scopes.
    pub(crate) fn grants(&self) -> Grants<'_> {
        Grants::new(self.registered.text(), &self.grants)
    }

    /// What one of the marks says, if it is a string.
    pub(crate) fn text_of(&self, mark: Option<Named>) -> Option<&str> {
        self.registered.get(mark.and_then(Named::piece))
    }

    /// Whether a claim is there and not `null`: one that the reader knows by itself, or that the
    /// plan watches.
    pub(crate) fn has(&self, claim: &str, plan: &ReadPlan) -> bool {
        let Self { registered, marks, .. } = self;
        let has_value = |mark: Option<Named>| mark.is_some_and(|named| named != Named::Null);
        match claim {
            "iss" => registered.issuer.is_some(),
            "sub" => registered.subject.is_some(),
            "aud" => registered.audience.is_some(),
            "exp" => registered.expires_at.is_some(),
            "nbf" => registered.not_before.is_some(),
            "iat" => registered.issued_at.is_some(),
            "jti" => registered.token_id.is_some(),
            "sid" => registered.session_id.is_some(),
            "client_id" => registered.client_id.is_some(),
            "azp" => registered.authorized_party.is_some(),
            "nonce" => marks.nonce == Mark::Value,
            "at_hash" => marks.at_hash == Mark::Value,
            "c_hash" => marks.c_hash == Mark::Value,
            "events" => marks.events.is_some_and(|events| events != Events::Null),
            "cnf" => marks.cnf == Mark::Value,
            "typ" => has_value(marks.typ),
            "token_use" => has_value(marks.token_use),
            "cid" => has_value(marks.cid),
            "appid" => has_value(marks.appid),
            "idtyp" => has_value(marks.idtyp),
            other => plan.watched_bit(other).is_some_and(|bit| self.watched & (1 << bit) != 0),
        }
    }
}
