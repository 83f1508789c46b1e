//! Copies the modules that are modelled, with the types of shuttle in place of those that wait.

use std::fs;
use std::path::Path;

fn main() {
    let cache = nested(&[
        ("doorkeeper", "verify/cache/doorkeeper.rs"),
        ("entry", "verify/cache/entry.rs"),
        ("state", "verify/cache/state.rs"),
        ("table", "verify/cache/table.rs"),
    ]);
    let task = nested(&[("guard", "task/guard.rs"), ("worker", "task/worker.rs")]);
    let out = std::env::var("OUT_DIR").expect("set by Cargo");
    fs::write(Path::new(&out).join("cache.rs"), cache).expect("the folder is Cargo's");
    fs::write(Path::new(&out).join("task.rs"), task).expect("the folder is Cargo's");
}

/// The text of a module that holds these files as modules of its own.
fn nested(modules: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, path) in modules {
        let path = Path::new("../src").join(path);
        println!("cargo:rerun-if-changed={}", path.display());
        let source =
            fs::read_to_string(&path).expect("the modules of the crate are beside this package");
        text.push_str(&format!("pub(crate) mod {name} {{\n{}\n}}\n", modelled(&source, name)));
    }
    text
}

/// The module without its tests, and with other types.
fn modelled(source: &str, name: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    // What only tests count is counted by the models too.
    let code = code.replace("#[cfg(test)]\n", "").replace("#[cfg(feature = \"refresh\")]\n", "");
    let mut modelled = code.clone();
    for (from, to) in [
        ("pub(super)", "pub(crate)"),
        ("std::sync::atomic", "shuttle::sync::atomic"),
        (
            "use std::sync::{Arc, Mutex, PoisonError}",
            "use shuttle::sync::{Arc, Mutex}; use std::sync::PoisonError",
        ),
        ("use arc_swap::", "use crate::arc_swap::"),
        ("use tokio::runtime::Handle;", "use crate::runtime::Handle;"),
        ("use tokio::task::AbortHandle;", "use crate::runtime::AbortHandle;"),
        ("use super::runtime::{NotHere, Runtimes};", "use crate::runtime::{NotHere, Runtimes};"),
    ] {
        modelled = modelled.replace(from, to);
    }
    // A module that waits by types that are not shuttle's would be no model of anything.
    assert!(
        modelled.contains("shuttle::") || modelled.contains("crate::") || name == "state",
        "src/{name}.rs has changed: nothing of it was replaced"
    );
    for left in ["std::sync::atomic", "std::sync::Mutex", "arc_swap::{", "tokio::"] {
        let used = modelled.replace("crate::arc_swap::{", "").replace("shuttle::sync::atomic", "");
        assert!(
            !used.contains(left),
            "src/{name}.rs uses `{left}`, for which build.rs has no replacement"
        );
    }
    modelled
}
