//! Shows what is in a token, without a word about whether it is good.

mod parts;
mod unusual;
mod report;
mod text;
mod decrypt;

use std::io;
use std::process::ExitCode;

use clap::Args;
use tower_bearer::validation::Preset;

pub(crate) use self::decrypt::DecryptArgs;
pub(crate) use self::report::Report;

use crate::dates;
use crate::failure::Failure;
use crate::input::{TokenArgs, bare};
use crate::output::Output;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pbpaste | bearer inspect
  bearer inspect --file token.txt --preset keycloak --audience orders-api
  bearer inspect --decrypt-key key.jwk.json < token.txt
  bearer inspect --json < token.txt | jq .claims.aud")]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    token: TokenArgs,
    /// Show roles and scopes as a verifier with this preset reads them: keycloak, auth0, entra, okta, cognito, spiffe, fapi2.
    #[arg(long, value_name = "NAME", value_parser = parse_preset)]
    preset: Option<Preset>,
    /// The audience of the API, below which Keycloak keeps the roles of a client.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    #[command(flatten)]
    decrypt: DecryptArgs,
    /// Serve a page on this machine to paste tokens into, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["token", "file", "preset", "audience", "decrypt_key"])]
    web: bool,
}

impl InspectArgs {
    pub(crate) fn is_for_the_page(&self) -> bool {
        self.web
    }
}

pub(crate) fn run(args: &InspectArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let InspectArgs { token, preset, audience, decrypt, .. } = args;
    let token = token.read(output)?;
    let (audience, now) = (audience.as_deref(), dates::now());
    let mut report = Report::new(&token, *preset, audience, now);
    if let Some(content) = decrypt.decrypt(&token)? {
        report = report.with_content(&content, *preset, audience, now);
    }
    print(&report, output)?;
    Ok(if report.is_readable() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn print(report: &Report, output: &mut Output) -> io::Result<()> {
    if output.is_json() { output.json(report) } else { text::print(report, output) }
}

/// Inspects text as the command does, for each preset, and prints nothing.
pub(crate) fn inspect_unseen(text: &str) -> io::Result<()> {
    let token = bare(text);
    for preset in Preset::ALL.into_iter().map(Some).chain([None]) {
        let report = Report::new(token, preset, None, 0);
        print(&report, &mut Output::nowhere(false))?;
        print(&report, &mut Output::nowhere(true))?;
    }
    Ok(())
}

pub(crate) fn parse_preset(name: &str) -> Result<Preset, String> {
    name.parse().map_err(|error: tower_bearer::validation::ParsePresetError| error.to_string())
}
