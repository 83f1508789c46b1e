use std::fmt::Write as _;

use crate::config_error::ConfigError;

/// A place in a configuration, written as `issuers[0].keys.file`.
#[derive(Clone, Debug, Default)]
pub(super) struct ConfigPath(String);

impl ConfigPath {
    pub(super) fn member(&self, name: &str) -> Self {
        let dot = if self.0.is_empty() { "" } else { "." };
        Self(format!("{}{dot}{name}", self.0))
    }

    pub(super) fn entry(&self, index: usize) -> Self {
        let mut path = self.0.clone();
        write!(path, "[{index}]").expect("strings can be written to");
        Self(path)
    }

    pub(super) fn wrong(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::Configuration { path: self.0.clone(), problem: problem.into() }
    }

    /// Adds the place to an error.
    pub(super) fn check<T>(&self, result: Result<T, ConfigError>) -> Result<T, ConfigError> {
        result
            .map_err(|problem| ConfigError::At { path: self.0.clone(), problem: Box::new(problem) })
    }
}
