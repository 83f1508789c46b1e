//! Says what header parameters and claims mean.

/// Returns the meaning of a header parameter (RFC 7515 §4.1 and others).
pub(crate) fn parameter(name: &str) -> Option<&'static str> {
    Some(match name {
        "alg" => "algorithm of the signature",
        "typ" => "type of the token",
        "cty" => "type of the content, if that is another token",
        "kid" => "id of the key",
        "jku" => "address of a key set; verifiers must not follow it",
        "jwk" => "a public key; verifiers must not trust it",
        "x5u" => "address of a certificate; verifiers must not follow it",
        "x5c" => "certificates; verifiers must not trust them",
        "x5t" | "x5t#S256" => "hash of the certificate of the key",
        "crit" => "extensions that a verifier has to understand",
        "b64" => "whether the payload is written in base64url",
        "enc" => "algorithm that encrypts the content",
        "zip" => "algorithm that compresses the content",
        "epk" => "temporary public key of the sender",
        "apu" | "apv" => "names of the two parties, for the agreement about a key",
        "p2s" | "p2c" => "salt and rounds, for a key made of a password",
        "iv" | "tag" => "part of the encrypted key",
        "nonce" => {
            "a value of the provider; Entra's tokens for Microsoft Graph cannot be verified because of it"
        }
        _ => return None,
    })
}

/// The meaning of `alg` in an encrypted token (RFC 7516 §4.1.1).
pub(crate) const KEY_MANAGEMENT: &str = "how the key of the content is carried";

/// Returns the meaning of a claim: those of RFC 7519, OpenID Connect and RFC 9068, and well-known ones of providers.
pub(crate) fn claim(name: &str) -> Option<&'static str> {
    Some(match name {
        "iss" => "issuer: who made the token",
        "sub" => "subject: who the token speaks for, within the issuer",
        "aud" => "audience: the APIs that the token is for",
        "exp" => "the moment from which the token is refused",
        "nbf" => "the moment from which the token is good",
        "iat" => "the moment at which the token was issued",
        "jti" => "id of the token",
        "sid" => "id of the session",
        "azp" | "client_id" | "cid" | "appid" => "client: the application that asked for the token",
        "scope" | "scp" => "scopes: what the client may do",
        "roles" | "role" | "groups" | "cognito:groups" => "roles or groups of the user",
        "realm_access" => "roles in the realm (Keycloak)",
        "resource_access" => "roles in each client (Keycloak)",
        "permissions" => "permissions of the user in this API (Auth0)",
        "auth_time" => "the moment at which the user signed in",
        "acr" => "level of the sign-in",
        "amr" => "methods of the sign-in",
        "nonce" => "value of one sign-in: marks an ID token",
        "at_hash" => "hash of the access token: marks an ID token",
        "c_hash" => "hash of the authorization code: marks an ID token",
        "events" => "events: marks a logout token or another security event",
        "cnf" => "the key that the token is bound to",
        "act" => "the party that acts for the subject (RFC 8693)",
        "may_act" => "the party that may act for the subject (RFC 8693)",
        "typ" => "kind of token (Keycloak)",
        "token_use" => "kind of token (Cognito)",
        "idtyp" => "`app` for a token of a client of its own (Entra)",
        "tid" => "id of the tenant (Entra)",
        "oid" => "id of the user in the tenant (Entra)",
        "ver" => "version of the token (Entra)",
        "name" => "full name of the user",
        "given_name" => "first name of the user",
        "family_name" => "last name of the user",
        "middle_name" => "middle name of the user",
        "nickname" => "casual name of the user",
        "preferred_username" | "username" | "cognito:username" => {
            "name that the user signs in with"
        }
        "email" => "e-mail address of the user",
        "email_verified" => "whether the address is the user's",
        "phone_number" => "telephone number of the user",
        "phone_number_verified" => "whether the telephone number is the user's",
        "picture" => "address of a picture of the user",
        "profile" | "website" => "address of a page of the user",
        "gender" => "gender of the user",
        "birthdate" => "birthday of the user",
        "zoneinfo" => "time zone of the user",
        "locale" => "language of the user",
        "address" => "postal address of the user",
        "updated_at" => "the moment at which the user's data changed last",
        "session_state" => "id of the browser's session (Keycloak)",
        "allowed-origins" => "origins from which the client may send requests (Keycloak)",
        "status" => "where the status of the token can be looked up",
        "authorization_details" => "permissions in detail (RFC 9396)",
        "gty" => "grant by which the client got the token (Auth0)",
        "origin_jti" => "id of the refresh token (Cognito)",
        "event_id" => "id of the sign-in (Cognito)",
        "org_id" => "id of the organisation",
        _ => return None,
    })
}

/// Returns whether a claim is a date in seconds since 1970.
pub(crate) fn is_date(claim: &str) -> bool {
    matches!(claim, "exp" | "nbf" | "iat" | "auth_time" | "updated_at")
}

/// Returns whether the text is one scope (RFC 6749 §3.3).
pub(crate) fn is_scope(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    !text.is_empty() && text.bytes().all(is_letter)
}
