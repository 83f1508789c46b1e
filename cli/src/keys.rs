//! `bearer keys`: makes, converts and checks keys.

mod algorithm;
mod file;
mod jwk;
mod encode;
mod key;
mod convert;
mod generate;
mod thumbprint;
mod check;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::output::Output;

pub(crate) use algorithm::algorithm_parser;
pub(crate) use key::{Key, KeyFile, for_algorithm, public_pem};

#[derive(Args, Debug)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a key.
    Generate(generate::GenerateArgs),
    /// Convert a key between JWK, JWK set, PEM, DER and base64url.
    Convert(convert::ConvertArgs),
    /// Print the thumbprints of keys (RFC 7638).
    Thumbprint(thumbprint::ThumbprintArgs),
    /// Look for what would trouble a verifier in a JWK set, or at a provider.
    Check(check::CheckArgs),
}

pub(crate) fn run(args: KeysArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    match args.command {
        KeysCommand::Generate(args) => generate::run(&args, output),
        KeysCommand::Convert(args) => convert::run(&args, output),
        KeysCommand::Thumbprint(args) => thumbprint::run(&args, output),
        KeysCommand::Check(args) => check::run(&args, output),
    }
}
