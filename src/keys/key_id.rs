use crate::config_error::ConfigError;
use crate::jose::MAX_KEY_ID;

/// Refuses an id that no verifier reads.
pub(crate) fn check_key_id(key_id: Option<&str>) -> Result<(), ConfigError> {
    match key_id {
        Some(key_id) if key_id.len() > MAX_KEY_ID => {
            Err(ConfigError::KeyIdTooLong { bytes: key_id.len() })
        }
        _ => Ok(()),
    }
}
