use super::actor::Actor;
use super::date::DateClaim;
use super::markers::{JsonClaim, TextClaim};
use super::text_range::TextRange;

/// Claims that policies ask about, and that decide nothing about the token itself.
///
/// Each token has room for them, so what few tokens have is behind a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PolicyClaims {
    /// `acr`: the class of the sign-in (OpenID Connect Core §2, RFC 9470 §6).
    pub(super) acr: Option<TextClaim>,
    /// `auth_time`: the moment of the sign-in.
    pub(super) auth_time: DateClaim,
    /// `amr`: the methods of the sign-in (RFC 8176).
    pub(super) amr: TextsClaim,
    /// `act`: the parties that act for the subject (RFC 8693 §4.1), the current one first. `None` without delegation.
    pub(super) actors: Option<Box<[Actor]>>,
    /// `authorization_details` (RFC 9396), as JSON.
    pub(super) details: JsonClaim,
}

/// The value of a claim that is a list of strings, or says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum TextsClaim {
    #[default]
    Absent,
    Null,
    /// The strings of the list.
    Texts(Box<[TextRange]>),
    /// A value that is neither a list nor a string.
    Other,
}

impl PolicyClaims {
    /// Returns the bytes on the heap that belong to these claims.
    pub(super) fn heap_bytes(&self) -> usize {
        let actors: usize = self.actors().iter().map(Actor::heap_bytes).sum();
        actors + size_of_val(self.amr.ranges())
    }

    pub(super) fn actors(&self) -> &[Actor] {
        self.actors.as_ref().map_or(&[], |actors| &**actors)
    }
}

impl TextsClaim {
    pub(super) fn ranges(&self) -> &[TextRange] {
        match self {
            Self::Texts(ranges) => ranges,
            Self::Absent | Self::Null | Self::Other => &[],
        }
    }
}
