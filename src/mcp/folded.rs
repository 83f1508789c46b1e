//! Compares names as servers do that ignore case.

/// Returns whether two names are equal, or differ in case only.
///
/// This is simple case folding by way of both cases: for readers that ignore case, `ſ` is `s`, and the sign for
/// Kelvin is `k`. `İ`, which Unicode leaves alone, is `i`, because Java takes it for that.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    folded(one).eq(folded(other))
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    let name = name.chars().map(|one| if one == '\u{130}' { 'i' } else { one });
    name.flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_only_are_the_same() {
        for other in ["params", "Params", "PARAMS", "paramſ", "PARAMſ"] {
            assert!(is_same("params", other), "{other}");
        }
        for other in ["", "param", "paramss", "parâms", "p\u{430}rams"] {
            assert!(!is_same("params", other), "{other}");
        }
        assert!(is_same("tasks", "tas\u{212a}s"));
        assert!(is_same("id", "\u{131}d") && is_same("id", "\u{130}D"));
        assert!(is_same("ÄRGER", "ärger"));
    }
}
