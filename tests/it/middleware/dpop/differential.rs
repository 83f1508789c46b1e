//! Compares the layer with resource servers of others, on thousands of proofs that are nearly right.
//!
//! A proof that this crate accepts and another server refuses is either a hole or a known difference, listed in
//! [`DIFFERENCES`]. The other direction is only counted: it measures how strict this crate is.

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderValue;
use oauth_as::dpop::verify_proof;
use oauth_as::jwt::{JwsVerifiers, P256Verifier};
use serde_json::json;
use tower_bearer::KeySet;
use tower_bearer::dpop::{ProofId, ProofUse, ReplayCheck, ReplayStore};

use super::*;
use crate::support::libraries::{AUTH0_API, Library, OAUTH4WEBAPI};
use crate::support::mutants::Random;
use crate::support::mutants::proofs::{ProofMutant, WINDOW, issuer_key};
use crate::support::{send, verifier_of};

#[tokio::test]
async fn what_we_accept_oauth_as_accepts() {
    let mut random = Random(number("SEED", 1));
    let mutants: Vec<_> = (0..number("PROOFS", 1_000))
        .map(|_| ProofMutant::new(Algorithm::ES256, &mut random))
        .collect();
    let mut verifiers = JwsVerifiers::new();
    verifiers.install(Arc::new(P256Verifier));
    let now = UNIX_EPOCH + Duration::from_secs(NOW);

    // It takes proofs of a clock that is a minute ahead.
    let ours = our_verdicts(&mutants, Duration::from_secs(60)).await;

    let (mut both, mut unexplained) = (0, Vec::new());
    for (mutant, _) in mutants.iter().zip(ours).filter(|(_, ours)| *ours == ACCEPTED) {
        let url = format!("{ORIGIN}{}", mutant.path);
        match verify_proof(&verifiers, &mutant.proofs[0], mutant.method, &url, now) {
            Ok(_) => both += 1,
            Err(failure) => {
                let failure = format!("{failure:?}");
                if !DIFFERENCES_IN_RUST
                    .iter()
                    .any(|(answer, is_met, _)| *answer == failure && is_met(mutant))
                {
                    let ProofMutant { changes, method, path, texts, .. } = mutant;
                    unexplained
                        .push(format!("{failure}: {changes:?}: {method} {path}: {texts:#?}"));
                }
            }
        }
    }

    assert_eq!(unexplained.len(), 0, "{}", unexplained.join("\n"));
    assert!(both > mutants.len() / 10, "{both}");
}

/// The answer of the library, the proofs that it is given for, and the reason to accept them all the same.
const DIFFERENCES_IN_RUST: [(&str, IsMet, &str); 5] = [
    (
        "WrongUri",
        |mutant| {
            let own = format!("{ORIGIN}{}", mutant.path.split('?').next().unwrap());
            mutant.htu.as_ref() != Some(&own)
        },
        "RFC 9449 §4.3: URIs are compared in their normal form. It makes host and scheme small letters, and no more.",
    ),
    (
        "StaleProof",
        |mutant| {
            let is_date = |change: &&String| {
                change.starts_with("date iat: ") || change.starts_with("claim iat: ")
            };
            let mut dates = mutant.changes.iter().filter(is_date);
            dates.any(|change| change[10..].contains(['.', 'e', 'E']))
        },
        "RFC 7519 §2: dates may have fractions.",
    ),
    (
        "Malformed",
        |mutant| {
            let is_long_id = |change: &String| change.starts_with("claim jti: ");
            mutant.proofs[0].len() > 4096 || mutant.changes.iter().any(is_long_id)
        },
        "RFC 9449 has no limit for a proof or its `jti`; ours is 8 KiB for the whole proof.",
    ),
    (
        "Malformed",
        |mutant| {
            let is_value = |part| {
                let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
                serde_json::from_slice::<Value>(&bytes).is_ok()
            };
            !mutant.proofs[0].split('.').take(2).all(is_value)
        },
        "RFC 7519 §4: claims that are not understood must be ignored. serde_json reads no `\\ud800` and no number of \
         309 digits; we skip them.",
    ),
    (
        "BadProofKey",
        |mutant| {
            mutant
                .changes
                .iter()
                .filter(|change| change.starts_with("jwk with "))
                .any(|change| change.ends_with(" null") || change.starts_with("jwk with k "))
        },
        "RFC 9449 §4.3: `jwk` holds no private key. `null` is none, and `k` is not a member of such a key (RFC 7518 §6.2), \
         so it is ignored.",
    ),
];

type IsMet = fn(&ProofMutant) -> bool;

mod needs_second_opinion {
    use super::*;

    /// `PROOFS` and `SEED` say how many proofs there are, and which.
    #[tokio::test]
    #[ignore = "needs oauth4webapi and auth0-api-python: scripts/interop"]
    async fn what_we_accept_other_resource_servers_accept() {
        let seed = number("SEED", 1);
        let mut random = Random(seed);
        let mutants: Vec<_> = (0..number("PROOFS", PROOFS))
            .map(|_| {
                let algorithm =
                    if random.below(2) == 0 { Algorithm::ES256 } else { *random.one(&ALGORITHMS) };
                ProofMutant::new(algorithm, &mut random)
            })
            .collect();
        let ours = our_verdicts(&mutants, Duration::from_secs(WINDOW)).await;
        let (mut both, mut neither) = (0, 0);
        let mut stricter = BTreeMap::<_, (u32, String)>::new();
        let mut met = [0; DIFFERENCES.len()];
        let mut unexplained = Vec::new();

        for library in [&OAUTH4WEBAPI, &AUTH0_API] {
            for (mutant, ours, theirs) in verdicts(library, &mutants, &ours) {
                match (ours, &*theirs) {
                    (ACCEPTED, "ok") => both += 1,
                    (ACCEPTED, _) => {
                        match DIFFERENCES
                            .iter()
                            .position(|one| one.is_met(library, mutant, &theirs))
                        {
                            Some(difference) => met[difference] += 1,
                            None => unexplained.push(complaint(library, mutant, &theirs)),
                        }
                    }
                    (reason, "ok") => {
                        // Of several changes it is not known which one counts.
                        if let [change] = &mutant.changes[..] {
                            let example: String = change.chars().take(100).collect();
                            let kind = change.split(['"', ':']).next().unwrap();
                            let entry = stricter.entry((library.name, reason, kind));
                            entry.or_insert((0, example.escape_debug().to_string())).0 += 1;
                        }
                    }
                    (_, _) => neither += 1,
                }
            }
        }

        println!("seed {seed}: {both} are accepted by both, {neither} by neither.");
        println!("We accept and they refuse, for a reason:");
        for (difference, times) in DIFFERENCES.iter().zip(met) {
            println!("{times:5} {}: {}", difference.library.name, difference.why);
        }
        println!("They accept alone, of those with one change:");
        for ((library, reason, _), (times, example)) in stricter {
            println!("{times:5} {library}: {reason}: {example}");
        }
        assert_eq!(unexplained.len(), 0, "seed {seed}: {}", unexplained.join("\n"));
        let enough = mutants.len() / 10;
        assert!(both > enough && neither > enough, "seed {seed}: {both} {neither}");
        // Some are rare.
        if mutants.len() >= 50_000 {
            assert!(!met.contains(&0), "a difference is met no more: {met:?}");
        }
    }
}

/// The reason why this crate accepts a proof that a library refuses.
struct Difference {
    library: &'static Library,
    change: Changed,
    /// A part of the library's answer.
    answer: &'static str,
    why: &'static str,
}

/// The change that a library judges otherwise.
enum Changed {
    /// One of the changes of the proof.
    By(fn(&str) -> bool),
    /// The URI is that of the request but for percent-encoding.
    PercentEncoding,
}

impl Difference {
    fn is_met(&self, library: &Library, mutant: &ProofMutant, theirs: &str) -> bool {
        self.library.name == library.name
            && theirs.contains(self.answer)
            && match self.change {
                Changed::By(change) => mutant.changes.iter().any(|one| change(one)),
                Changed::PercentEncoding => differs_in_percent_encoding(mutant),
            }
    }
}

const DIFFERENCES: [Difference; 12] = [
    Difference {
        library: &OAUTH4WEBAPI,
        change: Changed::By(|change| change.starts_with("claim iss: ")),
        answer: "(issuer) claim type",
        why: NOT_OF_PROOFS,
    },
    Difference {
        library: &OAUTH4WEBAPI,
        change: Changed::By(|change| change.starts_with("claim aud: ")),
        answer: "(audience) claim type",
        why: NOT_OF_PROOFS,
    },
    Difference {
        library: &OAUTH4WEBAPI,
        change: Changed::PercentEncoding,
        answer: "DPoP Proof htu mismatch",
        why: PERCENT,
    },
    Difference {
        library: &AUTH0_API,
        change: Changed::PercentEncoding,
        answer: "DPoP Proof htu mismatch",
        why: PERCENT,
    },
    Difference {
        library: &OAUTH4WEBAPI,
        change: Changed::By(|change| change == "jwk with d null"),
        answer: "Unsupported key usage for a",
        why: NO_PRIVATE_KEY,
    },
    Difference {
        library: &OAUTH4WEBAPI,
        change: Changed::By(|change| change == "jwk with oth null"),
        answer: "'oth' of 'JsonWebKey'",
        why: NO_PRIVATE_KEY,
    },
    Difference {
        library: &AUTH0_API,
        change: Changed::By(|change| change == "jwk with d null"),
        answer: "Private key material",
        why: NO_PRIVATE_KEY,
    },
    Difference {
        library: &OAUTH4WEBAPI,
        change: Changed::By(|change| {
            ["n", "e"].iter().any(|name| change == format!("jwk {name} with a zero in front"))
        }),
        answer: "JWT Access Token confirmation mismatch",
        why: "RFC 7518 §6.3.1.1: some libraries write a zero in front of a modulus. It is the same key, and its \
              thumbprint (RFC 7638) is that of the key without the zero.",
    },
    Difference {
        library: &AUTH0_API,
        change: Changed::By(|change| change.starts_with("claim jti: \"")),
        answer: "jti claim must not be empty",
        why: "RFC 9449 §4.2: `jti` is any unique text. One of spaces alone is accepted once, as any other.",
    },
    Difference {
        library: &AUTH0_API,
        change: Changed::By(|change| change.starts_with("jwk with key_ops ")),
        answer: "Unsupported key_op",
        why: USES,
    },
    Difference {
        library: &AUTH0_API,
        change: Changed::By(|change| change == "jwk with use \"enc\""),
        answer: "invalid_use",
        why: USES,
    },
    Difference {
        library: &AUTH0_API,
        change: Changed::By(|change| change.ends_with("(4301)")),
        // Of the claims, and of the header.
        answer: "Proof",
        why: LONG_NUMBERS,
    },
];

const NOT_OF_PROOFS: &str = "RFC 9449 §4.2 has no `iss` and no `aud`, and RFC 7519 §4: claims that are not understood \
                             must be ignored.";
const NO_PRIVATE_KEY: &str = "RFC 9449 §4.3: `jwk` holds no private key, and `null` is none. Providers write `null` \
                              for what a key has not.";
const PERCENT: &str = "RFC 9449 §4.3: URIs are compared in the normal form of RFC 3986 §6.2.2. That of browsers, \
                       which they use, keeps `%6f` and `%c3`.";
const USES: &str = "RFC 7517 §4.2 and §4.3: `use` and `key_ops` are hints. Libraries write those of the private \
                    key, and a key that has signed a proof is one that signs.";
const LONG_NUMBERS: &str = "RFC 7519 §4: claims that are not understood must be ignored. Python reads no integer \
                            beyond 4300 digits; we skip it.";

/// Returns whether a changed URI is that of the request but for percent-encoding: written from RFC 3986 §6.2.2.1 and
/// §6.2.2.2, and for characters that no URI has.
fn differs_in_percent_encoding(mutant: &ProofMutant) -> bool {
    let bare = |uri: &str| decoded(uri.split(['?', '#']).next().unwrap());
    let own = bare(&format!("{ORIGIN}{}", mutant.path));
    mutant.htu.as_ref().is_some_and(|htu| bare(htu) == own)
}

/// Returns the bytes of a URI, with a mark before each one that is decoded and not unreserved.
fn decoded(uri: &str) -> Vec<u8> {
    let mut bytes = uri.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let (byte, is_encoded) = match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(Option::unwrap_or_default);
                let digits = String::from_utf8(digits.to_vec()).unwrap_or_default();
                match u8::from_str_radix(&digits, 16) {
                    Ok(byte) => (byte, true),
                    Err(_) => return uri.bytes().collect(),
                }
            }
            byte => (byte, !byte.is_ascii_alphanumeric() && !b"/-._~!$&'()*+,;=:@".contains(&byte)),
        };
        let is_unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if is_encoded && !is_unreserved {
            decoded.push(b'%');
        }
        decoded.push(byte);
    }
    decoded
}

/// Returns this crate's reason and the library's answer for each proof that the library can be asked about.
fn verdicts<'m>(
    library: &Library,
    mutants: &'m [ProofMutant],
    ours: &[&'static str],
) -> Vec<(&'m ProofMutant, &'static str, String)> {
    let asked = mutants.iter().zip(ours).filter(|(mutant, _)| library.knows(mutant.algorithm));
    let mut questions: Vec<_> = asked.clone().map(|(mutant, _)| mutant.question()).collect();
    let needs_keys = library.name == OAUTH4WEBAPI.name;
    if needs_keys {
        questions.insert(0, json!({ "jwks": jwks() }));
    }
    let answers = library.ask(&questions).into_iter().skip(usize::from(needs_keys));
    asked.zip(answers).map(|((mutant, ours), theirs)| (mutant, *ours, theirs)).collect()
}

fn jwks() -> Value {
    let key = issuer_key();
    let mut jwk = key.to_jwk();
    jwk["kid"] = key.key_id().into();
    json!({ "keys": [jwk] })
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Returns this crate's reason for refusing each request, or [`ACCEPTED`].
async fn our_verdicts(mutants: &[ProofMutant], ahead: Duration) -> Vec<&'static str> {
    let layer = || BearerLayer::new(verifier_of(KeySet::from_jwks(jwks().to_string()).unwrap()));
    let dpop = || {
        let window = Duration::from_secs(WINDOW);
        let dpop = dpop().with_lifetime(window).unwrap().with_max_ahead(ahead).unwrap();
        dpop.with_replay_store(Forgetful)
    };
    let remembers_keys = app(layer().with_dpop(dpop()));
    let remembers_none = app(layer().with_dpop(dpop().with_max_keys(0)));
    let mut ours = Vec::new();
    for mutant in mutants {
        let mut verdicts = Vec::new();
        for app in [&remembers_none, &remembers_keys, &remembers_keys] {
            verdicts.push(match request_of(mutant) {
                Some(request) => {
                    let answer = send(app, request).await;
                    answer.reason.map_or(ACCEPTED, |reason| reason.as_str())
                }
                None => "no field",
            });
        }
        assert!(
            verdicts.iter().all(|one| *one == verdicts[0]),
            "{verdicts:?} {:?}",
            mutant.changes
        );
        ours.push(verdicts[0]);
    }
    ours
}

/// Returns the request, unless HTTP cannot hold it.
fn request_of(mutant: &ProofMutant) -> Option<Request<Body>> {
    let method = mutant.method.parse().unwrap();
    let mut request =
        request(method, mutant.path).field("authorization", format!("DPoP {}", mutant.token));
    for proof in &mutant.proofs {
        let proof = HeaderValue::from_bytes(proof.as_bytes()).ok()?;
        request.headers_mut().append("dpop", proof);
    }
    Some(request)
}

fn complaint(library: &Library, mutant: &ProofMutant, theirs: &str) -> String {
    let ProofMutant { algorithm, method, path, proofs, changes, texts: [header, payload], .. } =
        mutant;
    format!(
        "{algorithm}: {changes:?}: {method} {path}: we accept, {} says {theirs}\n  {header}\n  {payload}\n  {proofs:?}",
        library.name
    )
}

/// Accepts every proof, so that the order of the proofs does not count: the libraries leave it to the application.
struct Forgetful;

impl ReplayStore for Forgetful {
    fn remember(&self, _: ProofId, _: Duration) -> ReplayCheck {
        ReplayCheck::Done(Ok(ProofUse::First))
    }
}

const ACCEPTED: &str = "accepted";
const PROOFS: u64 = 5_000;
const ALGORITHMS: [Algorithm; 11] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
    Algorithm::Ed25519,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
