//! Reads the change that `bearer explain` proposes.

use std::path::Path;

use serde_json::Value;
use tower_bearer::explain::{Change, ChangeSide};

use crate::failure::Failure;
use crate::input;
use crate::output::printable;

/// Reads the whole answer of `bearer explain --json`, or its member `change`.
pub(super) fn read(path: &Path) -> Result<Change, Failure> {
    let text = input::read_text(path)?;
    let wrong = |problem: &str| {
        Failure::new(format_args!("{} holds no change of a token: {problem}", path.display()))
            .with_hint("it must be the answer of `bearer explain --json`, or its member `change`")
    };
    let whole: Value = serde_json::from_str(&text).map_err(|_| wrong("it is no JSON"))?;
    let change = match whole.get("change") {
        Some(Value::Null) => return Err(wrong("`bearer explain` proposes none")),
        Some(change) => change.clone(),
        None => whole,
    };
    let change: Change =
        serde_json::from_value(change).map_err(|error| wrong(&printable(&error.to_string())))?;
    match change.side() {
        _ if change.is_applicable() => Ok(change),
        ChangeSide::Token => Err(wrong("its list `edits` is empty")),
        side => {
            let side = side.as_str();
            let problem =
                format!("no other token would help: the change is on the side of the {side}");
            Err(Failure::new(problem).with_hint(printable(change.sentence())))
        }
    }
}
