use super::actor::Actor;
use super::date::NumericDate;
use super::markers::{JsonClaim, TextClaim};
use super::text_range::{TextRange, TextRanges};

/// Claims that policies ask about, and that decide nothing about the token itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PolicyClaims {
    /// `acr`: the class of the sign-in (OpenID Connect Core §2, RFC 9470 §6).
    pub(super) acr: Option<TextClaim>,
    /// `auth_time`: the moment of the sign-in.
    pub(super) auth_time: DateClaim,
    /// `amr`: the methods of the sign-in (RFC 8176).
    pub(super) amr: TextsClaim,
    /// `act`: the parties that act for the subject (RFC 8693 §4.1), the current one first. Empty without delegation.
    pub(super) actors: Vec<Actor>,
    /// `authorization_details` (RFC 9396), as JSON.
    pub(super) details: JsonClaim,
}

/// The value of a claim that is a date, or says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DateClaim {
    #[default]
    Absent,
    Null,
    Date(NumericDate),
    /// A value that is no number.
    Other,
}

/// The value of a claim that is a list of strings, or says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum TextsClaim {
    #[default]
    Absent,
    Null,
    /// The strings of the list.
    Texts(TextRanges),
    /// A value that is neither a list nor a string.
    Other,
}

impl PolicyClaims {
    /// Returns the bytes on the heap that belong to these claims.
    pub(super) fn heap_bytes(&self) -> usize {
        let actors: usize = self.actors.iter().map(Actor::heap_bytes).sum();
        match &self.amr {
            TextsClaim::Texts(TextRanges::Many(many)) => {
                actors + many.capacity() * size_of::<TextRange>()
            }
            _ => actors,
        }
    }
}

impl DateClaim {
    pub(super) fn date(self) -> Option<NumericDate> {
        match self {
            Self::Date(date) => Some(date),
            Self::Absent | Self::Null | Self::Other => None,
        }
    }
}

impl TextsClaim {
    pub(super) fn ranges(&self) -> &[TextRange] {
        match self {
            Self::Texts(ranges) => ranges.as_slice(),
            Self::Absent | Self::Null | Self::Other => &[],
        }
    }
}
