use crate::challenge::AuthScheme;
use crate::config_error::ConfigError;
use crate::verify::presented::Presented;

/// Names the tokens that an [`Introspection`](super::Introspection) decides about. The verifier of the layer decides about
/// all others.
///
/// A choice looks at the token and never at the network. Tokens of other schemes than `Bearer` and `DPoP` are never
/// introspected.
#[derive(Clone, Debug)]
pub struct OpaqueTokens(Choice);

#[derive(Clone, Debug)]
enum Choice {
    Shape,
    Prefix(Box<str>),
    All,
}

impl OpaqueTokens {
    /// Introspects all tokens that do not have the shape of a JWT: three or five parts with points between them, the
    /// first of them the base64url of a JSON object.
    ///
    /// For servers that issue JWTs for some APIs or clients, and opaque tokens for others.
    pub fn by_shape() -> Self {
        Self(Choice::Shape)
    }

    /// Introspects the tokens that begin with this text, to the letter.
    ///
    /// ```
    /// use tower_bearer::introspection::OpaqueTokens;
    ///
    /// let tokens = OpaqueTokens::by_prefix("gho_")?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Name`] when the prefix is empty, or has a character that no token has (RFC 6750 §2.1).
    pub fn by_prefix(prefix: impl Into<String>) -> Result<Self, ConfigError> {
        let prefix = prefix.into();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let problem = if prefix.is_empty() {
            "is empty, so every token would have it; say that with `OpaqueTokens::all()`"
        } else if !prefix.bytes().all(is_token) {
            "has a character that no token has; tokens have letters, digits and `-._~+/=`"
        } else {
            return Ok(Self(Choice::Prefix(prefix.into())));
        };
        Err(ConfigError::Name { member: "prefix of opaque tokens", name: prefix, problem })
    }

    /// Introspects every token, JWTs too. The verifier of the layer then has nothing to decide;
    /// `Verifier::multi_issuer(&Issuers::new())` is one without keys.
    ///
    /// For APIs that want to hear from the server about each token.
    pub fn all() -> Self {
        Self(Choice::All)
    }

    /// Returns whether a token is one of these.
    pub(super) fn include(&self, presented: Presented<'_>) -> bool {
        let is_usual = [AuthScheme::BEARER, AuthScheme::DPOP].contains(&presented.scheme());
        is_usual
            && match &self.0 {
                Choice::Shape => !is_jwt(presented.token()),
                Choice::Prefix(prefix) => presented.token().starts_with(prefix.as_bytes()),
                Choice::All => true,
            }
    }
}

/// Returns whether a token has the shape of a JWT: of a JWS (RFC 7515 §3.1) or a JWE (RFC 7516 §3.1).
fn is_jwt(token: &[u8]) -> bool {
    // The base64url of `{` is `e` and one of these characters.
    let has_header = matches!(token, [b'e', b'w'..=b'z' | b'0'..=b'9' | b'-' | b'_', ..]);
    has_header && matches!(memchr::memchr_iter(b'.', token).count(), 2 | 4)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn includes(tokens: &OpaqueTokens, token: &str) -> bool {
        tokens.include(Presented::bearer(token.as_bytes()))
    }

    #[test]
    fn tokens_with_the_shape_of_a_jwt_are_not_opaque_however_the_header_is_written() {
        let tokens = OpaqueTokens::by_shape();
        for header in ["{}", "{\"alg\":\"RS256\"}", "{ \"alg\":1}", "{\n}", "{\u{e9}}", "{\u{ff}"] {
            let header = URL_SAFE_NO_PAD.encode(header);
            for rest in ["a.b", ".", "a.", ".b", "a.b.c.d", "..."] {
                assert!(!includes(&tokens, &format!("{header}.{rest}")), "{header}.{rest}");
            }
            for rest in ["", "a", "a.b.c", "a.b.c.d.e"] {
                assert!(includes(&tokens, &format!("{header}.{rest}")), "{header}.{rest}");
            }
        }
    }

    #[test]
    fn other_tokens_are_opaque() {
        let tokens = OpaqueTokens::by_shape();
        for token in
            ["a", "gho_16C7e42F292c6912E7", "ya29.a0.AfH6", "ev.a.b", "e.a.b", "a.b.c", "..", "="]
        {
            assert!(includes(&tokens, token), "{token}");
        }
    }

    #[test]
    fn prefix_is_compared_to_the_letter() {
        let tokens = OpaqueTokens::by_prefix("gho_").unwrap();

        assert!(includes(&tokens, "gho_1") && includes(&tokens, "gho_"));
        assert!(
            !includes(&tokens, "Gho_1") && !includes(&tokens, "gho") && !includes(&tokens, "xgho_")
        );
    }

    #[test]
    fn prefix_that_every_token_or_none_has_is_a_mistake() {
        let problem = |prefix: &str| OpaqueTokens::by_prefix(prefix).unwrap_err().to_string();

        assert!(problem("").contains("OpaqueTokens::all()"));
        for prefix in ["gho ", "gho:", "gh\u{f6}_", "{prefix}"] {
            assert!(problem(prefix).contains("no token has"), "{prefix}");
        }
    }

    #[test]
    fn tokens_of_other_schemes_are_left_alone() {
        let tokens = OpaqueTokens::all();
        let of = |scheme| tokens.include(Presented::new(scheme, b"key_1"));

        assert!(of(AuthScheme::BEARER) && of(AuthScheme::DPOP));
        assert!(!of(AuthScheme::new("ApiKey").unwrap()));
    }
}
