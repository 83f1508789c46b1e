//! Reads JSON or TOML into values, with the place of each mistake.

use std::path::Path;

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::config_error::ConfigError;
use crate::text::{instead_of_text, without_mark};

/// Reads a text file.
pub(super) fn file(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let unreadable =
        |problem: String| ConfigError::UnreadableFile { path: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let bytes = Zeroizing::new(bytes);
    match str::from_utf8(without_mark(&bytes)) {
        Ok(text) if !text.contains('\0') => Ok(Zeroizing::new(text.to_owned())),
        _ => Err(unreadable(instead_of_text(&bytes).unwrap_or("it is not UTF-8").to_owned())),
    }
}

pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    let text = without_byte_order_mark(text);
    let mut document = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut document)
        .map_err(|error| misplaced(&error.path().to_string(), &error.inner().to_string()))?;
    document.end().map_err(|error| unplaced(&error.to_string()))?;
    Ok(value)
}

pub(super) fn toml<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    let text = without_byte_order_mark(text);
    // The message alone: the whole error would quote the line, which may hold a secret.
    let message = |error: &toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        match before {
            Some(before) => {
                format!("{} in line {}", error.message(), before.lines().count().max(1))
            }
            None => error.message().to_owned(),
        }
    };
    let document = toml::Deserializer::parse(text).map_err(|error| unplaced(&message(&error)))?;
    serde_path_to_error::deserialize(document)
        .map_err(|error| misplaced(&error.path().to_string(), &message(error.inner())))
}

fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns the error for a mistake in the text as a whole.
fn unplaced(problem: &str) -> ConfigError {
    ConfigError::Configuration { path: ".".to_owned(), problem: problem.trim_end().to_owned() }
}

fn misplaced(path: &str, problem: &str) -> ConfigError {
    // The text that serde found in place of a secret may be a secret.
    let problem = match path.rsplit('.').next() {
        Some("secret") => "is not a string",
        Some("keys") if problem.starts_with("invalid type") => {
            "is not an object that says where the keys are, as `discover = true` does"
        }
        _ => problem.trim_end(),
    };
    ConfigError::Configuration { path: path.to_owned(), problem: problem.to_owned() }
}
