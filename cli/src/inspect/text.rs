//! Prints a report for people.

use std::io;

use serde_json::Value;

use super::parts::Members;
use super::report::{Form, Report};
use crate::output::{BAD, FAINT, NAME, Output, STRONG, WARNING, printable, styled};

pub(super) fn print(report: &Report, output: &mut Output) -> io::Result<()> {
    output.line(format_args!(
        "{} This says what is in the token, not whether it is good.",
        styled(WARNING, "Not verified.")
    ))?;
    output.line("")?;
    print_token(report, output)
}

fn print_token(report: &Report, output: &mut Output) -> io::Result<()> {
    let size = report.bytes;
    match report.form {
        Form::Jws => output.line(format_args!("Signed token (JWS), {size} bytes"))?,
        Form::Jwe => {
            output.line(format_args!("Encrypted token (JWE), {size} bytes"))?;
            if report.decrypted.is_none() {
                output.line(
                    "Its claims can be read only with the key that it was encrypted for: --decrypt-key FILE.",
                )?;
            }
        }
        Form::Claims => output.line(format_args!("Claims that are not signed, {size} bytes"))?,
        Form::Text => {
            output.line(format_args!("Text that is no token, {size} bytes"))?;
            output.line(format_args!(
                "  {}",
                printable(report.text.as_deref().unwrap_or_default())
            ))?;
        }
        Form::ApiKey => {
            output.line(format_args!("API key, {size} bytes"))?;
            let parts = report.api_key.as_ref();
            let (prefix, id) = parts.map_or(("", ""), |parts| (&*parts.prefix, &*parts.id));
            output.line(format_args!("  {prefix}_{id}, and a secret with the right checksum"))?;
            output.line("There is nothing inside. `bearer api-keys owner` names its owner.")?;
        }
        Form::Unreadable => {
            let problem = report.problem.as_deref().unwrap_or_default();
            output.line(format_args!(
                "{} {}.",
                styled(BAD, "Not readable:"),
                printable(problem)
            ))?;
        }
    }
    section("Header", "header", report.header.as_ref(), report, output)?;
    section("Claims", "claims", report.claims.as_ref(), report, output)?;
    if matches!(report.form, Form::Jws | Form::Claims) {
        output.line("")?;
        let list = |list: &[String]| match list {
            [] => styled(FAINT, "none"),
            _ => printable(&list.join(", ")),
        };
        output.line(format_args!("{}  {}", styled(STRONG, "Roles "), list(&report.roles)))?;
        output.line(format_args!("{}  {}", styled(STRONG, "Scopes"), list(&report.scopes)))?;
    }
    if !report.unusual.is_empty() {
        output.line("")?;
        output.line(styled(STRONG, "Unusual"))?;
        for sentence in &report.unusual {
            output.line(format_args!("  {} {}", styled(WARNING, "!"), printable(sentence)))?;
        }
    }
    if let Some(content) = &report.decrypted {
        output.line("")?;
        output.line(format_args!(
            "{} Everyone who has the key to encrypt may have made what follows.",
            styled(WARNING, "Decrypted, not verified.")
        ))?;
        output.line("")?;
        print_token(content, output)?;
    }
    Ok(())
}

fn section(
    title: &str,
    part: &str,
    members: Option<&Members>,
    report: &Report,
    output: &mut Output,
) -> io::Result<()> {
    let Some(members) = members else { return Ok(()) };
    output.line("")?;
    output.line(styled(STRONG, title))?;
    let width =
        members.keys().map(|name| printable(name).chars().count()).max().unwrap_or(0).min(24);
    for (name, value) in members {
        let explained = report.explained.iter().find(|one| one.part == part && one.name == *name);
        let name = printable(name);
        let padding = " ".repeat(width.saturating_sub(name.chars().count()));
        let value = shown(value);
        output.line(format_args!("  {}{padding}  {value}", styled(NAME, &name)))?;
        let note = explained.and_then(|one| one.note.as_deref());
        let words = [note, explained.and_then(|one| one.meaning)];
        let words = words.into_iter().flatten().collect::<Vec<_>>().join("; ");
        if !words.is_empty() {
            let margin = " ".repeat(width + 4);
            output.line(format_args!("{margin}{}", styled(FAINT, printable(&words))))?;
        }
    }
    Ok(())
}

/// Returns a value on one line, shortened where it is long.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        _ => value.to_string(),
    };
    let text = printable(&text);
    match text.char_indices().nth(MAX_SHOWN) {
        None => text,
        Some((end, _)) => {
            format!("{}… ({} characters; --json shows all)", &text[..end], text.chars().count())
        }
    }
}

const MAX_SHOWN: usize = 160;
