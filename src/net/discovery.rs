//! Finds the metadata of an issuer, and reads the addresses of its keys and of its introspection endpoint.
//!
//! The address of OpenID comes first, although RFC 8414 and MCP put their own first: nearly every provider has it, so
//! the others would cost a 404 at each start. Whether a document is believed depends on the issuer that it names, and
//! not on its address.
//!
//! Metadata is kept for a day: `jwks_uri` changes very rarely, and while the keys can be fetched, the metadata is not
//! needed. When the keys are not at their address any more, the metadata is read again at once. A host that does not
//! answer at one address is not asked at the others: three timeouts would take the whole time of a fetch.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::address::{Address, Allowed};
use super::error::FetchError;
use crate::error::shown;
use crate::text::{instead_of_keys, instead_of_text, without_mark};

/// Returns the addresses where the metadata may be, in the order of trying: with the path appended (OpenID Connect
/// Discovery §4), as nearly every provider has it; then with the path inserted (RFC 8414 §3), under its own name and
/// that of OpenID. If the issuer has no path, the last address is the same as the first.
pub(crate) fn places(issuer: &Address, allowed: Allowed) -> Vec<Address> {
    let uri = issuer.uri();
    let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
    // As it was written, without a slash at its end.
    let whole = issuer.as_str().strip_suffix('/').unwrap_or(issuer.as_str());
    let origin = whole.strip_suffix(path).unwrap_or(whole);
    let mut places = vec![
        format!("{whole}/{OPENID}"),
        format!("{origin}/{OAUTH}{path}"),
        format!("{origin}/{OPENID}{path}"),
    ];
    places.dedup();
    if path.is_empty() {
        places.truncate(2);
    }
    places.iter().filter_map(|place| Address::parse(place, allowed).ok()).collect()
}

/// Reads the address of the keys from metadata that was found at `place` and must be of this issuer, which may be a
/// template for tenants.
pub(crate) fn read(
    document: &Bytes,
    issuer: &str,
    place: &Address,
    allowed: Allowed,
) -> Result<Address, FetchError> {
    #[derive(Deserialize)]
    struct Metadata {
        issuer: String,
        jwks_uri: String,
    }
    let metadata: Metadata = parse(document)?;
    check_issuer(&metadata.issuer, issuer)?;
    place.lead(&metadata.jwks_uri, allowed).map_err(FetchError::JwksUri)
}

/// Reads the address of the introspection endpoint (RFC 8414 §2) from metadata that was found at `place` and must be
/// of this issuer.
#[cfg(feature = "introspection")]
pub(crate) fn read_introspection_endpoint(
    document: &Bytes,
    issuer: &Address,
    place: &Address,
    allowed: Allowed,
) -> Result<Address, FetchError> {
    #[derive(Deserialize)]
    struct Metadata {
        issuer: String,
        introspection_endpoint: Option<String>,
    }
    let metadata: Metadata = parse(document)?;
    check_issuer(&metadata.issuer, issuer.as_str())?;
    let endpoint = metadata.introspection_endpoint.ok_or(FetchError::NoIntrospectionEndpoint)?;
    place.lead(&endpoint, allowed).map_err(FetchError::IntrospectionEndpoint)
}

/// Reads members of a JSON object that should be metadata. A member that comes twice is an error.
fn parse<T: DeserializeOwned>(document: &Bytes) -> Result<T, FetchError> {
    let malformed = |problem: &str| FetchError::Malformed(problem.to_owned());
    let text = str::from_utf8(without_mark(document))
        .map_err(|_| malformed(instead_of_text(document).unwrap_or("it is not UTF-8")))?;
    // serde reads an array into a struct as well.
    if !text.trim_start().starts_with('{') {
        return Err(malformed(instead_of_keys(text).unwrap_or("it is not a JSON object")));
    }
    serde_json::from_str(text).map_err(|error| {
        let error = error.to_string();
        if error.starts_with("missing field") && is_jwk_set(text) {
            malformed(
                "it is a JWK set and not metadata; give its address to `HttpFetch::new` (`jwks_url`)",
            )
        } else {
            FetchError::Malformed(error)
        }
    })
}

// RFC 8414 §3.3: the comparison is exact, or one issuer could publish keys for another.
fn check_issuer(named: &str, issuer: &str) -> Result<(), FetchError> {
    if named != issuer {
        return Err(FetchError::OtherIssuer(shown(named).into_owned()));
    }
    Ok(())
}

fn is_jwk_set(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Set {
        keys: Option<IgnoredAny>,
    }
    serde_json::from_str(text).is_ok_and(|Set { keys }| keys.is_some())
}

const OPENID: &str = ".well-known/openid-configuration";
const OAUTH: &str = ".well-known/oauth-authorization-server";

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(text: &str) -> Address {
        Address::parse_issuer(text, Allowed::default()).unwrap()
    }

    fn read(document: &Bytes, issuer: &Address) -> Result<Address, FetchError> {
        super::read(document, issuer.as_str(), issuer, Allowed::default())
    }

    fn places_of(text: &str) -> Vec<String> {
        let places = places(&issuer(text), Allowed::default());
        places.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn metadata_is_looked_for_as_openid_appends_and_oauth_inserts() {
        // OIDC Discovery §4: the path is appended to the issuer
        // RFC 8414 §3: the path is inserted between host and path, without a slash at its end
        for issuer in ["https://id.example.com/realms/shop", "https://id.example.com/realms/shop/"]
        {
            assert_eq!(
                places_of(issuer),
                [
                    "https://id.example.com/realms/shop/.well-known/openid-configuration",
                    "https://id.example.com/.well-known/oauth-authorization-server/realms/shop",
                    "https://id.example.com/.well-known/openid-configuration/realms/shop",
                ]
            );
        }
    }

    #[test]
    fn without_a_path_two_places_remain() {
        for issuer in ["https://id.example.com:8443", "https://id.example.com:8443/"] {
            assert_eq!(
                places_of(issuer),
                [
                    "https://id.example.com:8443/.well-known/openid-configuration",
                    "https://id.example.com:8443/.well-known/oauth-authorization-server",
                ]
            );
        }
    }

    #[test]
    fn metadata_of_this_very_issuer_says_where_the_keys_are() {
        let issuer = issuer("https://id.example.com/");
        let document =
            br#"{"issuer":"https://id.example.com/","jwks_uri":"https://k.example.com/a//b"}"#;

        let keys = read(&Bytes::from_static(document), &issuer).unwrap();

        assert_eq!(keys.as_str(), "https://k.example.com/a//b");
    }

    #[test]
    fn metadata_of_any_other_issuer_is_not_used() {
        // RFC 8414 §3.3: the issuer is the one asked for, to the letter
        // RFC 8414 §4: strings are compared without normalisation
        // OIDC Discovery §4.3: a template for tenants is no issuer
        let issuer = issuer("https://id.example.com/a");
        for other in [
            "https://id.example.com/a/",
            "https://ID.example.com/a",
            "https://id.example.com:443/a",
            "https://id.example.com/%61",
            "https://id.example.com/{tenantid}",
            "",
        ] {
            let document =
                format!(r#"{{"issuer":"{other}","jwks_uri":"https://id.example.com/k"}}"#);
            let problem = read(&document.into(), &issuer).unwrap_err();
            assert!(matches!(problem, FetchError::OtherIssuer(_)), "{other}: {problem}");
        }
    }

    #[test]
    fn metadata_that_cannot_be_used_is_an_error() {
        let issuer = issuer("https://id.example.com");
        for document in [
            &b""[..],
            b"<html>",
            b"{}",
            b"\xff",
            br#"["https://id.example.com","https://id.example.com/k"]"#,
            br#"{"issuer":"https://id.example.com"}"#,
            br#"{"issuer":["https://id.example.com"],"jwks_uri":"https://id.example.com/k"}"#,
            br#"{"issuer":"https://id.example.com","issuer":"https://id.example.com","jwks_uri":"https://id.example.com/k"}"#,
        ] {
            let problem = read(&Bytes::from_static(document), &issuer).unwrap_err();
            assert!(matches!(problem, FetchError::Malformed(_)), "{problem}");
        }
        // RFC 8414 §2: jwks_uri is https
        for uri in ["http://id.example.com/k", "http://127.0.0.1/k", "/k", "file:///k"] {
            let document = format!(r#"{{"issuer":"https://id.example.com","jwks_uri":"{uri}"}}"#);
            let problem = read(&document.into(), &issuer).unwrap_err();
            assert!(matches!(problem, FetchError::JwksUri(_)), "{uri}: {problem}");
        }
    }
}
