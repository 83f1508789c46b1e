//! Programs that are killed while they sign in, exchange tokens and end sessions.
//!
//! A node writes a line for each token that it gives out, and for each revocation, which so outlives the node. The
//! test reads the lines as a client would read answers, kills the node after some of them, and opens the store anew.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use tower_bearer::revocation::{
    MemoryRevocations, Revocable, Revocation, RevocationStore, Revocations, RevocationsUnavailable,
    Revoked,
};
use tower_bearer::session::{
    BoxSessionStore, PostgresSessions, RedisSessions, SessionError, SessionKey, SessionTokens,
    Sessions, SignIn, SqliteSessions,
};
use tower_bearer::{Algorithm, SigningKey, TokenIssuer};

use super::sqlite::Folder;
use crate::support::{AUDIENCE, ISSUER};

/// The variable that makes a run of this program a node to be killed: the URL of its store.
const NODE: &str = "TOWER_BEARER_SESSIONS_TO_KILL";
/// The refresh tokens that the node begins with.
const TOKENS: &str = "TOWER_BEARER_TOKENS_TO_REFRESH";
const KILLS: usize = 20;
/// The number of lines after which a node is killed at the latest.
const LINES: u32 = 100;
/// The number of sessions that a node keeps before it ends one at each turn.
const KEPT: usize = 6;

#[tokio::test]
async fn node_that_is_killed_leaves_every_session_whole_in_sqlite() {
    let folder = Folder::new();

    killed_nodes_leave_every_session_whole(&folder.url("s.db")).await;
}

/// Kills nodes of the store at this URL, one after the other.
pub async fn killed_nodes_leave_every_session_whole(url: &str) {
    let mut random = [0; KILLS];
    getrandom::fill(&mut random).unwrap();
    let mut client = Client::default();

    for moment in random {
        for line in run_and_kill(url, &client, u32::from(moment) % LINES) {
            client.hear(&line);
        }
        client.asks_and_is_content(url).await;
    }

    let given: usize = client.tokens.values().map(Vec::len).sum();
    assert!(given > KILLS * 2 && client.ended.len() > KILLS / 2, "{given}");
}

/// The answers that clients of the killed nodes have got.
#[derive(Default)]
struct Client {
    /// The tokens of each session of alice, oldest first.
    tokens: BTreeMap<String, Vec<String>>,
    /// The sessions of bob, who may have two.
    of_bob: Vec<String>,
    /// The sessions that a node was told to end, and those of which it answered that they have ended.
    ending: HashSet<String>,
    ended: HashSet<String>,
    revoked: HashSet<String>,
}

impl Client {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["alice", id, token] => self.got(id, token),
            ["bob", id] => self.of_bob.push(id.to_owned()),
            ["ending", id] => drop(self.ending.insert(id.to_owned())),
            ["ended", id] => drop(self.ended.insert(id.to_owned())),
            ["revoked", id] => drop(self.revoked.insert(id.to_owned())),
            _ => panic!("{line}"),
        }
    }

    fn got(&mut self, id: &str, token: &str) {
        self.tokens.entry(id.to_owned()).or_default().push(token.to_owned());
    }

    /// The last tokens of the sessions that were not to end.
    fn last_tokens(&self) -> impl Iterator<Item = (&String, &String)> {
        let goes_on = |id: &String| !self.ending.contains(id) && !self.ended.contains(id);
        let tokens = self.tokens.iter().filter(move |(id, _)| goes_on(id));
        tokens.map(|(id, tokens)| (id, tokens.last().unwrap()))
    }

    /// Looks at what the killed node has left, and goes on with it.
    async fn asks_and_is_content(&mut self, url: &str) {
        let revocations = MemoryRevocations::new();
        let sessions = open(url, revocations.clone()).await;
        sessions.sweep().await.unwrap();
        let live = live(&sessions, "alice").await;
        let of_bob = live_of_bob(&sessions, &self.of_bob).await;

        // None is lost, and none comes back.
        for id in self.tokens.keys() {
            let is_live = live.contains(id);
            assert!(is_live || self.ending.contains(id) || self.ended.contains(id), "{id} is lost");
            assert!(!is_live || !self.ended.contains(id), "{id} has ended");
        }
        // Every session that ended is revoked by now, and no other.
        for (id, is_live) in self.tokens.keys().map(|id| (id, live.contains(id))).chain(of_bob) {
            let now = revocations.lookup(ISSUER, Revocable::Session(id)).is_some();
            assert_ne!(is_live, now || self.revoked.contains(id), "{id}");
            if now {
                self.revoked.insert(id.clone());
            }
            if !is_live {
                self.ended.insert(id.clone());
            }
        }
        // The answer to one sign-in may have been lost.
        let unheard: Vec<_> = live.iter().filter(|id| !self.tokens.contains_key(*id)).collect();
        assert!(unheard.len() <= 1, "{unheard:?}");
        for id in unheard {
            assert!(sessions.end(id, "alice").await.unwrap().is_some());
        }
        // A client whose sign-out was not answered signs out again.
        for id in self.ending.iter().filter(|id| live.contains(*id)) {
            assert!(sessions.end(id, "alice").await.unwrap().is_some());
            self.ended.insert(id.clone());
            self.revoked.insert(id.clone());
        }
        // The last token that a client got is good, whether its successor was given out or not.
        let last: Vec<_> =
            self.last_tokens().map(|(id, token)| (id.clone(), token.clone())).collect();
        for (id, token) in last {
            let next = sessions.refresh(&token, None).await.unwrap();
            let again = sessions.refresh(&token, None).await.unwrap();
            assert_eq!(next.session.id, id);
            assert_eq!(next.refresh_token.as_str(), again.refresh_token.as_str());
            self.got(&id, next.refresh_token.as_str());
        }
        for id in self.ended.iter().filter(|id| self.tokens.contains_key(*id)) {
            let refused = sessions.refresh(self.tokens[id].last().unwrap(), None).await;
            assert!(matches!(&refused, Err(SessionError::UnknownToken)), "{id}: {refused:?}");
        }
        // No other token of a session is good: an older one ends it.
        let old = self.last_tokens().map(|(id, _)| id).find(|id| self.tokens[*id].len() > 2);
        if let Some(id) = old.cloned() {
            let tokens = &self.tokens[&id];
            let reused = sessions.refresh(&tokens[tokens.len() - 3], None).await;
            assert!(matches!(&reused, Err(SessionError::Reused)), "{id}: {reused:?}");
            self.ended.insert(id.clone());
            self.revoked.insert(id);
        }
    }
}

/// Returns the names of the subject's live sessions.
async fn live(sessions: &Sessions, subject: &str) -> HashSet<String> {
    let live = sessions.list(subject).await.unwrap();
    let ids: HashSet<_> = live.iter().map(|session| session.id.clone()).collect();
    assert_eq!(ids.len(), live.len(), "one is there twice");
    ids
}

/// Returns whether each of bob's sessions is live, of which there are two.
async fn live_of_bob<'k>(sessions: &Sessions, known: &'k [String]) -> Vec<(&'k String, bool)> {
    let live = live(sessions, "bob").await;
    assert!(
        live.len() <= 2 && live.len() >= known.len().min(2),
        "{} of {}",
        live.len(),
        known.len()
    );
    known.iter().map(|id| (id, live.contains(id))).collect()
}

/// Runs a node, and kills it when it has written so many lines. Returns all whole lines that it has written.
fn run_and_kill(url: &str, client: &Client, lines_before: u32) -> Vec<String> {
    let (_, module) = module_path!().split_once("::").unwrap();
    let tokens: Vec<_> = client.last_tokens().map(|(_, token)| token.as_str()).collect();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::node_to_be_killed"), "--nocapture"])
        .env(NODE, url)
        .env(TOKENS, tokens.join(" "))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut written = Vec::new();
    let mut read = |line: std::io::Result<String>| {
        let line = line.unwrap();
        // Its last line may be half.
        let answer = line.strip_prefix(SIGN).and_then(|line| line.strip_suffix('.'));
        written.extend(answer.map(str::to_owned));
        answer.is_some()
    };

    let mut left = lines_before + 1;
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
    let sessions = open(&url, Journal).await;
    let of_bob = sessions.clone().with_max_per_subject(2);
    let tokens = std::env::var(TOKENS).unwrap();
    let mut tokens: Vec<String> = tokens.split_whitespace().map(str::to_owned).collect();
    let answer = |given: &SessionTokens| {
        say(&format!("alice {} {}", given.session.id, given.refresh_token.as_str()));
        given.refresh_token.as_str().to_owned()
    };
    // Until it is killed. If the test that started it is gone, its pipe is closed and it ends.
    loop {
        let mut oldest = None;
        for token in &mut tokens {
            let next = sessions.refresh(token, None).await.unwrap();
            *token = answer(&next);
            oldest.get_or_insert(next.session.id);
        }
        if let Some(id) = oldest.filter(|_| tokens.len() > KEPT) {
            say(&format!("ending {id}"));
            assert!(sessions.end_by_token(&tokens.remove(0)).await.unwrap().is_some());
            say(&format!("ended {id}"));
        }
        tokens.push(answer(&sessions.begin(SignIn::now("alice")).await.unwrap()));
        let begun = of_bob.begin(SignIn::now("bob")).await.unwrap();
        say(&format!("bob {}", begun.session.id));
    }
}

/// Begins each line that is for the test, and not of the test harness.
const SIGN: &str = "node: ";

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{SIGN}{line}.").unwrap();
}

/// Opens the store at a URL.
async fn open(url: &str, revocations: impl Revocations + RevocationStore) -> Sessions {
    let store = match url.split_once(':').unwrap().0 {
        "sqlite" => BoxSessionStore::new(SqliteSessions::connect(url).await.unwrap()),
        "redis" => {
            let store = RedisSessions::new(url).unwrap();
            BoxSessionStore::new(store.with_timeout(Duration::from_secs(20)))
        }
        _ => BoxSessionStore::new(PostgresSessions::connect(url).await.unwrap()),
    };
    let key = SigningKey::from_secret(Algorithm::HS256, [7; 32]).unwrap();
    let tokens = TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap();
    Sessions::new(tokens, store, revocations, SessionKey::from_secret([1; 32]).unwrap())
}

/// Keeps revocations as lines that the test reads.
struct Journal;

impl Revocations for Journal {
    fn lookup(&self, _: &str, _: Revocable<'_>) -> Option<Revoked> {
        None
    }

    fn epoch(&self) -> u64 {
        0
    }
}

impl RevocationStore for Journal {
    async fn add(&self, revocation: Revocation) -> Result<(), RevocationsUnavailable> {
        say(&format!("revoked {}", revocation.name().as_str()));
        Ok(())
    }
}
