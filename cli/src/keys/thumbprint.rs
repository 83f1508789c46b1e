use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::key::KeyFile;
use crate::failure::Failure;
use crate::output::{FAINT, Output, printable, styled};

#[derive(Args, Debug)]
#[command(after_help = "\
A thumbprint is the SHA-256 hash of the public numbers of a key. It is the same for the private and the public key, in
every form.

Examples:
  The thumbprint of a key in PEM:
    bearer keys thumbprint key.pem
  Those of all keys of a set, as URIs (RFC 9278):
    bearer keys thumbprint jwks.json --uri")]
pub(crate) struct ThumbprintArgs {
    /// The file with the key or the keys; `-` is standard input.
    file: PathBuf,
    /// Print URIs: `urn:ietf:params:oauth:jwk-thumbprint:sha-256:…`.
    #[arg(long)]
    uri: bool,
}

pub(super) fn run(args: &ThumbprintArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let KeyFile { keys, skipped, .. } = KeyFile::read(&args.file, None)?;
    for problem in skipped {
        output.note(format_args!("a key is left out: {problem}"));
    }
    let mut thumbprints = Vec::new();
    for key in &keys {
        match key.thumbprint() {
            Some(thumbprint) => thumbprints.push((key, thumbprint)),
            None => output.note("a secret is left out: its thumbprint would help to guess it"),
        }
    }
    if thumbprints.is_empty() {
        return Err(Failure::new("there is no key with a public part"));
    }
    if output.is_json() {
        let list = thumbprints.iter().map(|(key, thumbprint)| {
            json!({
                "key_id": key.key_id(),
                "algorithm": key.algorithm().as_str(),
                "thumbprint": thumbprint,
                "uri": format!("{PREFIX}{thumbprint}"),
            })
        });
        output.json(&json!({ "thumbprints": list.collect::<Vec<_>>() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_alone = thumbprints.len() == 1;
    for (key, thumbprint) in thumbprints {
        let prefix = if args.uri { PREFIX } else { "" };
        match key.key_id().filter(|key_id| !is_alone && *key_id != thumbprint) {
            Some(key_id) => {
                let key_id = styled(FAINT, printable(key_id));
                output.line(format_args!("{prefix}{thumbprint}  {key_id}"))?;
            }
            None => output.line(format_args!("{prefix}{thumbprint}"))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

const PREFIX: &str = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";
