use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tower_bearer::explain::{Change, UnverifiedToken};

use super::args::MintArgs;
use crate::dates;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;

/// Header and claims of a token that is being made.
pub(super) struct Parts {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
}

impl Parts {
    /// Returns those of a good access token (RFC 9068) that is issued now.
    pub(super) fn new(args: &MintArgs, now: i64) -> Result<Self, Failure> {
        let mut claims = Map::new();
        // A provider has its own.
        if args.provider.is_none() {
            claims.insert("sub".to_owned(), "test-user".into());
        }
        claims.insert("iat".to_owned(), now.into());
        claims.insert("nbf".to_owned(), now.into());
        let ends = now.saturating_add(args.lifetime.unwrap_or(USUAL_LIFETIME));
        claims.insert("exp".to_owned(), ends.into());
        claims.insert("jti".to_owned(), random_text(16)?.into());
        let mut header = Map::new();
        header.insert("typ".to_owned(), "at+jwt".into());
        Ok(Self { header, claims })
    }

    /// Returns those of another token. Its dates are moved to `now`, if that is given. A token that is
    /// edited may have a header that cannot be read.
    pub(super) fn like(
        token: &str,
        now: Option<i64>,
        lifetime: Option<i64>,
        is_edited: bool,
        output: &Output,
    ) -> Result<Self, Failure> {
        let token = UnverifiedToken::parse(input::bare(token));
        let is_encrypted = token.is_encrypted();
        let mut header = match token.header().and_then(object) {
            Some(header) => header,
            None if is_edited => {
                output.note(
                    "the header of --like cannot be read, so the new token begins without it",
                );
                Map::new()
            }
            None => {
                return Err(Failure::new("the header of the token of --like cannot be read")
                    .with_hint(
                        "it must be a signed token in three parts; make one with --issuer and --audience instead",
                    ));
            }
        };
        let claims = token.claims().and_then(object);
        if is_encrypted {
            output.note("the token of --like is encrypted, so the new one begins without claims");
        } else if claims.is_none() {
            output
                .note("the claims of --like cannot be read, so the new token begins without them");
        }
        if is_encrypted {
            header.retain(|name, _| !["alg", "enc", "zip", "cty", "kid"].contains(&name.as_str()));
        }
        let mut parts = Self { header, claims: claims.unwrap_or_default() };
        let end = now.unwrap_or_else(dates::now).saturating_add(lifetime.unwrap_or(USUAL_LIFETIME));
        match now {
            Some(now) => parts.refresh(now, lifetime),
            None if lifetime.is_some() => drop(parts.claims.insert("exp".to_owned(), end.into())),
            None => {}
        }
        Ok(parts)
    }

    /// Moves the dates of the token so that it is issued now, and lasts as long as before.
    fn refresh(&mut self, now: i64, lifetime: Option<i64>) {
        let date = |name| self.claims.get(name).and_then(Value::as_number).and_then(dates::seconds);
        let (issued, ends) = (date("iat").or(date("nbf")), date("exp"));
        let lasted = issued.zip(ends).map(|(issued, ends)| ends.saturating_sub(issued));
        let lasts = lifetime.or(lasted.filter(|lasted| *lasted > 0)).unwrap_or(USUAL_LIFETIME);
        if let Some((signed_in, issued)) = date("auth_time").zip(issued) {
            let moved = now.saturating_sub(issued.saturating_sub(signed_in));
            self.claims.insert("auth_time".to_owned(), moved.into());
        }
        for name in ["iat", "nbf"] {
            if let Some(value) = self.claims.get_mut(name) {
                *value = now.into();
            }
        }
        self.claims.insert("exp".to_owned(), now.saturating_add(lasts).into());
    }

    /// Sets what the arguments say.
    pub(super) fn set(&mut self, args: &MintArgs) -> Result<(), Failure> {
        let claims = &mut self.claims;
        let mut text = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value.as_str().into());
            }
        };
        text("iss", &args.issuer);
        text("sub", &args.subject);
        text("client_id", &args.client_id);
        match &args.audiences[..] {
            [] => {}
            [audience] => drop(claims.insert("aud".to_owned(), audience.as_str().into())),
            several => drop(claims.insert("aud".to_owned(), several.into())),
        }
        if !args.roles.is_empty() {
            claims.insert("roles".to_owned(), json!(args.roles));
        }
        if !args.scopes.is_empty() {
            claims.insert("scope".to_owned(), args.scopes.join(" ").into());
        }
        for (name, value) in args.text_claims.iter().chain(&args.claims) {
            claims.insert(name.clone(), value.clone());
        }
        for name in &args.without {
            // A provider adds claims of its own.
            if claims.remove(name).is_none() && args.provider.is_none() {
                return Err(Failure::new(format_args!(
                    "the token has no claim `{name}` to leave out"
                )));
            }
        }
        for (name, value) in &args.headers {
            self.header.insert(name.clone(), value.clone());
        }
        args.without_header.iter().for_each(|name| drop(self.header.remove(name)));
        Ok(())
    }

    /// Returns those that a token says. `None` if they cannot be read.
    pub(super) fn of(token: &str) -> Option<Self> {
        let token = UnverifiedToken::parse(token);
        let (header, claims) = (object(token.header()?)?, object(token.claims()?)?);
        Some(Self { header, claims })
    }

    /// Makes a change that `bearer explain` proposes.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), Failure> {
        let text = |members: &Map<String, Value>| Value::Object(members.clone()).to_string();
        let (header, claims) = change.apply(&text(&self.header), &text(&self.claims));
        self.header = serde_json::from_str(&header).map_err(Failure::new)?;
        self.claims = serde_json::from_str(&claims).map_err(Failure::new)?;
        Ok(())
    }

    /// Returns header and claims as they are signed.
    pub(super) fn signing_input(&self) -> String {
        format!("{}.{}", encoded(&self.header), encoded(&self.claims))
    }

    pub(super) fn set_header(&mut self, name: &str, value: impl Into<Value>) {
        self.header.insert(name.to_owned(), value.into());
    }

    pub(super) fn set_claim(&mut self, name: &str, value: impl Into<Value>) {
        self.claims.insert(name.to_owned(), value.into());
    }
}

pub(super) fn encoded(members: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(members.clone()).to_string())
}

/// Returns random bytes in base64url.
pub(super) fn random_text(bytes: usize) -> Result<String, Failure> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::new(format_args!("there is no randomness: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

const USUAL_LIFETIME: i64 = 15 * 60;
