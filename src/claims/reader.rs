//! Reads registered claims, grants and the marks of the kind of token, in one walk over the payload.
//!
//! serde_json reads the application's claims from the same text. The walk refuses all that serde_json would read
//! differently ([`Scanner`]), so both read the same.

use super::error::PayloadError;
use super::footprint::Footprint;
use super::grants::GrantKinds;
use super::parsed::ParsedClaims;
use super::paths::{ClaimPaths, PathNode};
use super::table::Claim;
use super::values;
use crate::jose::json::{JsonError, Scanner, SeenNames, VALUE_DEPTH};

/// Reads the decoded payload of a token with a good signature into empty claims. Adds the memory that the
/// application's claims take to `footprint`.
pub(super) fn read(
    text: &str,
    paths: &ClaimPaths,
    parsed: &mut ParsedClaims,
    footprint: &mut Footprint,
) -> Result<(), PayloadError> {
    let mut scanner = Scanner::new(text);
    let mut seen = SeenNames::at_most(MAX_MEMBERS);
    let mut seen_claims = 0_u32;
    let mut members = 0;
    let mut is_first = true;
    scanner.begin(b'{')?;
    while let Some(name) = scanner.next_name(&mut is_first)? {
        members += 1;
        let value = scanner.clone();
        let is_weighed = is_bracket(scanner.peek()?) && footprint.takes(&name);
        if let Some(claim) = Claim::from_name(&name) {
            let bit = 1 << claim as u32;
            if seen_claims & bit != 0 {
                return Err(JsonError::RepeatedName.into());
            }
            seen_claims |= bit;
            let read = claim.read(&mut scanner, parsed);
            read.map_err(|error| PayloadError::in_claim(error, claim))?;
        } else {
            let node = paths.root().child(&name);
            seen.insert(name)?;
            match node {
                Some(node) => read_watched(node, &mut scanner, parsed)?,
                None => _ = scanner.skip(VALUE_DEPTH)?,
            }
        }
        if is_weighed {
            footprint.add(value.up_to(&scanner));
        }
    }
    scanner.finish()?;
    if members > MAX_MEMBERS {
        return Err(JsonError::RepeatedName.into());
    }
    footprint.add_payload(text, members);
    Ok(())
}

/// Returns whether an object or a list begins with this byte.
fn is_bracket(byte: u8) -> bool {
    byte | 0x20 == b'{'
}

fn read_watched(
    node: &PathNode,
    scanner: &mut Scanner<'_>,
    parsed: &mut ParsedClaims,
) -> Result<(), JsonError> {
    if node.is_tenant {
        parsed.registered.tenant =
            values::text_or_other(&mut scanner.clone(), &mut parsed.registered)?;
    }
    let reader = GrantReader { node, is_entry: false, depth: VALUE_DEPTH };
    let is_there = reader.read(scanner, parsed)?;
    if let (true, Some(bit)) = (is_there, node.watched) {
        parsed.watched |= 1 << bit;
    }
    Ok(())
}

/// Reads a value that may hold grants, itself or below itself.
struct GrantReader<'p> {
    node: &'p PathNode,
    /// Whether the value is an entry of a list. Such an entry grants only as a string, and is not split at spaces.
    is_entry: bool,
    /// The greatest depth of the value.
    depth: usize,
}

impl<'p> GrantReader<'p> {
    /// Returns whether there is a value other than `null`. A value of an unexpected type is skipped and grants nothing,
    /// because fewer grants are always safe.
    fn read(
        &self,
        scanner: &mut Scanner<'_>,
        parsed: &mut ParsedClaims,
    ) -> Result<bool, JsonError> {
        let Self { node, is_entry, depth } = *self;
        let mut is_first = true;
        match scanner.peek()? {
            b'"' => {
                let text = scanner.text()?;
                if let (Some(number), false) = (node.kept, is_entry) {
                    parsed.keep_text(number, &text);
                }
                if node.is_separated && !is_entry {
                    parsed.grant_list(node.kinds, &text);
                } else {
                    parsed.grant(node.kinds, &text);
                }
            }
            b'[' if !is_entry && node.kinds.any() => {
                let entry = self.below(node, true)?;
                scanner.begin(b'[')?;
                while scanner.goes_on(b']', &mut is_first)? {
                    entry.read(scanner, parsed)?;
                }
            }
            b'{' if !is_entry && node.is_keyed => {
                scanner.begin(b'{')?;
                let mut seen = SeenNames::at_most(MAX_MEMBERS);
                while let Some(name) = scanner.next_name(&mut is_first)? {
                    if has_members(scanner)? {
                        parsed.grant(GrantKinds { roles: true, scopes: false }, &name);
                    }
                    seen.insert(name)?;
                    scanner.skip(self.below(node, false)?.depth)?;
                }
            }
            b'{' if !is_entry && node.has_children() => {
                scanner.begin(b'{')?;
                let mut seen = SeenNames::at_most(MAX_MEMBERS);
                while let Some(name) = scanner.next_name(&mut is_first)? {
                    let child = node.child(&name);
                    seen.insert(name)?;
                    let below = self.below(child.unwrap_or(node), false)?;
                    match child {
                        Some(_) => _ = below.read(scanner, parsed)?,
                        None => _ = scanner.skip(below.depth)?,
                    }
                }
            }
            b'n' => {
                scanner.word("null")?;
                return Ok(false);
            }
            b'[' | b'{' | b't' | b'f' => _ = scanner.skip(depth)?,
            _ => check_number(scanner)?,
        }
        Ok(true)
    }

    fn below(&self, node: &'p PathNode, is_entry: bool) -> Result<Self, JsonError> {
        let depth = self.depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
        Ok(Self { node, is_entry, depth })
    }
}

/// Returns whether an object follows that is not empty.
fn has_members(scanner: &Scanner<'_>) -> Result<bool, JsonError> {
    let mut ahead = scanner.clone();
    if ahead.peek()? != b'{' {
        return Ok(false);
    }
    ahead.begin(b'{')?;
    Ok(ahead.next_name(&mut true)?.is_some())
}

/// Refuses a number that serde_json refuses as an `f64`, because it is too large.
fn check_number(scanner: &mut Scanner<'_>) -> Result<(), JsonError> {
    if scanner.integer().is_none() {
        serde_json::from_str::<f64>(scanner.number()?).map_err(|_| JsonError::Syntax)?;
    }
    Ok(())
}

/// The largest number of members of one object. The text is signed by a configured issuer.
const MAX_MEMBERS: usize = 512;

#[cfg(test)]
mod tests;
