//! Writes every mutant into the sources at once, each behind a switch that is thrown at run time.
//!
//! `mutants <tree> < list.json` changes the files below `<tree>` in place. The list is the one of
//! `cargo mutants --list --json`, with an `id` in each entry. Standard output says, as JSON, which
//! mutants are no Rust at all (`uncompilable`), and which cannot be switched (`unswitchable`).
//!
//! A mutant stands between the comments `/*17{*/` and `/*}17*/`, so that a compiler error leads to it.
//! Mutants that share one `if` stand between `/*17,18{*/` and `/*}17,18*/` besides.

mod place;
mod schemata;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

use self::place::Lines;
use self::schemata::Schemata;

/// One entry of the list.
#[derive(Clone, Debug, Deserialize)]
struct Mutant {
    id: u32,
    file: String,
    genre: Genre,
    replacement: String,
    span: place::Span,
}

/// The numbers of mutants that were not written.
#[derive(Debug, Default, Serialize)]
struct LeftOut {
    uncompilable: Vec<u32>,
    unswitchable: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

fn main() -> Result<(), Box<dyn Error>> {
    let tree = PathBuf::from(env::args_os().nth(1).ok_or("usage: mutants <tree> < list.json")?);
    let list: Vec<Mutant> = serde_json::from_reader(io::stdin().lock())?;
    let mut by_file = BTreeMap::<&str, Vec<&Mutant>>::new();
    for mutant in &list {
        by_file.entry(&mutant.file).or_default().push(mutant);
    }
    let mut left_out = LeftOut::default();
    for (file, mutants) in by_file {
        let path = tree.join(file);
        let source = fs::read_to_string(&path)?;
        let lines = Lines::of(&source);
        let placed = mutants.iter().map(|mutant| (lines.range(mutant.span), *mutant));
        let mut schemata = Schemata::new(&source, placed);
        schemata.write(&syn::parse_file(&source)?);
        fs::write(&path, schemata.text())?;
        schemata.leave_out(&mut left_out);
    }
    serde_json::to_writer(io::stdout().lock(), &left_out)?;
    Ok(())
}
