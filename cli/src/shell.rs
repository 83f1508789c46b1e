//! Prints what shells and manuals need.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output::{Output, printable};

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn completions(
    args: &CompletionsArgs,
    command: &mut clap::Command,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "bearer", &mut script);
    output.raw(script)?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The subcommand whose page to print: `keys check`, for example.
    #[arg(value_name = "COMMAND")]
    path: Vec<String>,
    /// Write the pages of all subcommands into a directory, as `bearer-inspect.1` and so on.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "path")]
    out: Option<PathBuf>,
}

/// Prints the manual page of the command or of a subcommand.
pub(crate) fn man(
    args: &ManArgs,
    command: clap::Command,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let mut command = command;
    // Gives each subcommand its whole name.
    command.build();
    if let Some(directory) = &args.out {
        clap_mangen::generate_to(command, directory).map_err(|error| {
            Failure::new(format_args!("{} cannot be written: {error}", directory.display()))
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut wanted = &command;
    for name in &args.path {
        wanted = wanted.find_subcommand(name).ok_or_else(|| {
            Failure::new(format_args!("there is no command {:?}", printable(name)))
                .with_hint("`bearer help` lists the commands")
        })?;
    }
    let mut page = Vec::new();
    let name = wanted.get_display_name().unwrap_or_else(|| wanted.get_name()).to_owned();
    clap_mangen::Man::new(wanted.clone().name(name)).render(&mut page)?;
    output.raw(page)?;
    Ok(ExitCode::SUCCESS)
}
