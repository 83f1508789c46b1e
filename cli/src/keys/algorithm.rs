//! Reads the names of algorithms in arguments.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tower_bearer::Algorithm;

/// Reads the name of an algorithm, in capital letters or not.
pub(crate) fn algorithm_parser() -> impl TypedValueParser<Value = Algorithm> {
    PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::as_str)).try_map(|name| {
        let found = Algorithm::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(&name));
        found.ok_or("unknown algorithm")
    })
}
