//! Puts tables where people read them.

use std::fs;
use std::process::Command;

/// Prints the text, and puts it between the markers of this name in `docs/BENCHMARKS.md` unless it was
/// only a trial.
pub(crate) fn put(name: &str, text: &str, trial: bool) {
    println!("{text}");
    if trial {
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/BENCHMARKS.md");
    let document = fs::read_to_string(path).expect("docs/BENCHMARKS.md");
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = document.split_once(&begin).expect("a marker");
    let (_, after) = rest.split_once(&end).expect("a marker");
    let document = format!("{before}{begin}{}\n{end}{after}", text.trim_end());
    fs::write(path, document).expect("a file that can be written");
}

/// When, by what compiler and where this was measured.
pub(crate) fn circumstances() -> String {
    let date = output("date", &["+%Y-%m-%d"]);
    let compiler = output("rustc", &["--version"]);
    let compiler = compiler.split(' ').nth(1).unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{date}, Rust {compiler}, one {cores}-core virtual machine")
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("a program");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
