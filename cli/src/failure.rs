//! The end of a command that could not do its work.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::output::Output;

/// A command that could not do its work, with a sentence that says what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    problem: String,
    hint: Option<String>,
    /// The reader of the output has gone: nothing is printed.
    is_quiet: bool,
}

impl Failure {
    /// Creates the failure for a problem: a sentence without a capital at its start and without a full stop.
    pub(crate) fn new(problem: impl fmt::Display) -> Self {
        Self { problem: problem.to_string(), hint: None, is_quiet: false }
    }

    /// Says what to do about it.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Returns the problem, for an answer of the page.
    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }

    /// Returns what to do about it, for an answer of the page.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Prints the failure on standard error. The exit code is 2: nothing was decided.
    pub(crate) fn report(&self, output: &Output) -> ExitCode {
        if self.is_quiet {
            return ExitCode::SUCCESS;
        }
        output.report(&self.problem, self.hint.as_deref());
        ExitCode::from(2)
    }
}

/// Returns the exit code of a verdict. It stands also if the reader of the output has gone.
pub(crate) fn printed_or_closed(
    printed: io::Result<()>,
    code: ExitCode,
) -> Result<ExitCode, Failure> {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(code),
    }
}

/// Output that cannot be written. A closed pipe is the wish of its reader (`bearer … | head`).
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let is_quiet = error.kind() == io::ErrorKind::BrokenPipe;
        Self { is_quiet, ..Self::new(format_args!("the output cannot be written: {error}")) }
    }
}
