use super::{JsonError, Scanner, read_members};

/// Reads a value in which the members of every object come once, at most this many levels deep.
pub(crate) fn read_unique(scanner: &mut Scanner<'_>, depth: usize) -> Result<(), JsonError> {
    let bracket = scanner.peek()?;
    if !matches!(bracket, b'{' | b'[') {
        return scanner.skip(0).map(drop);
    }
    let depth = depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
    if bracket == b'{' {
        return read_members(scanner, MAX_MEMBERS, |_, scanner| read_unique(scanner, depth));
    }
    scanner.begin(b'[')?;
    let mut is_first = true;
    while scanner.goes_on(b']', &mut is_first)? {
        read_unique(scanner, depth)?;
    }
    Ok(())
}

const MAX_MEMBERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn is_unique(json: &str) -> bool {
        let mut scanner = Scanner::new(json);
        read_unique(&mut scanner, 8).and_then(|()| scanner.finish()).is_ok()
    }

    #[test]
    fn members_that_come_twice_are_found_at_every_level() {
        for json in ["1", "\"a\"", "null", "[]", "{}", r#"[{"a":1},{"a":[{"a":{"b":1}}]}]"#] {
            assert!(is_unique(json), "{json}");
        }
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"[1,{"b":{"a":1,"a":2}}]"#,
            r#"{"a":[[{"x":1,"x":1}]]}"#,
            "[1,]",
            "{",
            "[[[[[[[[[1]]]]]]]]]",
        ] {
            assert!(!is_unique(json), "{json}");
        }
    }
}
