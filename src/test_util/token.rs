use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::TestKey;
use crate::claims::NumericDate;
use crate::clock::{Clock, SystemClock};
#[cfg(feature = "jwe")]
use crate::keys::EncryptionKey;

/// Builds a token for tests. It is valid unless a method changes that.
///
/// Its subject is `alice`, its `jti` is `test-token`, it was issued now and is valid for 15
/// minutes. Everything can be changed or left out, and header and payload can be any text.
#[derive(Clone)]
pub struct TestToken {
    header: Part,
    payload: Part,
}

#[derive(Clone)]
struct Part {
    members: Map<String, Value>,
    /// Replaces the members.
    text: Option<Vec<u8>>,
}

impl TestToken {
    /// Creates a token of this issuer for this audience.
    pub fn new(issuer: &str, audience: &str) -> Self {
        let token = Self { header: Part::new(), payload: Part::new() }
            .header("typ", "at+jwt")
            .claim("iss", issuer)
            .claim("aud", audience)
            .claim("sub", "alice")
            .claim("jti", "test-token");
        token.starting(NumericDate::from(SystemClock.now()).as_seconds())
    }

    /// Issues the token at this many seconds since 1970, instead of now. It is valid for 15
    /// minutes.
    #[must_use]
    pub fn at(self, seconds: u64) -> Self {
        self.starting(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// Sets a claim to any JSON value.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.payload.members.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.payload.members.remove(name);
        self
    }

    /// Sets a header parameter to any JSON value. `alg` and `kid` are the key's unless set here.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.members.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a header parameter out.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        // `null` marks parameters that would be filled in otherwise.
        self.header.members.insert(name.to_owned(), Value::Null);
        self
    }

    /// Replaces the payload with these bytes, valid or not.
    #[must_use]
    pub fn raw_payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload.text = Some(payload.into());
        self
    }

    /// Replaces the header with these bytes, valid or not.
    #[must_use]
    pub fn raw_header(mut self, header: impl Into<Vec<u8>>) -> Self {
        self.header.text = Some(header.into());
        self
    }

    /// Signs the token, valid or not.
    pub fn sign(&self, key: &TestKey) -> String {
        let mut header = self.header.clone();
        header.members.entry("alg").or_insert(key.algorithm().as_str().into());
        if let Some(key_id) = key.key_id() {
            header.members.entry("kid").or_insert(key_id.into());
        }
        header.members.retain(|_, value| !value.is_null());
        let input = format!("{}.{}", header.encode(), self.payload.encode());
        let signature = key.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns the claims that were set.
    pub(super) fn claims(&self) -> &Map<String, Value> {
        &self.payload.members
    }

    /// Signs the token and encrypts it (JWE), as a nested JWT.
    ///
    /// # Panics
    ///
    /// When the system has no randomness.
    #[cfg(feature = "jwe")]
    pub fn sign_and_encrypt(&self, key: &TestKey, encryption: &EncryptionKey) -> String {
        encryption.encrypt(&self.sign(key)).expect("a system with randomness")
    }

    fn starting(self, seconds: i64) -> Self {
        self.claim("iat", seconds)
            .claim("nbf", seconds)
            .claim("exp", json!(seconds.saturating_add(900)))
    }
}

/// Encrypts any text (JWE) as if it were a signed token: what a client may do that knows a public key.
///
/// # Panics
///
/// When the system has no randomness.
#[cfg(feature = "jwe")]
pub fn encrypted(content: &str, key: &EncryptionKey) -> String {
    key.encrypt(content).expect("a system with randomness")
}

impl Part {
    fn new() -> Self {
        Self { members: Map::new(), text: None }
    }

    fn encode(&self) -> String {
        match &self.text {
            Some(text) => URL_SAFE_NO_PAD.encode(text),
            None => URL_SAFE_NO_PAD.encode(Value::Object(self.members.clone()).to_string()),
        }
    }
}

impl fmt::Debug for TestToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestToken").finish_non_exhaustive()
    }
}
