//! `bearer mint`: makes tokens for tests, good ones and broken ones.

mod args;
mod parts;
mod edits;
mod key;
mod provider;
mod broken;

use std::process::ExitCode;

use serde_json::json;

use self::edits::Change;
use self::key::MintKey;
use self::parts::Parts;
use crate::dates;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, printable};

pub(crate) use self::args::MintArgs;

pub(crate) fn run(args: &MintArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let now = dates::now();
    let change = args.edits.as_deref().map(Change::read).transpose()?;
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
    let wanted = change.as_ref().and_then(Change::signature);
    let key = MintKey::load(args, &parts, wanted)?;
    if args.provider.is_some() {
        // The provider names its own key, unless one is asked for.
        parts.header.retain(|name, _| name != "alg" && name != "kid");
        let wanted_id = wanted.and_then(|wanted| wanted.key_id.clone());
        let algorithm = args.algorithm.map(|one| one.to_string());
        let algorithm = algorithm.or_else(|| wanted.map(|wanted| wanted.algorithm.clone()));
        let named = [("alg", algorithm), ("kid", args.key_id.clone().or(wanted_id))];
        for (name, value) in named {
            if let Some(value) = value {
                parts.set_header(name, value);
            }
        }
    } else if let Some(key) = &key {
        key.name_in(&mut parts, wanted.is_some_and(|wanted| wanted.key_id.is_none()));
    }
    if let Some(change) = &change {
        change.apply(&mut parts);
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
