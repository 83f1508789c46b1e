//! `bearer keys check`: looks for what would trouble a verifier.

mod finding;
mod certificate;
mod set;
mod answer;
mod metadata;

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use reqwest::Url;
use serde_json::{Map, Value};

use self::finding::Report;
use self::metadata::Expected;
use crate::failure::Failure;
use crate::fetch::{self, Answer};
use crate::input;
use crate::output::{Output, printable};

#[derive(Args, Debug)]
#[command(after_help = "\
The exit code is 1 if there is an error, 0 if there are only warnings and notes, and 2 if the source cannot be read.

Examples:
  A provider, by its issuer: its metadata, and the keys that it names:
    bearer keys check https://id.example.com
  The JWK set of a provider:
    bearer keys check https://id.example.com/.well-known/jwks.json
  A JWK set before it is published:
    bearer keys check jwks.json")]
pub(crate) struct CheckArgs {
    /// A file, or the address of an issuer, of its metadata, or of a JWK set. `-` is standard input.
    source: String,
}

pub(super) fn run(args: &CheckArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let mut report = Report::new(&args.source);
    if args.source.contains("://") {
        let url = fetch::address(&args.source)?;
        fetch::wait_for(check_url(&args.source, &url, &mut report))?;
    } else {
        let bytes = input::read_bytes(Path::new(&args.source))?;
        check_document(&bytes, &mut report)?;
    }
    report.print(output)
}

fn check_document(bytes: &[u8], report: &mut Report) -> Result<(), Failure> {
    let text = str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let text = text.map_err(|_| {
        Failure::new("it is not text in UTF-8, so neither a JWK set nor PEM")
            .with_hint("`bearer keys convert FILE --to jwks --public` reads DER")
    })?;
    if text.contains("-----BEGIN ") {
        set::check_pem(text, report);
    } else if let Some(metadata) = metadata_of(text) {
        metadata::check(&metadata, None, report);
    } else {
        set::check(text, report);
    }
    Ok(())
}

/// Checks what is at an address: a JWK set, metadata with the keys that they name, or else an issuer, whose metadata
/// are in their usual places.
async fn check_url(source: &str, url: &Url, report: &mut Report) -> Result<(), Failure> {
    let answer = fetch::get(url).await?;
    let text = text_of(&answer);
    if answer.status == 200 && set::is_set(text) {
        check_keys(&answer, report);
        return Ok(());
    }
    if let Some(metadata) = metadata_of(text).filter(|_| answer.status == 200) {
        let expected = metadata::issuer_of(url);
        let expected = expected.as_deref().map(Expected::Derived);
        return check_metadata(&answer, &metadata, expected, report).await;
    }
    if url.path().contains("/.well-known/") {
        return Err(neither(&answer));
    }
    for place in metadata::places(url) {
        let Ok(answer) = fetch::get(&place).await else { continue };
        let metadata = metadata_of(text_of(&answer)).filter(|_| answer.status == 200);
        if let Some(metadata) = metadata {
            let expected = Some(Expected::Asked(source));
            return check_metadata(&answer, &metadata, expected, report).await;
        }
    }
    Err(neither(&answer))
}

async fn check_metadata(
    answer: &Answer,
    metadata: &Map<String, Value>,
    issuer: Option<Expected<'_>>,
    report: &mut Report,
) -> Result<(), Failure> {
    answer::check(answer, "metadata", report);
    let Some(keys) = metadata::check(metadata, issuer, report) else { return Ok(()) };
    match fetch::get(&keys).await {
        Ok(answer) if answer.status == 200 => check_keys(&answer, report),
        Ok(answer) => report.error(
            "jwks_uri_status",
            "jwks_uri",
            format!("{keys} answers with status {}, so no token can be verified.", answer.status),
            "Publish the JWK set there, or correct `jwks_uri`.",
        ),
        Err(failure) => report.error(
            "jwks_uri_unreachable",
            "jwks_uri",
            format!("The keys cannot be fetched: {}.", failure.problem()),
            "Make the address reachable for the programs that verify tokens.",
        ),
    }
    Ok(())
}

fn check_keys(answer: &Answer, report: &mut Report) {
    report.keys_url = Some(answer.url.to_string());
    answer::check(answer, "answer", report);
    answer::check_keys(answer, report);
    set::check(text_of(answer), report);
}

fn metadata_of(text: &str) -> Option<Map<String, Value>> {
    let document: Map<String, Value> = serde_json::from_str(text).ok()?;
    let is_metadata = !document.contains_key("keys")
        && !document.contains_key("kty")
        && (document.contains_key("jwks_uri") || document.contains_key("issuer"));
    is_metadata.then_some(document)
}

fn text_of(answer: &Answer) -> &str {
    let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
    str::from_utf8(body).unwrap_or_default()
}

fn neither(answer: &Answer) -> Failure {
    let kind =
        answer.media_type().map_or_else(String::new, |kind| format!(" of {}", printable(&kind)));
    Failure::new(format_args!(
        "{} answers with status {} and a body{kind}, which is neither a JWK set nor the metadata of an issuer",
        answer.url, answer.status
    ))
    .with_hint("give the issuer as it stands in `iss`, or the address of the JWK set")
}
