//! Tests keys in a file, and files that are not as they should be.

use std::error::Error as _;

use serde_json::json;
use tower_bearer::ConfigError;
use tower_bearer::issue::RotateError;
use tracing::Level;

use super::*;
use crate::support::log::Log;
use IssuerKeyState::{Active, Next, Retired};

#[allow(dead_code)]
mod private_keys {
    include!("../../support/private_keys.rs");
}

fn problem(path: &Path) -> String {
    match IssuerKeys::open(path).unwrap_err() {
        ConfigError::UnreadableFile { path: named, problem } => {
            assert_eq!(named, path);
            problem
        }
        other => panic!("{other}"),
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn keys_outlive_the_program() {
    for algorithm in Algorithm::ALL {
        let directory = Directory::new(&format!("outlive-{algorithm}"));
        let clock = TestClock::at(NOW);
        let path = directory.file("keys.json");
        let key = SigningKey::generate(algorithm).unwrap().with_key_id("the first").unwrap();
        let first = Node::new(&clock, rules(&clock).create(&path, key).unwrap());
        let old = first.issue();
        first.rotate();
        let new = first.issue();
        let status = first.keys.status();
        drop(first);

        let again = Node::open(&clock, &path);

        assert_eq!(again.keys.status(), status, "{algorithm}");
        assert_eq!(states(&again.keys), [Active, Next, Retired]);
        assert_eq!((kid(&old), kid(&new)), ("the first".to_owned(), kid(&again.issue())));
        again.accepts(&old).await;
        again.accepts(&new).await;
    }
}

#[tokio::test]
async fn secret_without_a_name_gets_one_and_its_tokens_without_one_are_accepted() {
    let directory = Directory::new("nameless");
    let clock = TestClock::at(NOW);
    let path = directory.file("keys.json");
    let secret = SigningKey::from_secret(Algorithm::HS256, [7; 32]).unwrap();
    let nameless = TokenIssuer::new(ISSUER, AUDIENCE, secret.clone()).unwrap();
    let nameless = nameless.with_clock(clock.clone()).token_for("alice").issue().unwrap();
    assert_eq!(part(nameless.as_str(), 0).get("kid"), None);
    let first = Node::new(&clock, rules(&clock).create(&path, secret).unwrap());
    let old = first.issue();
    first.rotate();

    let again = Node::open(&clock, &path);

    again.accepts(&old).await;
    again.accepts(nameless.as_str()).await;
    again.accepts(&again.issue()).await;
    again.keys.withdraw(&kid(&old)).unwrap();
    again.refuses_unknown_key(&old).await;
}

#[tokio::test]
async fn key_that_openssl_has_made_begins_a_file() {
    for (pem, algorithm) in
        [(private_keys::P256_PKCS8, Algorithm::ES256), (private_keys::P256_SEC1, Algorithm::ES256)]
    {
        let directory = Directory::new("openssl");
        let clock = TestClock::at(NOW);
        let path = directory.file("keys.json");
        let key = SigningKey::from_pem(algorithm, pem).unwrap();
        let thumbprint = TokenIssuer::new(ISSUER, AUDIENCE, key.clone()).unwrap();
        let thumbprint = kid(thumbprint.token_for("alice").issue().unwrap().as_str());

        let node = Node::new(&clock, rules(&clock).create(&path, key.clone()).unwrap());
        let token = node.issue();

        assert_eq!(node.ids()[0], thumbprint);
        assert_eq!(ids(&IssuerKeys::new(key)), [thumbprint]);
        let again = Node::open(&clock, &path);
        assert_eq!(again.ids(), node.ids());
        again.accepts(&token).await;
        // And goes as any other.
        again.rotate();
        again.keys.withdraw(&kid(&token)).unwrap();
        again.refuses_unknown_key(&token).await;
        // The file itself holds JWKs alone.
        fs::write(&path, pem).unwrap();
        assert!(problem(&path).contains("damaged"));
    }
}

#[tokio::test]
async fn key_of_the_file_without_an_id_has_its_thumbprint() {
    let directory = Directory::new("no-id");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let node = Node::open(&clock, &path);
    node.rotate();
    let before = node.ids();
    let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for key in file["keys"].as_array_mut().unwrap() {
        key.as_object_mut().unwrap().remove("kid");
    }
    fs::write(&path, file.to_string()).unwrap();

    // Its keys have their thumbprints as ids, as generated keys do.
    assert_eq!(Node::open(&clock, &path).ids(), before);
}

#[cfg(unix)]
#[test]
fn file_is_for_its_owner_alone() {
    let directory = Directory::new("owner");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    assert_eq!(mode(&path), 0o600);

    Node::open(&clock, &path).rotate();

    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&directory.file("keys.json.lock")), 0o600);
    assert_eq!(directory.names(), ["keys.json", "keys.json.lock"]);
}

#[cfg(unix)]
#[test]
fn file_that_other_users_have_access_to_is_refused() {
    let directory = Directory::new("exposed");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let node = Node::open(&clock, &path);
    clock.advance(AHEAD);
    let exposed = |mode| ConfigError::ExposedFile { path: path.clone(), mode };

    for mode in [0o640, 0o604, 0o620, 0o602, 0o644] {
        set_mode(&path, mode);
        let error = IssuerKeys::open(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
        assert_eq!(error, exposed(mode));
        assert_eq!(node.keys.reload(), Err(exposed(mode)));
        assert_eq!(node.keys.rotate(), Err(RotateError::Keys(exposed(mode))));
    }
    for mode in [0o600, 0o400] {
        set_mode(&path, mode);
        assert!(IssuerKeys::open(&path).is_ok());
        assert_eq!(node.keys.reload(), Ok(()));
    }
    assert_eq!(node.keys.rotate(), Ok(()));
}

/// Only root can give a file away.
#[cfg(unix)]
#[test]
fn file_of_another_user_is_refused() {
    use std::os::unix::fs::{MetadataExt, chown};
    let directory = Directory::new("foreign");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let node = Node::open(&clock, &path);
    let user = fs::metadata(&path).unwrap().uid();
    if chown(&path, Some(user + 1), None).is_err() {
        return;
    }
    clock.advance(AHEAD);
    let foreign = ConfigError::ForeignFile { path: path.clone(), owner: user + 1, user };

    let error = IssuerKeys::open(&path).unwrap_err();
    assert!(error.to_string().contains(&format!("chown {user}")), "{error}");
    assert_eq!(error, foreign);
    assert_eq!(node.keys.rotate(), Err(RotateError::Keys(foreign)));
    chown(&path, Some(user), None).unwrap();

    assert!(IssuerKeys::open(&path).is_ok());
    assert_eq!(node.keys.rotate(), Ok(()));
}

#[test]
fn file_that_could_not_be_read_for_a_moment_is_read_at_the_next_look() {
    let directory = Directory::new("moment");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let node = Node::open(&clock, &path);
    let whole = fs::read(&path).unwrap();
    let later = fs::metadata(&path).unwrap().modified().unwrap() + MINUTE;
    // As if each write were in the same tick of the clock of the file system.
    let write = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    };
    let half = [&whole[..100], &vec![b' '; whole.len() - 100]].concat();

    write(&half);
    assert!(matches!(node.keys.reload(), Err(ConfigError::UnreadableFile { .. })));
    write(&whole);

    assert_eq!(node.keys.reload(), Ok(()));
}

#[cfg(unix)]
#[tokio::test]
async fn disk_that_does_not_answer_holds_no_thread_of_the_runtime_up() {
    let directory = Directory::new("silent");
    let clock = TestClock::at(NOW);
    let (path, away) = (directory.keys(&clock), directory.file("away"));
    let rules = rules(&clock).with_poll_interval(MINUTE);
    let node = Node::new(&clock, rules.open(&path).unwrap());
    let stranger = TokenIssuer::new(ISSUER, AUDIENCE, new_key()).unwrap();
    let stranger = stranger.with_clock(clock.clone()).token_for("alice").issue().unwrap();
    // A pipe answers its reader when it has a writer.
    fs::rename(&path, &away).unwrap();
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&path).status();
    assert!(made.unwrap().success());

    let mut asking = std::pin::pin!(send(&node.app, get("/").bearer(stranger.as_str())));
    assert!(futures::poll!(asking.as_mut()).is_pending());
    node.accepts(&node.issue()).await;
    drop(fs::File::options().write(true).open(&path).unwrap());

    asking.await.is_refused(503, None, Reason::KeysUnavailable);
    fs::rename(&away, &path).unwrap();
    node.refuses_unknown_key(stranger.as_str()).await;
}

#[test]
fn missing_file_is_not_made_and_an_existing_one_is_not_replaced() {
    let directory = Directory::new("missing");
    let path = directory.file("keys.json");
    assert!(problem(&path).contains("IssuerKeys::create"));
    assert_eq!(directory.names(), [""; 0]);

    IssuerKeys::create(&path, new_key()).unwrap();
    let before = fs::read(&path).unwrap();
    let error = IssuerKeys::create(&path, new_key()).unwrap_err();

    assert!(error.to_string().contains("IssuerKeys::open"), "{error}");
    assert!(matches!(error, ConfigError::UnwritableFile { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
    let nowhere = IssuerKeys::create(directory.file("no/keys.json"), new_key()).unwrap_err();
    assert!(matches!(nowhere, ConfigError::UnwritableFile { .. }));
}

#[test]
fn file_that_is_cut_short_is_refused_and_stays_as_it_is() {
    let directory = Directory::new("cut");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let node = Node::open(&clock, &path);
    node.rotate();
    let (whole, before) = (fs::read(&path).unwrap(), node.ids());
    clock.advance(AHEAD);

    // The line break at the end may be missing.
    for length in (0..whole.len() - 1).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();

        let problem = problem(&path);
        assert!(problem == "it is empty" || problem == "it is cut short", "{length}: {problem}");
        assert!(matches!(node.keys.rotate(), Err(RotateError::Keys(_))), "{length}");
        assert_eq!(fs::read(&path).unwrap(), &whole[..length]);
        assert_eq!(node.ids(), before);
    }
    fs::write(&path, &whole).unwrap();

    assert_eq!(node.keys.rotate(), Ok(()));
    assert_eq!(node.ids()[0], before[1]);
}

#[test]
fn file_that_a_crash_left_over_disturbs_nothing_and_is_removed() {
    let directory = Directory::new("crash");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let whole = fs::read(&path).unwrap();
    // The process ended before it had written all, or before it renamed.
    for left_over in [&whole[..100], &whole] {
        fs::write(directory.file("keys.json.new"), left_over).unwrap();

        let node = Node::open(&clock, &path);
        let before = node.ids();
        node.rotate();

        assert_eq!(node.ids()[0], before[1]);
        assert_eq!(Node::open(&clock, &path).ids(), node.ids());
        assert_eq!(directory.names(), ["keys.json", "keys.json.lock"]);
    }
}

#[test]
fn rotation_that_cannot_be_written_changes_nothing() {
    let directory = Directory::new("unwritable");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let node = Node::open(&clock, &path);
    let (whole, before) = (fs::read(&path).unwrap(), node.ids());
    clock.advance(AHEAD);
    let obstacle = directory.file("keys.json.new");
    fs::create_dir_all(obstacle.join("full")).unwrap();

    let error = node.keys.rotate().unwrap_err();
    assert!(matches!(error, RotateError::Keys(ConfigError::UnwritableFile { .. })), "{error}");
    assert_eq!((fs::read(&path).unwrap(), node.ids()), (whole, before.clone()));
    fs::remove_dir_all(obstacle).unwrap();

    assert_eq!(node.keys.rotate(), Ok(()));
    assert_eq!(node.ids()[0], before[1]);
}

#[test]
fn file_that_holds_something_else_is_refused_with_its_mistake() {
    let directory = Directory::new("mistakes");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed.to_string()
    };
    let is_refused_for = |text: String, expected: &str| {
        fs::write(&path, text).unwrap();
        let problem = problem(&path);
        assert!(problem.contains(expected), "{problem}");
    };

    is_refused_for("{\"version\":1,".to_owned(), "cut short");
    is_refused_for("[]".to_owned(), "no keys of an issuer");
    is_refused_for("{}".to_owned(), "no keys of an issuer");
    is_refused_for("{\"version\":1}".to_owned(), "no list `keys`");
    is_refused_for(with(&|file| file["version"] = json!(2)), "version 2");
    is_refused_for(with(&|file| file["keys"][0]["state"] = json!("next")), "a second one");
    is_refused_for(with(&|file| file["keys"][0]["state"] = json!("spare")), "key 0");
    is_refused_for(with(&|file| file["keys"] = json!([])), "none of its keys is active");
    is_refused_for(with(&|file| file["keys"][1]["state"] = json!("retired")), "no `until`");
    let without_since = |key: &mut Value| drop(key.as_object_mut().unwrap().remove("since"));
    is_refused_for(with(&|file| without_since(&mut file["keys"][0])), "no `since`");
    is_refused_for(with(&|file| without_since(&mut file["keys"][1])), "no `since`");
    is_refused_for(with(&|file| file["keys"][0]["alg"] = json!("ES384")), "ES384");
    is_refused_for(with(&|file| drop(file["keys"][0]["d"].take())), "key 0");
    let (one, other) = (good["keys"][0]["d"].clone(), good["keys"][1]["d"].clone());
    is_refused_for(with(&|file| file["keys"][0]["d"] = other.clone()), "another private key");
    fs::write(&path, with(&|file| file["keys"][0]["d"] = one.clone())).unwrap();
    assert!(IssuerKeys::open(&path).is_ok());
}

#[test]
fn no_error_and_no_debug_output_shows_a_part_of_a_key() {
    let directory = Directory::new("shown");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let keys = rules(&clock).open(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let secret = file["keys"][0]["d"].as_str().unwrap();
    let mut shown = format!("{keys:?} {:?}", Node::new(&clock, keys.clone()).tokens);

    for broken in [
        text.replace(secret, &format!("{secret}*")),
        text.replace(&format!("\"{secret}\""), &format!("[\"{secret}\"]")),
        text.replace("\"active\"", &format!("\"{secret}\"")),
        text.replace("\"version\":1", &format!("\"version\":\"{secret}\"")),
        text.replace(secret, &secret[1..]),
    ] {
        assert_ne!(broken, text);
        fs::write(&path, broken).unwrap();
        let error = IssuerKeys::open(&path).unwrap_err();
        shown += &format!("{error} {error:?} {:?}", error.source());
    }

    assert!(shown.contains(file["keys"][0]["kid"].as_str().unwrap()));
    for start in 0..secret.len() - 8 {
        assert!(!shown.contains(&secret[start..start + 8]), "{shown}");
    }
}

#[test]
fn file_keeps_no_private_part_of_a_retired_key() {
    let directory = Directory::new("retired");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);

    Node::open(&clock, &path).rotate();

    let file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let states = ["active", "next", "retired"];
    for (key, state) in file["keys"].as_array().unwrap().iter().zip(states) {
        assert_eq!((&key["state"], key["d"].is_null()), (&json!(state), state == "retired"));
    }
}

#[test]
fn keys_stay_in_use_while_the_file_cannot_be_read_and_a_warning_says_so() {
    let directory = Directory::new("warning");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let rules = rules(&clock).with_rotation_after(HOUR).with_poll_interval(MINUTE);
    let node = Node::new(&clock, rules.open(&path).unwrap());
    // The thread of the keys reads the file.
    let log = Log::of_other_threads();
    let about = |words| {
        let mut about = log.about(words);
        about.retain(|(_, text)| text.contains(path.to_str().unwrap()));
        about
    };
    let whole = fs::read(&path).unwrap();
    fs::write(&path, "{").unwrap();

    clock.advance(2 * HOUR);
    let old = node.issue();
    let mut warnings = about("keys to sign with not read");
    while warnings.is_empty() {
        std::thread::yield_now();
        warnings = about("keys to sign with not read");
    }
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].0, Level::WARN);
    assert!(warnings[0].1.contains("cut short"));
    assert_eq!(kid(&node.issue()), kid(&old));

    fs::write(&path, whole).unwrap();
    clock.advance(MINUTE);
    while kid(&node.issue()) == kid(&old) {
        std::thread::yield_now();
    }
    assert_eq!(about("signed with another key").len(), 1);
}

#[cfg(unix)]
#[test]
fn link_to_the_file_stays_a_link() {
    let directory = Directory::new("link");
    let clock = TestClock::at(NOW);
    let (path, link) = (directory.keys(&clock), directory.file("link"));
    std::os::unix::fs::symlink(&path, &link).unwrap();

    let node = Node::open(&clock, &link);
    node.rotate();

    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(Node::open(&clock, &path).ids(), node.ids());
}
