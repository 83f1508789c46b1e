//! Reads payloads that have nothing wrong with them, in less time than serde would take.

#[cfg(test)]
mod tests;

use arrayvec::ArrayVec;

use super::events::Events;
use super::marks::{Mark, Named};
use super::piece::{Piece, Pieces};
use super::plan::Node;
use super::statement::Statement;
use super::{NumericDate, ReadPlan, RegisteredClaims};
use crate::jose::json::{MAX_DEPTH, Members, Scanner};

/// Reads into an empty statement what [`super::reader`] would read, or says `None`: then that must be
/// asked, also why a payload is refused.
pub(super) fn read<'t>(
    text: &'t str,
    plan: &ReadPlan,
    statement: &mut Statement,
    members: &mut Members<'t>,
) -> Option<()> {
    let mut scanner = Scanner::new(text);
    scanner.take(b'{')?;
    let mut known = 0_u32;
    let mut is_first = true;
    while scanner.goes_on(b'}', &mut is_first)? {
        let name = scanner.name()?;
        let value = scanner.clone();
        if let Some(claim) = Claim::from_name(name) {
            let bit = 1 << claim as u32;
            if known & bit != 0 {
                return None;
            }
            known |= bit;
            read_claim(claim, &mut scanner, statement)?;
        } else if members.has(name) {
            return None;
        } else if let Some(node) = plan.root().child(name) {
            let place = Place { node, entry: false, deeper: BELOW };
            let is_there = place.read(&mut scanner, statement)?;
            if let (true, Some(bit)) = (is_there, node.watched) {
                statement.watched |= 1 << bit;
            }
        } else {
            scanner.skip(BELOW)?;
        }
        members.push(name, value.up_to(&scanner)?)?;
    }
    if !scanner.is_at_end() {
        return None;
    }
    members.complete();
    statement.name_provider_clients();
    Some(())
}

fn read_claim(claim: Claim, scanner: &mut Scanner<'_>, statement: &mut Statement) -> Option<()> {
    let Statement { registered, marks, .. } = statement;
    match claim {
        Claim::Iss => registered.issuer = Some(kept(scanner, registered)?),
        Claim::Sub | Claim::Aud | Claim::Jti | Claim::ClientId | Claim::Azp
            if scanner.peek()? == b'n' =>
        {
            scanner.word("null")?;
        }
        Claim::Jti => registered.token_id = Some(kept(scanner, registered)?),
        Claim::ClientId => registered.client_id = Some(kept(scanner, registered)?),
        Claim::Azp => registered.authorized_party = Some(kept(scanner, registered)?),
        Claim::Sub => registered.subject = Some(kept(scanner, registered)?),
        Claim::Aud => registered.audience = Some(audience(scanner, registered)?),
        Claim::Exp => registered.expires_at = Some(date(scanner)?),
        Claim::Nbf => registered.not_before = Some(date(scanner)?),
        Claim::Iat => registered.issued_at = Some(date(scanner)?),
        Claim::Sid => {
            registered.session_id = named(scanner, registered)?.piece();
            marks.odd_session = registered.session_id.is_none();
        }
        Claim::Nonce => marks.nonce = skip(scanner)?,
        Claim::AtHash => marks.at_hash = skip(scanner)?,
        Claim::CHash => marks.c_hash = skip(scanner)?,
        Claim::Cnf => marks.cnf = skip(scanner)?,
        Claim::Events => marks.events = Some(Events::read(scanner.skip(BELOW)?)),
        Claim::Typ => marks.typ = Some(named(scanner, registered)?),
        Claim::TokenUse => marks.token_use = Some(named(scanner, registered)?),
        Claim::Cid => marks.cid = Some(named(scanner, registered)?),
        Claim::Appid => marks.appid = Some(named(scanner, registered)?),
        Claim::Idtyp => marks.idtyp = Some(named(scanner, registered)?),
    }
    Some(())
}

fn kept(scanner: &mut Scanner<'_>, registered: &mut RegisteredClaims) -> Option<Piece> {
    Some(registered.keep(&scanner.text()?))
}

fn skip(scanner: &mut Scanner<'_>) -> Option<Mark> {
    let mark = if scanner.peek()? == b'n' { Mark::Null } else { Mark::Value };
    scanner.skip(BELOW).map(|_| mark)
}

fn audience(scanner: &mut Scanner<'_>, registered: &mut RegisteredClaims) -> Option<Pieces> {
    if scanner.peek()? == b'"' {
        return kept(scanner, registered).map(Pieces::One);
    }
    scanner.take(b'[')?;
    let mut audiences = Vec::new();
    let mut is_first = true;
    while scanner.goes_on(b']', &mut is_first)? {
        audiences.push(kept(scanner, registered)?);
    }
    Some(Pieces::Many(audiences))
}

fn date(scanner: &mut Scanner<'_>) -> Option<NumericDate> {
    match scanner.integer() {
        Some(seconds) => Some(NumericDate::from_seconds(seconds)),
        None => serde_json::from_str(scanner.number()).ok(),
    }
}

fn named(scanner: &mut Scanner<'_>, registered: &mut RegisteredClaims) -> Option<Named> {
    let other = match scanner.peek()? {
        b'"' => return kept(scanner, registered).map(Named::Text),
        b'n' => Named::Null,
        _ => Named::Other,
    };
    scanner.skip(BELOW).map(|_| other)
}

/// A value at which, or below which, there may be grants.
struct Place<'p> {
    node: &'p Node,
    /// Whether it is an entry of a list: then it is taken whole, and only as a string.
    entry: bool,
    deeper: usize,
}

impl Place<'_> {
    /// Whether there is something: anything but `null`.
    fn read(&self, scanner: &mut Scanner<'_>, statement: &mut Statement) -> Option<bool> {
        let Self { node, entry, deeper } = *self;
        let below = |node, entry| Some(Place { node, entry, deeper: deeper.checked_sub(1)? });
        let mut is_first = true;
        match scanner.peek()? {
            b'"' if node.is_separated && !entry => {
                statement.grant_list(node.kinds, &scanner.text()?);
            }
            b'"' => statement.grant(node.kinds, &scanner.text()?),
            b'[' if !entry && node.kinds.any() => {
                let place = below(node, true)?;
                scanner.take(b'[')?;
                while scanner.goes_on(b']', &mut is_first)? {
                    place.read(scanner, statement)?;
                }
            }
            b'{' if !entry && node.has_children() => {
                scanner.take(b'{')?;
                let mut seen = Names::default();
                while scanner.goes_on(b'}', &mut is_first)? {
                    let name = scanner.name()?;
                    seen.insert(name)?;
                    match node.child(name) {
                        Some(node) => _ = below(node, false)?.read(scanner, statement)?,
                        None => _ = scanner.skip(deeper.checked_sub(1)?)?,
                    }
                }
            }
            b'n' => {
                scanner.word("null")?;
                return Some(false);
            }
            b'[' | b'{' | b't' | b'f' => _ = scanner.skip(deeper)?,
            // What serde makes of other numbers is its own affair.
            _ => _ = scanner.integer()?,
        }
        Some(true)
    }
}

/// The names of the members of one object, each of which may come once.
#[derive(Default)]
struct Names<'t>(ArrayVec<&'t str, 24>);

impl<'t> Names<'t> {
    /// `None` when it was there before, or when there are too many.
    fn insert(&mut self, name: &'t str) -> Option<()> {
        if self.0.contains(&name) { None } else { self.0.try_push(name).ok() }
    }
}

/// The claims whose names [`super::reader`] knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Iss,
    Sub,
    Aud,
    Exp,
    Nbf,
    Iat,
    Jti,
    Sid,
    ClientId,
    Azp,
    Nonce,
    AtHash,
    CHash,
    Events,
    Cnf,
    Typ,
    TokenUse,
    Cid,
    Appid,
    Idtyp,
}

impl Claim {
    fn from_name(name: &str) -> Option<Self> {
        // As bytes: the compiler makes one decision after the other of them, and of strings a comparison
        // for each.
        Some(match name.as_bytes() {
            b"iss" => Self::Iss,
            b"sub" => Self::Sub,
            b"aud" => Self::Aud,
            b"exp" => Self::Exp,
            b"nbf" => Self::Nbf,
            b"iat" => Self::Iat,
            b"jti" => Self::Jti,
            b"sid" => Self::Sid,
            b"client_id" => Self::ClientId,
            b"azp" => Self::Azp,
            b"nonce" => Self::Nonce,
            b"at_hash" => Self::AtHash,
            b"c_hash" => Self::CHash,
            b"events" => Self::Events,
            b"cnf" => Self::Cnf,
            b"typ" => Self::Typ,
            b"token_use" => Self::TokenUse,
            b"cid" => Self::Cid,
            b"appid" => Self::Appid,
            b"idtyp" => Self::Idtyp,
            _ => return None,
        })
    }
}

/// How much deeper than the payload itself its values may lie.
const BELOW: usize = MAX_DEPTH - 1;
