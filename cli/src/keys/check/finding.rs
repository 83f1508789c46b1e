use std::io;
use std::process::ExitCode;

use anstyle::Style;
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{BAD, FAINT, GOOD, NAME, Output, STRONG, WARNING, printable, styled};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Tokens are refused, or can be forged.
    Error,
    /// Some verifiers refuse tokens, or will.
    Warning,
    /// It works, and could be clearer.
    Note,
}

/// One thing that would trouble a verifier.
#[derive(Debug, Serialize)]
struct Finding {
    severity: Severity,
    code: &'static str,
    place: String,
    problem: String,
    remedy: String,
}

/// A key as the verifier sees it.
#[derive(Debug, Serialize)]
pub(super) struct SeenKey {
    pub(super) place: String,
    pub(super) key_id: Option<String>,
    pub(super) kty: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) thumbprint: Option<String>,
    /// Whether tokens are verified with the key.
    pub(super) usable: bool,
}

/// The findings about one source.
pub(super) struct Report {
    source: String,
    pub(super) keys_url: Option<String>,
    pub(super) keys: Vec<SeenKey>,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(source: &str) -> Self {
        Self { source: source.to_owned(), keys_url: None, keys: Vec::new(), findings: Vec::new() }
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        place: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Error, code, place, problem, remedy);
    }

    pub(super) fn warning(
        &mut self,
        code: &'static str,
        place: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Warning, code, place, problem, remedy);
    }

    pub(super) fn note(
        &mut self,
        code: &'static str,
        place: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Note, code, place, problem, remedy);
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (place, problem, remedy) = (place.to_owned(), problem.into(), remedy.into());
        self.findings.push(Finding { severity, code, place, problem, remedy });
    }

    /// Prints the findings, the worst first. The exit code is 1 if there is an error.
    pub(super) fn print(mut self, output: &mut Output) -> Result<ExitCode, Failure> {
        self.findings.sort_by_key(|finding| finding.severity);
        if output.is_json() {
            output.json(&json!({
                "source": self.source,
                "keys_url": self.keys_url,
                "keys": self.keys,
                "findings": self.findings,
            }))?;
        } else {
            self.print_text(output)?;
        }
        Ok(if self.count(Severity::Error) > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn print_text(&self, output: &mut Output) -> io::Result<()> {
        let counts = [
            (self.keys.len(), "key"),
            (self.count(Severity::Error), "error"),
            (self.count(Severity::Warning), "warning"),
            (self.count(Severity::Note), "note"),
        ];
        let counts = counts.map(|(count, word)| match count {
            1 => format!("1 {word}"),
            _ => format!("{count} {word}s"),
        });
        let source = styled(STRONG, printable(&self.source));
        output.line(format_args!("{source}: {}", counts.join(", ")))?;
        if let Some(url) = self.keys_url.as_ref().filter(|url| **url != self.source) {
            output.line(styled(FAINT, format_args!("keys from {}", printable(url))))?;
        }
        for key in &self.keys {
            let mark = if key.usable { styled(GOOD, "✓") } else { styled(BAD, "✗") };
            let of =
                |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), printable);
            let (kty, algorithm) = (of(&key.kty), of(&key.algorithm));
            let place = styled(NAME, printable(&key.place));
            output.line(format_args!("  {mark} {place}  {kty} {algorithm}"))?;
        }
        for finding in &self.findings {
            let (style, word) = finding.severity.shown();
            output.line("")?;
            let place = styled(NAME, printable(&finding.place));
            let problem = printable(&finding.problem);
            output.line(format_args!("{}: {place}: {problem}", styled(style, word)))?;
            output.line(format_args!("  {}", printable(&finding.remedy)))?;
        }
        if self.findings.is_empty() {
            output.line("")?;
            output.line(styled(GOOD, "Nothing here would trouble a verifier."))?;
        }
        Ok(())
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

impl Severity {
    fn shown(self) -> (Style, &'static str) {
        match self {
            Self::Error => (BAD, "error"),
            Self::Warning => (WARNING, "warning"),
            Self::Note => (STRONG, "note"),
        }
    }
}
