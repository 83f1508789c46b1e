use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use tower_bearer::Algorithm;

use crate::dates;
use crate::keys::algorithm_parser;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  A token of a test key, for fifteen minutes:
    bearer keys generate --out key.json --public-out jwks.json
    bearer mint --key key.json --issuer http://localhost:9000 --audience orders --role admin
  The same token, expired:
    bearer mint --key key.json --issuer http://localhost:9000 --audience orders --expired
  A fresh token like one that you have, without one of its claims:
    bearer mint --key key.json --like token.txt --missing sub
  Apply the change that `bearer explain` proposes:
    bearer explain --json … > why.json
    bearer mint --key key.json --like token.txt --edits why.json")]
pub(crate) struct MintArgs {
    /// Sign with this private key: a JWK, PEM or DER, or a secret in base64url with --algorithm.
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["secret_file", "provider"])]
    pub(super) key: Option<PathBuf>,
    /// Sign with this secret for HMAC: the bytes of the file, without a line break at their end.
    #[arg(long, value_name = "FILE", conflicts_with = "provider")]
    pub(super) secret_file: Option<PathBuf>,
    /// Have a running development provider (`bearer serve`) sign, by its issuer.
    #[arg(long, value_name = "URL")]
    pub(super) provider: Option<String>,
    /// The algorithm. The default is that of the key: RS256 for RSA, HS256 for a secret.
    #[arg(long, short, value_parser = algorithm_parser(), ignore_case = true)]
    pub(super) algorithm: Option<Algorithm>,
    /// The key id in the header. The default is that of the key, or else its thumbprint.
    #[arg(long, value_name = "NAME")]
    pub(super) key_id: Option<String>,

    /// Begin with header and claims of this token, which is not verified. Its dates are moved to now.
    #[arg(long, value_name = "FILE", help_heading = "What the token says")]
    pub(super) like: Option<PathBuf>,
    /// Leave the dates of --like as they are.
    #[arg(long, requires = "like", help_heading = "What the token says")]
    pub(super) keep_dates: bool,
    /// Apply the change that `bearer explain --json` proposes to the token of --like. Its dates stay.
    #[arg(long, value_name = "FILE", requires = "like", help_heading = "What the token says")]
    pub(super) edits: Option<PathBuf>,
    /// The issuer (`iss`).
    #[arg(long, short, value_name = "URL", required_unless_present_any = ["like", "provider"], help_heading = "What the token says")]
    pub(super) issuer: Option<String>,
    /// An audience (`aud`). Can be repeated.
    #[arg(
        long = "audience",
        value_name = "NAME",
        required_unless_present_any = ["like", "provider"],
        help_heading = "What the token says"
    )]
    pub(super) audiences: Vec<String>,
    /// The subject (`sub`). The default is `test-user`, or that of the provider.
    #[arg(long, short, value_name = "NAME", help_heading = "What the token says")]
    pub(super) subject: Option<String>,
    /// A role (`roles`). Can be repeated.
    #[arg(long = "role", value_name = "NAME", help_heading = "What the token says")]
    pub(super) roles: Vec<String>,
    /// A scope (`scope`). Can be repeated.
    #[arg(long = "scope", value_name = "NAME", help_heading = "What the token says")]
    pub(super) scopes: Vec<String>,
    /// The client (`client_id`).
    #[arg(long, value_name = "NAME", help_heading = "What the token says")]
    pub(super) client_id: Option<String>,
    /// How long the token lasts: `90s`, `15m`, `8h`, `2d`. The default is 15 minutes, or that of --like.
    #[arg(long, value_name = "TIME", value_parser = lifetime, help_heading = "What the token says")]
    pub(super) lifetime: Option<i64>,
    /// Set a claim to JSON: `--claim groups=["a","b"]`. Can be repeated.
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = named_json, help_heading = "What the token says")]
    pub(super) claims: Vec<(String, Value)>,
    /// Set a claim to text: `--claim-text tenant=42`. Can be repeated.
    #[arg(long = "claim-text", value_name = "NAME=TEXT", value_parser = named_text, help_heading = "What the token says")]
    pub(super) text_claims: Vec<(String, Value)>,
    /// Leave a claim out. Can be repeated.
    #[arg(
        long = "without",
        visible_alias = "missing",
        value_name = "NAME",
        help_heading = "What the token says"
    )]
    pub(super) without: Vec<String>,
    /// Set a header parameter to JSON: `--header typ="JWT"`. Can be repeated.
    #[arg(long = "header", value_name = "NAME=JSON", value_parser = named_json, help_heading = "What the token says")]
    pub(super) headers: Vec<(String, Value)>,
    /// Leave a header parameter out. Can be repeated.
    #[arg(long, value_name = "NAME", help_heading = "What the token says")]
    pub(super) without_header: Vec<String>,

    #[command(flatten)]
    pub(super) broken: BrokenArgs,
}

/// Ways to break a token.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Broken in a named way")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct BrokenArgs {
    /// It expired an hour ago.
    #[arg(long, conflicts_with = "not_yet_valid")]
    pub(super) expired: bool,
    /// It becomes valid in an hour.
    #[arg(long)]
    pub(super) not_yet_valid: bool,
    /// It was issued 30 days ago, and has not expired.
    #[arg(long, conflicts_with_all = ["expired", "not_yet_valid"])]
    pub(super) too_old: bool,
    /// It is for another audience.
    #[arg(long)]
    pub(super) wrong_audience: bool,
    /// It is of another issuer, and signed with the same key.
    #[arg(long)]
    pub(super) wrong_issuer: bool,
    /// It is an ID token: `typ` is `JWT`, and it has a `nonce`.
    #[arg(long)]
    pub(super) wrong_type: bool,
    /// This claim has a value of the wrong JSON type. Can be repeated.
    #[arg(long, value_name = "NAME")]
    pub(super) invalid: Vec<String>,
    /// It is bound to a key that the client would have to prove (`cnf`).
    #[arg(long)]
    pub(super) bound: bool,
    /// The header demands an extension that no verifier knows (`crit`).
    #[arg(long)]
    pub(super) critical: bool,
    /// It has 20,000 bytes more than usual.
    #[arg(long)]
    pub(super) too_large: bool,
    /// One bit of the signature is wrong.
    #[arg(long)]
    pub(super) wrong_signature: bool,
    /// It is signed with a new key that no verifier knows, under the key id of that key.
    #[arg(long, conflicts_with = "alg_confusion")]
    pub(super) wrong_key: bool,
    /// The header says `none`, and there is no signature.
    #[arg(long, conflicts_with_all = ["wrong_key", "alg_confusion", "unknown_algorithm", "wrong_signature"])]
    pub(super) none: bool,
    /// The header says `ES256K`, which few verifiers know.
    #[arg(long, conflicts_with_all = ["wrong_key", "alg_confusion"])]
    pub(super) unknown_algorithm: bool,
    /// It is signed with HS256, with the public key in PEM as the secret.
    #[arg(long)]
    pub(super) alg_confusion: bool,
    /// It has the five parts of an encrypted token, which hold nothing.
    #[arg(long, conflicts_with_all = ["none", "malformed"])]
    pub(super) encrypted_shape: bool,
    /// The signature is cut off, with the dot before it.
    #[arg(long, conflicts_with = "none")]
    pub(super) malformed: bool,
}

fn named_json(text: &str) -> Result<(String, Value), String> {
    let (name, value) = named(text)?;
    let value = serde_json::from_str(value).map_err(|_| {
        format!("the value of `{name}` is no JSON; text needs quotes, or --claim-text")
    })?;
    Ok((name.to_owned(), value))
}

fn named_text(text: &str) -> Result<(String, Value), String> {
    named(text).map(|(name, value)| (name.to_owned(), value.into()))
}

fn named(text: &str) -> Result<(&str, &str), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    parts.ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

/// Reads a lifetime, in seconds.
fn lifetime(text: &str) -> Result<i64, String> {
    let seconds = i64::try_from(dates::parse_span(text)?.as_secs()).unwrap_or(i64::MAX);
    if seconds == 0 { Err("a token lives for a second at least".to_owned()) } else { Ok(seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_of_a_claim_may_hold_an_equals_sign() {
        assert_eq!(named_text("a=b=c"), Ok(("a".to_owned(), "b=c".into())));
        assert_eq!(named_json("a=[1]").unwrap().1, serde_json::json!([1]));
        for bad in ["a", "=b", ""] {
            assert!(named_text(bad).is_err(), "{bad}");
        }
    }
}
