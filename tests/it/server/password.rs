//! Tests hashing and verifying passwords, and its limits.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use futures::{FutureExt as _, poll};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower_bearer::ConfigError;
use tower_bearer::password::{PasswordCheck, PasswordError, Passwords, RefusedList};

const PASSWORD: &str = "correct horse battery staple";

/// Hashes of the password, made with argon2-cffi 25.1 (19 MiB and 2 iterations), bcrypt 5.0 and passlib 1.7.4.
const ARGON2ID: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$gy5SuVm5Z7Vw7keB9se9p87QGcomaseB/S2U1OhTsM0";
const ARGON2ID_64_MIB: &str = "$argon2id$v=19$m=65536,t=3,p=4$rLdo3ZhqhgX2EuIPhvfH0w$tCPMyt34dZGqFlXfXTvA7mYzIgBgevNhFSDbXu+Plvs";
const ARGON2I: &str = "$argon2i$v=19$m=1024,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$Z9tQ5x+TJA0PzMbFcJCUA0Sxu8cKh4sKwxxZauJbgkA";
const BCRYPT: &str = "$2b$05$3MeZPtRPX0FxgLTBEKpd..HoLrP4wiP8XQ28V1d.Hpuc0pKoS1IvG";
const SCRYPT: &str =
    "$scrypt$ln=10,r=8,p=1$SIkx5jxH6P0f4xwjRAiB8A$6A79Gar3wFHarNAB1X4YMTcW2O8NBO9UOBfxO8eQa+0";

/// A new password whose hashing thread waits until the test lets it go on.
const HELD: &str = "held on its thread";

struct Held {
    started: UnboundedReceiver<()>,
    go_on: mpsc::Sender<()>,
}

/// Makes passwords with limits, and holds the hashing of `HELD`.
fn holding(max_concurrent: usize, max_waiting: usize) -> (Passwords, Held) {
    let (start, started) = unbounded_channel();
    let (go_on, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let passwords = Passwords::new()
        .with_max_concurrent(max_concurrent)
        .with_max_waiting(max_waiting)
        .with_refused(move |password: &str| {
            if password == HELD {
                start.send(()).unwrap();
                // A bound only: a test that has failed must end.
                wait.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
            }
            false
        });
    (passwords, Held { started, go_on })
}

/// Returns the new hash of an outdated one.
fn new_hash(check: PasswordCheck) -> String {
    match check {
        PasswordCheck::CorrectAndOutdated { new_hash } => new_hash,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn password_of_its_hash_is_correct() {
    let passwords = Passwords::new();
    let hash = passwords.hash(PASSWORD).await.unwrap();

    let check = passwords.verify(PASSWORD, Some(&hash)).await;

    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_eq!(hash.len(), 97);
    assert_eq!(check, Ok(PasswordCheck::Correct));
}

#[tokio::test]
async fn other_password_is_wrong() {
    let passwords = Passwords::new();
    let hash = passwords.hash(PASSWORD).await.unwrap();

    let check = passwords.verify("correct horse battery stapl", Some(&hash)).await;

    assert_eq!(check, Ok(PasswordCheck::Wrong));
}

#[tokio::test]
async fn password_of_an_unknown_user_is_wrong() {
    assert_eq!(Passwords::new().verify(PASSWORD, None).await, Ok(PasswordCheck::Wrong));
    assert_eq!(Passwords::new().verify("", None).await, Ok(PasswordCheck::Wrong));
}

#[tokio::test]
async fn hash_with_the_current_parameters_is_not_replaced() {
    let check = Passwords::new().verify(PASSWORD, Some(ARGON2ID)).await;

    assert_eq!(check, Ok(PasswordCheck::Correct));
}

#[tokio::test]
async fn hash_is_replaced_when_the_parameters_grew() {
    for (memory, iterations) in [(19_457, 2), (19_456, 3), (47_104, 1)] {
        let passwords = Passwords::new().with_argon2(memory, iterations, 1).unwrap();

        let hash = new_hash(passwords.verify(PASSWORD, Some(ARGON2ID)).await.unwrap());

        assert!(hash.contains(&format!("$m={memory},t={iterations},p=1$")), "{hash}");
        assert_eq!(passwords.verify(PASSWORD, Some(&hash)).await, Ok(PasswordCheck::Correct));
    }
}

#[tokio::test]
async fn hash_is_not_replaced_when_the_parameters_shrank() {
    let check = Passwords::new().verify(PASSWORD, Some(ARGON2ID_64_MIB)).await;

    assert_eq!(check, Ok(PasswordCheck::Correct));
}

#[tokio::test]
async fn hash_of_another_kind_is_replaced() {
    let passwords = Passwords::new();

    for old in [ARGON2I, BCRYPT, SCRYPT] {
        let hash = new_hash(passwords.verify(PASSWORD, Some(old)).await.unwrap());

        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(passwords.verify(PASSWORD, Some(&hash)).await, Ok(PasswordCheck::Correct));
    }
}

#[tokio::test]
async fn hash_of_another_kind_is_not_replaced_for_a_wrong_password() {
    for old in [ARGON2I, BCRYPT, SCRYPT] {
        let check = Passwords::new().verify("Correct horse battery staple", Some(old)).await;

        assert_eq!(check, Ok(PasswordCheck::Wrong), "{old}");
    }
}

#[tokio::test]
async fn bcrypt_hash_of_a_longer_password_is_not_replaced() {
    // `crypt` of libxcrypt, of 80 bytes. The first 72 are hashed.
    let hash = "$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q";
    let verify = async |password: &str| Passwords::new().verify(password, Some(hash)).await;

    assert_eq!(verify(&"x".repeat(80)).await, Ok(PasswordCheck::Correct));
    assert_eq!(verify(&("x".repeat(72) + "mistyped")).await, Ok(PasswordCheck::Correct));
    assert_eq!(verify(&"x".repeat(71)).await, Ok(PasswordCheck::Wrong));
}

#[tokio::test]
async fn bcrypt_hash_of_72_bytes_is_replaced() {
    let hash = "$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q";

    let check = Passwords::new().verify(&"x".repeat(72), Some(hash)).await.unwrap();

    assert!(new_hash(check).starts_with("$argon2id$"));
}

#[tokio::test]
async fn new_password_of_eight_characters_is_accepted() {
    assert!(Passwords::new().hash("пароль12").await.is_ok());
    assert!(Passwords::new().hash("        ").await.is_ok());
}

#[tokio::test]
async fn new_password_of_seven_characters_is_refused() {
    let too_short = Err(PasswordError::TooShort { required: 8 });

    assert_eq!(Passwords::new().hash("пароль1").await, too_short);
    assert_eq!(Passwords::new().hash("").await, too_short);
    // Eight code points, of which seven characters are made; and three, of which nine are made.
    assert_eq!(Passwords::new().hash("abcdefe\u{301}").await, too_short);
    assert_eq!(Passwords::new().hash("\u{1d160}\u{1d160}\u{1d160}").await, too_short);
}

#[tokio::test]
async fn number_of_characters_can_be_raised() {
    let passwords = Passwords::new().with_min_chars(15).unwrap();

    assert_eq!(
        passwords.hash("fourteen chars").await,
        Err(PasswordError::TooShort { required: 15 })
    );
    assert!(passwords.hash("fifteen letters").await.is_ok());
}

#[tokio::test]
async fn short_password_that_exists_is_verified() {
    // argon2-cffi 25.1, of an empty password.
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$ZmVkY2JhOTg3NjU0MzIxMA$46WzZWP5qc3ImSaiwwMboV+2JmyrQG9c5x5fZCLlo3U";

    assert_eq!(Passwords::new().verify("", Some(hash)).await, Ok(PasswordCheck::Correct));
    assert_eq!(Passwords::new().verify(" ", Some(hash)).await, Ok(PasswordCheck::Wrong));
}

#[tokio::test]
async fn password_of_1_kib_is_accepted_and_its_last_byte_counts() {
    let (passwords, password) = (Passwords::new(), "x".repeat(1024));

    let hash = passwords.hash(&password).await.unwrap();

    assert_eq!(passwords.verify(&password, Some(&hash)).await, Ok(PasswordCheck::Correct));
    let other = format!("{}y", &password[..1023]);
    assert_eq!(passwords.verify(&other, Some(&hash)).await, Ok(PasswordCheck::Wrong));
}

#[tokio::test]
async fn longer_password_is_refused() {
    let (passwords, password) = (Passwords::new(), "x".repeat(1025));

    assert_eq!(passwords.hash(&password).await, Err(PasswordError::TooLong { most: 1024 }));
    assert_eq!(
        passwords.verify(&password, Some(ARGON2ID)).await,
        Err(PasswordError::TooLong { most: 1024 })
    );
    assert_eq!(passwords.verify(&password, None).await, Err(PasswordError::TooLong { most: 1024 }));
}

#[tokio::test]
async fn password_of_any_characters_is_accepted() {
    let passwords = Passwords::new();

    for password in [
        "пароль пароль",
        "🔑🔑🔑🔑🔑🔑🔑🔑",
        "nul\0and\u{7f}control\u{1b}\r\n",
        "\u{202e}right to left\u{200d}\u{feff}",
        "unassigned \u{e0fff}\u{10ffff}",
        &"\u{301}".repeat(512),
        &"\u{1d160}".repeat(256),
    ] {
        let hash = passwords.hash(password).await.unwrap();

        let check = passwords.verify(password, Some(&hash)).await;
        assert_eq!(check, Ok(PasswordCheck::Correct), "{password:?}");
    }
}

#[tokio::test]
async fn non_ascii_hash_of_other_software_is_verified() {
    // argon2-cffi 25.1.
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$ZmVkY2JhOTg3NjU0MzIxMA$KzQDlREL2L9GtawHGPk8GIXckkx1WBx0BJhnLu1PyEY";

    let check = Passwords::new().verify("pässwörd ☃ 🔑 пароль", Some(hash)).await;

    assert_eq!(check, Ok(PasswordCheck::Correct));
}

#[tokio::test]
async fn same_characters_in_other_code_points_are_the_same_password() {
    let passwords = Passwords::new();
    let hash = passwords.hash("caf\u{e9} caf\u{e9}").await.unwrap();

    for same in ["caf\u{e9} caf\u{e9}", "cafe\u{301} caf\u{e9}", "cafe\u{301} cafe\u{301}"] {
        assert_eq!(passwords.verify(same, Some(&hash)).await, Ok(PasswordCheck::Correct));
    }
    assert_eq!(passwords.verify("cafe cafe", Some(&hash)).await, Ok(PasswordCheck::Wrong));
}

#[tokio::test]
async fn hash_of_another_form_is_replaced_by_one_of_the_normal_form() {
    // argon2-cffi 25.1, of "cafe\u{301} cafe\u{301}".
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$ZmVkY2JhOTg3NjU0MzIxMA$jZBFuqa16vEQPIHqxppLBHsKhPW1ye3Z1y2uugPCtKI";
    let passwords = Passwords::new();

    let check = passwords.verify("cafe\u{301} cafe\u{301}", Some(hash)).await.unwrap();

    let hash = new_hash(check);
    for same in ["cafe\u{301} cafe\u{301}", "caf\u{e9} caf\u{e9}"] {
        assert_eq!(passwords.verify(same, Some(&hash)).await, Ok(PasswordCheck::Correct));
    }
}

#[tokio::test]
async fn new_password_in_a_list_is_refused() {
    let list: RefusedList = ["password1", "Correct Horse"].into_iter().collect();
    let passwords = Passwords::new().with_refused(list);

    assert_eq!(passwords.hash("PassWord1").await, Err(PasswordError::Refused));
    assert!(passwords.hash("password2").await.is_ok());
}

#[tokio::test]
async fn lists_and_closures_refuse_together() {
    let passwords = Passwords::new()
        .with_refused(["password1"].into_iter().collect::<RefusedList>())
        .with_refused(|password: &str| password.contains("shop"));

    assert_eq!(passwords.hash("password1").await, Err(PasswordError::Refused));
    assert_eq!(passwords.hash("my shop password").await, Err(PasswordError::Refused));
    assert!(passwords.hash("my other password").await.is_ok());
}

#[tokio::test]
async fn user_with_a_password_in_the_list_still_signs_in() {
    let passwords = Passwords::new().with_refused(|_: &str| true);

    assert_eq!(passwords.verify(PASSWORD, Some(ARGON2ID)).await, Ok(PasswordCheck::Correct));
    let check = passwords.verify(PASSWORD, Some(BCRYPT)).await.unwrap();
    assert!(matches!(check, PasswordCheck::CorrectAndOutdated { .. }));
}

#[tokio::test]
async fn stored_hash_beyond_the_limits_is_refused_with_the_limit_and_without_the_hash() {
    for (hash, limit) in [
        (ARGON2ID.replace("m=19456", "m=4194304"), "256 MiB"),
        (ARGON2ID.replace("t=2", "t=4294967295"), "1 GiB"),
        (BCRYPT.replace("$05$", "$31$"), "15"),
        (SCRYPT.replace("ln=10", "ln=24"), "256 MiB"),
        (SCRYPT.replace("p=1", "p=65536"), "1 GiB"),
        ("plain text".to_owned(), "PHC"),
        (String::new(), "PHC"),
    ] {
        let error = Passwords::new().verify(PASSWORD, Some(&hash)).await.unwrap_err();

        let shown = format!("{error} {error:?}");
        assert!(matches!(error, PasswordError::UnreadableHash { .. }), "{shown}");
        assert!(shown.contains(limit), "{shown}");
        assert!(hash.is_empty() || !shown.contains(&hash), "{shown}");
    }
}

#[tokio::test]
async fn password_is_refused_as_busy_when_the_waiting_room_is_full() {
    let (passwords, mut held) = holding(1, 1);
    let running = tokio::spawn({
        let passwords = passwords.clone();
        async move { passwords.hash(HELD).await }
    });
    held.started.recv().await.unwrap();
    let mut waiting = Box::pin(passwords.hash(PASSWORD));
    assert!(poll!(&mut waiting).is_pending());

    let busy = passwords.verify(PASSWORD, Some(ARGON2ID)).await;

    assert_eq!(busy, Err(PasswordError::Busy { retry_after: Duration::from_secs(1) }));
    held.go_on.send(()).unwrap();
    assert!(running.await.unwrap().is_ok());
    assert!(waiting.await.is_ok());
}

#[tokio::test]
async fn password_is_accepted_again_when_the_waiting_room_has_a_place() {
    let (passwords, mut held) = holding(1, 1);
    let running = tokio::spawn({
        let passwords = passwords.clone();
        async move { passwords.hash(HELD).await }
    });
    held.started.recv().await.unwrap();

    let mut waiting = Box::pin(passwords.verify(PASSWORD, Some(ARGON2ID)));
    assert!(poll!(&mut waiting).is_pending());
    held.go_on.send(()).unwrap();

    assert!(running.await.unwrap().is_ok());
    assert_eq!(waiting.await, Ok(PasswordCheck::Correct));
}

#[tokio::test]
async fn caller_that_gives_up_waiting_frees_its_place() {
    let (passwords, mut held) = holding(1, 1);
    let running = tokio::spawn({
        let passwords = passwords.clone();
        async move { passwords.hash(HELD).await }
    });
    held.started.recv().await.unwrap();
    let mut first = Box::pin(passwords.hash(PASSWORD));
    assert!(poll!(&mut first).is_pending());

    drop(first);

    let mut second = Box::pin(passwords.hash(PASSWORD));
    assert!(poll!(&mut second).is_pending());
    held.go_on.send(()).unwrap();
    assert!(second.await.is_ok());
    assert!(running.await.unwrap().is_ok());
}

#[tokio::test]
async fn hashing_whose_caller_gives_up_counts_until_it_ends() {
    let (passwords, mut held) = holding(1, 0);
    let mut running = Box::pin(passwords.hash(HELD));
    assert!(poll!(&mut running).is_pending());
    held.started.recv().await.unwrap();

    drop(running);

    assert!(matches!(passwords.hash(PASSWORD).await, Err(PasswordError::Busy { .. })));
    held.go_on.send(()).unwrap();
    while matches!(passwords.hash(PASSWORD).await, Err(PasswordError::Busy { .. })) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn as_many_passwords_as_allowed_are_hashed_at_once() {
    let (passwords, mut held) = holding(2, 0);
    let mut both = Box::pin(futures::future::join(passwords.hash(HELD), passwords.hash(HELD)));
    assert!(poll!(&mut both).is_pending());

    held.started.recv().await.unwrap();
    assert!(matches!(passwords.hash(PASSWORD).await, Err(PasswordError::Busy { .. })));
    held.go_on.send(()).unwrap();
    held.go_on.send(()).unwrap();

    let (first, second) = both.await;
    assert!(first.is_ok() && second.is_ok());
}

#[tokio::test]
async fn limit_of_zero_hashes_one_at_a_time() {
    let passwords = Passwords::new().with_max_concurrent(0).with_max_waiting(usize::MAX);

    assert!(passwords.hash(PASSWORD).await.is_ok());
}

#[tokio::test]
async fn closure_that_panics_frees_its_place() {
    let passwords = Passwords::new().with_max_concurrent(1).with_max_waiting(0).with_refused(
        |password: &str| {
            assert!(password != "this one panics", "as it says");
            false
        },
    );

    let panicked = std::panic::AssertUnwindSafe(passwords.hash("this one panics"));

    assert!(panicked.catch_unwind().await.is_err());
    assert!(passwords.hash(PASSWORD).await.is_ok());
}

#[tokio::test(flavor = "current_thread")]
async fn other_tasks_of_the_only_thread_go_on_while_a_password_is_hashed() {
    let (passwords, mut held) = holding(1, 0);

    // The hash ends only if the other task runs beside it.
    let other_task = async {
        held.started.recv().await.unwrap();
        held.go_on.send(()).unwrap();
    };
    let (hash, ()) = futures::future::join(passwords.hash(HELD), other_task).await;

    assert!(hash.is_ok());
}

#[test]
fn password_outside_of_a_runtime_is_an_error() {
    let check = Passwords::new().verify(PASSWORD, None).now_or_never().unwrap();

    assert!(matches!(check, Err(PasswordError::Unavailable { .. })));
}

#[test]
fn runtime_without_timers_is_enough() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    let hash = runtime.block_on(Passwords::new().hash(PASSWORD));

    assert!(hash.is_ok());
}

#[test]
fn parameters_of_owasp_are_accepted() {
    for (memory, iterations) in
        [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5), (262_144, 4)]
    {
        assert!(Passwords::new().with_argon2(memory, iterations, 1).is_ok());
    }
    assert!(Passwords::new().with_argon2(65_536, 3, 4).is_ok());
    assert!(Passwords::new().with_argon2(7_168, 5, 255).is_ok());
}

#[test]
fn weaker_and_costlier_parameters_are_refused() {
    for (memory, iterations, parallelism) in [
        (7_167, 6, 1),
        (19_456, 1, 1),
        (19_456, 0, 1),
        (262_145, 1, 1),
        (262_144, 5, 1),
        (u32::MAX, u32::MAX, u32::MAX),
        (19_456, 2, 0),
        (19_456, 2, 256),
    ] {
        let error = Passwords::new().with_argon2(memory, iterations, parallelism).unwrap_err();

        assert!(matches!(error, ConfigError::OutOfRange { .. }), "{error}");
        assert!(error.to_string().contains("Argon2"), "{error}");
    }
}

#[test]
fn number_of_characters_is_8_to_64() {
    assert!(Passwords::new().with_min_chars(8).is_ok());
    assert!(Passwords::new().with_min_chars(64).is_ok());
    for chars in [0, 7, 65, usize::MAX] {
        let error = Passwords::new().with_min_chars(chars).unwrap_err();

        assert!(matches!(error, ConfigError::OutOfRange { least: 8, most: 64, .. }), "{error}");
    }
}

#[tokio::test]
async fn password_and_hash_are_not_shown() {
    let list: RefusedList = [PASSWORD].into_iter().collect();
    let passwords = Passwords::new();
    let check = passwords.verify(PASSWORD, Some(BCRYPT)).await.unwrap();

    let mut shown = format!("{check:?} {list:?}");
    shown += &format!(" {:?}", passwords.with_refused(list));

    assert!(shown.starts_with("CorrectAndOutdated { .. } RefusedList"), "{shown}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("argon2id"), "{shown}");
}
