use std::fmt;

/// Defines [`Step`] with its tables: the name, the word for programs, the title for people.
macro_rules! steps {
    ($($(#[doc = $doc:literal])+ $name:ident, $word:literal, $title:literal;)+) => {
        /// One check of a verifier.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Step {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Step {
            /// All checks, in the usual order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Returns the check as a stable `snake_case` word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// Returns the name of the check, for people.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)+
                }
            }
        }
    };
}

steps! {
    /// The token is not longer than the verifier allows.
    Size, "size", "Size";
    /// The token is encrypted for a key of the verifier (RFC 7516), or need not be. Only of a verifier that decrypts.
    Encryption, "encryption", "Encryption";
    /// The token has three parts in base64url (RFC 7515 §3.1).
    Form, "form", "Form";
    /// The header is JSON, names an algorithm that this crate verifies, and asks for no extension.
    Header, "header", "Header";
    /// The configuration allows the algorithm.
    Algorithm, "algorithm", "Algorithm";
    /// `typ` and `cty` in the header name an access token.
    HeaderType, "header_type", "Type in the header";
    /// The key source has the key.
    Key, "key", "Key";
    /// A key verifies the signature.
    Signature, "signature", "Signature";
    /// The payload is JSON with unique members, and its claims have the right types.
    Payload, "payload", "Payload";
    /// The token is not bound to a key (`cnf`), or the proof is asked for.
    Binding, "binding", "Bound to a key";
    /// The claims are those of an access token.
    Kind, "kind", "Kind of token";
    /// `iss` is a configured issuer.
    Issuer, "issuer", "Issuer";
    /// `aud` holds a configured audience.
    Audience, "audience", "Audience";
    /// `azp` is an allowed party, and the claims fit a trust policy. Only where these are configured.
    Trust, "trust", "Trust";
    /// `exp` has not passed.
    Expiry, "expiry", "Expiry";
    /// `nbf` and `iat` have passed.
    Start, "start", "Start";
    /// The token is not older than the configured maximum age.
    Age, "age", "Age";
    /// All required claims are present.
    RequiredClaims, "required_claims", "Required claims";
    /// Claims that the header of an encrypted token repeats are those of the signed token (RFC 7519 §5.3).
    HeaderClaims, "header_claims", "Claims in the header";
    /// The token was not revoked.
    Revocation, "revocation", "Revocation";
    /// The claims fit the application's claims type.
    ClaimsType, "claims_type", "Claims type";
    /// The active check says that the subject is active.
    Active, "active", "Active check";
    /// The policy allows the request.
    Policy, "policy", "Permission";
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
