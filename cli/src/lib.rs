//! Looks inside bearer tokens, explains why they are refused, and makes keys and tokens, offline.
//!
//! The verdicts are those of `tower_bearer`: the command verifies with the code that runs in production.
//! Nothing is sent anywhere, unless an argument names an address.

#![cfg_attr(not(feature = "all"), allow(dead_code, reason = "the commands that use it are off"))]

// In the order in which they may import from each other: each from those above it only.
mod dates;
mod output;
mod failure;
mod input;
mod names;
mod inspect;
#[cfg(feature = "all")]
mod fetch;
#[cfg(feature = "all")]
mod explain;
#[cfg(feature = "all")]
mod keys;
#[cfg(feature = "all")]
mod api_keys;
#[cfg(feature = "all")]
mod mint;
#[cfg(feature = "all")]
mod page;
#[cfg(feature = "all")]
mod serve;
#[cfg(feature = "all")]
mod answers;
mod shell;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

#[cfg(feature = "all")]
use self::answers::Answers;
use self::failure::Failure;
use self::output::{ColorChoice, Output};

/// Look inside bearer tokens, explain refusals, and make keys and tokens, offline.
#[derive(Debug, Parser)]
#[command(name = "bearer", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print JSON, for other programs.
    #[arg(long, global = true)]
    json: bool,
    /// When to print colours. `auto`: on a terminal, unless `NO_COLOR` is set.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is in a token, without verifying it.
    Inspect(inspect::InspectArgs),
    #[cfg(feature = "all")]
    /// Say check by check why a token is refused, and what would make it pass.
    Explain(Box<explain::ExplainArgs>),
    #[cfg(feature = "all")]
    /// Make, convert and check keys.
    Keys(keys::KeysArgs),
    #[cfg(feature = "all")]
    /// Make API keys, and name the owner of one.
    ApiKeys(api_keys::ApiKeysArgs),
    #[cfg(feature = "all")]
    /// Make a token for tests, good or broken in a named way.
    Mint(Box<mint::MintArgs>),
    #[cfg(feature = "all")]
    /// Stand in for a provider on this machine, and serve the page that looks inside tokens.
    Serve(serve::ServeArgs),
    /// Print the completions of a shell.
    Completions(shell::CompletionsArgs),
    /// Print the manual page, or that of a subcommand.
    Man(shell::ManArgs),
}

impl Command {
    fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        match self {
            #[cfg(feature = "all")]
            Self::Inspect(args) if args.is_for_the_page() => {
                serve::page_only(serve::LoopbackAddress::ANY_PORT, Answers, output)
            }
            Self::Inspect(args) => inspect::run(&args, output),
            #[cfg(feature = "all")]
            Self::Explain(args) => explain::run(&args, output),
            #[cfg(feature = "all")]
            Self::Serve(args) => serve::run(args, Answers, output),
            #[cfg(feature = "all")]
            Self::Keys(args) => keys::run(args, output),
            #[cfg(feature = "all")]
            Self::ApiKeys(args) => api_keys::run(args, output),
            #[cfg(feature = "all")]
            Self::Mint(args) => mint::run(&args, output),
            Self::Completions(args) => shell::completions(&args, &mut Arguments::command(), output),
            Self::Man(args) => shell::man(&args, Arguments::command(), output),
        }
    }
}

/// Runs the command with these arguments, of which the first is the name of the program.
///
/// Exit codes: 0 for success, 1 for a refused token or a key set with faults, 2 for everything that could not be
/// decided, wrong arguments included.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are such errors too, for standard output.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut output = Output::new(arguments.json, arguments.color);
    match arguments.command.run(&mut output) {
        Ok(code) => code,
        Err(failure) => failure.report(&output),
    }
}

/// Inspects text as `bearer inspect` does, and prints nothing. For a fuzzer, which looks for panics.
///
/// # Panics
///
/// Never, for any text: that is what the fuzzer tries.
#[doc(hidden)]
pub fn inspect_unseen(text: &str) {
    inspect::inspect_unseen(text).expect("nothing is written");
}

#[cfg(all(test, feature = "all"))]
mod tests {
    use super::*;

    /// Returns the arguments of each line that runs the command, after a pipe too.
    fn command_lines(text: &str) -> Vec<Vec<&str>> {
        let of_line = |line: &'_ str| -> Option<usize> {
            let line = line.trim_start_matches("$ ");
            ["bearer ", "| bearer "].iter().find_map(|start| Some(line.find(start)? + start.len()))
        };
        let mut found = Vec::new();
        for line in text.lines().map(str::trim) {
            let is_command = line.starts_with("bearer ") || line.contains("| bearer ");
            let Some(start) = of_line(line).filter(|_| is_command) else { continue };
            let end =
                line[start..].find(['<', '>', '|', '#']).map_or(line.len(), |end| start + end);
            found.push(
                line[start..end]
                    .split_whitespace()
                    .map(|word| word.trim_matches(['\'', '"']))
                    .collect(),
            );
        }
        found
    }

    #[test]
    fn every_documented_command_line_is_understood() {
        let mut command = Arguments::command();
        command.build();
        let mut texts = vec![
            include_str!("../README.md").to_owned(),
            include_str!("../../README.md").to_owned(),
        ];
        let mut all: Vec<&clap::Command> = vec![&command];
        while let Some(one) = all.pop() {
            texts.extend(one.get_after_help().map(ToString::to_string));
            all.extend(one.get_subcommands());
        }
        let lines: Vec<_> = texts.iter().flat_map(|text| command_lines(text)).collect();
        assert!(lines.len() > 15, "{lines:?}");

        for line in lines {
            let arguments = ["bearer"].into_iter().chain(line.iter().copied());
            if let Err(error) = Arguments::try_parse_from(arguments) {
                panic!("{line:?}: {error}");
            }
        }
    }
}
