//! Reads the blocks of a PEM text (RFC 7468), whatever its line breaks are: Keycloak shows keys on one line, YAML
//! indents them, and environment variables and JSON hold them with the two characters `\n`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::config_error::KeyProblem;
use crate::text;

/// A block whose label has been read, and whose body has not.
pub(super) struct Block<'t> {
    /// The words behind `BEGIN`.
    pub(super) label: &'t str,
    rest: &'t str,
}

/// Returns the text with real line breaks. It may hold a private key.
pub(super) fn unescaped(text: &str) -> Zeroizing<String> {
    let lines = Zeroizing::new(text.replace("\\n", "\n"));
    Zeroizing::new(lines.replace("\\r", "\n"))
}

/// Returns the blocks of a text, which may hold several keys.
pub(super) fn blocks(text: &str) -> impl Iterator<Item = Result<Block<'_>, KeyProblem>> {
    text.match_indices(PEM_BEGIN).map(|(start, _)| {
        let block = &text[start + PEM_BEGIN.len()..];
        Block::parse(block.find(PEM_BEGIN).map_or(block, |end| &block[..end]))
    })
}

/// Describes a text that has no block.
pub(super) fn instead_of_blocks(text: &str) -> &'static str {
    if text.trim_start().starts_with('{') {
        "it is JSON; read a JWK set with `from_jwks`"
    } else {
        text::instead_of_keys(text).unwrap_or("there is no line that says -----BEGIN")
    }
}

impl<'t> Block<'t> {
    fn parse(block: &'t str) -> Result<Self, KeyProblem> {
        // Otherwise an error could show a part of the key as its kind.
        let is_label = |label: &str| {
            let is_of_label = |byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' ');
            label.len() <= MAX_LABEL && label.bytes().all(is_of_label)
        };
        let parts = block.split_once(DASHES).filter(|(label, _)| is_label(label));
        let (label, rest) = parts
            .ok_or_else(|| wrong("the line -----BEGIN does not end in five dashes".to_owned()))?;
        Ok(Self { label, rest })
    }

    pub(super) fn is_private(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Returns whether the lines in front of the body say that it is encrypted (RFC 1421).
    #[cfg(feature = "issue")]
    pub(super) fn is_encrypted(&self) -> bool {
        self.label.starts_with("ENCRYPTED") || self.rest.contains("Proc-Type:")
    }

    /// Decodes the bytes between the lines.
    pub(super) fn decode(&self) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
        let label = self.label;
        let Some((body, end)) = self.rest.split_once(PEM_END) else {
            let cut = format!("there is no line -----END {label}-----; the text may be cut off");
            return Err(wrong(cut));
        };
        if end.split_once(DASHES).is_none_or(|(end, _)| end != label) {
            return Err(wrong(format!("the block that begins as {label} does not end as {label}")));
        }
        let is_filler = |c: &char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | '\\');
        let mut bare = Zeroizing::new(String::with_capacity(body.len()));
        bare.extend(body.chars().filter(|c| !is_filler(c)));
        let decoded = STANDARD.decode(&*bare).map(Zeroizing::new);
        decoded
            .map_err(|_| wrong("what stands between the lines of the PEM is not base64".to_owned()))
    }
}

fn wrong(problem: String) -> KeyProblem {
    KeyProblem::Unreadable(problem)
}

pub(super) const PEM_BEGIN: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";
const DASHES: &str = "-----";
/// Longer than every name of a kind of key.
const MAX_LABEL: usize = 40;
