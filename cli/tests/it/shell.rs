//! The habits of a good program on a terminal: completions, manual pages, quiet pipes.

use std::process::{Command, Stdio};

use crate::support::{bearer, file, key, token};

fn printed(arguments: &[&str]) -> String {
    let output = bearer().args(arguments).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

#[test]
fn each_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("inspect") && script.contains("explain"), "{shell}");
    }
}

#[test]
fn manual_has_a_page_for_each_command() {
    assert!(printed(&["man"]).contains(".TH bearer"));
    assert!(printed(&["man", "inspect"]).contains(".TH bearer-inspect"));
    assert!(printed(&["man", "keys", "check"]).contains(".TH bearer-keys-check"));
    let folder = file("man", "");
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir_all(&folder).unwrap();

    bearer().args(["man", "--out"]).arg(&folder).assert().success();

    for page in ["bearer.1", "bearer-explain.1", "bearer-keys-generate.1", "bearer-serve.1"] {
        assert!(folder.join(page).exists(), "{page}");
    }
    bearer().args(["man", "nothing"]).assert().code(2);
}

#[test]
fn pipe_that_is_closed_is_no_error() {
    let path = file("pipe-token", token().sign(&key()));
    for arguments in [vec!["inspect", "--file"], vec!["inspect", "--json", "--file"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bearer"))
            .args(&arguments)
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());

        let ended = child.wait_with_output().unwrap();

        assert_eq!(String::from_utf8(ended.stderr).unwrap(), "", "{arguments:?}");
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn help_of_every_command_has_examples_or_a_sentence() {
    for command in ["inspect", "explain", "keys", "mint", "serve", "completions", "man"] {
        let help = printed(&[command, "--help"]);
        assert!(help.contains("Usage: bearer"), "{command}");
    }
    for command in ["inspect", "explain", "mint", "serve"] {
        assert!(printed(&[command, "--help"]).contains("Examples:"), "{command}");
    }
}
