//! Who is measured, and how to talk to them.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::fixture::{Fixture, programs};

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    pub(crate) variant: &'static str,
    /// The crate whose version is of interest.
    pub(crate) version_of: &'static str,
    /// What does the arithmetic.
    pub(crate) signatures: &'static str,
    /// The name of the peer that it is compared with, unless that is the first.
    pub(crate) base: &'static str,
    pub(crate) notes: &'static [Note],
    /// Whether it is measured over the wire, too.
    pub(crate) wire: bool,
}

/// A footnote of the table. The text says why a cell is empty or what to mind.
pub(crate) type Note = &'static str;

impl Peer {
    /// Package and program. Without the prefix, one has the name of a crate that it depends on.
    pub(crate) fn program(&self) -> String {
        format!("peer_{}", self.package)
    }

    /// Where it lies, linked in one of the layouts.
    pub(crate) fn path(&self, layout: u32) -> PathBuf {
        programs().join("layouts").join(layout.to_string()).join(self.program())
    }
}

/// In how many layouts each program is linked.
pub(crate) fn layouts(quick: bool) -> u32 {
    if quick { 1 } else { 8 }
}

const BARE: &str = "bare route";
const BARE_07: &str = "bare route of axum 0.7";

const PLAIN: Peer = Peer {
    name: BARE,
    package: "plain",
    variant: "bare",
    version_of: "axum",
    signatures: "–",
    base: BARE,
    notes: &[],
    wire: false,
};

pub(crate) const PEERS: &[Peer] = &[
    Peer { wire: true, ..PLAIN },
    Peer {
        name: "layer that does nothing",
        variant: "nothing",
        version_of: "",
        wire: true,
        ..PLAIN
    },
    Peer {
        name: "layer that adds an `Arc`",
        variant: "extension",
        version_of: "",
        wire: true,
        ..PLAIN
    },
    Peer {
        name: "layer that adds an `Arc`, and a handler that takes it",
        variant: "taken",
        version_of: "",
        wire: true,
        ..PLAIN
    },
    Peer {
        name: "tower-bearer, and a handler that takes nothing",
        package: "tower_bearer",
        variant: "unread",
        version_of: "tower-bearer",
        signatures: "aws-lc-rs",
        wire: true,
        ..PLAIN
    },
    Peer {
        name: "tower-bearer",
        package: "tower_bearer",
        variant: "cached",
        version_of: "tower-bearer",
        signatures: "aws-lc-rs",
        wire: true,
        ..PLAIN
    },
    Peer {
        name: "tower-bearer, without cache",
        package: "tower_bearer",
        variant: "uncached",
        version_of: "tower-bearer",
        signatures: "aws-lc-rs",
        ..PLAIN
    },
    Peer {
        name: "by hand on jsonwebtoken",
        package: "by_hand",
        version_of: "jsonwebtoken@11",
        signatures: "aws-lc-rs",
        wire: true,
        ..PLAIN
    },
    Peer {
        name: "axum-jwt-auth",
        package: "axum_jwt_auth",
        version_of: "axum-jwt-auth",
        signatures: "RustCrypto",
        notes: &[EXTRACTOR],
        ..PLAIN
    },
    Peer {
        name: "axum-jwt-auth, aws-lc-rs chosen",
        package: "axum_jwt_auth_aws_lc",
        version_of: "axum-jwt-auth",
        signatures: "aws-lc-rs",
        notes: &[EXTRACTOR],
        wire: true,
        ..PLAIN
    },
    Peer {
        name: "tower-oauth2-resource-server",
        package: "tower_oauth2",
        version_of: "tower-oauth2-resource-server",
        signatures: "RustCrypto",
        ..PLAIN
    },
    Peer {
        name: "tower-oauth2-resource-server, feature `jwt-aws-lc-rs`",
        package: "tower_oauth2_aws_lc",
        version_of: "tower-oauth2-resource-server",
        signatures: "aws-lc-rs",
        ..PLAIN
    },
    Peer {
        name: "oauth-resource-server",
        package: "oauth_resource_server",
        version_of: "oauth-resource-server",
        signatures: "ring",
        notes: &[NO_SECRETS, CLAIMS_TWICE],
        ..PLAIN
    },
    Peer {
        name: "huskarl-axum",
        package: "huskarl_axum",
        version_of: "huskarl-axum",
        signatures: "RustCrypto",
        notes: &[LOCAL_VERIFIER],
        ..PLAIN
    },
    Peer {
        name: "aliri_tower",
        package: "aliri_tower",
        version_of: "aliri_tower",
        signatures: "ring",
        notes: &[NO_EDDSA],
        wire: true,
        ..PLAIN
    },
    Peer {
        name: "axum-keycloak-auth",
        package: "axum_keycloak_auth",
        version_of: "axum-keycloak-auth",
        signatures: "ring",
        notes: &[KEYCLOAK],
        ..PLAIN
    },
    Peer {
        name: BARE_07,
        package: "plain_axum_07",
        version_of: "axum@0.7",
        base: BARE_07,
        ..PLAIN
    },
    Peer {
        name: "jwt-authorizer",
        package: "jwt_authorizer",
        version_of: "jwt-authorizer",
        signatures: "ring",
        base: BARE_07,
        notes: &[AXUM_07],
        ..PLAIN
    },
];

const EXTRACTOR: Note =
    "An extractor, not a layer: it is spared the boxing that layers of axum cost.";
const NO_SECRETS: Note = "Takes no secrets, on purpose.";
const CLAIMS_TWICE: Note = "Keeps the claims as a map; the typed ones are made in the handler \
    (`claims_as`), from a copy.";
const LOCAL_VERIFIER: Note = "With a verifier for the one key; what its README has, keys that are \
    fetched, does more.";
const NO_EDDSA: Note = "aliri has no EdDSA.";
const KEYCLOAK: Note = "Fetches its keys, from a provider in the same process and before the \
    measurement. Does not compare the issuer.";
const AXUM_07: Note = "Made for axum 0.7, and compared with a bare route of that.";

/// A peer that runs.
pub(crate) struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Of one request, by algorithm; those that are missing are not supported.
    pub(crate) allocations: HashMap<String, u64>,
}

impl Running {
    pub(crate) fn start(peer: &Peer, layout: u32, fixture: &Fixture) -> Self {
        let mut command = Command::new(peer.path(layout));
        command.arg(&fixture.file).arg(peer.variant);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; built by ./run", peer.package));
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut running = Self { child, input, output, allocations: HashMap::new() };
        let line = running.line();
        let ready = line.strip_prefix("ready").unwrap_or_else(|| panic!("{}: {line}", peer.name));
        for word in ready.split_whitespace() {
            let (algorithm, allocations) = word.split_once('=').expect("a number");
            let allocations = allocations.parse().expect("a number");
            running.allocations.insert(algorithm.to_owned(), allocations);
        }
        running
    }

    /// Nanoseconds per request. `None` if the algorithm is not supported.
    pub(crate) fn measure(&mut self, algorithm: &str, micros: u64) -> Option<f64> {
        self.allocations.get(algorithm)?;
        writeln!(self.input, "{algorithm} {micros}").expect("a peer that listens");
        Some(self.line().parse().expect("nanoseconds"))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The versions that the lock file has, by crate and by `crate@major`.
pub(crate) fn version(of: &str) -> String {
    let (name, wanted) = of.split_once('@').unwrap_or((of, ""));
    if name == "tower-bearer" {
        return "this".to_owned();
    }
    let mut lines = include_str!("../../Cargo.lock").lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line == format!("name = \"{name}\"") {
            let version = lines.next().and_then(|line| line.strip_prefix("version = "));
            found.push(version.expect("a version").trim_matches('"'));
        }
    }
    let newest = found.into_iter().rfind(|version| version.starts_with(wanted));
    newest.unwrap_or("").to_owned()
}
