//! Prints an explanation for people.

use std::io;
use std::process::ExitCode;

use serde_json::{Map, Value};
use tower_bearer::error::ReasonClass;
use tower_bearer::explain::{Explanation, Outcome, Step, UnverifiedToken};
use tower_bearer::{AuthError, Reason};

use crate::dates;
use crate::output::{BAD, FAINT, GOOD, Output, STRONG, WARNING, printable, styled};

pub(super) fn print(
    explanation: &Explanation,
    token: &str,
    now: i64,
    output: &mut Output,
) -> io::Result<()> {
    let parts = UnverifiedToken::parse(token);
    let claims: Map<String, Value> =
        parts.claims().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let verdict = match explanation.error().map(AuthError::reason) {
        None => styled(GOOD, "Accepted."),
        Some(reason) if reason.class() == ReasonClass::Unavailable => styled(WARNING, "Undecided:"),
        Some(_) => styled(BAD, "Refused:"),
    };
    match explanation.error() {
        None => output.line(verdict)?,
        Some(error) => output.line(format_args!("{verdict} {}.", printable(&error.to_string())))?,
    }
    output.line("")?;
    let width = explanation.checks().iter().map(|check| check.step().title().len()).max();
    let width = width.unwrap_or(0);
    for check in explanation.checks() {
        let (mark, detail) = match check.outcome() {
            Outcome::Passed => (styled(GOOD, "✓"), String::new()),
            Outcome::Skipped => (styled(FAINT, "·"), styled(FAINT, "not known")),
            Outcome::Failed(error) => {
                let detail = in_words(error, &claims, now).unwrap_or_else(|| format!("{error:#}"));
                (styled(BAD, "✗"), printable(&detail))
            }
            outcome => {
                let detail = outcome.error().map(|error| format!("{error:#}")).unwrap_or_default();
                (styled(WARNING, "?"), printable(&detail))
            }
        };
        let line = format!("  {mark} {:width$}  {detail}", check.step().title());
        output.line(line.trim_end())?;
    }
    if is_unverified(explanation) {
        output.line("")?;
        output.line(styled(
            FAINT,
            "The signature is not verified: the checks of the claims are about what the token says of itself.",
        ))?;
    }
    if let Some(error) = explanation.error() {
        output.line("")?;
        let class = error.reason().class();
        let status = status(class);
        let reason = error.reason();
        output.line(format_args!("An API answers {status}; its log says `{reason}`."))?;
    }
    if let Some(change) = explanation.change() {
        output.line("")?;
        output.line(styled(STRONG, "What would make it pass"))?;
        for check in explanation.checks() {
            if let Some(change) = check.change() {
                output.line(format_args!("  {}", printable(change.sentence())))?;
            }
        }
        if explanation.checks().iter().all(|check| check.change().is_none()) {
            output.line(format_args!("  {}", printable(change.sentence())))?;
        }
    }
    Ok(())
}

/// Says the date of a claim in words, where a date is the reason.
fn in_words(error: &AuthError, claims: &Map<String, Value>, now: i64) -> Option<String> {
    if !matches!(error.reason(), Reason::Expired | Reason::NotYetValid | Reason::TooOld) {
        return None;
    }
    let name = error.claim()?;
    let Value::Number(number) = claims.get(name)? else { return None };
    let date = dates::seconds(number)?;
    let (absolute, relative) = (dates::absolute(date), dates::relative(date, now));
    let of = if name == "exp" { String::new() } else { format!("`{name}` is ") };
    Some(format!("{error}: {of}{absolute}, {relative}"))
}

fn is_unverified(explanation: &Explanation) -> bool {
    let has = |step: Step, passed: bool| {
        let mut checks = explanation.checks().iter();
        checks.any(|check| {
            check.step() == step && matches!(check.outcome(), Outcome::Passed) == passed
        })
    };
    has(Step::Signature, false) && has(Step::Payload, true)
}

fn status(class: ReasonClass) -> &'static str {
    match class {
        ReasonClass::NoCredentials | ReasonClass::BadToken => "401",
        ReasonClass::BadRequest => "400",
        ReasonClass::NotAllowed => "403",
        ReasonClass::NotFound => "404",
        ReasonClass::Unavailable => "503",
        ReasonClass::Misconfigured => "500",
    }
}

pub(super) fn exit_code(explanation: &Explanation) -> ExitCode {
    match explanation.error().map(|error| error.reason().class()) {
        None => ExitCode::SUCCESS,
        Some(ReasonClass::Unavailable | ReasonClass::Misconfigured) => ExitCode::from(2),
        Some(_) => ExitCode::from(1),
    }
}
