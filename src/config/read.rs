//! From JSON or TOML to values, with the place of each mistake.

use serde::de::DeserializeOwned;

use crate::config_error::ConfigError;

pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    let mut document = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut document).map_err(misplaced)?;
    document.end().map_err(|error| unplaced(&error.to_string()))?;
    Ok(value)
}

pub(super) fn toml<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    let document = toml::Deserializer::parse(text).map_err(|error| unplaced(&error.to_string()))?;
    serde_path_to_error::deserialize(document).map_err(misplaced)
}

/// A mistake in the text as a whole.
fn unplaced(problem: &str) -> ConfigError {
    ConfigError::Configuration { path: ".".to_owned(), problem: problem.trim_end().to_owned() }
}

fn misplaced<E: std::fmt::Display>(error: serde_path_to_error::Error<E>) -> ConfigError {
    let path = error.path().to_string();
    let problem = error.into_inner().to_string();
    // What serde found in place of a secret may be one.
    let is_secret = path.rsplit('.').next() == Some("secret");
    let problem =
        if is_secret { "is not a string".to_owned() } else { problem.trim_end().to_owned() };
    ConfigError::Configuration { path, problem }
}
