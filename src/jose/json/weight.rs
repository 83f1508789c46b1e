//! Estimates the memory of values that are read from JSON.

/// Returns the largest number of bytes on the heap of a `serde_json::Value` of this text. Another type with the same
/// content takes less, unless it keeps data that was not in the text.
///
/// Brackets and commas outside of strings are counted. A string counts by its length, whatever characters it has.
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

/// Returns the same for an object of this number of members, without their names and values.
pub(crate) fn object_weight(members: usize) -> usize {
    OBJECT + members * MEMBER
}

/// The bytes of a map with one member: a node of a B-tree, which has room for eleven.
const OBJECT: usize = 640;
/// The bytes of one more member, in a B-tree whose nodes are half full, or in a hash table with an ordered list that
/// has just grown (the feature `preserve_order`, which any crate of an application may turn on).
const MEMBER: usize = 152;
/// The bytes of a list with one entry, which has room for four.
const LIST: usize = 128;
/// The bytes of one more entry, in a list that has just grown.
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
