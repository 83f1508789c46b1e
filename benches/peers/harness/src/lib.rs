//! What the peers have in common: the tokens, the handler's look at the claims, and the clock.
//!
//! A peer is a process of its own that lives through the whole measurement and takes turns with the
//! others. It reads lines and answers each with one:
//!
//! ```text
//! peer FIXTURE [VARIANT]                  ready HS256=50 ES256=50    (allocations per request)
//! HS256 3000                              2874.1                     (ns per request, 3 ms long)
//! peer FIXTURE [VARIANT] --serve HS256    serving 127.0.0.1:40123    (until it is killed)
//! ```

mod app;
mod keys;
mod measure;
mod serve;

use std::io::{BufRead as _, Write as _, stdin, stdout};

use serde::Deserialize;
use tokio::runtime::Runtime;

pub use self::app::App;
pub use self::keys::serve_documents;

use self::measure::Measured;

pub const ISSUER: &str = "https://id.example.com/realms/shop";
pub const AUDIENCE: &str = "https://api.example.com";

/// One algorithm: its key, a good token, and the same token with another signature.
#[derive(Clone, Deserialize)]
pub struct Subject {
    pub algorithm: String,
    /// The public key, or the secret, as a JWK.
    pub jwk: serde_json::Value,
    pub token: String,
    pub damaged: String,
}

impl Subject {
    pub fn jwks(&self) -> String {
        serde_json::json!({ "keys": [self.jwk] }).to_string()
    }
}

/// The claims that every handler gets, if its peer lets it have a type of its own.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    pub sub: String,
    pub email: String,
    pub name: String,
    pub roles: Vec<String>,
}

impl User {
    /// Proves that the handler has the claims of the token.
    pub fn look(&self) {
        assert_eq!(self.sub, "9f6f0f1e-3c1b-4b77-9a55-1d2f0c8f0c11");
        assert_eq!(self.email, "jane.doe@example.com");
        assert_eq!(self.name, "Jane Elizabeth Doe");
        assert_eq!(self.roles.len(), 2);
    }
}

/// Whether the application is supposed to refuse anything.
#[derive(Clone, Copy, PartialEq)]
pub enum Guard {
    Verifies,
    Nothing,
}

/// Runs a peer: `make` builds its application for an algorithm, or says that it cannot. It is also
/// given the variant that the command line asks for.
pub fn run<B, A: App<B>>(guard: Guard, make: impl AsyncFn(&Subject, &str) -> Option<A>)
where
    B: Default + 'static,
{
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (fixture, rest) = arguments.split_first().expect("a file with keys and tokens");
    let variant = rest.first().filter(|first| *first != "--serve").map_or("", String::as_str);
    let fixture = std::fs::read(fixture).expect("a file that can be read");
    let subjects: Vec<Subject> = serde_json::from_slice(&fixture).expect("keys and tokens");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");

    if let Some(at) = rest.iter().position(|argument| argument == "--serve") {
        let subject = subjects.iter().find(|subject| subject.algorithm == rest[at + 1]);
        let subject = subject.expect("a known algorithm");
        runtime.block_on(async {
            let mut app = make(subject, variant).await.expect("a supported algorithm");
            check(&mut app, subject, guard).await;
            serve::forever(app).await;
        });
    }

    let mut cases = Vec::new();
    for subject in &subjects {
        let Some(mut app) = runtime.block_on(make(subject, variant)) else { continue };
        runtime.block_on(check(&mut app, subject, guard));
        cases.push(Measured::new(&runtime, subject, app));
    }
    take_turns(&runtime, cases);
}

/// No peer is fast because it does not check.
async fn check<B: Default, A: App<B>>(app: &mut A, subject: &Subject, guard: Guard) {
    let algorithm = &subject.algorithm;
    let mut status = async |token| app::get(app, app::request(token)).await.status().as_u16();
    let good = status(Some(&subject.token)).await;
    let damaged = status(Some(&subject.damaged)).await;
    let absent = status(None).await;

    assert_eq!(good, 200, "{algorithm}: a good token");
    match guard {
        Guard::Verifies => {
            assert!([401, 403].contains(&damaged), "{algorithm}: {damaged} for a wrong signature");
            assert!([400, 401, 403].contains(&absent), "{algorithm}: {absent} without a token");
        }
        Guard::Nothing => assert_eq!((damaged, absent), (200, 200)),
    }
}

fn take_turns<B: Default, A: App<B>>(runtime: &Runtime, mut cases: Vec<Measured<A>>) {
    let ready: String =
        cases.iter().map(|case| format!(" {}={}", case.algorithm, case.allocations)).collect();
    answer(&format!("ready{ready}"));
    for line in stdin().lock().lines() {
        let line = line.expect("text");
        let (algorithm, micros) = line.split_once(' ').expect("an algorithm and a time");
        let case = cases.iter_mut().find(|case| case.algorithm == algorithm);
        let micros = micros.parse().expect("microseconds");
        let ns = case.expect("one of those that are ready").nanoseconds(runtime, micros);
        answer(&format!("{ns:.1}"));
    }
}

fn answer(line: &str) {
    let mut out = stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody listens");
}
