//! Checks the addresses that a server publishes for its clients.

use http::Uri;

use crate::config_error::{ConfigError, placeholder};
use crate::loopback::is_loopback;

/// Reads an address that clients use: HTTPS, or HTTP on this machine.
pub(crate) fn check(text: &str) -> Result<Uri, ConfigError> {
    let wrong = |problem| ConfigError::Address { address: text.to_owned(), problem };
    if placeholder::is_in(text) {
        return Err(wrong("has a placeholder in it; put in what it stands for"));
    }
    // `Uri` drops a fragment without a word.
    if text.contains('#') {
        return Err(wrong("has a fragment, which no server would see"));
    }
    let uri: Uri = text.parse().map_err(|_| wrong("is not a URL"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong("is not a URL; write it with https:// and a host"));
    };
    if authority.as_str().contains('@') {
        let address = format!("…@{}", authority.host());
        return Err(ConfigError::Address { address, problem: "has a user in it" });
    }
    match scheme {
        "https" => Ok(uri),
        "http" if is_loopback(authority.host()) => Ok(uri),
        "http" => Err(wrong("is not HTTPS; plain HTTP is for this machine only")),
        _ => Err(wrong("is not an address for HTTP")),
    }
}
