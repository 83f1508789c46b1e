//! A program that is killed while it exchanges tokens.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use tower_bearer::session::{
    CreationOutcome, NewSession, Rotation, RotationOutcome, SessionStore, SqliteSessions, TokenHash,
};

use super::contract::{at, session};
use super::sqlite::Folder;

/// The variable that makes a run of this program a node to be killed: the URL of its database.
const NODE: &str = "TOWER_BEARER_SESSIONS_TO_KILL";
const SESSIONS: u64 = 8;
const KILLS: u64 = 20;

#[tokio::test]
async fn node_that_is_killed_leaves_every_session_whole() {
    let folder = Folder::new();
    let url = folder.url("s.db");
    let store = SqliteSessions::connect(&url).await.unwrap();
    let mut answered = HashMap::new();
    for number in 0..SESSIONS {
        let id = format!("s{number}");
        let mut new = session(&id, "alice");
        // Newer than the sign-ins of the nodes, of which the oldest give way.
        (new.current, new.created_at, new.idle_until) = (token(0), at(1), at(1000));
        store.create(NewSession::new(new, at(1), None)).await.unwrap();
        answered.insert(id, 0);
    }
    drop(store);
    let mut random = [0; KILLS as usize];
    getrandom::fill(&mut random).unwrap();

    for moment in random {
        for (id, number) in run_and_kill(&url, u32::from(moment)) {
            let last = answered.entry(id).or_default();
            *last = number.max(*last);
        }

        let store = SqliteSessions::connect(&url).await.unwrap();
        let live = store.of_subject("alice", at(1)).await.unwrap();
        let signed_in = live.iter().filter(|session| session.id.starts_with("new")).count();
        assert_eq!(live.len() - signed_in, answered.len());
        assert!(signed_in <= 2, "{signed_in} live");
        for (id, number) in &mut answered {
            // The client has this token. The answer to it may have been lost, but not the token.
            let outcome = rotate(&store, id, *number).await;
            let is_good =
                matches!(&outcome, RotationOutcome::Rotated(_) | RotationOutcome::Repeated(_));
            assert!(is_good, "{id} with {number}: {outcome:?}");
            *number += 1;
        }
    }

    assert!(answered.values().sum::<u64>() > SESSIONS * KILLS);
}

/// Runs a node, and kills it when it has written so many answers. Returns all that it has written.
fn run_and_kill(url: &str, answers: u32) -> Vec<(String, u64)> {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::node_to_be_killed"), "--nocapture"])
        .env(NODE, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut written = Vec::new();
    let mut read = |line: std::io::Result<String>| {
        let line = line.unwrap();
        // Its last line may be half.
        let answer = line.strip_prefix("answered ").and_then(|line| line.strip_suffix('.'));
        if let Some((id, number)) = answer.and_then(|answer| answer.split_once(' ')) {
            written.push((id.to_owned(), number.parse().unwrap()));
        }
        line.starts_with("answered")
    };

    let mut left = answers + 1;
    while left > 0 {
        let line = lines.next().expect("it goes on until it is killed");
        left -= u32::from(read(line));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        read(line);
    }
    written
}

/// Is a node if the variable is set, and no test otherwise.
#[tokio::test]
async fn node_to_be_killed() {
    let Ok(url) = std::env::var(NODE) else { return };
    let store = SqliteSessions::connect(&url).await.unwrap();
    let live = store.of_subject("alice", at(1)).await.unwrap();
    let mut tokens: Vec<_> = live
        .into_iter()
        .filter(|session| !session.id.starts_with("new"))
        .map(|session| (session.id, number_of(session.current)))
        .collect();
    // Until it is killed. If the test that started it is gone, its pipe is closed and it ends.
    for sign_in in 0.. {
        for (id, number) in &mut tokens {
            let outcome = rotate(&store, id, *number).await;
            assert!(matches!(outcome, RotationOutcome::Rotated(_)));
            *number += 1;
            let mut out = std::io::stdout();
            writeln!(out, "answered {id} {number}.").unwrap();
        }
        let new = session(&format!("new-{}-{sign_in}", std::process::id()), "alice");
        let max = usize::try_from(SESSIONS).unwrap() + 2;
        let outcome = store.create(NewSession::new(new, at(0), Some(max))).await.unwrap();
        let CreationOutcome::Created { ended } = outcome else { panic!("superseded") };
        assert!(ended.iter().all(|session| session.id.starts_with("new")));
    }
}

async fn rotate(store: &SqliteSessions, id: &str, number: u64) -> RotationOutcome {
    let (presented, next) = (token(number), token(number + 1));
    store.rotate(Rotation::new(id, presented, next, at(1), at(1000))).await.unwrap()
}

fn token(number: u64) -> TokenHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    TokenHash::from_bytes(bytes)
}

fn number_of(token: TokenHash) -> u64 {
    u64::from_le_bytes(token.as_bytes()[..8].try_into().unwrap())
}
