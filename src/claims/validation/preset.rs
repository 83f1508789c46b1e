//! Describes the access tokens of providers.
//!
//! A preset requires a mark of access tokens instead of refusing more marks of ID tokens, because
//! providers leave marks out: each preset refuses an ID token without `nonce` and `at_hash` for the
//! API's own audience. These facts decided: Keycloak before 25 puts `nonce` into access tokens;
//! Entra's documented sample has `azp` equal to `aud`; Okta's tokens that were exchanged for an
//! agent have neither `cid` nor `scp`; Auth0's `permissions` hold more than the client was granted.
//!
//! Groups are not roles by default: in many providers users create groups, and a group `admin` must
//! not be the role `admin`. A string at a path of roles is one role, because issuers write a list
//! of one as a string and roles may hold spaces (RFC 9068 §2.2.3.1, RFC 7643): `"not admin"`,
//! split, would grant `admin`. Scopes hold no spaces, and `scope` is defined as a list separated by
//! spaces (RFC 8693 §4.2).

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::kind::KindRules;

/// The properties of a provider's access tokens, according to its documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// Keycloak: roles in `/realm_access/roles` and, for every configured audience,
    /// `/resource_access/<audience>/roles`; scopes in `scope`. An access token has `Bearer` in its
    /// claim `typ`, and may carry a `nonce` (before version 25).
    ///
    /// All clients of a realm share its roles, and an audience may be a URL that is not the id of a
    /// client. To count the roles of one client only, set
    /// [`with_roles_at`](crate::Validation::with_roles_at).
    Keycloak,
    /// Auth0: scopes in `scope`. An access token names its client in `azp` or `client_id`. The issuer
    /// ends with a slash.
    ///
    /// Roles have no standard claim: an Action writes them into a claim named by a URL, which
    /// [`with_roles_at`](crate::Validation::with_roles_at) has to name. `permissions` holds
    /// everything that the user may do, independently of the scopes that the client requested. To
    /// count it, name it with [`with_scopes_at`](crate::Validation::with_scopes_at).
    Auth0,
    /// Microsoft Entra ID: app roles in `roles`, scopes in `scp`. An access token names its client in
    /// `azp` (version 2) or `appid` (version 1).
    Entra,
    /// Okta, a custom authorization server: scopes in `scp` (or `scope`). An access token has `scp`
    /// or names its client in `cid`.
    ///
    /// A token holds groups only if an administrator has configured a claim for them, under a name
    /// of their choice. To read them as roles, set
    /// [`with_roles_at`](crate::Validation::with_roles_at).
    Okta,
    /// Amazon Cognito, a user pool: groups in `cognito:groups`, read as roles; scopes in `scope`.
    /// An access token has `access` in `token_use` and usually no `aud`: the audience to configure
    /// is the app client's id, as with
    /// [`with_client_id_as_audience`](crate::Validation::with_client_id_as_audience).
    Cognito,
    /// SPIFFE, a JWT-SVID: `sub` is a SPIFFE ID of the trust domain, and no claim holds roles or scopes. The issuer to
    /// configure is the trust domain, `spiffe://example.org`; tokens need no `iss`. `typ` in the header may be `JOSE`.
    ///
    /// To trust single workloads, set
    /// [`with_trust_policies`](crate::Validation::with_trust_policies) with their `sub`.
    Spiffe,
    /// FAPI 2.0 (Security Profile §5.4), for any provider: access tokens of RFC 9068 alone (`at+jwt`), signed with
    /// PS256, ES256 or Ed25519, and bound to a key; roles in `roles`, scopes in `scope`. Dates may be 10 to 60 seconds ahead,
    /// by the [leeway](crate::Validation::with_leeway).
    ///
    /// Options that contradict the profile are a [`ConfigError`](crate::ConfigError).
    /// [`BearerLayer::with_fapi2`](crate::BearerLayer::with_fapi2) checks the rest: that there is a binding, that tokens can be
    /// revoked or are introspected, and that they come in the `Authorization` field.
    Fapi2,
}

impl Preset {
    /// Every preset, in the order of the enum.
    pub const ALL: [Self; 7] = [
        Self::Keycloak,
        Self::Auth0,
        Self::Entra,
        Self::Okta,
        Self::Cognito,
        Self::Spiffe,
        Self::Fapi2,
    ];

    /// Returns the name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keycloak => "keycloak",
            Self::Auth0 => "auth0",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Cognito => "cognito",
            Self::Spiffe => "spiffe",
            Self::Fapi2 => "fapi2",
        }
    }

    pub(super) fn roles_at(self, audiences: &[String]) -> Vec<String> {
        match self {
            Self::Keycloak => {
                let of_client = |audience: &String| {
                    let segment = audience.replace('~', "~0").replace('/', "~1");
                    format!("/resource_access/{segment}/roles")
                };
                let of_realm = ["/realm_access/roles".to_owned()];
                of_realm.into_iter().chain(audiences.iter().map(of_client)).collect()
            }
            Self::Auth0 | Self::Okta | Self::Spiffe => Vec::new(),
            Self::Entra | Self::Fapi2 => vec!["roles".to_owned()],
            Self::Cognito => vec!["cognito:groups".to_owned()],
        }
    }

    pub(super) const fn scopes_at(self) -> &'static [&'static str] {
        match self {
            Self::Keycloak | Self::Auth0 | Self::Cognito | Self::Fapi2 => &["scope"],
            Self::Entra => &["scp"],
            Self::Okta => &["scp", "scope"],
            Self::Spiffe => &[],
        }
    }

    pub(super) const fn has_client_id_as_audience(self) -> bool {
        matches!(self, Self::Cognito)
    }

    /// Returns whether the configured issuer is a trust domain, which tokens name in `sub`.
    pub(super) const fn has_trust_domain(self) -> bool {
        matches!(self, Self::Spiffe)
    }

    /// Adds the rules that recognize the ID tokens of this provider.
    pub(super) fn add_to(self, kind: &mut KindRules) {
        match self {
            Self::Keycloak => {
                kind.bearer_typ_needed = true;
                kind.nonce_is_usual = true;
            }
            Self::Auth0 => kind.one_of = &["azp", "client_id"],
            Self::Entra => kind.one_of = &["azp", "appid"],
            // `scope` is for tokens that were exchanged for an agent, which lack the other two
            // claims.
            Self::Okta => kind.one_of = &["cid", "scp", "scope"],
            Self::Cognito => kind.token_use_needed = true,
            // JWT-SVID §2.3: JWT or JOSE.
            Self::Spiffe => kind.jose_is_usual = true,
            Self::Fapi2 => {
                kind.at_jwt_only = true;
                kind.bound_only = true;
            }
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Preset {
    type Err = ParsePresetError;

    fn from_str(name: &str) -> Result<Self, ParsePresetError> {
        let preset = Self::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(name));
        preset.ok_or(ParsePresetError(()))
    }
}

/// The error of a name that is not in [`Preset::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsePresetError(());

impl fmt::Display for ParsePresetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the preset is none of")?;
        Preset::ALL.iter().try_for_each(|preset| write!(f, " {preset}"))
    }
}

impl Error for ParsePresetError {}
