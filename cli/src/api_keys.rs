//! `bearer api-keys`: makes API keys for a file of keys, and names the owner of one.

mod generate;
mod owner;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::output::Output;

#[derive(Args, Debug)]
pub(crate) struct ApiKeysArgs {
    #[command(subcommand)]
    command: ApiKeysCommand,
}

#[derive(Debug, Subcommand)]
enum ApiKeysCommand {
    /// Make an API key, and its entry in a file of keys.
    Generate(generate::GenerateArgs),
    /// Name the owner of an API key: of one that leaked, for example.
    Owner(owner::OwnerArgs),
}

pub(crate) fn run(args: ApiKeysArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    match args.command {
        ApiKeysCommand::Generate(args) => generate::run(&args, output),
        ApiKeysCommand::Owner(args) => owner::run(&args, output),
    }
}
