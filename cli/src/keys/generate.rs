use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tower_bearer::keys::RsaSize;
use tower_bearer::{Algorithm, SigningKey};

use super::convert::{Form, content_of};
use super::file::{self, Readers};
use super::key::{Key, is_hmac};
use crate::failure::Failure;
use crate::output::{FAINT, GOOD, Output, STRONG, printable, styled};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  Make a key, and keep the private half where only you can read it:
    bearer keys generate --out key.json --public-out jwks.json
  An RSA key in PEM, for a program that wants one:
    bearer keys generate --algorithm RS256 --bits 3072 --format pem --out key.pem
  A secret for HMAC, as base64url text:
    bearer keys generate --algorithm HS256 --format base64url --out secret.txt")]
pub(crate) struct GenerateArgs {
    /// The algorithm that the key is for.
    #[arg(long, short, default_value = "ES256", value_parser = super::algorithm::algorithm_parser(), ignore_case = true)]
    algorithm: Algorithm,
    /// The size of an RSA key, in bits. The default is 2048.
    #[arg(long, value_parser = ["2048", "3072", "4096"])]
    bits: Option<String>,
    /// The key id (`kid`). The default is the thumbprint of the key (RFC 7638); a secret has none.
    #[arg(long, value_name = "NAME")]
    key_id: Option<String>,
    /// The form of the key.
    #[arg(long, value_enum, default_value_t = Form::Jwk)]
    format: Form,
    /// Write the private key to this file, which only its owner can read.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the public key to this file: a JWK set, or PEM or DER if that is the format.
    #[arg(long, value_name = "FILE")]
    public_out: Option<PathBuf>,
    /// Replace files that exist.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &GenerateArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let is_secret = is_hmac(args.algorithm);
    if is_secret && args.public_out.is_some() {
        return Err(Failure::new("a secret has no public key")
            .with_hint("leave --public-out away, or choose an algorithm such as ES256"));
    }
    let same = args.out.as_ref().zip(args.public_out.as_ref());
    if same.is_some_and(|(one, other)| file::is_same(one, other)) {
        return Err(Failure::new("the private and the public key cannot be in one file")
            .with_hint("name another file with --public-out"));
    }
    if !args.force {
        // Before anything is written, so that no half of a pair is left behind.
        args.out.iter().chain(&args.public_out).try_for_each(|path| file::check_absent(path))?;
    }
    let key = Key::Private(generate(args)?);
    let private = content_of(std::slice::from_ref(&key), args.format, false)?;
    let public_form = if args.format == Form::Jwk { Form::Jwks } else { args.format };
    let public = match (&args.public_out, public_key(&key)) {
        (Some(path), Some(public)) => {
            Some((path, content_of(std::slice::from_ref(&public), public_form, false)?))
        }
        _ => None,
    };
    if args.out.is_none() {
        private.check_destination(output)?;
    }
    // The public half first: if it cannot be written, no key has been made.
    if let Some((path, public)) = &public {
        file::write(path, &public.bytes, Readers::Usual, args.force)?;
    }
    if let Some(path) = &args.out {
        file::write(path, &private.bytes, Readers::Owner, args.force)?;
    }
    if output.is_json() {
        let published = public_key(&key).and_then(|public| public.to_jwk());
        return finish(output.json(&json!({
            "algorithm": key.algorithm().as_str(),
            "key_id": key.key_id(),
            "thumbprint": key.thumbprint(),
            "private_key": if args.out.is_none() { private.to_json() } else { None },
            "private_file": args.out.as_deref().map(Path::to_string_lossy),
            "public_keys": { "keys": published.into_iter().collect::<Vec<_>>() },
            "public_file": args.public_out.as_deref().map(Path::to_string_lossy),
        })));
    }
    let Some(path) = &args.out else {
        private.print(output)?;
        return Ok(ExitCode::SUCCESS);
    };
    let kind = if is_secret { "secret" } else { "key" };
    output.line(format_args!("{} {kind} for {}", styled(GOOD, "made a"), key.algorithm()))?;
    if let Some(key_id) = key.key_id() {
        output.line(format_args!("  key id   {}", styled(STRONG, printable(key_id))))?;
    }
    let only_you = styled(FAINT, "(only you can read it)");
    let shown = |path: &Path| printable(&path.to_string_lossy());
    output.line(format_args!("  private  {} {only_you}", shown(path)))?;
    if let Some(path) = &args.public_out {
        output.line(format_args!("  public   {}", shown(path)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn generate(args: &GenerateArgs) -> Result<SigningKey, Failure> {
    let is_rsa = matches!(&args.algorithm.as_str()[..2], "RS" | "PS");
    let key = match args.bits.as_deref() {
        Some(_) if !is_rsa => {
            return Err(Failure::new(format_args!("{} has keys of one size", args.algorithm))
                .with_hint("--bits is for RSA, such as --algorithm RS256"));
        }
        Some("3072") => SigningKey::generate_rsa(args.algorithm, RsaSize::Bits3072),
        Some("4096") => SigningKey::generate_rsa(args.algorithm, RsaSize::Bits4096),
        _ => SigningKey::generate(args.algorithm),
    };
    let key = key.map_err(Failure::new)?;
    match &args.key_id {
        Some(key_id) => key.with_key_id(key_id).map_err(Failure::new),
        None => Ok(key),
    }
}

fn public_key(key: &Key) -> Option<Key> {
    match key {
        Key::Private(key) if !is_hmac(key.algorithm()) => Some(Key::Public(key.verifying_key())),
        _ => None,
    }
}

fn finish(printed: std::io::Result<()>) -> Result<ExitCode, Failure> {
    printed?;
    Ok(ExitCode::SUCCESS)
}
