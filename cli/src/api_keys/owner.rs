use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;
use tower_bearer::api_key::{ApiKey, ApiKeyFault, ApiKeyRecord, FileApiKeys};

use crate::dates;
use crate::failure::Failure;
use crate::input::{bare, prompt, read_text};
use crate::output::{BAD, GOOD, Output, STRONG, WARNING, printable, styled};

#[derive(Args, Debug)]
#[command(after_help = "\
The key comes from standard input, a file or a prompt, and is printed nowhere: only its id is, which is no secret.

Exit codes: 0 for a key in the file, also one that is not good any more, 1 for one that is not there, 2 for text that is
no API key.

Examples:
  pbpaste | bearer api-keys owner --keys-file keys.toml")]
pub(super) struct OwnerArgs {
    /// The file of keys, in TOML or JSON.
    #[arg(long, value_name = "FILE")]
    keys_file: PathBuf,
    /// Read the API key from a file; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: &OwnerArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let keys = FileApiKeys::open(&args.keys_file).map_err(Failure::new)?;
    let text = match &args.file {
        Some(path) => read_text(path)?,
        None if io::stdin().is_terminal() => prompt("API key (not shown): ")?,
        None => read_text(Path::new("-"))?,
    };
    let key = ApiKey::parse(bare(&text)).map_err(|fault| {
        let hint = match fault {
            ApiKeyFault::Checksum => "copy the whole key: its last characters prove the others",
            _ => "an API key is its prefix, an id of 16 characters, and 49 more, with `_` between them",
        };
        Failure::new(fault).with_hint(hint)
    })?;
    let hash = key.hash().map_err(Failure::new)?;
    let record = keys.get(key.id());
    let has_other_secret = record.as_ref().is_some_and(|record| record.hash != hash);
    let record = record.filter(|_| !has_other_secret);
    print(&key, record.as_ref(), has_other_secret, output)?;
    Ok(if record.is_some() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn print(
    key: &ApiKey,
    record: Option<&ApiKeyRecord>,
    has_other_secret: bool,
    output: &mut Output,
) -> io::Result<()> {
    let now = dates::now();
    let state = record.map(|record| state(record, now));
    if output.is_json() {
        let date = |moment: Option<SystemTime>| moment.and_then(|one| dates::rfc3339(seconds(one)));
        return output.json(&json!({
            "prefix": key.prefix(),
            "id": key.id(),
            "known": record.is_some(),
            "other_secret": has_other_secret,
            "state": state,
            "owner": record.map(|record| &record.owner),
            "label": record.map(|record| &record.label),
            "roles": record.map(|record| &record.roles),
            "scopes": record.map(|record| &record.scopes),
            "created": date(record.map(|record| record.created_at)),
            "expires": date(record.and_then(|record| record.expires_at)),
        }));
    }
    let mut line = |name: &str, value: String| {
        output.line(format_args!("{}  {value}", styled(STRONG, format_args!("{name:<7}"))))
    };
    line("Key", format!("{}_{}", key.prefix(), key.id()))?;
    let Some(record) = record else {
        let problem = if has_other_secret {
            "is known, and has another secret: this key was made up, or its record was replaced"
        } else {
            "is not in the file"
        };
        return line("State", format!("{} The key {problem}.", styled(BAD, "Not known.")));
    };
    let style = if state == Some("active") { GOOD } else { WARNING };
    line("State", styled(style, state.unwrap_or_default()))?;
    line("Owner", printable(&record.owner))?;
    line("Label", printable(&record.label))?;
    line("Roles", printable(&record.roles.join(", ")))?;
    line("Scopes", printable(&record.scopes.join(", ")))?;
    if let Some(expires_at) = record.expires_at.map(seconds) {
        let (date, relative) = (dates::absolute(expires_at), dates::relative(expires_at, now));
        line("Expires", format!("{date}, {relative}"))?;
    }
    Ok(())
}

fn state(record: &ApiKeyRecord, now: i64) -> &'static str {
    if record.disabled {
        "disabled"
    } else if record.expires_at.is_some_and(|expires_at| seconds(expires_at) <= now) {
        "expired"
    } else {
        "active"
    }
}

fn seconds(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
