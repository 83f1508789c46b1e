//! Reads tokens and secrets: from standard input, a file, a variable or a prompt.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::output::Output;

/// Where the token is.
#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    /// The token. It stays in the history of the shell: better pipe it in, or leave it out to be asked for it.
    #[arg(value_name = "TOKEN")]
    token: Option<String>,
    /// Read the token from a file; `-` is standard input.
    #[arg(long, short, value_name = "FILE", conflicts_with = "token")]
    file: Option<PathBuf>,
}

impl TokenArgs {
    /// Reads the token, without the space around it and without `Bearer` in front of it.
    pub(crate) fn read(&self, output: &Output) -> Result<Zeroizing<String>, Failure> {
        let text = match (&self.token, &self.file) {
            (Some(token), _) if token == "-" => read_input()?,
            (Some(token), _) => {
                output.note("the token is in the history of your shell now; pipe it in instead, or use --file");
                Zeroizing::new(token.clone())
            }
            (None, Some(path)) => read_text(path)?,
            (None, None) if io::stdin().is_terminal() => prompt("Token (not shown): ")?,
            (None, None) => read_input()?,
        };
        let token = bare(&text);
        if token.is_empty() {
            return Err(Failure::new("there is no token")
                .with_hint("pipe one in, name a file with --file, or answer the prompt"));
        }
        Ok(Zeroizing::new(token.to_owned()))
    }
}

impl TokenArgs {
    /// Reads the token if there is one: standard input is read only if it is no terminal.
    pub(crate) fn read_optional(
        &self,
        output: &Output,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        let is_named = self.token.is_some() || self.file.is_some();
        if !is_named && io::stdin().is_terminal() {
            return Ok(None);
        }
        if is_named {
            return self.read(output).map(Some);
        }
        let text = read_input()?;
        let token = bare(&text);
        Ok((!token.is_empty()).then(|| Zeroizing::new(token.to_owned())))
    }
}

/// Returns the token in what people copy: with its field name, its scheme, quotes, or line breaks around it.
pub(crate) fn bare(text: &str) -> &str {
    let without = |text: &'_ str, prefix: &str| -> Option<usize> {
        let (start, _) = text.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(prefix.len())
    };
    let mut token = text.trim();
    for prefix in ["authorization:", "bearer "] {
        if let Some(length) = without(token, prefix) {
            token = token[length..].trim();
        }
    }
    token.trim_matches(['"', '\'', '`']).trim()
}

/// Reads a file, or standard input for `-`, as text.
pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if path == Path::new("-") {
        return read_input();
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    read_limited(file).map_err(|error| unreadable(path, &error))
}

/// Reads a secret from a file, as it is. One line break at its end does not count: editors add it.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut secret = read_bytes(path)?;
    let text = secret.strip_suffix(b"\n").unwrap_or(&secret);
    let length = text.strip_suffix(b"\r").unwrap_or(text).len();
    secret.truncate(length);
    Ok(secret)
}

/// Reads a file as bytes.
pub(crate) fn read_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if path == Path::new("-") {
        let bytes = limited_bytes(io::stdin().lock());
        return bytes
            .map_err(|error| Failure::new(format_args!("standard input cannot be read: {error}")));
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    limited_bytes(file).map_err(|error| unreadable(path, &error))
}

/// Asks for a secret, which is not shown while it is typed.
pub(crate) fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
    let answer = rpassword::prompt_password(question);
    answer
        .map(Zeroizing::new)
        .map_err(|error| Failure::new(format_args!("nothing can be asked for here: {error}")))
}

fn read_input() -> Result<Zeroizing<String>, Failure> {
    read_limited(io::stdin().lock())
        .map_err(|error| Failure::new(format_args!("standard input cannot be read: {error}")))
}

fn read_limited(source: impl Read) -> io::Result<Zeroizing<String>> {
    let bytes = limited_bytes(source)?;
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(io::Error::other("it is not UTF-8")),
    }
}

fn limited_bytes(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    source.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format_args!("{} cannot be read: {error}", path.display()))
}

const MAX_INPUT_BYTES: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_found_in_what_people_copy() {
        for text in [
            "a.b.c",
            " a.b.c\n",
            "Bearer a.b.c",
            "authorization: bearer a.b.c\r\n",
            "\"a.b.c\"",
            "Authorization: Bearer  'a.b.c'",
        ] {
            assert_eq!(bare(text), "a.b.c", "{text:?}");
        }
    }
}
