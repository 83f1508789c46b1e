use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use zeroize::Zeroizing;

use super::file::{self, Readers};
use super::jwk::JwkSet;
use super::key::{Key, KeyFile};
use crate::failure::Failure;
use crate::output::Output;

#[derive(Args, Debug)]
#[command(after_help = "\
The input is a JWK, a JWK set, PEM (PKCS#8, PKCS#1, SEC 1, SPKI, certificate), DER, or a secret in base64url with
--algorithm. Private keys stay private keys unless --public is given.

Examples:
  The public half of a key in PEM, as a JWK set to publish:
    bearer keys convert key.pem --to jwks --public
  The key of a certificate, for a verifier that wants a JWK:
    bearer keys convert server.crt --to jwk --algorithm PS256
  A private JWK for a program that reads `RSA PRIVATE KEY`:
    bearer keys convert key.json --to pem --traditional --out key.pem
  A secret in base64url as a JWK, and back:
    bearer keys convert secret.txt --algorithm HS256 --to jwk --out secret.json
    bearer keys convert secret.json --to base64url")]
pub(crate) struct ConvertArgs {
    /// The file with the key; `-` is standard input.
    file: PathBuf,
    /// The form to convert to.
    #[arg(long, value_enum)]
    to: Form,
    /// Write the public key only.
    #[arg(long)]
    public: bool,
    /// The algorithm that the key is for. PEM and DER do not name one: the default is RS256 for RSA.
    #[arg(long, short, value_parser = super::algorithm::algorithm_parser(), ignore_case = true)]
    algorithm: Option<Algorithm>,
    /// The key id (`kid`). The default is that of the file, or else the thumbprint (RFC 7638).
    #[arg(long, value_name = "NAME")]
    key_id: Option<String>,
    /// Write PEM or DER in the older forms: PKCS#1 for RSA, SEC 1 for private keys on curves.
    #[arg(long)]
    traditional: bool,
    /// Write to this file, which only its owner can read if the key is private.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that exists.
    #[arg(long)]
    force: bool,
}

/// The form in which a key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// One JSON Web Key (RFC 7517).
    Jwk,
    /// A JWK set: {"keys": […]}.
    Jwks,
    /// PEM: PKCS#8 for private keys, SPKI for public ones.
    Pem,
    /// DER, which is binary: PKCS#8 for private keys, SPKI for public ones.
    Der,
    /// A secret for HMAC as base64url text.
    Base64url,
}

pub(super) fn run(args: &ConvertArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let KeyFile { keys, skipped, names_algorithm, .. } = KeyFile::read(&args.file, args.algorithm)?;
    for problem in skipped {
        output.note(format_args!("a key is left out: {problem}"));
    }
    let is_json = matches!(args.to, Form::Jwk | Form::Jwks);
    let is_guessed = |key: &Key| args.algorithm.is_none() && key.algorithm() == Algorithm::RS256;
    if is_json && !names_algorithm && keys.iter().any(is_guessed) {
        output.note(
            "the file names no algorithm, so `alg` is RS256; --algorithm chooses another one, such as PS256",
        );
    }
    let keys = prepared(args, keys)?;
    let content = content_of(&keys, args.to, args.traditional)?;
    if let Some(path) = &args.out {
        let readers = if content.is_private { Readers::Owner } else { Readers::Usual };
        file::write(path, &content.bytes, readers, args.force)?;
    }
    if output.is_json() {
        output.json(&json!({
            "form": content.form.name(),
            "private": content.is_private,
            "content": if args.out.is_none() { content.to_json() } else { None },
            "file": args.out.as_deref().map(Path::to_string_lossy),
        }))?;
    } else if args.out.is_none() {
        content.check_destination(output)?;
        content.print(output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn prepared(args: &ConvertArgs, keys: Vec<Key>) -> Result<Vec<Key>, Failure> {
    if args.key_id.is_some() && keys.len() > 1 {
        return Err(Failure::new("several keys cannot have one key id")
            .with_hint("leave --key-id away, or give a file with one key"));
    }
    let prepare = |key: Key| {
        let key = match &args.key_id {
            Some(key_id) => key.with_key_id(key_id)?,
            None => key.or_thumbprint(),
        };
        if !args.public {
            return Ok(key);
        }
        key.into_public().ok_or_else(|| {
            Failure::new(
                "a secret has no public key: a program that verifies with it can sign with it",
            )
            .with_hint("use a key of another kind, such as ES256, if others are to verify")
        })
    };
    keys.into_iter().map(prepare).collect()
}

/// Keys in the form in which they are written.
pub(crate) struct Content {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    form: Form,
    is_private: bool,
}

/// Writes keys in a form.
pub(crate) fn content_of(
    keys: &[Key],
    form: Form,
    is_traditional: bool,
) -> Result<Content, Failure> {
    let is_private = keys.iter().any(Key::is_private);
    let bytes = match form {
        Form::Jwks => {
            let keys = keys.iter().filter_map(Key::to_jwk).collect();
            json_text(&JwkSet { keys })?
        }
        Form::Jwk => json_text(&one(keys)?.to_jwk())?,
        Form::Base64url => secret_text(one(keys)?)?,
        Form::Der => encoded(one(keys)?, is_traditional)?.der,
        Form::Pem => {
            let mut text = Zeroizing::new(Vec::new());
            for key in keys {
                let pem = encoded(key, is_traditional)?.to_pem();
                text.extend_from_slice(pem.ok_or_else(unwritable)?.as_bytes());
            }
            text
        }
    };
    Ok(Content { bytes, form, is_private })
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Jwk => "jwk",
            Self::Jwks => "jwks",
            Self::Pem => "pem",
            Self::Der => "der",
            Self::Base64url => "base64url",
        }
    }
}

impl Content {
    /// Refuses to print binary data to a terminal, and gives a note if a private key is about to be printed there.
    pub(crate) fn check_destination(&self, output: &Output) -> Result<(), Failure> {
        if output.is_json() || !io::stdout().is_terminal() {
            return Ok(());
        }
        if self.form == Form::Der {
            return Err(Failure::new("DER is binary, and standard output is a terminal")
                .with_hint("name a file with --out, or choose PEM"));
        }
        if self.is_private {
            output.note(
                "this is a private key, and your terminal keeps what it shows; --out writes it to a file that \
                 only you can read",
            );
        }
        Ok(())
    }

    pub(crate) fn print(&self, output: &mut Output) -> io::Result<()> {
        output.raw(&*self.bytes)
    }

    /// Returns the content for a member of a JSON object: JSON, text, or DER in base64.
    pub(crate) fn to_json(&self) -> Option<Value> {
        match self.form {
            Form::Jwk | Form::Jwks => serde_json::from_slice(&self.bytes).ok(),
            Form::Der => Some(STANDARD.encode(&*self.bytes).into()),
            Form::Pem | Form::Base64url => str::from_utf8(&self.bytes).ok().map(Value::from),
        }
    }
}

fn one(keys: &[Key]) -> Result<&Key, Failure> {
    match keys {
        [key] => Ok(key),
        _ => Err(Failure::new("this form holds one key, and the file has several")
            .with_hint("use --to jwks, or --to pem")),
    }
}

fn encoded(key: &Key, is_traditional: bool) -> Result<super::encode::Encoded, Failure> {
    if key.is_secret() {
        return Err(
            Failure::new("a secret has no form in PEM or DER").with_hint("use JWK or base64url")
        );
    }
    key.encode(is_traditional).ok_or_else(|| {
        if is_traditional {
            let algorithm = key.algorithm();
            Failure::new(format_args!("this key for {algorithm} has no older form"))
                .with_hint("leave --traditional away")
        } else {
            unwritable()
        }
    })
}

fn secret_text(key: &Key) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let secret = key.to_jwk().and_then(|jwk| jwk.k);
    let secret = secret.ok_or_else(|| {
        Failure::new("only a secret for HMAC is base64url text").with_hint("use JWK, PEM or DER")
    })?;
    let mut text = Zeroizing::new(secret.as_bytes().to_vec());
    text.push(b'\n');
    Ok(text)
}

fn json_text(value: &impl serde::Serialize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // A buffer that grows leaves copies of the key behind.
    let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
    serde_json::to_writer_pretty(&mut *text, value).map_err(|_| unwritable())?;
    text.push(b'\n');
    Ok(text)
}

fn unwritable() -> Failure {
    Failure::new("the key cannot be written in this form")
}
