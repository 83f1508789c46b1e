//! The command `bearer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tower_bearer_cli::run(std::env::args_os())
}
