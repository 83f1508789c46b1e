//! Tests that no token is refused while keys are replaced under load.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use tower_bearer::KeySet;
use tower_bearer::clock::Clock as _;
use tower_bearer::jose::Header;
use tower_bearer::keys::Lookup;

use super::*;

/// Knows the JWK set that it has fetched last, and fetches by time only: the least that a verifier elsewhere does.
#[derive(Clone)]
struct Elsewhere(Arc<RwLock<KeySet>>);

impl Elsewhere {
    fn new(node: &Node) -> Self {
        Self(Arc::new(RwLock::new(published(node))))
    }

    fn fetch(&self, node: &Node) {
        *self.0.write().unwrap() = published(node);
    }
}

impl KeySource for Elsewhere {
    fn lookup(&self, header: &Header) -> Lookup {
        self.0.read().unwrap().lookup(header)
    }
}

fn published(node: &Node) -> KeySet {
    KeySet::from_jwks(node.keys.public_keys().to_json()).unwrap()
}

const CLIENTS: usize = 50;
const ROTATIONS: usize = 20;

async fn rotate_under_load(algorithm: Algorithm) {
    let directory = Directory::new(&format!("load-{algorithm}"));
    let clock = TestClock::at(NOW);
    let path = directory.file("keys.json");
    let key = SigningKey::generate(algorithm).unwrap().with_key_id("the first").unwrap();
    let rules = rules(&clock).with_max_lifetime(2 * HOUR);
    let nodes = [rules.clone().create(&path, key).unwrap(), rules.open(&path).unwrap()];
    let nodes = nodes.map(|keys| Node::new(&clock, keys));
    let mut apps = vec![nodes[0].app.clone(), nodes[1].app.clone()];
    // Secrets are not published.
    let elsewhere = (algorithm == Algorithm::ES256).then(|| Elsewhere::new(&nodes[0]));
    apps.extend(elsewhere.clone().map(|keys| app(&clock, keys)));
    let (nodes, apps, stop) = (Arc::new(nodes), Arc::new(apps), Arc::new(AtomicBool::new(false)));
    let accepted = Arc::new(AtomicUsize::new(0));

    let clients = (0..CLIENTS).map(|client| {
        let (nodes, apps) = (Arc::clone(&nodes), Arc::clone(&apps));
        let (stop, accepted) = (Arc::clone(&stop), Arc::clone(&accepted));
        tokio::spawn(async move {
            let mut tokens = VecDeque::new();
            let mut round = client;
            while !stop.load(Ordering::Relaxed) {
                let node = &nodes[round % 2];
                let request = node.tokens.token_for("alice").with_lifetime(2 * HOUR);
                let token = match round % 3 {
                    0 => request.issue_async().await.unwrap(),
                    _ => request.issue().unwrap(),
                };
                tokens.push_back(token);
                let now = node.clock.now();
                // The oldest token that lives through the next rotations, and the newest.
                tokens.retain(|token| token.expires_at() > now + HOUR);
                for token in [tokens.front(), tokens.back()].into_iter().flatten() {
                    let app = &apps[round % apps.len()];
                    send(app, get("/").bearer(token.as_str())).await.is_ok("in");
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                round += 1;
                tokio::task::yield_now().await;
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let first = nodes[0].ids();
    for rotation in 0..ROTATIONS {
        // So that each client does something between two rotations, most of the time.
        let before = accepted.load(Ordering::Relaxed);
        while accepted.load(Ordering::Relaxed) < before + 2 * CLIENTS {
            assert!(!clients.iter().all(tokio::task::JoinHandle::is_finished));
            tokio::task::yield_now().await;
        }
        clock.advance(AHEAD);
        let node = &nodes[rotation % 2];
        node.keys.reload().unwrap();
        if let Some(elsewhere) = &elsewhere {
            elsewhere.fetch(node);
        }
        node.keys.rotate().unwrap();
        // Two times of three, the other node looks when it is its turn to rotate.
        if rotation % 3 == 0 {
            nodes[(rotation + 1) % 2].keys.reload().unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }

    nodes[1].keys.reload().unwrap();
    nodes[0].keys.reload().unwrap();
    assert_eq!(nodes[0].ids(), nodes[1].ids());
    // Two hours and ten minutes of former keys: those of the last rotations, and no others.
    assert_eq!(nodes[0].ids().len(), 2 + 9);
    assert!(!nodes[0].ids().contains(&first[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_token_is_refused_while_two_nodes_replace_their_keys() {
    rotate_under_load(Algorithm::ES256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_token_is_refused_while_two_nodes_replace_their_secrets() {
    rotate_under_load(Algorithm::HS256).await;
}
