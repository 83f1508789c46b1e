//! Reads the texts that users and providers supply as keys, and names common mistakes in them.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::config_error::ConfigError;

/// Reads UTF-8 text, and drops the byte order mark, which has no meaning in UTF-8.
pub(crate) fn utf8<'b>(bytes: &'b [u8], expected: &'static str) -> Result<&'b str, ConfigError> {
    match str::from_utf8(without_mark(bytes)) {
        // Neither JSON nor PEM has a NUL. In UTF-16 every other byte of them is one.
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(ConfigError::UnreadableKeys {
            expected,
            problem: instead_of_text(bytes).unwrap_or("the text is not UTF-8").to_owned(),
        }),
    }
}

/// Removes the byte order mark that editors on Windows write.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Names the format of a file that is not text in UTF-8.
pub(crate) fn instead_of_text(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1f, 0x8b, ..] => Some("it is compressed with gzip; unpack it first"),
        // A sequence: every key and certificate begins with one.
        [0x30, 0x81..=0x83, ..] => Some("it is binary (DER); read it with `from_der`"),
        // With a byte order mark, or with letters of which one byte is zero.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, _, ..] => {
            Some("it is UTF-16; save it as UTF-8")
        }
        _ => None,
    }
}

/// Names the kind of a text that does not hold keys.
pub(crate) fn instead_of_keys(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let starts_with = |start: &str| text.starts_with(start);
    if text.is_empty() {
        Some("it is empty")
    } else if starts_with("<") {
        Some("it is HTML or XML, a page for people and not for programs")
    } else if text.contains("-----BEGIN ") {
        Some("it is PEM; read it with `from_pem`, or from a file")
    } else if starts_with("---- BEGIN SSH2") || starts_with("ssh-") || starts_with("ecdsa-sha2-") {
        Some("it is a key of OpenSSH; `ssh-keygen -e -m PKCS8 -f FILE` writes it as PEM")
    } else if starts_with("https://") || starts_with("http://") {
        Some("it is an address; give what is there, or fetch it with `RemoteKeys`")
    } else if starts_with("{") {
        metadata_instead_of_keys(text)
    } else if starts_with("[") {
        Some("there is no JSON object but a list; a JWK set is {\"keys\": [...]}")
    } else if starts_with("\"") {
        Some("there is no JSON object but a string; give what is between its quotes, unescaped")
    } else if starts_with("MII") || starts_with("MFkw") || starts_with("MCow") {
        Some(
            "it is base64 alone; put it between the lines -----BEGIN PUBLIC KEY----- and \
             -----END PUBLIC KEY-----",
        )
    } else if starts_with("eyJ") {
        Some("it is a token and no key")
    } else {
        None
    }
}

/// Recognizes the metadata of an issuer, which hold the address of the keys and not the keys.
pub(crate) fn metadata_instead_of_keys(text: &str) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Metadata {
        jwks_uri: Option<IgnoredAny>,
        kty: Option<IgnoredAny>,
    }
    let metadata: Metadata = serde_json::from_str(text).ok()?;
    (metadata.jwks_uri.is_some() && metadata.kty.is_none()).then_some(
        "it is the metadata of an issuer; give the address that it names as `jwks_uri`, or have the \
         keys discovered by the issuer",
    )
}

/// Names the mistake in a secret that is not base64url, and does not repeat a byte of the secret.
pub(crate) fn instead_of_secret(secret: &str) -> &'static str {
    if secret.contains(['+', '/']) {
        "the secret is written in ordinary base64 and not in base64url; write - for + and _ for /"
    } else if secret.contains(char::is_whitespace) {
        "the secret is not base64url (A-Z a-z 0-9 - _): there is a blank or a line break in it"
    } else {
        "the secret is not base64url (A-Z a-z 0-9 - _); if it is meant as it stands, give its bytes \
         in base64url"
    }
}
