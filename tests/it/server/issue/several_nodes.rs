//! Tests nodes that share the keys of one file.

use std::sync::Barrier;
use std::thread;

use tower_bearer::issue::RotateError;

use super::*;
use IssuerKeyState::{Active, Next, Retired};

/// Two nodes that look at the file when the tests say.
fn nodes(directory: &Directory) -> [Node; 2] {
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let rules = rules(&clock).with_poll_interval(MINUTE);
    [(); 2].map(|()| Node::new(&clock, rules.clone().open(&path).unwrap()))
}

#[tokio::test]
async fn token_of_a_key_that_another_node_made_is_accepted() {
    let directory = Directory::new("another-node");
    let [one, other] = nodes(&directory);

    for _ in 0..3 {
        // The next key would be known.
        one.keys.rotate_now().unwrap();
        one.keys.rotate_now().unwrap();
        other.accepts(&one.issue()).await;
        assert_eq!(other.ids(), one.ids());
    }
}

#[tokio::test]
async fn node_that_has_not_noticed_signs_with_the_former_key_and_its_tokens_are_accepted() {
    let directory = Directory::new("not-noticed");
    let [one, other] = nodes(&directory);

    one.rotate();
    let token = other.issue();

    assert_eq!(kid(&token), one.ids()[2]);
    one.accepts(&token).await;
    other.keys.reload().unwrap();
    assert_eq!(kid(&other.issue()), one.ids()[0]);
}

#[tokio::test]
async fn unknown_key_is_refused_and_while_the_file_is_away_not_judged() {
    let directory = Directory::new("unknown");
    let [node, _] = nodes(&directory);
    let stranger = TokenIssuer::new(ISSUER, AUDIENCE, new_key()).unwrap();
    let stranger = stranger.with_clock(node.clock.clone()).token_for("alice").issue().unwrap();

    node.refuses_unknown_key(stranger.as_str()).await;
    let path = directory.file("keys.json");
    fs::rename(&path, directory.file("away")).unwrap();

    let answer = send(&node.app, get("/").bearer(stranger.as_str())).await;
    answer.is_refused(503, None, Reason::KeysUnavailable);
    node.accepts(&node.issue()).await;
    fs::rename(directory.file("away"), path).unwrap();
    node.refuses_unknown_key(stranger.as_str()).await;
}

#[test]
fn nodes_that_rotate_at_once_make_one_rotation() {
    for now in [false, true] {
        let directory = Directory::new(&format!("at-once-{now}"));
        let clock = TestClock::at(NOW);
        let path = directory.keys(&clock);
        let nodes = [(); 8].map(|()| Node::open(&clock, &path));
        let before = nodes[0].ids();
        clock.advance(AHEAD);
        let start = Barrier::new(nodes.len());

        thread::scope(|scope| {
            for node in &nodes {
                scope.spawn(|| {
                    start.wait();
                    let rotated = if now { node.keys.rotate_now() } else { node.keys.rotate() };
                    assert_eq!(rotated, Ok(()));
                });
            }
        });

        let after = nodes[0].ids();
        assert_eq!((&after[0], &after[2]), (&before[1], &before[0]));
        for node in &nodes {
            assert_eq!(states(&node.keys), [Active, Next, Retired]);
            assert_eq!(node.ids(), after);
        }
        let wait = AHEAD;
        assert_eq!(nodes[3].keys.rotate(), Err(RotateError::TooEarly { wait }));
    }
}

#[test]
fn key_that_one_node_has_withdrawn_is_withdrawn_on_the_others() {
    let directory = Directory::new("withdrawn");
    let [one, other] = nodes(&directory);
    one.keys.rotate_now().unwrap();

    one.keys.withdraw(&one.ids()[2]).unwrap();
    other.keys.reload().unwrap();

    assert_eq!(states(&other.keys), [Active, Next]);
    assert_eq!(other.ids(), one.ids());
}

#[test]
fn node_notices_by_itself_what_another_has_done() {
    let directory = Directory::new("notices");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let one = Node::open(&clock, &path);
    let rules = rules(&clock).with_poll_interval(Duration::from_millis(1));
    let other = rules.open(&path).unwrap();

    one.rotate();
    while ids(&other) != one.ids() {
        thread::yield_now();
    }
}

#[test]
fn only_one_node_replaces_an_old_key() {
    let directory = Directory::new("by-age");
    let clock = TestClock::at(NOW);
    let path = directory.keys(&clock);
    let rules = rules(&clock).with_poll_interval(MINUTE).with_rotation_after(HOUR);
    let nodes = [(); 4].map(|()| Node::new(&clock, rules.clone().open(&path).unwrap()));
    let before = nodes[0].ids();
    clock.advance(HOUR + MINUTE);

    for node in &nodes {
        node.issue();
    }
    for node in &nodes {
        // A node that came second takes the keys over when it looks again.
        while kid(&node.issue()) == before[0] {
            node.keys.reload().unwrap();
            thread::yield_now();
        }
    }

    assert_eq!(nodes[0].ids()[0], before[1]);
    for node in &nodes {
        assert_eq!(node.ids(), nodes[0].ids());
    }
}
