//! Prints results: for people with colours, for programs as JSON.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;

/// Standard output, in the form that the arguments ask for.
pub(crate) struct Output {
    stream: Stream,
    choice: anstream::ColorChoice,
    is_json: bool,
}

/// Where the output goes.
enum Stream {
    Terminal(AutoStream<io::Stdout>),
    /// Nowhere: for tests that look for panics.
    Nowhere,
}

/// When colours are printed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

impl Output {
    pub(crate) fn new(is_json: bool, color: ColorChoice) -> Self {
        let choice = match color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::AlwaysAnsi,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        Self { stream: Stream::Terminal(AutoStream::new(io::stdout(), choice)), choice, is_json }
    }

    /// Creates an output that is thrown away.
    pub(crate) fn nowhere(is_json: bool) -> Self {
        Self { stream: Stream::Nowhere, choice: anstream::ColorChoice::Never, is_json }
    }

    /// Returns whether the result is wanted as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Prints a line. Styles are left out where no terminal reads them.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> io::Result<()> {
        match &mut self.stream {
            Stream::Terminal(stream) => writeln!(stream, "{line}"),
            Stream::Nowhere => writeln!(io::sink(), "{line}"),
        }
    }

    /// Prints text as it is, for results that other programs read: a key, a token, a manual page.
    pub(crate) fn raw(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        if let Stream::Nowhere = self.stream {
            return Ok(());
        }
        let mut stdout = io::stdout();
        stdout.write_all(text.as_ref())?;
        stdout.flush()
    }

    /// Prints a value as JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.raw(json_escaped(&text) + "\n")
    }

    /// Prints a note on standard error, beside the result.
    pub(crate) fn note(&self, note: impl fmt::Display) {
        let mut stderr = AutoStream::new(io::stderr(), self.choice);
        drop(writeln!(stderr, "{WARNING}note:{WARNING:#} {note}"));
    }

    /// Prints a problem on standard error.
    pub(crate) fn report(&self, problem: &str, hint: Option<&str>) {
        let mut stderr = AutoStream::new(io::stderr(), self.choice);
        // Arguments and file names may hold anything. Errors of several lines are made here.
        let lines = |text: &str| text.lines().map(printable).collect::<Vec<_>>().join("\n");
        drop(writeln!(stderr, "{BAD}error:{BAD:#} {}", lines(problem)));
        if let Some(hint) = hint {
            drop(writeln!(stderr, "{STRONG}hint:{STRONG:#} {}", lines(hint)));
        }
    }
}

/// Text in a style, for [`Output::line`].
pub(crate) fn styled(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns untrusted text with every control character escaped, so that a token cannot write to the terminal.
pub(crate) fn printable(text: &str) -> String {
    let is_safe = |c: char| !c.is_control() && !is_invisible(c);
    let mut printed = String::with_capacity(text.len());
    for c in text.chars() {
        if is_safe(c) {
            printed.push(c);
        } else {
            printed.extend(c.escape_unicode());
        }
    }
    printed
}

/// Returns JSON with the characters escaped that [`printable`] escapes. It means the same.
pub(crate) fn json_escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if (c.is_control() && c != '\n') || is_invisible(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Text takes everything that is written to it.
                _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Characters that change the direction of text or are not seen: a name could look like another one.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{3164}' | '\u{FEFF}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_cannot_write_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("admin\u{202e}"), "admin\\u{202e}");
        assert_eq!(printable("Zoë 王"), "Zoë 王");
        assert_eq!(printable("a\u{61c}b\u{ad}\u{e0041}"), "a\\u{61c}b\\u{ad}\\u{e0041}");
    }

    #[test]
    fn json_means_the_same_and_cannot_write_to_the_terminal() {
        let text = "a\u{9b}2J\u{202e}\u{e0041} Zoë \"\n";

        let json = json_escaped(&serde_json::to_string(text).unwrap());

        assert!(json.chars().all(|c| !c.is_control() && !is_invisible(c)), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
