//! Compiles each file of `examples/`, which must not compile, and looks for what the message has to say.

use std::process::Command;

const MISTAKES: [(&str, &[&str]); 4] = [
    (
        "axum_json",
        &["`from_fn(closure)` in `tower_bearer::render`", "`axum::Json` is another type"],
    ),
    ("bare_closure", &["`from_fn(closure)` in `tower_bearer::render`"]),
    ("proxy", &["`hyper::body::Incoming`", "`.layer(bearer).layer(any_body())`"]),
    ("trace_inside", &["`tower_bearer::render::any_body()`", "`.layer(bearer).layer(any_body())`"]),
];

fn main() {
    for (name, words) in MISTAKES {
        let mut check = Command::new(env!("CARGO"));
        check.args(["check", "--quiet", "--manifest-path", env!("CARGO_MANIFEST_PATH")]);

        let output = check.args(["--example", name]).output().unwrap();

        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{name} compiles");
        // Lines are broken differently from version to version.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(text.contains(word), "{name}: nothing says {word:?}: {text}");
        }
        println!("mistakes: {name} does not compile, and the message says what to do");
    }
}
