//! How much memory something takes that was read from JSON.

/// The bytes that a `serde_json::Value` of this takes at the most, besides itself. Whatever else holds the same
/// takes less, unless it keeps what was not in the text.
///
/// Counted are brackets and commas outside of strings: what a user writes into a string weighs its length.
pub(crate) fn weight(json: &str) -> usize {
    if !json.starts_with(['{', '[']) {
        return json.len();
    }
    let mut commas = 0;
    let (mut objects, mut lists) = (0, 0);
    let mut in_string = false;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => _ = bytes.next(),
            _ if in_string => {}
            b',' => commas += 1,
            b'{' => objects += 1,
            b'[' => lists += 1,
            _ => {}
        }
    }
    let entry = if objects == 0 { ENTRY } else { MEMBER };
    json.len() + objects * OBJECT + lists * LIST + commas * entry
}

/// The same of the object itself, for so many members: what they are called, and what they hold, comes on top.
pub(crate) fn object_weight(members: usize) -> usize {
    OBJECT + members * MEMBER
}

/// A map with one member: a whole node of a B-tree, with places for eleven.
const OBJECT: usize = 640;
/// A member more, in a B-tree whose nodes are half full, or in a hash table with an ordered list that has
/// just grown (the feature `preserve_order`, which any crate of an application may turn on).
const MEMBER: usize = 152;
/// A list with one entry, for which there are four places.
const LIST: usize = 128;
/// An entry more, in a list that has just grown.
const ENTRY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_value_weighs_grows_with_its_parts() {
        for (json, expected) in [
            ("1", 1),
            ("\"a,b[{\"", 7),
            ("[]", 2 + LIST),
            ("[1,2]", 5 + LIST + ENTRY),
            ("{}", 2 + OBJECT),
            (r#"{"a":1,"b":[1,{}]}"#, 18 + 2 * OBJECT + LIST + 2 * MEMBER),
            (r#"["{[,\"{",{}]"#, 13 + LIST + OBJECT + MEMBER),
        ] {
            assert_eq!(weight(json), expected, "{json}");
        }
    }
}
