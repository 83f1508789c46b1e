//! Prints what shells and manuals need.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn completions(
    args: CompletionsArgs,
    command: &mut clap::Command,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "bearer", &mut script);
    output.raw(script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints one page for the command and all of its subcommands.
pub(crate) fn man(command: &clap::Command, output: &mut Output) -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    output.raw(page)?;
    Ok(ExitCode::SUCCESS)
}
