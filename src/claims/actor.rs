use std::fmt;

use crate::jose::json::{JsonError, Scanner, SeenNames, VALUE_DEPTH};

/// A party that acts for the subject of a token: the claim `act` (RFC 8693 §4.1).
///
/// [`Principal::actor`](crate::Principal::actor) returns the current one. An actor that is nested in another one acted
/// earlier: it is for information, and not for a decision about access (RFC 8693 §4.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Actor {
    subject: Box<str>,
    issuer: Option<Box<str>>,
    client_id: Option<Box<str>>,
}

impl Actor {
    /// Reads the value of `act`: the current actor first.
    pub(super) fn read(scanner: &mut Scanner<'_>) -> Result<Vec<Self>, JsonError> {
        read(scanner, MAX_ACTORS)
    }

    /// Returns `sub`: the actor. The name is one of the [issuer](Self::issuer)'s.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns `iss`, the issuer that names the actor. `None` if it is the issuer of the token.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns `client_id`, the client through which the actor acts.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let lengths = [self.issuer.as_deref(), self.client_id.as_deref()];
        let others: usize = lengths.into_iter().flatten().map(str::len).sum();
        size_of::<Self>() + self.subject.len() + others
    }
}

/// Reads at most this number of actors.
fn read(scanner: &mut Scanner<'_>, most: usize) -> Result<Vec<Actor>, JsonError> {
    // For the reader, an actor too many has the wrong type too.
    let most = most.checked_sub(1).ok_or(JsonError::OtherType)?;
    let depth = VALUE_DEPTH - (MAX_ACTORS - most);
    let (mut subject, mut issuer, mut client_id) = (None, None, None);
    let mut earlier = Vec::new();
    let mut seen = SeenNames::at_most(MAX_MEMBERS);
    let mut is_first = true;
    scanner.begin(b'{')?;
    while let Some(name) = scanner.next_name(&mut is_first)? {
        match &*name {
            "sub" => subject = Some(scanner.text()?.into()),
            "iss" => issuer = text_or_null(scanner)?,
            "client_id" => client_id = text_or_null(scanner)?,
            "act" if scanner.peek()? == b'n' => scanner.word("null")?,
            "act" => earlier = read(scanner, most)?,
            _ => _ = scanner.skip(depth)?,
        }
        seen.insert(name)?;
    }
    let subject: Option<Box<str>> = subject;
    let subject = subject.filter(|subject| !subject.is_empty()).ok_or(JsonError::OtherType)?;
    let mut actors = vec![Actor { subject, issuer, client_id }];
    actors.append(&mut earlier);
    Ok(actors)
}

fn text_or_null(scanner: &mut Scanner<'_>) -> Result<Option<Box<str>>, JsonError> {
    if scanner.peek()? == b'n' {
        return scanner.word("null").map(|()| None);
    }
    Ok(Some(scanner.text()?.into()))
}

// An actor may be a person.
impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The most parties that act for each other.
const MAX_ACTORS: usize = 8;
/// The most members of one actor.
const MAX_MEMBERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<Actor>, JsonError> {
        let mut scanner = Scanner::new(json);
        let actors = Actor::read(&mut scanner)?;
        scanner.finish().map(|()| actors)
    }

    fn nested(depth: usize) -> String {
        let inner = r#"{"sub":"a0"}"#.to_owned();
        (1..depth).fold(inner, |act, number| format!(r#"{{"act":{act},"sub":"a{number}"}}"#))
    }

    #[test]
    fn current_actor_is_the_outermost_one() {
        let json = r#"{"sub":"b","iss":"https://b","client_id":"c","other":[1],"act":{"sub":"a","act":null}}"#;

        let actors = read(json).unwrap();

        let said = actors.iter().map(|one| (one.subject(), one.issuer(), one.client_id()));
        let expected = [("b", Some("https://b"), Some("c")), ("a", None, None)];
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn eight_actors_are_the_most() {
        assert_eq!(read(&nested(8)).unwrap().len(), 8);
        assert_eq!(read(&nested(9)).unwrap_err(), JsonError::OtherType);
    }

    #[test]
    fn value_nests_as_deep_in_an_inner_actor_as_its_place_allows() {
        for place in 1..=MAX_ACTORS {
            for (depth, is_accepted) in
                [(VALUE_DEPTH - place, true), (VALUE_DEPTH - place + 1, false)]
            {
                let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
                let inner = format!(r#"{{"sub":"a","other":{value}}}"#);
                let json = (1..place).fold(inner, |act, _| format!(r#"{{"act":{act},"sub":"b"}}"#));

                assert_eq!(read(&json).is_ok(), is_accepted, "{place} {depth}");
            }
        }
    }

    #[test]
    fn malformed_actor_is_refused() {
        for json in [
            "{}",
            "[]",
            "1",
            "\"a\"",
            "[\"a\",null,null,null]",
            r#"{"sub":"a","act":["b"]}"#,
            r#"{"sub":1}"#,
            r#"{"sub":null}"#,
            r#"{"sub":""}"#,
            r#"{"iss":"a"}"#,
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","iss":1}"#,
            r#"{"sub":"a","client_id":{}}"#,
            r#"{"sub":"a","act":{}}"#,
            r#"{"sub":"a","act":"b"}"#,
            r#"{"sub":"a","act":{"sub":"b"},"act":{"sub":"c"}}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(!format!("{:?}", read(r#"{"sub":"alice"}"#).unwrap()).contains("alice"));
    }
}
