//! Reads Envoy's field `x-forwarded-client-cert`.
//!
//! The value is a list of elements, each a list of `key=value` pairs: `Hash=…;Cert="…",Hash=…`. A proxy appends its
//! own element, so the last one is that of the nearest proxy. A client may have made up the others. A value with `,`,
//! `;` or `=` in it is quoted, with `\` before `"` inside.
//!
//! Envoy does not quote the names in a certificate (`URI=`, `DNS=`). Where it accepts any certificate, a client can
//! write a comma into such a name and so add an element of its own. An element behind such a name is therefore
//! refused. Where it appends, a client can also send an element that opens a quote, and write the closing one into a
//! name, so that the element of the proxy looks like a quoted value. Each element of Envoy has a `Hash`, so a quoted
//! value with `Hash=` in it is refused.

use std::borrow::Cow;

/// One `key=value` pair.
struct Pair<'v> {
    key: &'v str,
    value: Cow<'v, str>,
    is_quoted: bool,
}

/// The part of the last element that identifies the certificate of the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// `Hash`: SHA-256 of the DER, in hexadecimal digits.
    pub(super) hash: Option<String>,
    /// `Cert`: the certificate in PEM, percent-encoded.
    pub(super) certificate: Option<String>,
}

/// Returns the last element of the list.
pub(super) fn last_element(value: &str) -> Result<Element, &'static str> {
    let mut element = Element { hash: None, certificate: None };
    let elements = split(value, ',').ok_or(UNBALANCED)?;
    let (last, others) = elements.split_last().ok_or(UNBALANCED)?;
    for other in others {
        if pairs(other)?.iter().any(Pair::may_hold_an_element) {
            return Err(NAME_BEFORE);
        }
    }
    for pair in pairs(last)? {
        let member = match pair.key {
            key if key.eq_ignore_ascii_case("hash") => &mut element.hash,
            key if key.eq_ignore_ascii_case("cert") => &mut element.certificate,
            _ => continue,
        };
        if member.replace(pair.value.into_owned()).is_some() {
            return Err("`Hash` or `Cert` stands in one element twice");
        }
    }
    Ok(element)
}

impl Pair<'_> {
    /// Returns whether the value may be a name that a client has chosen and the proxy has not quoted. That it looks
    /// quoted says nothing: the quotes may stand in two names of one certificate.
    fn may_hold_an_element(&self) -> bool {
        let is = |key: &&str| self.key.eq_ignore_ascii_case(key);
        let is_subject = self.is_quoted && is(&"subject");
        !is_subject && !["by", "hash", "cert", "chain"].iter().any(is)
    }
}

fn pairs(element: &str) -> Result<Vec<Pair<'_>>, &'static str> {
    let pairs = split(element, ';').ok_or(UNBALANCED)?;
    pairs.into_iter().map(|pair| read_pair(pair).ok_or(UNBALANCED)).collect()
}

fn read_pair(pair: &str) -> Option<Pair<'_>> {
    let (key, value) = pair.split_once('=')?;
    let Some(quoted) = value.strip_prefix('"') else {
        let is_plain = !value.contains('"');
        return is_plain.then_some(Pair { key, value: Cow::Borrowed(value), is_quoted: false });
    };
    if has_hash(quoted) {
        return None;
    }
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    loop {
        match rest.next()? {
            '"' => break,
            '\\' => text.push(rest.next()?),
            other => text.push(other),
        }
    }
    let is_whole = rest.as_str().is_empty();
    is_whole.then_some(Pair { key, value: Cow::Owned(text), is_quoted: true })
}

fn has_hash(text: &str) -> bool {
    text.as_bytes().windows(5).any(|part| part.eq_ignore_ascii_case(b"hash="))
}

/// Splits at a separator outside of quotes, and trims the parts. `None` when a quote is open at the end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => {
                parts.push(text[start..at].trim());
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    (!is_quoted).then_some(parts)
}

const UNBALANCED: &str = "the value is not a list of `key=value` pairs";
const NAME_BEFORE: &str = "an element stands behind one with a name of a client, who may have made it up; let \
                           the proxy replace the field (`SANITIZE_SET`), or leave `uri` and `dns` out of it";

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn hash_of(value: &str) -> Result<Option<String>, &'static str> {
        last_element(value).map(|element| element.hash)
    }

    #[test]
    fn last_element_counts() {
        for (value, hash) in [
            ("Hash=aa", Some("aa")),
            ("hash=aa;By=x", Some("aa")),
            (
                "By=http://frontend.lyft.com;Hash=aa;Subject=\"/C=US/CN=Test Client\";URI=spiffe://a",
                Some("aa"),
            ),
            ("Hash=aa,Hash=bb", Some("bb")),
            ("Hash=aa;Subject=\"CN=x,y;z=\" , By=y;Hash=bb", Some("bb")),
            ("Hash=aa;Subject=\"CN=x\\\",By=cc;Subject=\\\"\"", Some("aa")),
            ("Hash=aa;Subject=\"CN=x\\\\\",Hash=bb", Some("bb")),
            ("Hash=\"aa\"", Some("aa")),
            ("Hash=aa,By=x", None),
            ("Hash=", Some("")),
            // Outside of quotes, `\\` stands for itself.
            ("Hash=a\\;By=x", Some("a\\")),
            ("Hash=a\\,Hash=bb", Some("bb")),
        ] {
            assert_eq!(hash_of(value).as_ref().map(Option::as_deref), Ok(hash), "{value}");
        }
        let both = last_element("Hash=aa;Cert=\"b%3D\"").unwrap();
        assert_eq!((both.hash.as_deref(), both.certificate.as_deref()), (Some("aa"), Some("b%3D")));
    }

    #[test]
    fn malformed_list_is_refused() {
        for value in [
            "",
            "Hash",
            "Hash=aa,",
            "Hash=aa;",
            "Hash=aa;;By=x",
            "Hash=aa;Subject=\"CN=x",
            "Hash=aa;Subject=\"CN=x\"y",
            "Hash=a\"a",
            "Hash=\"aa\\",
            "Hash=aa;Hash=aa",
            "Hash=aa;hash=bb",
            "Cert=a;Hash=aa;Cert=b",
            "Hash=aa;Subject=\"CN=x,Hash=bb\"",
            "Subject=\",By=spiffe://server;Hash=aa;URI=\";Hash=bb",
        ] {
            assert!(last_element(value).is_err(), "{value}");
        }
    }

    /// Joins words that are of use for a forgery.
    fn forgery() -> impl Strategy<Value = String> {
        const WORDS: [&str; 13] = [
            "\"", "\\", ",", ";", "=", "Hash=", "aa", "By=", "Subject=", "URI=", "Cert=", " ", "x",
        ];
        vec(select(&WORDS[..]), 0..8).prop_map(|words| words.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn element_of_the_proxy_counts_or_none_whatever_a_client_sends_and_is_called(
            sent in option::of(forgery()),
            subject in option::of(forgery()),
            names in vec((select(&["URI", "DNS"]), forgery()), 0..3),
            has_certificate: bool,
        ) {
            let mut value = sent.map(|sent| format!("{sent},")).unwrap_or_default();
            value += "By=spiffe://server;Hash=proxy";
            if has_certificate {
                value += ";Cert=\"-----BEGIN%20\"";
            }
            if let Some(subject) = subject {
                let subject = subject.replace('\\', "\\\\").replace('"', "\\\"");
                value.extend([";Subject=\"CN=", &subject, "\""]);
            }
            for (key, name) in names {
                value.extend([";", key, "=", &name]);
            }

            if let Ok(element) = last_element(&value) {
                prop_assert_eq!(element.hash.as_deref(), Some("proxy"), "{}", value);
            }
        }
    }

    #[test]
    fn element_that_a_client_may_have_written_into_a_name_is_refused() {
        for value in [
            "Hash=aa;URI=spiffe://x,Hash=bb",
            "Hash=aa;URI=\";URI=\",Hash=bb",
            "Hash=aa;Subject=x,Hash=bb",
            "Hash=aa;DNS=x,Hash=bb",
            "Hash=aa;Email=x,Hash=bb",
        ] {
            assert_eq!(last_element(value), Err(NAME_BEFORE), "{value}");
        }
    }
}
