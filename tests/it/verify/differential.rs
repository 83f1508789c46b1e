//! Compares this crate with other libraries on thousands of tokens that are nearly right.
//!
//! A token that this crate accepts and another careful library refuses is either a hole or a known
//! difference, listed in [`EXCEPTIONS`]. The other direction is only counted: it measures how
//! strict this crate is.

use std::collections::BTreeMap;
use std::env;
use std::fmt;

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, KeySet, Validation, Verifier};

use crate::support::libraries::{self, JOSE, JOSERFC, Library, PYJWT, question};
use crate::support::mutants::{KEY_ID, Mutant, Random};
use crate::support::{AUDIENCE, ISSUER, NOW, key_for};

mod needs_second_opinion {
    use super::*;

    #[tokio::test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    async fn what_we_accept_they_accept() {
        let seed = env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
        let mut random = Random(seed);
        let algorithms = Algorithm::ALL.into_iter().cycle().take(TOKENS);
        let mutants: Vec<_> =
            algorithms.map(|algorithm| Mutant::new(algorithm, &mut random)).collect();
        let ours = our_opinions(&mutants).await;
        let mut table = Table::new(&ours);
        let mut unexplained = Vec::new();
        let mut met = [0; EXCEPTIONS.len()];

        for (column, library) in libraries::ALL.into_iter().enumerate() {
            for (mutant, ours, theirs) in opinions(library, &mutants, &ours) {
                if theirs == "ok" {
                    table.count(ours, column);
                } else if ours == ACCEPTED {
                    match EXCEPTIONS.iter().position(|one| one.is_met(library, mutant, &theirs)) {
                        Some(exception) => met[exception] += 1,
                        None => unexplained.push(complaint(library, mutant, &theirs)),
                    }
                }
            }
        }

        println!("seed {seed}\n{table}\nWhat we accept and they refuse, for a reason:");
        for (exception, times) in EXCEPTIONS.iter().zip(met) {
            println!("{times:4} {}: {}", exception.library.name, exception.why);
        }
        assert_eq!(unexplained.len(), 0, "seed {seed}: {}", unexplained.join("\n"));
        assert!(!met.contains(&0), "seed {seed}: an exception is met no more: {met:?}");
    }
}

/// The reason why this crate accepts a token that a library refuses.
struct Exception {
    library: &'static Library,
    /// A part of the name of one of the changes.
    change: &'static str,
    /// Parts of answers. The library's answer contains one of them.
    answers: &'static [&'static str],
    why: &'static str,
}

impl Exception {
    fn is_met(&self, library: &Library, mutant: &Mutant, theirs: &str) -> bool {
        self.library.name == library.name
            && mutant.changes.iter().any(|change| change.contains(self.change))
            && self.answers.iter().any(|answer| theirs.contains(answer))
    }
}

const EXCEPTIONS: [Exception; 11] = [
    Exception {
        library: &PYJWT,
        change: ": null",
        answers: &["InvalidSubjectError: Subject must be a string", "InvalidJTIError: "],
        why: NULL_NAME,
    },
    Exception {
        library: &JOSERFC,
        change: ": null",
        answers: &["Claim 'sub' must be a StringOrURI value", "Claim 'jti' must be"],
        why: NULL_NAME,
    },
    Exception {
        library: &JOSE,
        change: "header alg: \"Ed",
        answers: &["ERR_JOSE_ALG_NOT_ALLOWED"],
        why: TWO_NAMES,
    },
    Exception {
        library: &PYJWT,
        change: "header alg: \"Ed",
        answers: &["InvalidAlgorithmError: The specified alg value is not allowed"],
        why: TWO_NAMES,
    },
    Exception {
        library: &JOSERFC,
        change: "header alg: \"Ed",
        answers: &["Algorithm of 'Ed25519' is not allowed", "Algorithm of 'EdDSA' is not allowed"],
        why: TWO_NAMES,
    },
    Exception {
        library: &PYJWT,
        change: "date exp: 1799999940.",
        answers: &["ExpiredSignatureError"],
        why: "RFC 7519 §2: dates may have fractions. PyJWT cuts them off, and so ends tokens early.",
    },
    Exception {
        library: &PYJWT,
        change: "999… (4301)",
        answers: &["Exceeds the limit (4300 digits)"],
        why: LONG_NUMBERS,
    },
    Exception {
        library: &JOSERFC,
        change: "999… (4301)",
        answers: &["InvalidPayloadError: invalid_payload"],
        why: LONG_NUMBERS,
    },
    Exception {
        library: &JOSERFC,
        change: "header ",
        answers: &["UnsupportedHeaderError: unsupported_header: Unsupported {"],
        why: "RFC 7515 §4: header parameters that are not understood must be ignored.",
    },
    Exception {
        library: &JOSERFC,
        change: "header ",
        answers: &["'jku' in", "'jwk' in", "'x5u' in", "'x5c' in", "'x5t' in", "'x5t#S256' in"],
        why: "RFC 8725 §3.10: keys that a token brings are not looked at, so they have no wrong type.",
    },
    Exception {
        library: &JOSERFC,
        change: "header ",
        answers: &["Header size exceeds 512 bytes"],
        why: "RFC 7515 sets no limit; ours is of the whole token, and headers with `x5c` are longer.",
    },
];

const NULL_NAME: &str = "RFC 7519 §4.1: `sub` and `jti` are optional. Providers send `null` for what a \
                         token has not, and it counts as absent.";
const TWO_NAMES: &str = "RFC 9864 §2.2: EdDSA with this curve and Ed25519 are one algorithm under two \
                         names, and a provider that changes the name keeps its key.";
const LONG_NUMBERS: &str = "RFC 7519 §4: claims that are not understood must be ignored. Python reads \
                            no integer beyond 4300 digits; we skip it.";

/// Returns this crate's reason and the library's answer for each token that the library can be
/// asked about.
fn opinions<'m>(
    library: &Library,
    mutants: &'m [Mutant],
    ours: &[&'static str],
) -> Vec<(&'m Mutant, &'static str, String)> {
    let asked = mutants.iter().zip(ours).filter(|(mutant, _)| library.knows(mutant.algorithm));
    let questions: Vec<Value> = asked
        .clone()
        .map(|(mutant, _)| question(&mutant.token, &jwks(mutant.algorithm), mutant.algorithm))
        .collect();
    let answers = library.ask(&questions);
    asked.zip(answers).map(|((mutant, ours), theirs)| (mutant, *ours, theirs)).collect()
}

/// Returns this crate's reason for refusing each token, or [`ACCEPTED`].
async fn our_opinions(mutants: &[Mutant]) -> Vec<&'static str> {
    let verifiers = Algorithm::ALL.map(|algorithm| {
        let keys = KeySet::from_jwks(jwks(algorithm).to_string()).unwrap();
        let validation = Validation::new(ISSUER, AUDIENCE).with_algorithms([algorithm]);
        // Claims of any shape: how strict a type is, is up to the application.
        let verifier = Verifier::<IgnoredAny>::new(keys, validation).unwrap();
        (algorithm, verifier.with_clock(TestClock::at(NOW)))
    });
    let mut ours = Vec::new();
    for mutant in mutants {
        let (_, verifier) = verifiers.iter().find(|(one, _)| *one == mutant.algorithm).unwrap();
        let verdict = verifier.verify(&mutant.token).await;
        ours.push(verdict.map_or_else(|error| error.reason().as_str(), |_| ACCEPTED));
    }
    ours
}

fn jwks(algorithm: Algorithm) -> Value {
    let mut jwk = key_for(algorithm).to_jwk();
    jwk["kid"] = KEY_ID.into();
    json!({ "keys": [jwk] })
}

fn complaint(library: &Library, mutant: &Mutant, theirs: &str) -> String {
    let Mutant { algorithm, token, changes, texts: [header, payload] } = mutant;
    format!(
        "{algorithm}: {changes:?}: we accept, {} says {theirs}\n  {header}\n  {payload}\n  {token}",
        library.name
    )
}

/// The number of tokens for each answer of this crate, and how many of those each library accepts.
struct Table(BTreeMap<&'static str, (usize, [usize; 3])>);

impl Table {
    fn new(ours: &[&'static str]) -> Self {
        let mut rows = BTreeMap::new();
        for answer in ours {
            let (tokens, _) = rows.entry(*answer).or_insert((0, [0; 3]));
            *tokens += 1;
        }
        Self(rows)
    }

    fn count(&mut self, ours: &'static str, column: usize) {
        let (_, accepted) = self.0.get_mut(ours).expect("each of our answers has a row");
        accepted[column] += 1;
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third] = libraries::ALL.map(|library| library.name);
        writeln!(f, "{:24}{:>8}{first:>8}{second:>8}{third:>8} accept", "our answer", "tokens")?;
        for (answer, (tokens, [first, second, third])) in &self.0 {
            writeln!(f, "{answer:24}{tokens:>8}{first:>8}{second:>8}{third:>8}")?;
        }
        Ok(())
    }
}

const ACCEPTED: &str = "accepted";
const TOKENS: usize = 5000;
