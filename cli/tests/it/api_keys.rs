//! `bearer api-keys`.

use serde_json::Value;

use crate::support::{bearer, file};

/// Makes a key, and returns it with the file that holds its entry.
fn generate(name: &str, more: &[&str]) -> (String, std::path::PathBuf) {
    let keys = file(&format!("{name}.toml"), "# keys\n");
    let made = bearer()
        .args([
            "api-keys", "generate", "--prefix", "acme", "--owner", "ci \"x\"", "--label", "é\u{1b}",
        ])
        .args(["--role", "builder", "--scope", "images:read", "--scope", "images:write"])
        .args(more)
        .arg("--append")
        .arg(&keys)
        .assert()
        .success();
    let key = String::from_utf8(made.get_output().stdout.clone()).unwrap().trim().to_owned();
    (key, keys)
}

fn owner_of(keys: &std::path::Path, key: &str, code: i32, json: bool) -> String {
    let mut command = bearer().args(["api-keys", "owner", "--keys-file"]).arg(keys).stdin(key);
    if json {
        command = command.arg("--json");
    }
    let done = command.assert().code(code);
    let output = done.get_output();
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let secret = key.get(22..40).unwrap_or("nothing");
    assert!(!text.contains(secret), "{text}");
    text
}

#[test]
fn owner_of_a_key_is_told_without_its_secret() {
    let (key, keys) = generate("owner", &["--expires-in", "90d"]);
    assert!(key.starts_with("acme_") && key.len() == 71, "{key}");
    assert!(!std::fs::read_to_string(&keys).unwrap().contains(&key[22..]));

    let text = owner_of(&keys, &format!("Bearer {key}\n"), 0, false);
    let json: Value = serde_json::from_str(&owner_of(&keys, &key, 0, true)).unwrap();

    assert!(text.contains("ci \"x\"") && text.contains("active") && text.contains("images:read"));
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!((&json["known"], &json["state"]), (&true.into(), &"active".into()));
    assert_eq!((&json["id"], &json["owner"]), (&key[5..21].into(), &"ci \"x\"".into()));
    assert_eq!(json["scopes"], serde_json::json!(["images:read", "images:write"]));
}

#[test]
fn key_that_is_not_good_any_more_has_an_owner_too() {
    let (key, keys) = generate("disabled", &[]);
    let entry = std::fs::read_to_string(&keys).unwrap() + "disabled = true\n";
    std::fs::write(&keys, entry).unwrap();

    let json: Value = serde_json::from_str(&owner_of(&keys, &key, 0, true)).unwrap();

    assert_eq!((&json["known"], &json["state"]), (&true.into(), &"disabled".into()));
    assert_eq!(json["expires"], Value::Null);
}

#[test]
fn key_that_is_not_in_the_file_has_no_owner() {
    let (_, keys) = generate("none", &[]);
    let (other, _) = generate("other", &[]);

    let text = owner_of(&keys, &other, 1, false);
    let json: Value = serde_json::from_str(&owner_of(&keys, &other, 1, true)).unwrap();

    assert!(text.contains("not in the file"), "{text}");
    assert_eq!((&json["known"], &json["owner"]), (&false.into(), &Value::Null));
}

#[test]
fn key_with_the_id_of_another_and_a_wrong_secret_has_no_owner() {
    let (key, keys) = generate("secret", &[]);
    let text = std::fs::read_to_string(&keys).unwrap();
    let at = text.find("sha256 = \"").unwrap() + 10;
    let spoilt = format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..]);
    std::fs::write(&keys, spoilt).unwrap();

    let text = owner_of(&keys, &key, 1, false);

    assert!(text.contains("another secret") && !text.contains("ci \"x\""), "{text}");
}

#[test]
fn text_that_is_no_key_and_a_file_with_a_mistake_decide_nothing() {
    let (key, keys) = generate("mistyped", &[]);
    let mistyped = format!("{}{}", &key[..70], if key.ends_with('a') { "b" } else { "a" });

    assert!(owner_of(&keys, &mistyped, 2, false).contains("mistyped"));
    assert!(owner_of(&keys, "a.b.c", 2, false).contains("form of an API key"));
    let broken = file("broken.toml", "[[keys]]\nid = 1\n");
    assert!(owner_of(&broken, &key, 2, false).contains("keys"));
    for args in [["--prefix", "Acme"], ["--scope", "a b"]] {
        let command = bearer().args(["api-keys", "generate", "--owner", "x", "--prefix", "acme"]);
        command.args(args).assert().code(2);
    }
}

#[test]
fn entry_is_printed_for_the_file() {
    let args = ["api-keys", "generate", "--prefix", "acme", "--owner", "ci"];
    let made = bearer().args(args).assert().success();
    let text = String::from_utf8(made.get_output().stdout.clone()).unwrap();
    let (key, entry) = text.split_once("\n\n").unwrap();
    let keys = file("printed.toml", entry);

    let json: Value = serde_json::from_str(&owner_of(&keys, key, 0, true)).unwrap();
    let as_json = bearer().args(args).arg("--json").assert().success();
    let as_json: Value = serde_json::from_slice(&as_json.get_output().stdout).unwrap();
    let keys = file("printed.json", serde_json::json!({ "keys": [as_json["entry"]] }).to_string());

    assert_eq!(json["owner"], "ci");
    let json: Value =
        serde_json::from_str(&owner_of(&keys, as_json["key"].as_str().unwrap(), 0, true)).unwrap();
    assert_eq!(json["owner"], "ci");
}

#[test]
fn inspect_recognises_an_api_key() {
    let (key, _) = generate("inspect", &[]);

    let shown = bearer().args(["inspect"]).stdin(&*key).assert().success();
    let json = bearer().args(["inspect", "--json"]).stdin(&*key).assert().success();

    let shown = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    assert!(shown.contains("API key") && shown.contains(&key[5..21]), "{shown}");
    assert!(!shown.contains(&key[22..40]), "{shown}");
    let json: Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert_eq!((&json["form"], &json["api_key"]["prefix"]), (&"api_key".into(), &"acme".into()));
    assert_eq!(json["problem"], Value::Null);
}
