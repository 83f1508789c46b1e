//! Checks the metadata of an issuer (OpenID Connect Discovery, RFC 8414).

use reqwest::Url;
use serde_json::{Map, Value};

use super::finding::Report;
use crate::fetch;
use crate::output::printable;

/// Returns the addresses where the metadata of an issuer may be: with the path appended (OpenID Connect Discovery §4),
/// then inserted (RFC 8414 §3).
pub(super) fn places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    [
        format!("{path}/.well-known/openid-configuration"),
        format!("/.well-known/oauth-authorization-server{path}"),
    ]
    .into_iter()
    .map(|path| {
        let mut place = issuer.clone();
        place.set_path(&path);
        place.set_query(None);
        place.set_fragment(None);
        place
    })
    .collect()
}

/// Returns the issuer whose metadata are at this address.
pub(super) fn issuer_of(place: &Url) -> Option<String> {
    let text = place.as_str();
    if let Some(issuer) = text.strip_suffix("/.well-known/openid-configuration") {
        return Some(issuer.to_owned());
    }
    let path = place.path().strip_prefix("/.well-known/oauth-authorization-server")?;
    let origin = text.split("/.well-known/").next()?;
    Some(format!("{origin}{path}"))
}

/// The issuer that metadata must name.
#[derive(Clone, Copy)]
pub(super) enum Expected<'a> {
    /// It was asked for.
    Asked(&'a str),
    /// It follows from the address of its metadata, where a slash at its end is lost.
    Derived(&'a str),
}

/// Checks the metadata of an issuer, and returns the address of its keys if they can be fetched. Where the metadata came
/// from says which issuer they must name.
pub(super) fn check(
    metadata: &Map<String, Value>,
    expected: Option<Expected<'_>>,
    report: &mut Report,
) -> Option<Url> {
    check_issuer(metadata.get("issuer"), expected, report);
    check_algorithms(metadata, report);
    let (place, remedy) = ("jwks_uri", "Name the absolute https:// address of the JWK set.");
    let Some(text) = metadata.get("jwks_uri").and_then(Value::as_str) else {
        report.error(
            "jwks_uri_missing",
            place,
            "The metadata do not say where the keys are, so no token can be verified.",
            remedy,
        );
        return None;
    };
    let Ok(url) = Url::parse(text) else {
        let problem = format!("{} is no absolute address.", printable(text));
        report.error("jwks_uri_invalid", place, problem, remedy);
        return None;
    };
    let comes_plain = expected.is_some_and(|expected| expected.issuer().starts_with("http://"));
    if url.scheme() != "https" && !(comes_plain && fetch::is_loopback(&url)) {
        let problem = format!("{url} is not HTTPS, so an attacker on the way could insert keys.");
        report.error("jwks_uri_not_https", place, problem, remedy);
        return None;
    }
    fetch::address(url.as_str()).ok()
}

impl<'a> Expected<'a> {
    fn issuer(self) -> &'a str {
        match self {
            Self::Asked(issuer) | Self::Derived(issuer) => issuer,
        }
    }
}

fn check_issuer(issuer: Option<&Value>, expected: Option<Expected<'_>>, report: &mut Report) {
    let place = "issuer";
    let Some(issuer) = issuer.and_then(Value::as_str) else {
        report.error(
            "issuer_missing",
            place,
            "The metadata name no issuer, so verifiers do not believe them (RFC 8414 §3.3).",
            "Name the issuer as it stands in the `iss` of tokens.",
        );
        return;
    };
    let shown = printable(issuer);
    let is_plain =
        Url::parse(issuer).map_or(true, |url| url.scheme() != "https" && !fetch::is_loopback(&url));
    if is_plain {
        report.error(
            "issuer_not_https",
            place,
            format!("The issuer {shown} is no https:// address."),
            "Use an issuer with https://, in the metadata and in tokens.",
        );
    }
    let Some(expected) = expected else { return };
    let asked = printable(expected.issuer());
    if issuer == expected.issuer() {
        return;
    }
    let is_slash = issuer.trim_end_matches('/') == expected.issuer().trim_end_matches('/');
    let remedy = format!("Configure verifiers with {shown}, if that is the `iss` of tokens.");
    if is_slash && matches!(expected, Expected::Derived(_)) {
        report.note(
            "issuer_final_slash",
            place,
            format!("The issuer {shown} ends in a slash, and verifiers compare to the letter."),
            remedy,
        );
    } else if is_slash {
        report.error(
            "issuer_final_slash",
            place,
            format!(
                "The issuer is {shown} and not {asked}: they differ by the slash at the end, and verifiers compare \
                 to the letter."
            ),
            remedy,
        );
    } else {
        report.error(
            "issuer_mismatch",
            place,
            format!("The metadata are those of {shown}, and {asked} was asked: verifiers do not believe them (RFC 8414 \
                     §3.3)."),
            format!("Configure verifiers with {shown}, or have the provider name {asked}."),
        );
    }
}

fn check_algorithms(metadata: &Map<String, Value>, report: &mut Report) {
    let place = "id_token_signing_alg_values_supported";
    let Some(algorithms) = metadata.get(place).and_then(Value::as_array) else { return };
    if algorithms.iter().any(|one| one == "none") {
        report.warning(
            "algorithm_none",
            place,
            "The provider offers `none`: tokens without a signature, which can be forged.",
            "Remove `none` from the list, and make sure that no verifier accepts it.",
        );
    }
    if algorithms.iter().any(|one| one.as_str().is_some_and(|one| one.starts_with("HS"))) {
        report.note(
            "algorithm_hmac",
            place,
            "The provider offers algorithms with a shared secret (HS256 …), whose holders can also sign.",
            "Use an algorithm with a key pair, such as ES256 or RS256, for access tokens.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_where_openid_and_oauth_put_them_and_their_place_names_the_issuer() {
        let issuer = "https://id.example.com/realms/a";

        let places = places(&Url::parse(issuer).unwrap());

        assert_eq!(
            places.iter().map(Url::as_str).collect::<Vec<_>>(),
            [
                "https://id.example.com/realms/a/.well-known/openid-configuration",
                "https://id.example.com/.well-known/oauth-authorization-server/realms/a",
            ]
        );
        for place in places {
            assert_eq!(issuer_of(&place).as_deref(), Some(issuer));
        }
    }
}
