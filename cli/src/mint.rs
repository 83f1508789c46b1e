//! `bearer mint`: makes tokens for tests, good ones and broken ones.

mod args;
mod parts;
mod edits;
mod key;
mod provider;
mod broken;

use std::process::ExitCode;

use serde_json::json;
use tower_bearer::Algorithm;
use tower_bearer::explain::Change;

use self::key::MintKey;
use self::parts::Parts;
use crate::dates;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, printable};

pub(crate) use self::args::MintArgs;

pub(crate) fn run(args: &MintArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let now = dates::now();
    let change = args.edits.as_deref().map(edits::read).transpose()?;
    let mut parts = match &args.like {
        Some(path) => {
            let token = input::read_text(path)?;
            let keeps_dates = args.keep_dates || change.is_some();
            Parts::like(
                &token,
                (!keeps_dates).then_some(now),
                args.lifetime,
                change.is_some(),
                output,
            )?
        }
        None => Parts::new(args, now)?,
    };
    if let Some(change) = &change {
        parts.apply(change)?;
    }
    let wanted = change.as_ref().and_then(Change::signing_key);
    let key = MintKey::load(args, &parts, wanted)?;
    if args.provider.is_some() {
        // The provider names its own key, unless one is asked for.
        parts.header.retain(|name, _| name != "alg" && name != "kid");
        let algorithm = args.algorithm.or(wanted.map(|(algorithm, _)| algorithm));
        let key_id = args.key_id.as_deref().or(wanted.and_then(|(_, key_id)| key_id));
        for (name, value) in [("alg", algorithm.map(Algorithm::as_str)), ("kid", key_id)] {
            if let Some(value) = value {
                parts.set_header(name, value);
            }
        }
    } else if let Some(key) = &key {
        key.name_in(&mut parts, wanted.is_some_and(|(_, key_id)| key_id.is_none()));
    }
    parts.set(args)?;
    broken::change(&args.broken, &mut parts, now);
    give_notes(&parts, now, output);
    let token = broken::sign(args, &mut parts, key.as_ref())?;
    if output.is_json() {
        // A provider adds header parameters and claims of its own.
        let said = args.provider.as_ref().and_then(|_| Parts::of(&token));
        let Parts { header, claims } = said.unwrap_or(parts);
        output.json(&json!({ "token": token, "header": header, "claims": claims }))?;
    } else {
        output.raw(format!("{token}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says which tokens could do harm.
fn give_notes(parts: &Parts, now: i64, output: &Output) {
    let number = |name| parts.claims.get(name).and_then(serde_json::Value::as_number);
    let ends = number("exp").and_then(dates::seconds);
    if let Some(lasts) = ends.map(|ends| ends.saturating_sub(now)).filter(|lasts| *lasts > DAY) {
        output.note(format_args!(
            "this token is for tests, and lasts {}; --lifetime 15m makes a shorter one",
            dates::span(lasts.unsigned_abs())
        ));
    }
    let issuer = parts.claims.get("iss").and_then(serde_json::Value::as_str);
    if let Some(issuer) = issuer.filter(|issuer| issuer.starts_with("https://")) {
        output.note(format_args!(
            "this token is for tests, and names the issuer {}: each API that trusts the key accepts it",
            printable(issuer)
        ));
    }
}

const DAY: i64 = 24 * 3600;
