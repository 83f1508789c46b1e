use std::fmt;
use std::path::Path;

use super::{ConfigError, SkippedKey};
use crate::error::shown;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(problem) => write!(f, "the key cannot be used: {problem}"),
            Self::NoUsableKey { skipped } => no_usable_key(f, skipped),
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
            Self::EmptyIssuer => {
                f.write_str("the issuer is empty; give the `iss` that tokens carry, to the letter")
            }
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

const CHALLENGE_PARAMETER: &str = "cannot be set: the name is one word other than `realm`, `error`, \
                                   `error_description` and `scope`, and the value printable ASCII except `\"` and \
                                   `\\`";

fn no_usable_key(f: &mut fmt::Formatter<'_>, skipped: &[SkippedKey]) -> fmt::Result {
    if skipped.is_empty() {
        return f.write_str("the key set is empty; add at least one key");
    }
    f.write_str("the key set has no key to verify with")?;
    skipped.iter().try_for_each(|key| write!(f, "; {key}"))
}

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
