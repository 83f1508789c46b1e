//! Errors of the configuration, all found before the first request.

pub(crate) mod placeholder;
pub(crate) mod tenant_template;

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
#[cfg(feature = "dpop")]
use std::time::Duration;

use crate::error::shown;

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

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(problem) => write!(f, "the key cannot be used: {problem}"),
            Self::NoUsableKey { skipped } if skipped.is_empty() => {
                f.write_str("the key set is empty; add at least one key")
            }
            Self::NoUsableKey { skipped } => {
                f.write_str("the key set has no key to verify with")?;
                skipped.iter().try_for_each(|key| write!(f, "; {key}"))
            }
            Self::UnreadableKeys { expected, problem } => {
                write!(f, "expected {expected}, but {problem}")
            }
            Self::UnreadableFile { path, problem } => {
                write!(f, "{} cannot be read: {problem}", path.display())
            }
            Self::UnwritableFile { path, problem } => {
                write!(f, "{} cannot be written: {problem}", path.display())
            }
            Self::ExposedFile { path, mode } => write!(
                f,
                "{path} holds private keys, and other users have access to it (mode {mode:o}); `chmod 600 \
                 {path}`, and replace the keys if it was readable for long",
                path = path.display()
            ),
            Self::ForeignFile { path, owner, user } => foreign_file(f, path, *owner, *user),
            Self::KeyRotation { problem } => write!(f, "the keys cannot be rotated so: {problem}"),
            Self::Metadata { member, problem } => {
                write!(f, "the metadata `{}` {problem}", shown(member))
            }
            Self::EmptyIssuer => f.write_str(EMPTY_ISSUER),
            Self::RepeatedIssuer { issuer } => write!(
                f,
                "the issuer {issuer:?} is there already; give it all its audiences at once, or \
                 remove it first"
            ),
            Self::RepeatedMissingIssuer { issuer } => write!(
                f,
                "the issuer {issuer:?} accepts tokens without `iss` already; only one of several issuers \
                 can (`accept_missing_issuer`)"
            ),
            Self::EmptyAudience => {
                f.write_str("the audience is empty; give the `aud` that tokens for this API carry")
            }
            Self::Name { member, name, problem } => {
                write!(f, "the {member} \"{}\" {problem}", shown(name))
            }
            Self::NoAlgorithms => f.write_str(NO_ALGORITHMS),
            Self::NoTenants => f.write_str(NO_TENANTS),
            Self::LeewayTooLarge { seconds, most } => {
                write!(f, "a leeway of {seconds} s is too large; {most} s is the most")
            }
            Self::KeyIdTooLong { bytes } => {
                write!(f, "the key id has {bytes} bytes; 256 are the most")
            }
            Self::ClaimPath { path, problem } => write!(f, "the claim path `{path}` {problem}"),
            Self::Hierarchy { name, problem } => write!(f, "in the hierarchy, {name:?} {problem}"),
            Self::HierarchyCycle { path } => hierarchy_cycle(f, path),
            Self::Trust { problem } => f.write_str(problem),
            Self::Client { client_id, problem } => write!(f, "the client {client_id:?} {problem}"),
            Self::Address { address, problem } => write!(f, "the address {address:?} {problem}"),
            Self::CookieName { name, problem } => write!(f, "the cookie name {name:?} {problem}"),
            Self::Origin { origin, problem } => write!(f, "the origin {origin:?} {problem}"),
            Self::TrustedHop { hop, problem } => trusted_hop(f, hop, problem),
            Self::CertificateField { name } => certificate_field(f, name),
            Self::Tls { member, problem } => write!(f, "the {member} for TLS: {problem}"),
            Self::NoRevocationKinds => f.write_str(
                "no kind of revocation is named; name at least one, or accept tokens that cannot \
                 be revoked by `dangerous().accept_unrevocable_tokens()`",
            ),
            Self::TooLong { what, seconds, most, instead } => write!(
                f,
                "{what} of {seconds} s is too long; {most} s is the most; see `{instead}`"
            ),
            Self::OutOfRange { what, value, least, most } => {
                write!(f, "{what}: {value} is not between {least} and {most}")
            }
            Self::Namespace { namespace } => write!(
                f,
                "the namespace {namespace:?} may hold ASCII letters, digits and `-_.:/` only, and \
                 not be empty"
            ),
            Self::Configuration { path, problem } => write!(f, "{path}: {problem}"),
            Self::At { path, problem } => write!(f, "{path}: {problem}"),
            Self::ApiKeyPrefix { prefix, problem } => write!(f, "the prefix {prefix:?} {problem}"),
            Self::AuthScheme { name } => {
                write!(f, "{name:?} is no authentication scheme: give one word such as `Bearer`")
            }
            Self::ChallengeParameter { name } => {
                write!(f, "the challenge parameter {name:?} {CHALLENGE_PARAMETER}")
            }
            Self::Fapi2 { missing } => write!(f, "FAPI 2.0 needs {}", missing.join("; ")),
            Self::Mcp { problem } => write!(f, "the MCP server cannot be protected so: {problem}"),
            Self::NoRandomness => f.write_str("the operating system has no randomness to give"),
            Self::Realm { realm } => write!(
                f,
                "the realm {realm:?} may hold printable ASCII except `\"` and `\\` only, and not \
                 be empty"
            ),
        }
    }
}

const EMPTY_ISSUER: &str = "the issuer is empty; give the `iss` that tokens carry, to the letter";
const CHALLENGE_PARAMETER: &str = "cannot be set: the name is one word other than `realm`, `error`, \
                                   `error_description` and `scope`, and the value printable ASCII except `\"` and \
                                   `\\`";

fn foreign_file(f: &mut fmt::Formatter<'_>, path: &Path, owner: u32, user: u32) -> fmt::Result {
    write!(
        f,
        "{path} holds private keys and belongs to the user {owner}, and this program runs as {user}; `chown {user} \
         {path}`, and replace the keys if that user should not know them",
        path = path.display()
    )
}

fn hierarchy_cycle(f: &mut fmt::Formatter<'_>, path: &[String]) -> fmt::Result {
    write!(f, "the hierarchy goes in a circle: {}", path.join(" > "))
}

fn trusted_hop(f: &mut fmt::Formatter<'_>, hop: &str, problem: &str) -> fmt::Result {
    match hop {
        "" => write!(f, "the list of trusted hops {problem}"),
        _ => write!(f, "the trusted hop {hop:?} {problem}"),
    }
}

fn certificate_field(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    write!(
        f,
        "no certificate can come in the field `{name}`: requests need it otherwise, and the layer would remove it from \
         each; let the proxy send the certificate in a field of its own"
    )
}

const NO_ALGORITHMS: &str = "the list of algorithms is empty; name at least one, or leave the list out to allow \
                             what the keys are for";
const NO_TENANTS: &str = "the list of tenants is empty; name at least one, or allow them by a \
     function (`with_tenants_by`)";

impl Error for ConfigError {}

impl From<KeyProblem> for ConfigError {
    fn from(problem: KeyProblem) -> Self {
        Self::Key(problem)
    }
}

/// The reason why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyProblem {
    /// The secret is shorter than the hash output, so it could be guessed (RFC 7518 §3.2).
    SecretTooShort {
        /// The length of the secret, in bits.
        bits: usize,
        /// The length of the hash output, in bits.
        required: usize,
    },
    /// A public key was given as a secret. Anyone may know it.
    PublicKeyAsSecret,
    /// The modulus has fewer than 2,048 or more than 8,192 bits (RFC 7518 §3.3).
    RsaSize {
        /// The length of the modulus, in bits.
        bits: usize,
    },
    /// The exponent is even, 1, or longer than 33 bits; or the modulus is even.
    RsaParameters,
    /// The point is not on its curve, or signatures for it can be made without the private key.
    Curve,
    /// This crate does not verify with this curve.
    UnsupportedCurve {
        /// The name or object identifier of the curve.
        curve: String,
    },
    /// A coordinate does not have the full length that its curve requires (RFC 7518 §6.2.1.2).
    CoordinateLength {
        /// The name of the curve.
        curve: &'static str,
        /// The length of the coordinate, in bytes.
        bytes: usize,
        /// The required length, in bytes.
        required: usize,
    },
    /// The algorithm is for another kind of key.
    AlgorithmMismatch {
        /// The requested algorithm.
        algorithm: &'static str,
        /// The kind of the key.
        kind: &'static str,
    },
    /// The algorithm is not among the allowed ones.
    AlgorithmNotAllowed {
        /// The algorithm of the key.
        algorithm: String,
    },
    /// This crate does not verify with this key type (`kty`).
    UnsupportedType {
        /// The key type of the key.
        kty: String,
    },
    /// `use` or `key_ops` excludes the key from verifying signatures.
    NotForVerifying,
    /// `use` or `key_ops` says that the key is not for making signatures.
    NotForSigning,
    /// The members contradict each other: they belong to different kinds of key, or `use` and
    /// `key_ops` disagree.
    Contradiction,
    /// The key is a secret without a stated algorithm.
    SecretWithoutAlgorithm,
    /// The key is private, and only public keys are allowed here.
    Private,
    /// The key is public, or a certificate, and cannot sign.
    Public,
    /// The private key is encrypted with a passphrase.
    Encrypted,
    /// The public key beside the private one belongs to another key.
    MismatchedPair,
    /// The key is a secret that was published, so any client could sign with it.
    PublishedSecret,
    /// The set is too long: this key and the ones after it are not used.
    TooMany {
        /// The number of keys that are used.
        most: usize,
    },
    /// The key's encoding cannot be read.
    Unreadable(String),
    /// The crate was built without a back end that decrypts. Enable the feature `aws-lc-rs`, or `rust-crypto`, which needs no
    /// C compiler.
    NoDecryption,
    /// `use` or `key_ops` says that the key is not for decryption.
    NotForDecryption,
    /// `use` or `key_ops` says that the key is not for encryption.
    NotForEncryption,
    /// The key names no `alg`, so a token could choose how the key is used.
    MissingAlgorithm,
    /// The secret does not have the one length that the algorithm needs (RFC 7518 §4.4, §4.5, §4.7).
    SecretLength {
        /// The length of the secret, in bits.
        bits: usize,
        /// The lengths that are possible, in words.
        required: &'static str,
    },
    /// The crate was built without a back end for signatures. Enable the feature `aws-lc-rs`, or
    /// `rust-crypto`, which needs no C compiler.
    NoBackEnd,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretTooShort { bits, required } => {
                write!(f, "the secret has {bits} bits but this algorithm needs {required}")
            }
            Self::PublicKeyAsSecret => f.write_str(
                "a public key was given as a secret; load it as a public key, or any client can sign",
            ),
            Self::RsaSize { bits } => {
                write!(f, "the RSA modulus has {bits} bits; 2048 to 8192 are allowed")
            }
            Self::RsaParameters => f.write_str("the RSA exponent or modulus is not a safe one"),
            Self::Curve => {
                f.write_str("the point is not on its curve, or not safe to verify with")
            }
            Self::UnsupportedCurve { curve } => write!(
                f,
                "the curve \"{}\" is not supported; P-256, P-384, P-521 and Ed25519 are",
                shown(curve)
            ),
            Self::CoordinateLength { curve, bytes, required } => {
                let zeros = if bytes < required {
                    "; zeros in front must not be left out"
                } else {
                    "; no zeros may be put in front"
                };
                write!(
                    f,
                    "a coordinate on {curve} has {required} bytes (RFC 7518 §6.2.1.2) and not \
                     {bytes}{zeros}"
                )
            }
            Self::AlgorithmMismatch { algorithm, kind } => {
                write!(f, "{algorithm} cannot be used with {kind}")
            }
            Self::AlgorithmNotAllowed { algorithm } => write!(
                f,
                "its algorithm \"{}\" is not among those that are allowed or supported",
                shown(algorithm)
            ),
            Self::UnsupportedType { kty } => write!(
                f,
                "the kind of key \"{}\" is not supported; RSA, EC and OKP are, and in PEM PUBLIC \
                 KEY, RSA PUBLIC KEY and CERTIFICATE, or PRIVATE KEY, RSA PRIVATE KEY and EC \
                 PRIVATE KEY to sign with",
                shown(kty)
            ),
            Self::NotForVerifying => f.write_str(
                "`use` or `key_ops` says it is not for verifying signatures but for encryption, \
                 for example",
            ),
            Self::NotForSigning => f.write_str(
                "`use` or `key_ops` says it is not for making signatures but for encryption, for \
                 example",
            ),
            Self::Contradiction => f.write_str(
                "its members contradict each other: they belong to different kinds of key, or \
                 `use` and `key_ops` disagree",
            ),
            Self::SecretWithoutAlgorithm => f.write_str(
                "a secret must name its `alg`, or the algorithms must be given (HS256, for example)",
            ),
            Self::Private => f.write_str(
                "it is a private key; give the public one, which `openssl pkey -pubout` makes of it",
            ),
            Self::Public => f.write_str(
                "it is a public key or a certificate, which cannot sign; give the private key",
            ),
            Self::Encrypted => f.write_str(
                "it is encrypted with a passphrase; `openssl pkey -in FILE -out PLAIN` decrypts it",
            ),
            Self::MismatchedPair => f.write_str(
                "its public part belongs to another private key",
            ),
            Self::PublishedSecret => f.write_str(
                "it is a secret in a public place; replace it where tokens are signed",
            ),
            Self::TooMany { most } => {
                write!(
                    f,
                    "the set is too long; this key and those behind it are not used, but the first {most} are"
                )
            }
            Self::Unreadable(problem) => write!(f, "it cannot be read: {problem}"),
            Self::NoDecryption => f.write_str(
                "the crate was built without a back end that decrypts; switch the feature `aws-lc-rs` or `rust-crypto` on",
            ),
            Self::NotForDecryption => f.write_str("`use` or `key_ops` says it is not for decryption"),
            Self::NotForEncryption => f.write_str("`use` or `key_ops` says it is not for encryption"),
            Self::MissingAlgorithm => f.write_str(
                "a key for decryption must name its `alg` (RSA-OAEP-256 or ECDH-ES+A256KW, for example)",
            ),
            Self::SecretLength { bits, required } => {
                write!(f, "the secret has {bits} bits but this algorithm needs {required}")
            }
            Self::NoBackEnd => f.write_str(
                "the crate was built without a back end for signatures; switch the feature \
                 `aws-lc-rs` or `rust-crypto` on",
            ),
        }
    }
}

impl Error for KeyProblem {}

/// A key of a set that was skipped. The other keys of the set are still used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// The position in the set, counted from 0.
    pub index: usize,
    /// The `kid`, when the key has one that could be read.
    pub key_id: Option<String>,
    /// The reason why it was skipped.
    pub problem: KeyProblem,
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key_id {
            Some(kid) => write!(f, "key {} (\"{}\"): {}", self.index, shown(kid), self.problem),
            None => write!(f, "key {}: {}", self.index, self.problem),
        }
    }
}
