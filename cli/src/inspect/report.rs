use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;
use tower_bearer::Validation;
use tower_bearer::explain::UnverifiedToken;
use tower_bearer::validation::Preset;
use zeroize::Zeroizing;

use super::parts::{Members, Names, Times};
use super::unusual::unusual;
use crate::dates;
use crate::names;

/// The content of a token. Nothing of it was verified.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    verified: bool,
    pub(super) form: Form,
    pub(super) bytes: usize,
    pub(super) header: Option<Members>,
    pub(super) claims: Option<Members>,
    pub(super) explained: Vec<Member>,
    pub(super) times: Times,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) unusual: Vec<String>,
    /// The public parts of an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key: Option<ApiKeyParts>,
    /// Why the token cannot be read.
    pub(super) problem: Option<String>,
    /// The content of an encrypted token that is no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// The content of an encrypted token, if it was decrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decrypted: Option<Box<Report>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// Signed: three parts.
    Jws,
    /// Encrypted: five parts.
    Jwe,
    /// The claims alone, as they may stand inside of an encrypted token.
    Claims,
    /// Text that is no token, as it may stand inside of an encrypted token.
    Text,
    /// An API key of this crate's form.
    ApiKey,
    Unreadable,
}

/// The parts of an API key that are no secret.
#[derive(Debug, Serialize)]
pub(super) struct ApiKeyParts {
    pub(super) prefix: String,
    pub(super) id: String,
}

impl ApiKeyParts {
    #[cfg(feature = "all")]
    fn of(token: &str) -> Option<Self> {
        let key = tower_bearer::api_key::ApiKey::parse(token).ok()?;
        Some(Self { prefix: key.prefix().to_owned(), id: key.id().to_owned() })
    }

    #[cfg(not(feature = "all"))]
    fn of(_: &str) -> Option<Self> {
        None
    }
}

/// A member of the header or of the claims, with its meaning.
#[derive(Debug, Serialize)]
pub(super) struct Member {
    pub(super) part: &'static str,
    pub(super) name: String,
    pub(super) meaning: Option<&'static str>,
    pub(super) note: Option<String>,
}

impl Report {
    pub(crate) fn new(
        token: &str,
        preset: Option<Preset>,
        audience: Option<&str>,
        now: i64,
    ) -> Self {
        let parts = UnverifiedToken::parse(token);
        let header = parts.header().and_then(object);
        let claims = parts.claims().and_then(object);
        let api_key = ApiKeyParts::of(token);
        let form = match (&header, &claims) {
            _ if api_key.is_some() => Form::ApiKey,
            (Some(_), _) if parts.is_encrypted() => Form::Jwe,
            (Some(_), Some(_)) => Form::Jws,
            _ => Form::Unreadable,
        };
        let problem = (form == Form::Unreadable).then(|| problem(token, &parts));
        let grants = grants(&parts, preset, audience);
        let mut report =
            Self { api_key, problem, ..Self::of(token, form, (header, claims), grants, now) };
        for (part, text) in [("header", parts.header()), ("claims", parts.claims())] {
            for name in Names::repeated(text.unwrap_or_default()) {
                report.unusual.push(format!(
                    "`{name}` stands more than once in the {part}: verifiers refuse it, and this shows the last."
                ));
            }
        }
        report
    }

    /// Adds the content of an encrypted token: a signed token, or the claims alone.
    pub(super) fn with_content(
        mut self,
        content: &str,
        preset: Option<Preset>,
        audience: Option<&str>,
        now: i64,
    ) -> Self {
        let report = match object(content) {
            None => match Self::new(content, preset, audience, now) {
                report if report.is_readable() => report,
                // Whatever was encrypted: it need not be a token.
                report => {
                    let text = Some(content.to_owned());
                    Self { form: Form::Text, problem: None, text, ..report }
                }
            },
            Some(claims) => {
                // The library reads the grants in the payload of a token.
                let token = Zeroizing::new(format!("e30.{}.", URL_SAFE_NO_PAD.encode(content)));
                let parts = UnverifiedToken::parse(&token);
                let grants = grants(&parts, preset, audience);
                Self::of(content, Form::Claims, (None, Some(claims)), grants, now)
            }
        };
        self.decrypted = Some(Box::new(report));
        self
    }

    fn of(
        token: &str,
        form: Form,
        (header, claims): (Option<Members>, Option<Members>),
        (roles, scopes): (Vec<String>, Vec<String>),
        now: i64,
    ) -> Self {
        let date = |name: &str| match claims.as_ref()?.get(name)? {
            Value::Number(number) => dates::seconds(number),
            _ => None,
        };
        let times =
            Times { issued_at: date("iat"), not_before: date("nbf"), expires_at: date("exp"), now };
        let mut explained = Vec::new();
        for (name, value) in header.iter().flatten() {
            let meaning = match &**name {
                "alg" if form == Form::Jwe => Some(names::KEY_MANAGEMENT),
                _ => names::parameter(name),
            };
            let note = algorithm_note(name, value);
            explained.push(Member { part: "header", name: name.clone(), meaning, note });
        }
        for (name, value) in claims.iter().flatten() {
            let meaning = names::claim(name);
            let note = date_note(name, value, now);
            explained.push(Member { part: "claims", name: name.clone(), meaning, note });
        }
        let unusual = unusual(token, header.as_ref(), claims.as_ref(), times);
        let bytes = token.len();
        Self {
            verified: false,
            form,
            bytes,
            header,
            claims,
            explained,
            times,
            roles,
            scopes,
            unusual,
            api_key: None,
            problem: None,
            text: None,
            decrypted: None,
        }
    }

    pub(crate) fn is_readable(&self) -> bool {
        let is_readable = |content: &Self| content.is_readable();
        self.form != Form::Unreadable && self.decrypted.as_deref().is_none_or(is_readable)
    }
}

fn object(text: &str) -> Option<Members> {
    serde_json::from_str(text).ok()
}

/// Returns roles and scopes by the rules of the preset, or by the usual ones.
fn grants(
    parts: &UnverifiedToken,
    preset: Option<Preset>,
    audience: Option<&str>,
) -> (Vec<String>, Vec<String>) {
    // Roles depend on the audience only with Keycloak.
    let audience = audience.filter(|audience| !audience.is_empty()).unwrap_or("unknown");
    let validation = Validation::new("unknown", audience);
    let validation = match preset {
        Some(preset) => validation.with_preset(preset),
        None => validation,
    };
    parts.grants(validation).unwrap_or_default()
}

fn date_note(name: &str, value: &Value, now: i64) -> Option<String> {
    let Value::Number(number) = value else { return None };
    if !names::is_date(name) {
        return None;
    }
    let Some(date) = dates::seconds(number) else {
        return Some("beyond every calendar".to_owned());
    };
    let (absolute, relative) = (dates::absolute(date), dates::relative(date, now));
    Some(match name {
        "exp" if date <= now => format!("{absolute}: expired {relative}"),
        "exp" => format!("{absolute}: expires {relative}"),
        _ => format!("{absolute}: {relative}"),
    })
}

fn algorithm_note(name: &str, value: &Value) -> Option<String> {
    if name != "alg" {
        return None;
    }
    let name = value.as_str()?;
    Some(match name {
        "none" => "not signed at all".to_owned(),
        "HS256" | "HS384" | "HS512" => "HMAC, with a secret that issuer and API share".to_owned(),
        "RS256" | "RS384" | "RS512" => "RSA (PKCS #1 v1.5)".to_owned(),
        "PS256" | "PS384" | "PS512" => "RSA (PSS)".to_owned(),
        "ES256" | "ES384" | "ES512" => "ECDSA".to_owned(),
        "EdDSA" | "Ed25519" => "Ed25519".to_owned(),
        _ => return None,
    })
}

/// Says why a token cannot be read.
fn problem(token: &str, parts: &UnverifiedToken) -> String {
    let dots = token.matches('.').count();
    if dots == 0 {
        return "it has no dots, so it is no JWT: an opaque token has nothing inside to show, and its issuer says what it \
                means (introspection, RFC 7662)"
            .to_owned();
    }
    if token.contains(char::is_whitespace) {
        return "it has white space inside: several lines, or several tokens, were copied"
            .to_owned();
    }
    if dots != 2 && dots != 4 {
        return format!("it has {} parts, and a signed token has three", dots + 1);
    }
    let is_json = |text: Option<&str>| text.and_then(object).is_some();
    match (parts.header(), parts.claims()) {
        (None, _) => "its header is not base64url of text".to_owned(),
        (Some(_), _) if !is_json(parts.header()) => "its header is not a JSON object".to_owned(),
        (Some(_), None) => "its payload is not base64url of text".to_owned(),
        (Some(_), Some(_)) => "its payload is not a JSON object".to_owned(),
    }
}
