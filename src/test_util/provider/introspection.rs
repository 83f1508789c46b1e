//! Answers questions about opaque tokens (RFC 7662, RFC 9701).

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::super::{TestKey, TestToken};

/// The opaque tokens of a provider, and the client that may ask about them.
pub(super) struct OpaqueTokens {
    /// The id and the secret of the client. `None` without introspection.
    pub(super) client: Option<(String, String)>,
    active: HashMap<String, Map<String, Value>>,
    made: usize,
}

impl OpaqueTokens {
    pub(super) fn new(client: Option<(String, String)>) -> Self {
        Self { client, active: HashMap::new(), made: 0 }
    }

    /// Makes a token that stands for these claims.
    pub(super) fn issue(&mut self, token: &TestToken) -> String {
        self.made += 1;
        let opaque = format!("opaque-token-{}", self.made);
        self.active.insert(opaque.clone(), token.claims().clone());
        opaque
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.active.remove(token);
    }

    /// Answers a question: the media type of the answer, and the answer. An error is the status of a refusal.
    pub(super) fn answer(
        &self,
        issuer: &str,
        key: &TestKey,
        headers: &HeaderMap,
        form: &[u8],
    ) -> Result<(&'static str, String), StatusCode> {
        let form: HashMap<_, _> = form_urlencoded::parse(form).into_owned().collect();
        let (id, secret) = self.client.as_ref().ok_or(StatusCode::NOT_FOUND)?;
        let sent = basic(headers)
            .or_else(|| Some((form.get("client_id")?.clone(), form.get("client_secret")?.clone())));
        if sent.is_none_or(|sent| sent != (id.clone(), secret.clone())) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let token = form.get("token").ok_or(StatusCode::BAD_REQUEST)?;
        let answer = match self.active.get(token) {
            Some(claims) => {
                let mut answer = claims.clone();
                answer.entry("token_type").or_insert("Bearer".into());
                answer.insert("active".to_owned(), true.into());
                Value::Object(answer)
            }
            None => json!({ "active": false }),
        };
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        if !accept.is_some_and(|accept| accept.contains(SIGNED)) {
            return Ok(("application/json", answer.to_string()));
        }
        let signed = TestToken::new(issuer, id)
            .without("sub")
            .without("jti")
            .without("nbf")
            .without("exp")
            .header("typ", "token-introspection+jwt")
            .claim("token_introspection", answer);
        Ok((SIGNED, signed.sign(key)))
    }
}

/// Reads id and secret of HTTP Basic (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let field = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let pair = STANDARD.decode(field.strip_prefix("Basic ")?).ok()?;
    let (id, secret) = str::from_utf8(&pair).ok()?.split_once(':')?;
    let decoded = |text: &str| {
        let text = [text, "="].concat();
        form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}

const SIGNED: &str = "application/token-introspection+jwt";
