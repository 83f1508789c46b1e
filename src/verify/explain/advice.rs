//! Says for each reason what would have to change.
//!
//! Both functions match every [`Reason`], without `_ =>`: a new reason does not compile until it has an explanation.

use serde_json::{Map, Value};

use super::change::{Change, ChangeSide, Edit};
use super::step::Step;
use crate::claims::policy::PolicyDescription;
use crate::claims::validation::Rules;
use crate::claims::{NumericDate, ParsedClaims};
use crate::error::{AuthError, Reason, shown};
use crate::jose::{Algorithm, Header};
use crate::keys::{BoxKeySource, KeySource as _, Lookup};

/// The facts about a token and its verifier.
pub(in crate::verify) struct Facts<'a> {
    pub(in crate::verify) rules: &'a Rules,
    pub(in crate::verify) keys: &'a BoxKeySource,
    pub(in crate::verify) header: Option<&'a Header>,
    pub(in crate::verify) parsed: &'a ParsedClaims,
    /// The payload, whether or not its signature was verified.
    pub(in crate::verify) payload: &'a str,
    pub(in crate::verify) now: NumericDate,
    pub(in crate::verify) max_token_bytes: usize,
    pub(in crate::verify) token_bytes: usize,
}

impl Change {
    /// Returns what to do about a reason when nothing else is known: about an answer of an API, for example.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn of_reason(reason: Reason) -> Self {
        use ChangeSide::{Request, Server, Token, Verifier};
        let (side, sentence) = match reason {
            Reason::MissingToken => {
                (Request, "Send the token in the field `Authorization: Bearer <token>`.")
            }
            Reason::MalformedAuthorization => (
                Request,
                "Send exactly `Authorization: Bearer <token>`: one word, one space, and the token without quotes or line breaks.",
            ),
            Reason::RepeatedAuthorization => (
                Request,
                "Send one `Authorization` field. A proxy, or a second middleware of the client, may add the other one.",
            ),
            Reason::MalformedSubprotocol => (
                Request,
                "Offer the web socket protocols `bearer` and the token, in this order, and the protocol that is spoken behind them.",
            ),
            Reason::RepeatedCookie => (
                Request,
                "Delete the cookies of this name: two pages, perhaps of a sibling domain, have set one each. The prefix `__Host-` prevents it.",
            ),
            Reason::SeveralTokens => (
                Request,
                "Send the token in one place: in the `Authorization` field, or in the cookie, and not in both.",
            ),
            Reason::TokenTooLarge => (
                Token,
                "Ask the provider for a smaller token (fewer groups, roles or claims), or allow larger ones with `max_token_bytes`.",
            ),
            Reason::Malformed => (
                Token,
                "Get a new token, and send it whole: three parts in base64url with two dots between them. A copied token often lacks its end.",
            ),
            Reason::Encrypted => (
                Token,
                "Give the API the private key that the token is encrypted for (`with_decryption_keys`, `decryption_keys`), or ask the provider for signed tokens: encryption is an option of the client or API there.",
            ),
            Reason::NotEncrypted => (
                Token,
                "Ask the provider to encrypt its tokens for this API, or accept plain ones (without `with_required_encryption`, `require_encryption`).",
            ),
            Reason::UnsupportedAlgorithm => (
                Token,
                "Let the provider sign with RS256, ES256 or EdDSA. A token with `none` is not signed at all.",
            ),
            Reason::AlgorithmNotAllowed => (
                Verifier,
                "Let the provider sign with an algorithm that this API allows and has a key for, or allow this one.",
            ),
            Reason::CriticalHeader => {
                (Token, "Ask the issuer for tokens without `crit` and `b64` in their header.")
            }
            Reason::UnknownKey => (
                Verifier,
                "Point the API to the key set of the provider that signed the token; a token of another environment is signed with other keys.",
            ),
            Reason::InvalidSignature => (
                Token,
                "Get a new token: this one was changed after it was signed, or another key signed it.",
            ),
            Reason::WrongTokenType => {
                (Token, "Send the access token: this is another one, often the ID token.")
            }
            Reason::BoundToken => (
                Token,
                "Send the token with its proof (DPoP or the client certificate) to an API that checks it, or ask the provider for a bearer token.",
            ),
            Reason::WrongBinding => (
                Request,
                "Send the proof, or use the certificate, of the key that the token was issued for.",
            ),
            Reason::UnboundToken => (
                Token,
                "Get a token that is bound to a key: send a DPoP proof with the token request, or use a client certificate.",
            ),
            Reason::DowngradedToken => (
                Token,
                "Get a token that is bound to a key, as before. If this was not you, your sign-in was stolen: sign out everywhere.",
            ),
            Reason::MissingProof => {
                (Request, "Send a DPoP proof in the field `DPoP`, made for this request.")
            }
            Reason::InvalidProof => (
                Request,
                "Make the proof as RFC 9449 §4.2 says: the log of this API names the rule that it breaks.",
            ),
            Reason::ProofForOtherRequest => (
                Request,
                "Make a proof for this method and this URI. If they are right, tell this API its public URL.",
            ),
            Reason::StaleProof => (
                Request,
                "Make a new proof for each request. If it was made just now, a clock is wrong: that of the client or that of the API.",
            ),
            Reason::ReplayedProof => {
                (Request, "Make a new proof for each request, with a `jti` of its own.")
            }
            Reason::NonceNeeded => (
                Request,
                "Make a new proof with the nonce of the field `DPoP-Nonce` of this answer.",
            ),
            Reason::MissingClaim => (Token, "Let the provider add the claim to its access tokens."),
            Reason::InvalidClaim => {
                (Token, "Let the provider write the claim in the form that RFC 7519 asks for.")
            }
            Reason::Expired => (Token, "Get a new token: refresh, or sign in again."),
            Reason::TooOld => (
                Token,
                "Get a new token: this API accepts tokens for a limited time after their issue.",
            ),
            Reason::NotYetValid => (
                Token,
                "Wait until the token is valid. If it was issued just now, a clock is wrong: that of the provider or that of the API.",
            ),
            Reason::WrongIssuer => (
                Verifier,
                "Send a token of the issuer that this API expects, or configure this issuer.",
            ),
            Reason::WrongAudience => (
                Token,
                "Ask the provider for a token for this API: name it as `audience` or `resource`, or request one of its scopes.",
            ),
            Reason::NotTrusted => (
                Verifier,
                "Send a token of a client or workload that this API trusts, or add this one to the allowed parties or trust policies.",
            ),
            Reason::Revoked => {
                (Token, "Sign in again: the token, its session or its user was signed out.")
            }
            Reason::Inactive => {
                (Server, "Activate the user in the application: the token itself is good.")
            }
            Reason::InsufficientAuthentication => (
                Token,
                "Sign in again, in the stronger or more recent way that the answer names (`acr_values`, `max_age`).",
            ),
            Reason::InsufficientScope => {
                (Token, "Ask the provider for a token with the scopes that the answer names.")
            }
            Reason::Forbidden => {
                (Token, "Give the user the role that this route needs, and get a new token.")
            }
            Reason::CrossSite => (
                Request,
                "Send the request from a page of the API's own origin, add the page's origin to those that are allowed, or send the token in the `Authorization` field.",
            ),
            Reason::MissingCsrfToken => (
                Request,
                "Send the value of the CSRF cookie in the CSRF field too; current browsers do not need it.",
            ),
            Reason::ForeignOrigin => (
                Request,
                "Send the request from a page of an origin that is allowed, or from a program, or add the origin to those that are allowed.",
            ),
            Reason::ForeignHost => (
                Request,
                "Send the request to the host of the resource, let the proxy pass the host on, or add the host to those that are allowed.",
            ),
            Reason::ForeignSession => (
                Request,
                "Begin a new session with this token: a session belongs to the user and client that have begun it.",
            ),
            Reason::ClaimsMismatch => (
                Verifier,
                "Let the claims type of the application fit the tokens (an `Option` for a claim that may be absent), or let the provider add the claim.",
            ),
            Reason::KeysUnavailable => (
                Server,
                "Try again later. The operator sees in the log why the keys cannot be fetched.",
            ),
            Reason::RevocationsUnavailable => (
                Server,
                "Try again later. The operator sees in the log why the revocations are not known.",
            ),
            Reason::ActiveCheckFailed => (
                Server,
                "Try again later. The operator sees in the log why the active check failed.",
            ),
            Reason::AuthenticatorFailed => (
                Server,
                "Try again later. The operator sees in the log why the authenticator failed.",
            ),
            Reason::ReplaysUnavailable => (
                Server,
                "Try again later. The operator sees in the log why the store of used proofs does not answer.",
            ),
            Reason::LayerMissing => (
                Server,
                "Put a `BearerLayer` around the route: the guard is there, and the layer is not.",
            ),
            Reason::ClaimsTypeMissing => (
                Server,
                "Use one claims type `C` in `BearerLayer<C>` and in the extractor `Claims<C>`.",
            ),
            Reason::MisusedPolicy => (
                Server,
                "Use the policy where it can decide: the log of this API says what it lacks. A policy that reads the request cannot be explained without one.",
            ),
        };
        Self::new(side, sentence)
    }
}

impl Change {
    /// Says which issuers are configured.
    pub(in crate::verify) fn towards_issuer(self, names: &[String]) -> Self {
        let Some(first) = names.first() else { return self };
        let list = names.join("`, `");
        let sentence = format!(
            "This API expects `{list}`: send a token of one of these issuers, or configure the other one. They are \
             compared to the letter, a final slash included."
        );
        Self::new(self.side(), sentence).with([Edit::set("iss", first.as_str())])
    }

    /// Says which grants are missing. `places` are the claims of roles and of scopes.
    pub(in crate::verify) fn granting(
        self,
        policy: &PolicyDescription,
        error: &AuthError,
        (roles_at, scopes_at): (Option<&str>, Option<&str>),
        now: NumericDate,
    ) -> Self {
        let (mut roles, mut scopes) = (Vec::new(), Vec::new());
        collect(policy, &mut roles, &mut scopes);
        let mut edits = Vec::new();
        if let (Some(place), false) = (roles_at, roles.is_empty()) {
            edits.push(Edit::Grant { place: place.to_owned(), values: roles, is_text: false });
        }
        if let (Some(place), false) = (scopes_at, scopes.is_empty()) {
            edits.push(Edit::Grant { place: place.to_owned(), values: scopes, is_text: true });
        }
        if let Some(remedy) = error.remedy() {
            edits.extend(remedy.acr_values().first().map(|acr| Edit::set("acr", acr.as_str())));
            edits.extend(remedy.max_age().map(|_| Edit::set("auth_time", now.as_seconds())));
        }
        let sentence = match error.reason() {
            Reason::InsufficientScope => {
                let scopes = error.needed_scopes().unwrap_or_default();
                format!(
                    "Ask the provider for a token with the scope `{scopes}` ({policy} is needed)."
                )
            }
            Reason::InsufficientAuthentication => self.sentence().to_owned(),
            _ => format!("The request needs {policy}: give it to the user, and get a new token."),
        };
        Self::new(self.side(), sentence).with(edits)
    }
}

/// Collects grants with which a policy allows a request: all of a list, or the first of several choices.
fn collect(policy: &PolicyDescription, roles: &mut Vec<String>, scopes: &mut Vec<String>) {
    match policy {
        PolicyDescription::Role(name) => roles.push(name.clone()),
        PolicyDescription::Scope(names) => {
            scopes.extend(names.split(' ').filter(|name| !name.is_empty()).map(str::to_owned));
        }
        PolicyDescription::AllOf(parts) => {
            for part in parts {
                collect(part, roles, scopes);
            }
        }
        PolicyDescription::AnyOf(parts) => {
            for part in parts.iter().take(1) {
                collect(part, roles, scopes);
            }
        }
        // No role or scope: the remedy says what it can, and the sentence describes the rest.
        PolicyDescription::Bound(_)
        | PolicyDescription::Acr(_)
        | PolicyDescription::SignedInWithin(_)
        | PolicyDescription::Amr { .. }
        | PolicyDescription::AuthorizationDetails(_)
        | PolicyDescription::NoDelegation
        | PolicyDescription::ActingForUser
        | PolicyDescription::Actor(_)
        | PolicyDescription::Equals { .. }
        | PolicyDescription::Custom(_) => {}
    }
}

impl Facts<'_> {
    /// Returns the change with which this token would pass the check.
    pub(in crate::verify) fn change(&self, step: Step, error: &AuthError) -> Change {
        let general = Change::of_reason(error.reason());
        match error.reason() {
            Reason::TokenTooLarge => general.with(self.smaller()),
            // The parts that can be read, signed again in the right form.
            Reason::Malformed => match (step, self.some_key()) {
                // One of them may have the wrong type.
                (Step::Header, Some(key)) => general
                    .with(["typ", "cty", "kid"].map(|name| Edit::RemoveHeader(name.into())))
                    .with([key]),
                (Step::Form | Step::Payload, Some(key)) => general.with([key]),
                _ => general,
            },
            Reason::Encrypted | Reason::InvalidSignature => general.with(self.some_key()),
            Reason::UnsupportedAlgorithm | Reason::AlgorithmNotAllowed => self.other_key(general),
            Reason::UnknownKey => self.other_key(self.about_key()),
            Reason::CriticalHeader => {
                general.with(["crit", "b64"].map(|name| Edit::RemoveHeader(name.into())))
            }
            Reason::WrongTokenType if step == Step::HeaderType => self.header_type(general),
            Reason::WrongTokenType => self.kind(general),
            Reason::BoundToken => general.with([Edit::RemoveClaim("cnf".to_owned())]),
            Reason::MissingClaim | Reason::InvalidClaim => self.claim(error, general),
            Reason::Expired => general.with([Edit::set("exp", self.later())]),
            Reason::TooOld => general.with([Edit::set("iat", self.now.as_seconds())]),
            Reason::NotYetValid => self.started(general),
            Reason::WrongIssuer if error.claim() == Some("sub") => {
                general.with(self.rules.some_workload().map(|subject| Edit::set("sub", subject)))
            }
            Reason::WrongIssuer => self.issuer(),
            Reason::WrongAudience => self.audience(),
            Reason::NotTrusted => self.trusted(error, general),
            Reason::Revoked => self.new_token(general),
            Reason::InsufficientAuthentication | Reason::InsufficientScope | Reason::Forbidden => {
                general
            }
            // The token itself is good, or the fault lies in the request. To encrypt it is no change of its claims.
            Reason::NotEncrypted
            | Reason::Inactive
            | Reason::ClaimsMismatch
            | Reason::MissingToken
            | Reason::MalformedAuthorization
            | Reason::RepeatedAuthorization
            | Reason::MalformedSubprotocol
            | Reason::RepeatedCookie
            | Reason::SeveralTokens
            | Reason::CrossSite
            | Reason::MissingCsrfToken
            | Reason::ForeignOrigin
            | Reason::ForeignHost
            | Reason::ForeignSession
            | Reason::WrongBinding
            | Reason::UnboundToken
            | Reason::DowngradedToken
            | Reason::MissingProof
            | Reason::InvalidProof
            | Reason::ProofForOtherRequest
            | Reason::StaleProof
            | Reason::ReplayedProof
            | Reason::NonceNeeded
            | Reason::ReplaysUnavailable
            | Reason::KeysUnavailable
            | Reason::RevocationsUnavailable
            | Reason::ActiveCheckFailed
            | Reason::AuthenticatorFailed
            | Reason::LayerMissing
            | Reason::ClaimsTypeMissing
            | Reason::MisusedPolicy => general,
        }
    }

    /// Removes the largest claims that no check needs, until the token is short enough.
    fn smaller(&self) -> Vec<Edit> {
        let claims = serde_json::from_str::<Map<String, Value>>(self.payload).unwrap_or_default();
        let needed = ["iss", "aud", "exp", "iat", "nbf", "sub", "jti", "sid", "client_id", "azp"];
        let mut sizes: Vec<_> = claims
            .iter()
            .filter(|(name, _)| !needed.contains(&name.as_str()))
            .map(|(name, value)| (value.to_string().len() + name.len() + 4, name))
            .collect();
        sizes.sort_unstable();
        let mut excess = self.token_bytes.saturating_sub(self.max_token_bytes);
        let mut edits = Vec::new();
        while let Some((size, name)) = sizes.pop()
            && excess > 0
        {
            // Base64url writes three bytes as four characters.
            excess = excess.saturating_sub(size * 4 / 3);
            edits.push(Edit::RemoveClaim(name.clone()));
        }
        edits
    }

    /// Returns a key of the verifier to sign with: one for the algorithm of the token, if there is one.
    fn some_key(&self) -> Option<Edit> {
        let preferred = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
        let wanted = self.header.map(Header::algorithm);
        wanted.into_iter().chain(preferred).chain(Algorithm::ALL).find_map(|algorithm| {
            let header = Header::parse(format!(r#"{{"alg":"{algorithm}"}}"#).as_bytes()).ok()?;
            self.rules.check_algorithm(&header).ok()?;
            match self.keys.lookup(&header) {
                Lookup::Found(keys) => {
                    let key_id = keys.keys().first()?.key_id().map(str::to_owned);
                    Some(Edit::SignWith { algorithm, key_id })
                }
                _ => None,
            }
        })
    }

    fn other_key(&self, change: Change) -> Change {
        match self.some_key() {
            Some(Edit::SignWith { algorithm, key_id }) => {
                let name =
                    key_id.as_deref().map(|id| format!(" `{}`", shown(id))).unwrap_or_default();
                let sentence = format!("{change} It has a key{name} for {algorithm}.");
                let edit = Edit::SignWith { algorithm, key_id };
                Change::new(change.side(), sentence).with([edit])
            }
            _ => change,
        }
    }

    /// Says more about an unknown key: a token of another issuer has one.
    fn about_key(&self) -> Change {
        let general = Change::of_reason(Reason::UnknownKey);
        let is_own = |issuer: &str| match self.rules.template() {
            Some(template) => template.tenant_in(issuer).is_some(),
            None => issuer == self.rules.issuer(),
        };
        match self.parsed.registered.issuer() {
            Some(issuer) if !is_own(issuer) => {
                let sentence = format!(
                    "The token says that it is from `{}`, and these are the keys of `{}`: send a token of that issuer, \
                     or configure the other one with its keys.",
                    shown(issuer),
                    self.rules.issuer()
                );
                Change::new(general.side(), sentence)
            }
            _ => general,
        }
    }

    fn header_type(&self, general: Change) -> Change {
        let edits = [
            Edit::SetHeader { name: "typ".into(), value: "at+jwt".into() },
            Edit::RemoveHeader("cty".into()),
        ];
        if self.rules.needs_at_jwt()
            && self.header.is_some_and(|header| {
                header.token_type().is_none_or(|typ| typ.eq_ignore_ascii_case("jwt"))
            })
        {
            let sentence = "Let the provider write `at+jwt` into `typ` of the header (RFC 9068 §2.1), or leave out \
                            `token_type = \"at+jwt\"` if its access tokens say `JWT`.";
            return Change::new(ChangeSide::Verifier, sentence).with(edits);
        }
        general.with(edits)
    }

    fn kind(&self, general: Change) -> Change {
        let changes = self.rules.kind_changes(self.parsed);
        let removed = changes.removed.into_iter().map(|name| Edit::RemoveClaim(name.to_owned()));
        let set = changes.set.into_iter().map(|(name, value)| Edit::set(name, value));
        general.with(removed.chain(set))
    }

    fn claim(&self, error: &AuthError, general: Change) -> Change {
        let Some(claim) = error.claim() else { return general };
        let value: Value = match claim {
            "iss" => self.expected_issuer().into(),
            "tid" => self.tenant_of_issuer().unwrap_or("…").into(),
            "aud" | "client_id" if self.rules.has_client_id_as_audience() || claim == "aud" => {
                self.rules.parties().1.into()
            }
            "azp" if self.rules.first_party().is_some() => {
                self.rules.first_party().unwrap_or_default().into()
            }
            "sub" => self.rules.some_workload().unwrap_or_else(|| "…".to_owned()).into(),
            "exp" => self.later().into(),
            "iat" | "nbf" | "auth_time" => self.now.as_seconds().into(),
            "cnf" => return general.with([Edit::RemoveClaim("cnf".to_owned())]),
            _ => "…".into(),
        };
        let verb = if error.reason() == Reason::MissingClaim { "add" } else { "mend" };
        let sentence = match claim {
            "aud" => format!(
                "Ask the provider for a token for this API: `aud` has to be `{}`.",
                self.rules.parties().1
            ),
            "exp" => {
                "Let the provider limit the life of its tokens with `exp`, in seconds since 1970."
                    .to_owned()
            }
            "iat" => {
                "Let the provider say in `iat` when it issued the token, in seconds since 1970."
                    .to_owned()
            }
            _ => format!("Let the provider {verb} the claim `{claim}` of its access tokens."),
        };
        Change::new(general.side(), sentence).with([Edit::set(claim, value)])
    }

    fn trusted(&self, error: &AuthError, general: Change) -> Change {
        if error.claim() == Some("azp") {
            return general.with(self.rules.first_party().map(|party| Edit::set("azp", party)));
        }
        let untrusted = self.rules.untrusted(self.parsed);
        general.with(untrusted.filter_map(|(place, value)| Some(Edit::set(place.claim()?, value))))
    }

    fn started(&self, general: Change) -> Change {
        let claims = &self.parsed.registered;
        let late = [("nbf", claims.not_before()), ("iat", claims.issued_at())];
        let late = late.into_iter().filter(|(_, date)| date.is_some_and(|date| date > self.now));
        general.with(late.map(|(name, _)| Edit::set(name, self.now.as_seconds())))
    }

    /// Returns an issuer that is accepted.
    fn expected_issuer(&self) -> String {
        match self.rules.template() {
            Some(template) => template.issuer_of(&self.expected_tenant()),
            None => self.rules.issuer().to_owned(),
        }
    }

    /// Returns a tenant that is accepted as far as is known: one that is configured, or else that of the token.
    fn expected_tenant(&self) -> String {
        let own = || self.tenant_of_issuer();
        self.rules.first_tenant().or_else(own).unwrap_or("tenant").to_owned()
    }

    /// Returns the tenant in the `iss` of the token, if it fits the template.
    fn tenant_of_issuer(&self) -> Option<&str> {
        self.rules.template()?.tenant_in(self.parsed.registered.issuer()?)
    }

    /// Returns what to do about a token of another tenant, or with another issuer than its tenant's.
    fn tenant(&self, template: &str) -> Change {
        let sent = self.parsed.registered.issuer().unwrap_or_default();
        let sentence = format!(
            "The issuer is `{}`, and this API expects `{template}` with the `tid` of the token in it, of a tenant that \
             is allowed, and signed with a key for this issuer: send a token of such a tenant, or allow the other one \
             (`with_tenants`, `tenants`).",
            shown(sent)
        );
        Change::new(ChangeSide::Token, sentence).with([
            Edit::set("iss", self.expected_issuer()),
            Edit::set("tid", self.expected_tenant()),
        ])
    }

    fn issuer(&self) -> Change {
        if let Some(template) = self.rules.template() {
            return self.tenant(template.as_str());
        }
        let expected = self.rules.issuer();
        let sent = self.parsed.registered.issuer().unwrap_or_default();
        let sentence = format!(
            "The issuer is `{}`, and this API expects `{expected}`: send a token of that issuer, or configure the \
             other one. Both are compared to the letter, a final slash included.",
            shown(sent)
        );
        Change::new(ChangeSide::Token, sentence).with([Edit::set("iss", expected)])
    }

    fn audience(&self) -> Change {
        let expected = self.rules.parties().1;
        let names = self.rules.audiences().join("` or `");
        let claims = &self.parsed.registered;
        let sent: Vec<&str> =
            claims.audience().map(|audience| audience.iter().collect()).unwrap_or_default();
        let from_client = self.rules.has_client_id_as_audience() && sent.is_empty();
        let (claim, sent) = if from_client {
            ("client_id", claims.client_id_itself().unwrap_or_default().to_owned())
        } else if sent.is_empty() {
            ("aud", "empty".to_owned())
        } else {
            ("aud", sent.join("`, `"))
        };
        if self.rules.audiences().is_empty() {
            let sentence = format!(
                "The audience is `{}`, and this API accepts tokens without one (`for_parties`): ask the provider to leave \
                 `aud` out, or add the audience to the configuration.",
                shown(&sent)
            );
            let edit = Edit::RemoveClaim("aud".to_owned());
            return Change::new(ChangeSide::Token, sentence).with([edit]);
        }
        let sentence = format!(
            "The audience is `{}`, and this API expects `{names}`: ask the provider for that audience, or, if the \
             token is meant for this API, configure the other one.",
            shown(&sent)
        );
        Change::new(ChangeSide::Token, sentence).with([Edit::set(claim, expected)])
    }

    fn new_token(&self, general: Change) -> Change {
        let claims = &self.parsed.registered;
        let mut edits =
            vec![Edit::set("iat", self.now.as_seconds()), Edit::set("exp", self.later())];
        for (name, is_there) in
            [("jti", claims.token_id().is_some()), ("sid", claims.session_id().is_some())]
        {
            if is_there {
                edits.push(Edit::set(name, format!("new-{}", self.now.as_seconds())));
            }
        }
        general.with(edits)
    }

    /// Returns the end of a new token, in seconds since 1970.
    fn later(&self) -> i64 {
        self.now.as_seconds().saturating_add(LIFETIME)
    }
}

/// A usual lifetime of access tokens, in seconds.
const LIFETIME: i64 = 15 * 60;
