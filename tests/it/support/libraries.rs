//! Runs other libraries that read and make tokens, as programs that answer lines of JSON.
//!
//! `scripts/interop` installs them, and says in `JOSE_CHECK`, `PYJWT_CHECK`, `JOSERFC_CHECK`, `JWCRYPTO_CHECK`,
//! `OAUTH4WEBAPI_CHECK` and `AUTH0_API_CHECK` how to call them.

use std::env;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::keys::SigningKey;

use crate::support::{AUDIENCE, ISSUER, NOW};

pub const ALL: [&Library; 3] = [&JOSE, &PYJWT, &JOSERFC];

pub const JOSE: Library = Library { name: "jose", command: "JOSE_CHECK", unknown: &[] };
// PyJWT does not know RFC 9864, which gives EdDSA on this curve a name of its own.
pub const PYJWT: Library =
    Library { name: "pyjwt", command: "PYJWT_CHECK", unknown: &[Algorithm::Ed25519] };
pub const JOSERFC: Library = Library { name: "joserfc", command: "JOSERFC_CHECK", unknown: &[] };

/// For encrypted tokens only.
pub const JWCRYPTO: Library = Library { name: "jwcrypto", command: "JWCRYPTO_CHECK", unknown: &[] };

/// For DPoP proofs only, as are all resource servers.
pub const OAUTH4WEBAPI: Library =
    Library { name: "oauth4webapi", command: "OAUTH4WEBAPI_CHECK", unknown: &[] };
/// With Authlib's JOSE.
pub const AUTH0_API: Library = Library {
    name: "auth0-api",
    command: "AUTH0_API_CHECK",
    unknown: &[
        Algorithm::HS256,
        Algorithm::HS384,
        Algorithm::HS512,
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::EdDSA,
        Algorithm::Ed25519,
    ],
};

pub struct Library {
    pub name: &'static str,
    /// The environment variable that holds the command line.
    command: &'static str,
    unknown: &'static [Algorithm],
}

/// A token that a library made.
pub struct Minted {
    pub token: String,
    pub jwk: Value,
    /// The private key in PKCS#8; none for a secret, which the JWK holds.
    pub pem: Option<String>,
}

impl Library {
    pub fn knows(&self, algorithm: Algorithm) -> bool {
        !self.unknown.contains(&algorithm)
    }

    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(|algorithm| self.knows(*algorithm))
    }

    pub fn mint(&self) -> Vec<(Algorithm, Minted)> {
        let order = |algorithm: Algorithm| {
            let algorithm = algorithm.as_str();
            json!({ "mint": { "algorithm": algorithm, "issuer": ISSUER, "audience": AUDIENCE, "now": NOW } })
        };
        let answers = self.ask(&self.algorithms().map(order).collect::<Vec<_>>());
        self.algorithms().zip(answers.iter().map(|answer| Minted::read(answer))).collect()
    }

    /// Returns one answer for each question.
    pub fn ask(&self, questions: &[Value]) -> Vec<String> {
        let command = env::var(self.command)
            .unwrap_or_else(|_| panic!("{} is not set: run scripts/interop", self.command));
        let mut library = Command::new("sh")
            .args(["-c", &command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = library.stdin.take().unwrap();
        let output = thread::scope(|scope| {
            // Written while reading: a full pipe of answers would block both sides.
            scope.spawn(move || questions.iter().for_each(|one| writeln!(input, "{one}").unwrap()));
            library.wait_with_output().unwrap()
        });
        assert!(output.status.success(), "{}: {}", self.command, output.status);
        let answers: Vec<_> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(answers.len(), questions.len(), "{}: {answers:?}", self.command);
        answers
    }
}

impl Minted {
    fn read(answer: &str) -> Self {
        let minted: Value = serde_json::from_str(answer).unwrap();
        Self {
            token: minted["token"].as_str().unwrap().to_owned(),
            jwk: minted["jwk"].clone(),
            pem: minted["pem"].as_str().map(str::to_owned),
        }
    }

    pub fn signing_key(&self, algorithm: Algorithm) -> SigningKey {
        match &self.pem {
            Some(pem) => SigningKey::from_pem(algorithm, pem),
            None => {
                let secret = self.jwk["k"].as_str().unwrap();
                SigningKey::from_base64url_secret(algorithm, secret)
            }
        }
        .unwrap()
    }
}

pub fn question(token: &str, jwks: &Value, algorithm: Algorithm) -> Value {
    json!({
        "token": token,
        "jwks": jwks,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": [algorithm.as_str()],
        "now": NOW,
    })
}
