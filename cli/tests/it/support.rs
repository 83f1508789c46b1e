//! Runs the built command.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use snapbox::cmd::Command;
use tower_bearer::Algorithm;
use tower_bearer::test_util::{TestKey, TestToken};

pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const SECRET: &str = "at least 32 bytes of randomness, please";
/// 2026-01-01.
pub const NOW: u64 = 1_767_225_600;

pub fn bearer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_bearer")).env_remove("NO_COLOR").env("TZ", "UTC")
}

pub fn key() -> TestKey {
    TestKey::from_secret(Algorithm::HS256, SECRET.as_bytes())
}

pub fn token() -> TestToken {
    TestToken::new(ISSUER, AUDIENCE).at(NOW)
}

#[expect(clippy::disallowed_methods, reason = "the command has the clock of the system")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Writes a file for one test.
pub fn file(name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path
}

/// Returns the command that explains a token to an API with the usual issuer, audience and secret.
pub fn explain() -> Command {
    bearer()
        .args(["explain", "--issuer", ISSUER, "--audience", AUDIENCE, "--at", &NOW.to_string()])
        .args(["--secret-env", "SECRET"])
        .env("SECRET", SECRET)
}
