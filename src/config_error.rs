//! Errors of the configuration, all found before the first request.

pub(crate) mod placeholder;
pub(crate) mod tenant_template;
mod key_problem;
mod display;

use std::error::Error;
use std::path::PathBuf;
#[cfg(feature = "dpop")]
use std::time::Duration;

pub use key_problem::{KeyProblem, SkippedKey};

/// A key, verifier or layer that cannot be built. The message says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The key cannot be used.
    Key(KeyProblem),
    /// No key of the set can be used.
    NoUsableKey {
        /// The keys that were skipped, each with its reason.
        skipped: Vec<SkippedKey>,
    },
    /// The text is not a JWK, a JWK set or a PEM document.
    UnreadableKeys {
        /// The kind of text that was expected.
        expected: &'static str,
        /// The message of the parser.
        problem: String,
    },
    /// The file with the keys or revocations cannot be read.
    UnreadableFile {
        /// The path as it was configured.
        path: PathBuf,
        /// The message of the operating system.
        problem: String,
    },
    /// The file with the keys cannot be made or replaced.
    UnwritableFile {
        /// The path as it was configured.
        path: PathBuf,
        /// The message of the operating system.
        problem: String,
    },
    /// Other users can read or write the file with the private keys.
    ExposedFile {
        /// The path as it was configured.
        path: PathBuf,
        /// The permissions of the file, as `chmod` takes them in octal.
        mode: u32,
    },
    /// The file with the private keys belongs to another user, who can read and replace it.
    ForeignFile {
        /// The path as it was configured.
        path: PathBuf,
        /// The id of the user that owns the file.
        owner: u32,
        /// The id of the user that runs the program.
        user: u32,
    },
    /// Keys would be replaced in a way that refuses tokens.
    KeyRotation {
        /// The mistake, and how to correct it.
        problem: &'static str,
    },
    /// A member of an issuer's metadata has an illegal value, or is one that cannot be set.
    Metadata {
        /// The name of the member.
        member: String,
        /// The mistake.
        problem: &'static str,
    },
    /// The issuer is empty.
    EmptyIssuer,
    /// The issuer was added before.
    RepeatedIssuer {
        /// The issuer as it was configured.
        issuer: String,
    },
    /// Another issuer also accepts tokens without `iss`, so such a token would have two possible
    /// issuers.
    RepeatedMissingIssuer {
        /// The other issuer as it was configured.
        issuer: String,
    },
    /// An audience is empty, or there is none.
    EmptyAudience,
    /// An issuer, audience or tenant holds something that no token carries: a placeholder, a blank
    /// or an invisible character. Or an issuer with a place for the tenant has no tenants.
    Name {
        /// `issuer`, `audience` or `tenant`.
        member: &'static str,
        /// The name as it was configured.
        name: String,
        /// The mistake in the name, and how to correct it.
        problem: &'static str,
    },
    /// The list of allowed algorithms is empty, so no token could pass.
    NoAlgorithms,
    /// The list of allowed tenants is empty, so no token could pass.
    NoTenants,
    /// The leeway is so large that expiry would mean little.
    LeewayTooLarge {
        /// The configured leeway, in seconds.
        seconds: u64,
        /// The largest leeway that is allowed, in seconds.
        most: u64,
    },
    /// The `kid` is longer than the 256 bytes that verifiers read.
    KeyIdTooLong {
        /// The length of the `kid`, in bytes.
        bytes: usize,
    },
    /// A path to roles or scopes is not a claim name or JSON Pointer that can hold them.
    ClaimPath {
        /// The path as it was configured.
        path: String,
        /// The mistake in the path.
        problem: &'static str,
    },
    /// A name in a [`Hierarchy`](crate::claims::Hierarchy) is one that no token could hold, or its text is no chain.
    Hierarchy {
        /// The name, or the line of text.
        name: String,
        /// The mistake.
        problem: &'static str,
    },
    /// Names in a [`Hierarchy`](crate::claims::Hierarchy) imply each other.
    HierarchyCycle {
        /// The names in the order in which each implies the next. The last one is the first.
        path: Vec<String>,
    },
    /// No token would fit the allowed parties or trust policies, or every token.
    Trust {
        /// The mistake.
        problem: &'static str,
    },
    /// A client cannot be added to a list of clients.
    Client {
        /// The client as it was configured.
        client_id: String,
        /// The reason why the client cannot be added.
        problem: &'static str,
    },
    /// Nothing can be fetched from this address.
    Address {
        /// The address as it was configured, without its password. It is shortened further where
        /// the password cannot be told from the rest.
        address: String,
        /// The mistake in the address.
        problem: &'static str,
    },
    /// A cookie cannot have this name.
    CookieName {
        /// The name as it was configured.
        name: String,
        /// The mistake in the name.
        problem: &'static str,
    },
    /// No browser sends this origin, or it cannot be trusted.
    Origin {
        /// The origin as it was configured.
        origin: String,
        /// The mistake in the origin.
        problem: &'static str,
    },
    /// The address or network of a trusted hop cannot be used.
    TrustedHop {
        /// The address or network as it was configured. Empty where the list is at fault.
        hop: String,
        /// The mistake, and how to correct it.
        problem: &'static str,
    },
    /// No certificate of a client can come in this field, since requests need it otherwise.
    CertificateField {
        /// The name of the field.
        name: String,
    },
    /// The server cannot speak TLS with these certificates and keys.
    Tls {
        /// `certificate`, `private key` or `client authorities`.
        member: &'static str,
        /// The mistake.
        problem: String,
    },
    /// The list of revocation kinds that must be possible is empty, so tokens that cannot be
    /// revoked would be accepted.
    NoRevocationKinds,
    /// The duration of an unsafe state is too long.
    TooLong {
        /// The name of the duration, in words.
        what: &'static str,
        /// The configured duration, in seconds.
        seconds: u64,
        /// The longest duration that is allowed, in seconds.
        most: u64,
        /// The method that documents the effect of a longer duration.
        instead: &'static str,
    },
    /// A number is too small or too large.
    OutOfRange {
        /// The name of the number, with its unit, in words.
        what: &'static str,
        /// The configured number.
        value: u64,
        /// The smallest number that is allowed.
        least: u64,
        /// The largest number that is allowed.
        most: u64,
    },
    /// The namespace cannot be part of keys in Redis.
    Namespace {
        /// The namespace as it was configured.
        namespace: String,
    },
    /// A configuration file holds a mistake.
    Configuration {
        /// The place of the mistake, such as `issuers[0].keys.jwks_url`.
        path: String,
        /// The mistake.
        problem: String,
    },
    /// A configuration file holds a mistake that is a [`ConfigError`] of its own.
    At {
        /// The place of the mistake, such as `issuers[0].keys.jwks_url`.
        path: String,
        /// The mistake.
        problem: Box<ConfigError>,
    },
    /// An API key cannot have this prefix.
    ApiKeyPrefix {
        /// The prefix as it was configured.
        prefix: String,
        /// The mistake in the prefix.
        problem: &'static str,
    },
    /// The name of an authentication scheme is not a token (RFC 9110 §5.6.2).
    AuthScheme {
        /// The name as it was configured.
        name: String,
    },
    /// A challenge parameter has an illegal name or value, or a name that the crate sets itself.
    ChallengeParameter {
        /// The name of the parameter.
        name: String,
    },
    /// The layer or its rules lack what FAPI 2.0 asks for.
    Fapi2 {
        /// The things to add or to change.
        missing: Vec<&'static str>,
    },
    /// An MCP server cannot be protected so.
    Mcp {
        /// The mistake, and how to correct it.
        problem: String,
    },
    /// The operating system has no randomness to give.
    NoRandomness,
    /// The realm holds a character that is illegal in a challenge (RFC 9110 §11.5).
    Realm {
        /// The realm as it was configured.
        realm: String,
    },
}

#[cfg(feature = "dpop")]
impl ConfigError {
    /// Returns the time if it lies between so many seconds and this time.
    pub(crate) fn within(
        what: &'static str,
        value: Duration,
        least: u64,
        most: Duration,
    ) -> Result<Duration, Self> {
        if value.as_secs() >= least && value <= most {
            return Ok(value);
        }
        Err(Self::OutOfRange { what, value: value.as_secs(), least, most: most.as_secs() })
    }
}

impl Error for ConfigError {}

impl From<KeyProblem> for ConfigError {
    fn from(problem: KeyProblem) -> Self {
        Self::Key(problem)
    }
}
