use serde::de::IgnoredAny;

/// Returns the text of each entry of a list that is a member of an object, or `None` if there is no such list.
///
/// Entries may nest at any depth. They are separated and not read, so that an odd entry does not spoil the others.
/// Text that is not JSON ends the search.
pub(crate) fn entries_of<'t>(text: &'t str, member: &str) -> Option<Vec<&'t str>> {
    let mut rest = text.trim_ascii_start().strip_prefix('{')?;
    let mut list = loop {
        let (name, after) = first_value(rest)?;
        let (value, after) = first_value(after.trim_ascii_start().strip_prefix(':')?)?;
        if serde_json::from_str::<String>(name).is_ok_and(|name| name == member) {
            break value.strip_prefix('[')?.strip_suffix(']')?;
        }
        rest = after.trim_ascii_start().strip_prefix(',')?;
    };
    let mut entries = Vec::new();
    while !list.trim_ascii_start().is_empty() {
        let (entry, after) = first_value(list)?;
        entries.push(entry);
        list = after.trim_ascii_start();
        list = list.strip_prefix(',').unwrap_or(list);
    }
    Some(entries)
}

/// Returns the value with which a text begins, and the text behind it.
fn first_value(text: &str) -> Option<(&str, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (value, after) = text.split_at_checked(values.byte_offset())?;
    Some((value.trim_ascii(), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart_however_they_are_written() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for entries in [
            vec![],
            vec!["1"],
            vec!["1", "true", "null", "\"a,]\\\"\"", "-1.5e3"],
            vec!["{}", r#"{"keys":[1,2],"a":"}"}"#, "[1,[2]]", &deep, "\"\\ud800\""],
        ] {
            for between in [",", " ,\n\t"] {
                let list = entries.join(between);
                for text in [
                    format!(r#"{{"keys":[{list}]}}"#),
                    format!(" {{ \"a\" : [3] , \"\\u006beys\" : [ {list} ] , \"b\":1 }} "),
                    format!(r#"{{"a":{{"keys":[4]}},"b":{deep},"keys":[{list}]}}"#),
                ] {
                    assert_eq!(entries_of(&text, "keys").as_ref(), Some(&entries), "{text}");
                }
            }
        }
    }

    #[test]
    fn where_there_is_no_such_list_there_are_no_entries() {
        for text in [
            "",
            "[]",
            "{}",
            "1",
            r#"{"keys":null}"#,
            r#"{"keys":{}}"#,
            r#"{"keys":"[1]"}"#,
            r#"{"a":{"keys":[1]}}"#,
            r#"{"Keys":[1]}"#,
            r#"{"keys":[1}"#,
            r#"{"keys":[1"#,
        ] {
            assert_eq!(entries_of(text, "keys"), None, "{text}");
        }
    }
}
