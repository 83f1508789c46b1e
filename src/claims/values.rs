//! Reads the values of claims: one function for each kind of value.

use super::actor::Actor;
use super::date::DateClaim;
use super::events::Events;
use super::markers::{JsonClaim, Presence, SessionClaim, TextClaim};
use super::policy_claims::TextsClaim;
use super::text_range::{TextRange, TextRanges};
use super::{NumericDate, RegisteredClaims};
use crate::jose::json::{JsonError, Scanner, VALUE_DEPTH};

/// A string.
pub(super) fn text(
    scanner: &mut Scanner<'_>,
    registered: &mut RegisteredClaims,
) -> Result<Option<TextRange>, JsonError> {
    keep_text(scanner, registered).map(Some)
}

/// A string. `null` counts as absent: serialisers write it for a claim that a token lacks.
pub(super) fn text_or_null(
    scanner: &mut Scanner<'_>,
    registered: &mut RegisteredClaims,
) -> Result<Option<TextRange>, JsonError> {
    if is_null(scanner)? { Ok(None) } else { text(scanner, registered) }
}

/// A string or a list of strings (RFC 7519 §4.1.3). `null` counts as absent.
pub(super) fn audience(
    scanner: &mut Scanner<'_>,
    registered: &mut RegisteredClaims,
) -> Result<Option<TextRanges>, JsonError> {
    if is_null(scanner)? {
        return Ok(None);
    }
    if scanner.peek()? == b'"' {
        return Ok(Some(TextRanges::One(keep_text(scanner, registered)?)));
    }
    scanner.begin(b'[')?;
    let mut audiences = Vec::new();
    let mut is_first = true;
    while scanner.goes_on(b']', &mut is_first)? {
        audiences.push(keep_text(scanner, registered)?);
    }
    Ok(Some(TextRanges::Many(audiences)))
}

/// A number of seconds (RFC 7519 §2).
pub(super) fn date(
    scanner: &mut Scanner<'_>,
    _: &mut RegisteredClaims,
) -> Result<Option<NumericDate>, JsonError> {
    match scanner.integer() {
        Some(seconds) => Ok(Some(NumericDate::from_seconds(seconds))),
        None => serde_json::from_str(scanner.number()?).map(Some).map_err(|_| JsonError::Syntax),
    }
}

/// A string. A value of any other type counts as present, and has no text.
pub(super) fn text_or_other(
    scanner: &mut Scanner<'_>,
    registered: &mut RegisteredClaims,
) -> Result<Option<TextClaim>, JsonError> {
    Ok(Some(match scanner.peek()? {
        b'"' => TextClaim::Text(keep_text(scanner, registered)?),
        _ => match any(scanner, registered)? {
            Presence::Null => TextClaim::Null,
            Presence::Absent | Presence::Value => TextClaim::Other,
        },
    }))
}

/// The name of a session. A value of any other type names no session.
pub(super) fn session(
    scanner: &mut Scanner<'_>,
    registered: &mut RegisteredClaims,
) -> Result<SessionClaim, JsonError> {
    if scanner.peek()? == b'"' {
        return Ok(SessionClaim::Id(keep_text(scanner, registered)?));
    }
    scanner.skip(VALUE_DEPTH)?;
    Ok(SessionClaim::Other)
}

/// A value of any type.
pub(super) fn any(
    scanner: &mut Scanner<'_>,
    _: &mut RegisteredClaims,
) -> Result<Presence, JsonError> {
    let is_null = scanner.peek()? == b'n';
    scanner.skip(VALUE_DEPTH)?;
    Ok(if is_null { Presence::Null } else { Presence::Value })
}

/// A number of seconds. A value of any other type is no date.
pub(super) fn date_or_other(
    scanner: &mut Scanner<'_>,
    registered: &mut RegisteredClaims,
) -> Result<DateClaim, JsonError> {
    if let b'-' | b'0'..=b'9' = scanner.peek()? {
        return Ok(date(scanner, registered)?.map_or(DateClaim::Other, DateClaim::of));
    }
    Ok(match any(scanner, registered)? {
        Presence::Null => DateClaim::Null,
        Presence::Absent | Presence::Value => DateClaim::Other,
    })
}

/// A list of strings, or a string, which is a list of one. Entries of another type are left out.
pub(super) fn texts_or_other(
    scanner: &mut Scanner<'_>,
    registered: &mut RegisteredClaims,
) -> Result<TextsClaim, JsonError> {
    match scanner.peek()? {
        b'"' => return Ok(TextsClaim::Texts([keep_text(scanner, registered)?].into())),
        b'[' => {}
        _ => {
            return Ok(match any(scanner, registered)? {
                Presence::Null => TextsClaim::Null,
                Presence::Absent | Presence::Value => TextsClaim::Other,
            });
        }
    }
    scanner.begin(b'[')?;
    let mut texts = Vec::new();
    let mut is_first = true;
    while scanner.goes_on(b']', &mut is_first)? {
        if scanner.peek()? == b'"' {
            texts.push(keep_text(scanner, registered)?);
        } else {
            scanner.skip(VALUE_DEPTH - 1)?;
        }
    }
    Ok(TextsClaim::Texts(texts.into()))
}

/// The parties that act for the subject (RFC 8693 §4.1). `null` counts as absent.
pub(super) fn actors(
    scanner: &mut Scanner<'_>,
    _: &mut RegisteredClaims,
) -> Result<Option<Box<[Actor]>>, JsonError> {
    if is_null(scanner)? { Ok(None) } else { Actor::read(scanner).map(|all| Some(all.into())) }
}

/// A value of any type, as JSON.
pub(super) fn json(
    scanner: &mut Scanner<'_>,
    registered: &mut RegisteredClaims,
) -> Result<JsonClaim, JsonError> {
    match scanner.skip(VALUE_DEPTH)? {
        "null" => Ok(JsonClaim::Null),
        json => Ok(JsonClaim::Json(registered.keep(json))),
    }
}

/// Security events.
pub(super) fn events(
    scanner: &mut Scanner<'_>,
    _: &mut RegisteredClaims,
) -> Result<Option<Events>, JsonError> {
    Events::read(scanner).map(Some)
}

fn keep_text(
    scanner: &mut Scanner<'_>,
    registered: &mut RegisteredClaims,
) -> Result<TextRange, JsonError> {
    Ok(registered.keep(&scanner.text()?))
}

/// Takes `null`, if that comes next.
#[inline]
fn is_null(scanner: &mut Scanner<'_>) -> Result<bool, JsonError> {
    if scanner.peek()? != b'n' {
        return Ok(false);
    }
    scanner.word("null").map(|()| true)
}

/// Returns whether a claim is present and not `null`.
pub(super) trait HasValue {
    fn has_value(&self) -> bool;

    /// Returns the range of the text, if the value is a text.
    fn text_range(&self) -> Option<TextRange> {
        None
    }
}

impl HasValue for Option<TextRange> {
    fn has_value(&self) -> bool {
        self.is_some()
    }

    fn text_range(&self) -> Option<TextRange> {
        *self
    }
}

impl HasValue for Option<TextRanges> {
    fn has_value(&self) -> bool {
        self.is_some()
    }
}

impl HasValue for Option<NumericDate> {
    fn has_value(&self) -> bool {
        self.is_some()
    }
}

impl HasValue for Option<TextClaim> {
    fn has_value(&self) -> bool {
        self.is_some_and(|claim| claim != TextClaim::Null)
    }

    fn text_range(&self) -> Option<TextRange> {
        self.and_then(TextClaim::range)
    }
}

impl HasValue for Option<Events> {
    fn has_value(&self) -> bool {
        self.is_some_and(|events| events != Events::Null)
    }
}

impl HasValue for SessionClaim {
    fn has_value(&self) -> bool {
        self.range().is_some()
    }
}

impl HasValue for JsonClaim {
    fn has_value(&self) -> bool {
        self.range().is_some()
    }
}

impl HasValue for DateClaim {
    fn has_value(&self) -> bool {
        matches!(self, Self::Date { .. } | Self::Other)
    }
}

impl HasValue for TextsClaim {
    fn has_value(&self) -> bool {
        matches!(self, Self::Texts(_) | Self::Other)
    }
}

impl HasValue for Option<Box<[Actor]>> {
    fn has_value(&self) -> bool {
        self.is_some()
    }
}

impl HasValue for Presence {
    fn has_value(&self) -> bool {
        *self == Self::Value
    }
}
