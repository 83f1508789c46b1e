use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Passes over a whole text.
fn passed(text: &str) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(text);
    scanner.skip(MAX_DEPTH)?;
    scanner.finish()
}

/// Compares the scanner with serde_json on a text without reserved names that nests little.
fn agrees_with_serde_json(text: &str) {
    let expected = check_value(text);
    assert_eq!(passed(text), expected, "{text}");

    let mut scanner = Scanner::new(text);
    let read = scanner.text().and_then(|string| scanner.finish().map(|()| string));
    let is_string = text.trim_ascii_start().starts_with('"');
    match serde_json::from_str::<String>(text) {
        Ok(string) => assert_eq!(read.as_deref(), Ok(&*string), "{text}"),
        Err(_) if expected.is_ok() && !is_string => {
            assert_eq!(read, Err(JsonError::OtherType), "{text}");
        }
        Err(_) => assert!(read.is_err(), "{text}"),
    }

    let mut scanner = Scanner::new(text);
    if let Some(integer) = scanner.integer().filter(|_| scanner.finish().is_ok()) {
        assert_eq!(serde_json::from_str::<i64>(text).ok(), Some(integer), "{text}");
    }
}

const PARTS: [&str; 58] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\"a\"",
    "\"b\"",
    "\"\"",
    "\"\\u0061\"",
    "\"\\n\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u12\"",
    "\"\\x\"",
    "\"\\/\"",
    "\"é\"",
    "\"\u{10ffff}\"",
    "\"\u{1f}\"",
    "\"\u{7f}\"",
    "\"1234567\"",
    "\"12345678\"",
    "0",
    "-0",
    "1",
    "-1",
    "01",
    "1.",
    "1.5",
    ".5",
    "1e3",
    "1E-3",
    "1e+",
    "1e999",
    "-",
    "+1",
    "12345678",
    "1234567890",
    "999999999999999999",
    "1000000000000000000",
    "99999999999999999999",
    "true",
    "false",
    "null",
    "tru",
    "nulll",
    "NaN",
    " ",
    "\n\t\r",
    "\u{b}",
    "\u{c}",
    "\u{a0}",
    "\u{feff}",
    "//",
    "'a'",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_row_of_parts_is_judged_as_serde_json_judges_it(
        parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..12),
    ) {
        agrees_with_serde_json(&parts.concat());
    }

    #[test]
    fn changed_document_is_judged_as_serde_json_judges_it(
        at in any::<prop::sample::Index>(), part in proptest::sample::select(&PARTS[..]),
        length in 0..3_usize,
    ) {
        let text = r#"{"a" : [1.5e3, "\u00e9\\", {"\n": null, "b":true}] ,"c":-12345678 }"#;
        let start = at.index(text.len());
        let end = text.len().min(start + length);
        agrees_with_serde_json(&format!("{}{part}{}", &text[..start], &text[end..]));
    }
}

#[test]
fn every_pair_of_parts_is_judged_as_serde_json_judges_it() {
    for one in PARTS {
        for other in PARTS {
            for (before, between, after) in
                [("", "", ""), ("[", ",", "]"), ("{\"a\":", ",", "}"), ("{", ":", "}")]
            {
                agrees_with_serde_json(&format!("{before}{one}{between}{other}{after}"));
            }
        }
    }
}

#[test]
fn nesting_at_the_bound_is_read_and_one_more_is_not() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), (" [ 1 , ", " ] ")] {
        let nested =
            |depth: usize| format!("{}[]{}", open.repeat(depth - 1), close.repeat(depth - 1));

        assert_eq!(passed(&nested(MAX_DEPTH)), Ok(()), "{open}");
        assert_eq!(passed(&nested(MAX_DEPTH + 1)), Err(JsonError::TooDeep), "{open}");
    }
    assert_eq!(passed(&"[".repeat(1_000_000)), Err(JsonError::TooDeep));
}

#[test]
fn brackets_inside_strings_do_not_count_as_depth() {
    assert_eq!(passed(&format!(r#"{{"a":"{}","b":"\"{{"}}"#, "[{".repeat(100))), Ok(()));
}

#[test]
fn many_flat_values_are_shallow() {
    assert_eq!(passed(&format!("[{}[]]", "[],".repeat(1000))), Ok(()));
}

#[test]
fn reserved_name_is_refused_wherever_it_is_and_however_it_is_written() {
    for name in [
        "$serde_json::private::RawValue",
        "$serde_json::private::Number",
        "$serde_json::",
        "\\u0024serde_json::private::RawValue",
        "$serde\\u005fjson::private::Number",
        "$serde_json::private::\\u0052awValue",
        "$serde_json:\\u003a\\n",
    ] {
        for around in ["@", "[@]", r#"{"a":@}"#, r#"{"a":[1,{"b":{"c":@}}],"d":1}"#] {
            for object in [r#"{"%":"1"}"#, r#"{"a":1,"%":{}}"#, r#"{ "\n":[] , "%" :1}"#] {
                let text = around.replace('@', &object.replace('%', name));
                assert_eq!(passed(&text), Err(JsonError::ReservedName), "{text}");
            }
        }
    }
}

#[test]
fn name_that_looks_like_a_reserved_one_is_read_as_it_is_by_serde_json() {
    for name in [
        "$serde_json",
        "$serde_json:",
        "$Serde_json::private::Number",
        " $serde_json::private::Number",
        "serde_json::private::RawValue",
        "$",
        "\\\\u0024serde_json::",
        "$toml::private::Datetime",
    ] {
        for text in [format!(r#"{{"{name}":"1"}}"#), format!(r#"[{{"a":{{"{name}":1}}}}]"#)] {
            assert_eq!(passed(&text), Ok(()), "{text}");
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        }
    }
    // As a string that is no name it means nothing to serde_json.
    assert_eq!(passed(r#"{"a":"$serde_json::private::RawValue"}"#), Ok(()));
}
