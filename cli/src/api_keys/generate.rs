use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tower_bearer::api_key::{ApiKey, ApiKeyPrefix};

use crate::dates;
use crate::failure::Failure;
use crate::names::is_scope;
use crate::output::{FAINT, Output, styled};

#[derive(Args, Debug)]
#[command(after_help = "\
The key is printed once. The entry holds its hash and no secret.

Examples:
  A key for a build server, good for 90 days, into the file that the API reads:
    bearer api-keys generate --prefix acme --owner build-server --scope images:read --expires-in 90d --append keys.toml")]
pub(super) struct GenerateArgs {
    /// The prefix of the application's keys.
    #[arg(long, value_parser = parse_prefix)]
    prefix: ApiKeyPrefix,
    /// The subject that the key speaks for.
    #[arg(long, value_name = "SUBJECT")]
    owner: String,
    /// The use of the key, in words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
    /// A role of the key. May be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A scope of the key. May be given several times.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = parse_scope)]
    scopes: Vec<String>,
    /// For how long the key is good, such as 90d. By default it does not expire.
    #[arg(long, value_name = "TIME", value_parser = dates::parse_span)]
    expires_in: Option<Duration>,
    /// Add the entry to this file in TOML, and print the key alone.
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
}

pub(super) fn run(args: &GenerateArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    if args.owner.is_empty() || args.owner.len() > 1024 {
        return Err(Failure::new("the owner is empty or longer than 1,024 bytes"));
    }
    let key = ApiKey::generate(&args.prefix).map_err(Failure::new)?;
    let hash = key.hash().map_err(Failure::new)?.to_hex();
    let now = dates::now();
    let expires = args.expires_in.map(|time| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        now.saturating_add(seconds)
    });
    let (created, expires) = (moment(now)?, expires.map(moment).transpose()?);
    let GenerateArgs { owner, label, roles, scopes, append, .. } = args;
    // Each value is written as in JSON, which is TOML too.
    let mut entry = String::from("[[keys]]\n");
    let mut add = |name: &str, value: serde_json::Value| _ = writeln!(entry, "{name} = {value}");
    add("id", key.id().into());
    add("sha256", hash.as_str().into());
    add("owner", owner.as_str().into());
    add("label", label.as_str().into());
    add("roles", json!(roles));
    add("scopes", json!(scopes));
    add("created", created.as_str().into());
    if let Some(expires) = &expires {
        add("expires", expires.as_str().into());
    }
    // Of all characters, JSON may hold this one, and TOML not.
    let entry = entry.replace('\u{7f}', "\\u007f");
    if let Some(path) = append {
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            return Err(Failure::new("an entry can be added to a file in TOML only")
                .with_hint("leave --append out, and add the entry of --json to `keys` by hand"));
        }
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let written = opened.and_then(|mut file| file.write_all(format!("\n{entry}").as_bytes()));
        written.map_err(|error| {
            Failure::new(format_args!("{} cannot be written: {error}", path.display()))
        })?;
    }
    if output.is_json() {
        let mut object = json!({
            "id": key.id(), "sha256": hash, "owner": owner, "label": label, "roles": roles,
            "scopes": scopes, "created": created,
        });
        if let Some(expires) = expires {
            object["expires"] = expires.into();
        }
        output.json(&json!({ "key": key.as_str(), "entry": object }))?;
    } else if append.is_some() {
        output.line(key.as_str())?;
    } else {
        output.line(format_args!("{}\n", key.as_str()))?;
        output.line(styled(FAINT, "# The entry in the file of keys:"))?;
        output.raw(entry)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn moment(seconds: i64) -> Result<String, Failure> {
    dates::rfc3339(seconds).ok_or_else(|| Failure::new("no calendar has the date of the expiry"))
}

fn parse_prefix(prefix: &str) -> Result<ApiKeyPrefix, String> {
    ApiKeyPrefix::new(prefix).map_err(|error| error.to_string())
}

fn parse_scope(scope: &str) -> Result<String, String> {
    if is_scope(scope) { Ok(scope.to_owned()) } else { Err("one scope, without spaces".to_owned()) }
}
