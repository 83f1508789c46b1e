use zeroize::Zeroizing;

use crate::claims::RegisteredClaims;
use crate::error::{AuthError, Reason};
use crate::jose::jwe::{ClaimCopies, EncryptedToken, EncryptionHeader};
use crate::keys::DecryptionKeys;

/// An encrypted token whose content was decrypted. The content is not verified.
pub(crate) struct Opened {
    header: EncryptionHeader,
    content: Zeroizing<String>,
}

impl Opened {
    /// Decrypts a token that is at most `max_bytes` long.
    pub(crate) fn decrypt(
        token: &str,
        keys: &DecryptionKeys,
        max_bytes: usize,
    ) -> Result<Self, AuthError> {
        let token = EncryptedToken::parse(token, max_bytes).map_err(AuthError::before_signature)?;
        check_content_type(token.header()).map_err(AuthError::before_signature)?;
        let content = keys.open(&token)?;
        Ok(Self { header: token.into_header(), content })
    }

    /// Returns the signed token inside.
    pub(crate) fn content(&self) -> &str {
        &self.content
    }

    /// Checks that the claims that the header repeats are those of the signed token.
    pub(crate) fn check_copies(&self, claims: &RegisteredClaims) -> Result<(), AuthError> {
        let ClaimCopies { issuer, subject, audience } = &self.header.copies;
        let texts = [("iss", issuer, claims.issuer()), ("sub", subject, claims.subject())];
        for (name, copy, inside) in texts {
            if copy.as_ref().is_some_and(|copy| text(copy).as_deref() != inside || inside.is_none())
            {
                return Err(other_copy(name));
            }
        }
        let is_other = |copy: &str| match (list(copy), claims.audience()) {
            (Some(copies), Some(inside)) => !inside.iter().eq(copies.iter().map(String::as_str)),
            _ => true,
        };
        if audience.as_deref().is_some_and(is_other) {
            return Err(other_copy("aud"));
        }
        Ok(())
    }
}

/// RFC 7519 §5.2: a nested JWT has the content type `JWT`, in any case. RFC 7515 §4.1.10: `application/` may stand before
/// it.
fn check_content_type(header: &EncryptionHeader) -> Result<(), AuthError> {
    let problem = match header.content_type.as_deref() {
        Some(name) if is_jwt(name) => return Ok(()),
        Some(_) => "`cty` is not `JWT`: there is no signed token inside",
        None => "there is no `cty`: an encrypted token needs `JWT`",
    };
    Err(AuthError::with_detail(Reason::Malformed, problem))
}

fn is_jwt(name: &str) -> bool {
    ["jwt", "application/jwt"].iter().any(|jwt| jwt.eq_ignore_ascii_case(name))
}

fn other_copy(name: &str) -> AuthError {
    let detail = format!("`{name}` in the header of the encrypted token is not that of its claims");
    AuthError::with_detail(Reason::InvalidClaim, detail).about_claim(name)
}

fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// Reads audiences: a string is a list of one.
fn list(json: &str) -> Option<Vec<String>> {
    text(json).map(|one| vec![one]).or_else(|| serde_json::from_str(json).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_type_is_jwt_in_any_case_and_no_other() {
        // RFC 7519 §5.2: `cty` is `JWT`, and its case does not matter
        for name in ["JWT", "jwt", "Jwt", "application/jwt", "Application/JWT"] {
            assert!(is_jwt(name), "{name}");
        }
        for name in ["", "JWE", "JWT ", "at+jwt", "application/at+jwt", "jwt;x=y", "text/jwt"] {
            assert!(!is_jwt(name), "{name}");
        }
    }

    #[test]
    fn audience_of_a_header_is_a_string_or_a_list_of_strings() {
        assert_eq!(list(r#""a""#), Some(vec!["a".to_owned()]));
        assert_eq!(list(r#"["a","b"]"#), Some(vec!["a".to_owned(), "b".to_owned()]));
        for other in ["1", "null", "{}", "[1]", r#"[["a"]]"#] {
            assert_eq!(list(other), None, "{other}");
        }
    }
}
