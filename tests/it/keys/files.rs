//! Tests keys in files that change while they are in use.
//!
//! The clock moves only when the tests move it, so a file is looked at when they say.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use tower_bearer::keys::{FileKeys, KeyFile, KeyProblem, KeysState};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, ConfigError, Reason, Verifier};
use tracing::Level;

use crate::support::log::Log;
use crate::support::{User, token, verifier_of};

/// A directory that is removed after the test.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("key-files-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The file that the keys are read from, with this text in it.
    fn keys(&self, text: &str) -> PathBuf {
        let path = self.file("keys");
        fs::write(&path, text).unwrap();
        path
    }

    /// Replaces the file by renaming another, as careful programs do.
    fn replace_keys(&self, text: &str) {
        let next = self.file("keys.new");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.file("keys")).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn new_key(name: &str) -> TestKey {
    TestKey::generate(Algorithm::ES256).with_key_id(name)
}

fn jwks(keys: &[&TestKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.to_jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// A key for ES256 as RFC 5480 §2 writes it.
fn pem(key: &TestKey) -> String {
    let head = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    let mut der: Vec<u8> = (0..head.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&head[at..at + 2], 16).unwrap())
        .collect();
    for coordinate in ["x", "y"] {
        let jwk = key.to_jwk();
        der.extend(URL_SAFE_NO_PAD.decode(jwk[coordinate].as_str().unwrap()).unwrap());
    }
    let body = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

fn open(path: impl Into<PathBuf>) -> (Arc<FileKeys>, Verifier<User>) {
    let keys = Arc::new(FileKeys::open(path).unwrap());
    (Arc::clone(&keys), verifier_of(keys))
}

async fn accepts(verifier: &Verifier<User>, key: &TestKey) -> bool {
    match verifier.verify(&token().sign(key)).await {
        Ok(_) => true,
        Err(error) => {
            let reason = error.reason();
            assert!(matches!(reason, Reason::UnknownKey | Reason::InvalidSignature), "{reason}");
            false
        }
    }
}

/// Lets enough time pass that the file has been looked at.
async fn look() {
    tokio::time::sleep(Duration::from_secs(6)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_as_jwk_set_jwk_and_pem() {
    let directory = Directory::new("formats");
    let (key, other) = (new_key("key-1"), new_key("key-1"));
    for text in [jwks(&[&key]), key.to_jwk().to_string(), pem(&key), format!("\n  {}", pem(&key))] {
        let (keys, verifier) = open(directory.keys(&text));

        assert!(accepts(&verifier, &key).await, "{text}");
        assert!(!accepts(&verifier, &other).await, "{text}");
        assert!(keys.status().is_ready());
    }
}

#[tokio::test(start_paused = true)]
async fn keys_can_be_used_before_any_time_has_passed_and_are_fresh_after_the_first_look() {
    let directory = Directory::new("start");
    let key = new_key("key-1");

    let (keys, verifier) = open(directory.keys(&jwks(&[&key])));

    assert_eq!((keys.status().state(), keys.status().keys()), (KeysState::Stale, 1));
    assert!(accepts(&verifier, &key).await);
    look().await;
    assert_eq!((keys.status().state(), keys.status().failures()), (KeysState::Fresh, 0));
    assert_eq!(keys.status().source(), directory.file("keys").display().to_string());
}

#[tokio::test(start_paused = true)]
async fn file_that_is_replaced_by_another_is_read_again() {
    let directory = Directory::new("renamed");
    let (old, new) = (new_key("key-1"), new_key("key-1"));
    let (_keys, verifier) = open(directory.keys(&jwks(&[&old])));
    assert!(accepts(&verifier, &old).await);

    directory.replace_keys(&jwks(&[&new]));
    look().await;

    assert!(accepts(&verifier, &new).await);
    assert!(!accepts(&verifier, &old).await);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn file_behind_another_link_is_read_again() {
    // As Kubernetes mounts secrets: the link to the directory changes, and no file does.
    let directory = Directory::new("linked");
    let (old, new) = (new_key("key-1"), new_key("key-1"));
    for (version, key) in [("one", &old), ("two", &new)] {
        fs::create_dir_all(directory.file(version)).unwrap();
        fs::write(directory.file(version).join("keys"), jwks(&[key])).unwrap();
    }
    let link = |version: &str| {
        std::os::unix::fs::symlink(version, directory.file("next")).unwrap();
        fs::rename(directory.file("next"), directory.file("current")).unwrap();
    };
    link("one");
    let (_keys, verifier) = open(directory.file("current").join("keys"));
    assert!(accepts(&verifier, &old).await);

    link("two");
    look().await;

    assert!(accepts(&verifier, &new).await);
    assert!(!accepts(&verifier, &old).await);
}

#[tokio::test(start_paused = true)]
async fn file_that_is_written_in_place_is_read_again() {
    let directory = Directory::new("in-place");
    let (old, new) = (new_key("key-1"), new_key("key-1"));
    let (_keys, verifier) = open(directory.keys(&jwks(&[&old])));
    assert!(accepts(&verifier, &old).await);

    // In one piece, or in two with a look between them.
    let text = jwks(&[&new]);
    directory.keys(&text[..text.len() / 2]);
    look().await;
    assert!(accepts(&verifier, &old).await);
    directory.keys(&text);
    look().await;

    assert!(accepts(&verifier, &new).await);
    assert!(!accepts(&verifier, &old).await);
}

#[tokio::test(start_paused = true)]
async fn file_may_change_from_one_format_to_another() {
    let directory = Directory::new("other-format");
    let (old, new) = (new_key("key-1"), new_key("key-2"));
    let (_keys, verifier) = open(directory.keys(&jwks(&[&old])));

    directory.replace_keys(&pem(&new));
    look().await;

    assert!(accepts(&verifier, &new).await);
    assert!(!accepts(&verifier, &old).await);
}

#[tokio::test(start_paused = true)]
async fn broken_version_replaces_nothing_and_a_warning_says_so() {
    let (log, _guard) = Log::of_this_thread();
    let directory = Directory::new("broken");
    let key = new_key("key-1");
    let (keys, verifier) = open(directory.keys(&jwks(&[&key])));
    assert!(accepts(&verifier, &key).await);

    for (broken, problem) in [
        ("", "PEM"),
        ("{", "EOF"),
        (r#"{"keys":[]}"#, "empty"),
        (r#"{"keys":[{"kty":"EC"}]}"#, "no key to verify with"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot be read"),
    ] {
        directory.replace_keys(broken);
        look().await;

        assert!(accepts(&verifier, &key).await, "{broken}");
        let error = keys.status().last_error().unwrap().message().to_owned();
        assert!(error.contains(problem), "{broken}: {error}");
    }
    let warnings = log.about("the current keys stay in use");
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    for (level, text) in &warnings {
        assert_eq!(*level, Level::WARN);
        assert!(text.contains(&directory.file("keys").display().to_string()), "{text}");
    }

    directory.replace_keys(&jwks(&[&key]));
    look().await;
    assert_eq!(keys.status().state(), KeysState::Fresh);
    let (level, _) = log.about("can be fetched again").remove(0);
    assert_eq!(level, Level::INFO);
}

#[tokio::test(start_paused = true)]
async fn broken_version_is_reported_once_a_minute() {
    let (log, _guard) = Log::of_this_thread();
    let directory = Directory::new("quiet");
    let (_keys, verifier) = open(directory.keys(&jwks(&[&new_key("key-1")])));
    assert!(!accepts(&verifier, &new_key("key-1")).await);

    directory.replace_keys("broken");
    tokio::time::sleep(Duration::from_secs(10 * 60)).await;

    let warnings = log.about("the current keys stay in use").len();
    assert!((9..=11).contains(&warnings), "{warnings}");
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_file_that_is_deleted_stay_for_as_long_as_it_takes() {
    let (log, _guard) = Log::of_this_thread();
    let directory = Directory::new("deleted");
    let (key, next) = (new_key("key-1"), new_key("key-2"));
    let path = directory.keys(&jwks(&[&key]));
    let every = Duration::from_secs(60 * 60);
    let keys = Arc::new(KeyFile::new(&path).with_poll_interval(every).open().unwrap());
    let verifier = verifier_of(Arc::clone(&keys));
    assert!(accepts(&verifier, &key).await);
    look().await;

    fs::remove_file(&path).unwrap();
    tokio::time::sleep(Duration::from_secs(30 * 24 * 60 * 60)).await;

    assert!(accepts(&verifier, &key).await);
    assert_eq!(keys.status().state(), KeysState::Stale);
    let error = keys.status().last_error().unwrap().message().to_owned();
    assert!(error.contains(&path.display().to_string()), "{error}");
    let (level, text) = log.events().pop().unwrap();
    assert_eq!(level, Level::WARN);
    assert!(text.contains("the current keys stay in use"), "{text}");

    directory.replace_keys(&jwks(&[&next]));
    tokio::time::sleep(every).await;
    assert!(accepts(&verifier, &next).await);
    assert!(!accepts(&verifier, &key).await);
}

#[test]
fn file_that_is_missing_at_the_start_is_a_mistake_of_the_configuration() {
    let directory = Directory::new("missing");
    let path = directory.file("keys");

    let error = FileKeys::open(&path).unwrap_err();

    let ConfigError::UnreadableFile { path: named, .. } = &error else { panic!("{error}") };
    assert_eq!(*named, path);
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    directory.keys(&jwks(&[&new_key("key-1")]));
    assert!(FileKeys::open(&path).is_ok());
}

#[test]
fn file_without_keys_at_the_start_is_a_mistake_of_the_configuration() {
    let directory = Directory::new("no-keys");
    let error = |text: &str| FileKeys::open(directory.keys(text)).unwrap_err();

    assert!(matches!(error(r#"{"keys":[]}"#), ConfigError::NoUsableKey { .. }));
    assert!(matches!(error("{"), ConfigError::UnreadableKeys { .. }));
    assert!(matches!(error("hello"), ConfigError::UnreadableKeys { .. }));
    let private = pem(&new_key("key-1")).replace("PUBLIC", "PRIVATE");
    let ConfigError::NoUsableKey { skipped } = error(&private) else { panic!() };
    assert_eq!(skipped[0].problem, KeyProblem::Private);
}

#[test]
fn file_that_is_longer_than_a_mebibyte_is_not_read_to_its_end() {
    let directory = Directory::new("long");
    let text = jwks(&[&new_key("key-1")]);
    let padded = |length: usize| format!("{}{text}", " ".repeat(length - text.len()));

    let error = FileKeys::open(directory.keys(&padded(1024 * 1024 + 1))).unwrap_err();

    assert!(error.to_string().contains("longer than 1048576 bytes"), "{error}");
    assert!(FileKeys::open(directory.keys(&padded(1024 * 1024))).is_ok());
}

#[tokio::test(start_paused = true)]
async fn unknown_key_has_the_file_read_at_once() {
    let directory = Directory::new("unknown-key");
    let (old, new) = (new_key("key-1"), new_key("key-2"));
    let (keys, verifier) = open(directory.keys(&jwks(&[&old])));
    look().await;
    let began = tokio::time::Instant::now();

    assert!(!accepts(&verifier, &new).await);
    directory.replace_keys(&jwks(&[&old, &new]));
    assert!(accepts(&verifier, &new).await);

    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert!(accepts(&verifier, &old).await);
    assert_eq!(keys.status().failures(), 0);
}

#[tokio::test(start_paused = true)]
async fn file_is_looked_at_as_often_as_was_asked_for() {
    let directory = Directory::new("every");
    let (old, new) = (new_key("key-1"), new_key("key-1"));
    let path = directory.keys(&jwks(&[&old]));
    let keys = KeyFile::new(path).with_poll_interval(Duration::from_secs(3600)).open().unwrap();
    let verifier = verifier_of(keys);
    assert!(accepts(&verifier, &old).await);
    look().await;

    directory.replace_keys(&jwks(&[&new]));
    tokio::time::sleep(Duration::from_secs(2400)).await;
    assert!(accepts(&verifier, &old).await);
    tokio::time::sleep(Duration::from_secs(1200)).await;

    assert!(accepts(&verifier, &new).await);
}

#[tokio::test(start_paused = true)]
async fn keys_are_for_the_algorithms_that_were_asked_for() {
    let directory = Directory::new("algorithms");
    let key = new_key("key-1");
    let path = directory.keys(&jwks(&[&key]));
    let open = |algorithm| KeyFile::new(&path).with_algorithms([algorithm]).open();

    assert!(matches!(open(Algorithm::EdDSA), Err(ConfigError::NoUsableKey { .. })));
    assert!(accepts(&verifier_of(open(Algorithm::ES256).unwrap()), &key).await);
}
