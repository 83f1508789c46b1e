use serde_json::json;
use snapbox::{assert_data_eq, str};
use tower_bearer::{Algorithm, SigningKey};

use crate::keysmint::support::Folder;

#[test]
fn key_of_every_algorithm_is_read_by_the_library() {
    let folder = Folder::new();

    for algorithm in Algorithm::ALL {
        let key = folder.good(&format!("keys generate --algorithm {algorithm}"));

        let key = SigningKey::from_jwk(key).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let is_secret = algorithm.as_str().starts_with("HS");
        assert_eq!(key.key_id(), key.verifying_key().thumbprint().as_deref());
        assert_eq!(key.key_id().is_none(), is_secret, "{algorithm}");
    }
}

#[test]
fn rsa_key_has_the_size_that_was_asked_for() {
    let folder = Folder::new();
    for bits in [2048, 3072] {
        let made = folder.run(&format!("keys generate --algorithm PS256 --bits {bits} --json"));

        let modulus = made.json()["public_keys"]["keys"][0]["n"].as_str().unwrap().len();
        assert_eq!(modulus, usize::div_ceil(bits, 6), "{bits}");
    }
}

#[test]
fn files_are_for_their_owner_and_the_public_one_holds_nothing_private() {
    let folder = Folder::new();

    let shown = folder.good("keys generate --key-id k1 --out key.json --public-out jwks.json");

    assert_data_eq!(
        shown,
        str![[r#"
made a key for ES256
  key id   k1
  private  key.json (only you can read it)
  public   jwks.json

"#]]
    );
    let public = folder.json("jwks.json");
    assert_eq!(public["keys"][0]["kid"], "k1");
    assert_eq!(public["keys"][0].get("d"), None);
    assert!(folder.json("key.json")["d"].is_string());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path("key.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn file_that_exists_is_replaced_only_when_forced() {
    let folder = Folder::with_key();
    let before = folder.read("key.json");

    let refused = folder.run("keys generate --out key.json");
    assert_eq!(refused.code, 2);
    assert_data_eq!(
        refused.stderr,
        str![[r#"
error: key.json exists already
hint: choose another name, or replace the file with --force

"#]]
    );
    assert_eq!(folder.read("key.json"), before);
    let half = folder.run("keys generate --out new.json --public-out jwks.json");
    assert_eq!((half.code, folder.path("new.json").exists()), (2, false));
    let one = folder.run("keys generate --out one.json --public-out one.json --force");
    assert_eq!((one.code, folder.path("one.json").exists()), (2, false));

    folder.good("keys generate --out key.json --force");
    assert_ne!(folder.read("key.json"), before);
    assert_eq!(std::fs::read_dir(folder.path(".")).unwrap().count(), 2);
}

#[test]
fn json_holds_the_private_key_only_where_no_file_does() {
    let folder = Folder::new();

    let printed = folder.run("keys generate --json").json();
    let written = folder.run("keys generate --out key.json --json").json();

    assert!(printed["private_key"]["d"].is_string());
    assert_eq!(printed["public_keys"]["keys"][0].get("d"), None);
    assert_eq!(written["private_key"], json!(null));
    assert_eq!(written["private_file"], "key.json");
    assert_eq!(written["key_id"], written["thumbprint"]);
}

#[test]
fn impossible_keys_are_refused_with_what_to_do() {
    let folder = Folder::new();
    for (arguments, expected) in [
        (
            "--algorithm ES256 --bits 3072",
            "error: ES256 has keys of one size\nhint: --bits is for RSA, such as --algorithm RS256\n",
        ),
        (
            "--algorithm HS256 --format pem",
            "error: a secret has no form in PEM or DER\nhint: use JWK or base64url\n",
        ),
        (
            "--algorithm HS256 --public-out a",
            "error: a secret has no public key\nhint: leave --public-out away, or choose an algorithm such as ES256\n",
        ),
        (
            "--format base64url",
            "error: only a secret for HMAC is base64url text\nhint: use JWK, PEM or DER\n",
        ),
    ] {
        let ended = folder.run(&format!("keys generate {arguments}"));
        assert_eq!((ended.code, &*ended.stderr), (2, expected), "{arguments}");
    }
    for arguments in ["--algorithm none", "--bits 1024 --algorithm RS256"] {
        assert_eq!(folder.run(&format!("keys generate {arguments}")).code, 2, "{arguments}");
    }
}

#[test]
fn private_and_public_key_are_never_one_file_however_the_paths_are_written() {
    let folder = Folder::new();

    let same = folder.run("keys generate --force --out same.json --public-out ./same.json");
    let good = folder.run("keys generate --force --out one.json --public-out ./other.json");

    assert_eq!((same.code, good.code), (2, 0), "{} {}", same.stderr, good.stderr);
    assert!(!folder.path("same.json").exists());
}

#[test]
fn no_key_is_made_when_its_public_half_cannot_be_written() {
    let folder = Folder::new();

    let ended = folder.run("keys generate --out key.json --public-out nowhere/public.json");

    assert_eq!(ended.code, 2);
    assert!(!folder.path("key.json").exists());
}

#[cfg(unix)]
#[test]
fn force_replaces_files_and_nothing_else() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("folder")).unwrap();
    folder.write("file.json", "old");

    let directory = folder.run("keys generate --force --out folder");
    let dash = folder.run("keys generate --force --out -");
    let file = folder.run("keys generate --force --out file.json");

    assert_eq!((directory.code, dash.code, file.code), (2, 2, 0), "{}", directory.stderr);
    assert!(directory.stderr.contains("is no file"), "{}", directory.stderr);
}
