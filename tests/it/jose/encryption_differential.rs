//! Compares the decryption with that of joserfc, on thousands of encrypted tokens that are nearly right.
//!
//! What is decrypted here and not there is either a hole or a known difference. The other direction is only counted: it
//! measures how strict this crate is.

use std::collections::BTreeMap;
use std::env;

use serde_json::{Value, json};
use tower_bearer::jose::ContentEncryption;
use tower_bearer::keys::{DecryptionKey, DecryptionKeys, EncryptionKey};

use crate::support::libraries::JOSERFC;
use crate::support::mutants::Random;
use crate::support::sealed::{SECRET, private_keys, public_part, sealed};
use crate::support::{good, key, token};

mod needs_second_opinion {
    use super::*;

    #[test]
    #[ignore = "needs joserfc: scripts/interop"]
    fn what_is_decrypted_here_joserfc_decrypts_to_the_same() {
        let seed = env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
        let mut random = Random(seed);
        let mut mutants = of_every_key(&mut random);
        mutants.extend((0..HEADERS).map(|_| Mutant::with_odd_header(&mut random)));

        let questions: Vec<_> = mutants.iter().map(Mutant::question).collect();
        let theirs = JOSERFC.ask(&questions);

        let (mut both, mut neither) = (0, 0);
        let mut stricter = BTreeMap::<_, u32>::new();
        let mut unexplained = Vec::new();
        for (mutant, theirs) in mutants.iter().zip(theirs) {
            let their_content = serde_json::from_str::<Value>(&theirs).ok();
            let their_content =
                their_content.as_ref().and_then(|answer| answer["content"].as_str());
            match (mutant.decrypted(), their_content) {
                (Ok(ours), Some(content)) if ours == content => both += 1,
                (Ok(_), _) if mutant.is_known_difference(&theirs) => both += 1,
                (Ok(_), _) => {
                    unexplained.push(format!("{}: {theirs}\n{}", mutant.change, mutant.token))
                }
                (Err(reason), Some(_)) => {
                    let kind = mutant.change.split(':').next().unwrap().to_owned();
                    *stricter.entry((kind, reason)).or_default() += 1;
                }
                (Err(_), None) => neither += 1,
            }
        }

        for (_, answer, why) in DIFFERENCES {
            println!("decrypted here alone, because {why}: {answer}");
        }
        println!(
            "seed {seed}: {both} are decrypted by both, {neither} by neither; by joserfc alone:"
        );
        for ((change, reason), times) in stricter {
            println!("{times:5} {change}: {reason}");
        }
        assert_eq!(unexplained.len(), 0, "seed {seed}: {}", unexplained.join("\n"));
        assert!(both > 100 && neither > 1000, "seed {seed}: {both} {neither}");
    }
}

/// An encrypted token that was changed, and the private key for it.
struct Mutant {
    token: String,
    jwk: Value,
    change: String,
}

impl Mutant {
    fn with_odd_header(random: &mut Random) -> Self {
        let mut members = vec![r#""alg":"dir""#.to_owned(), r#""enc":"A256GCM""#.to_owned()];
        let mut changes = Vec::new();
        for _ in 0..1 + random.below(3) {
            let member = *random.one(MEMBERS);
            changes.push(member);
            let at = random.below(members.len() + 1);
            members.insert(at, member.to_owned());
        }
        let header = match random.below(12) {
            0 => format!("[{}]", members.join(",")),
            1 => format!("{{{}}}x", members.join(",")),
            2 => format!(" {{ {} }}\n", members.join(" , ")),
            3 => members.join(","),
            _ => format!("{{{}}}", members.join(",")),
        };
        let content = match random.below(10) {
            0 => Vec::new(),
            1 => vec![0xff, 0xfe],
            _ => good().into_bytes(),
        };
        let secret = base64_of(&SECRET);
        let jwk = json!({ "kty": "oct", "k": secret, "alg": "dir" });
        Self {
            token: sealed(&header, content),
            jwk,
            change: format!("header: {}", changes.join(" ")),
        }
    }

    fn question(&self) -> Value {
        json!({ "decrypt": { "token": self.token, "jwk": self.jwk } })
    }

    fn decrypted(&self) -> Result<String, &'static str> {
        let key = DecryptionKey::from_jwk(self.jwk.to_string()).unwrap();
        let content = DecryptionKeys::from(key).decrypt(&self.token);
        content.map(|content| content.to_string()).map_err(|error| error.reason().as_str())
    }

    /// Returns whether joserfc refuses more than the RFCs do.
    fn is_known_difference(&self, theirs: &str) -> bool {
        DIFFERENCES
            .iter()
            .any(|(change, answer, _)| self.change.contains(change) && theirs.contains(answer))
    }
}

/// A part of the change, a part of joserfc's answer, and the reason to decrypt all the same.
const DIFFERENCES: [(&str, &str, &str); 1] = [(
    "header: ",
    "UnsupportedHeaderError: unsupported_header: Unsupported {",
    "RFC 7516 §4: header parameters that are not understood must be ignored",
)];

/// Changes tokens for keys of every kind, each with every encryption of the content.
fn of_every_key(random: &mut Random) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for private in private_keys() {
        let public = public_part(&private);
        let to = EncryptionKey::from_jwk(public.to_string()).unwrap();
        for encryption in ContentEncryption::ALL {
            let Ok(to) = to.clone().with_content_encryption(encryption) else { continue };
            let [one, other] = [(); 2].map(|()| token().sign_and_encrypt(&key(), &to));
            mutants.extend((0..OF_EACH).map(|_| {
                let (change, token) = changed(&one, &other, random);
                Mutant { token, jwk: private.clone(), change }
            }));
        }
    }
    mutants
}

fn changed(token: &str, other: &str, random: &mut Random) -> (String, String) {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let others: Vec<&str> = other.split('.').collect();
    let at = random.below(parts.len());
    let part = &mut parts[at];
    let change = match random.below(15) {
        0 => "nothing".to_owned(),
        1..=4 if !part.is_empty() => {
            let place = random.below(part.len());
            let new = *random.one(ALPHABET) as char;
            part.replace_range(place..=place, &new.to_string());
            format!("character of part {at}")
        }
        5 => {
            part.pop();
            format!("end of part {at} is missing")
        }
        6 => {
            part.push(*random.one(ALPHABET) as char);
            format!("part {at} is longer")
        }
        7 => {
            part.push('=');
            format!("part {at} is padded")
        }
        8 => {
            part.clear();
            format!("part {at} is empty")
        }
        9 => {
            let to = random.below(others.len());
            parts.swap(at, to);
            format!("parts {at} and {to} change places")
        }
        10 => {
            others[at].clone_into(part);
            format!("part {at} of another token")
        }
        11 => {
            *part = part.replace('-', "+").replace('_', "/");
            format!("part {at} in plain base64")
        }
        12 => {
            let space = *random.one(&[" ", "\n", "\t", "\r\n", "%20"]);
            part.insert_str(random.below(part.len() + 1), space);
            format!("space in part {at}")
        }
        13 => {
            // The last character has bits that no byte uses, in most lengths.
            if let Some(last) = part.pop() {
                let place = ALPHABET.iter().position(|one| *one as char == last);
                part.push(ALPHABET[place.map_or(0, |place| place ^ 1)] as char);
            }
            format!("last bit of part {at}")
        }
        _ => {
            let part = parts.remove(at);
            if random.below(2) == 0 {
                parts.extend([part, String::new()]);
            }
            format!("number of parts, at {at}")
        }
    };
    (change, parts.join("."))
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Members that are put into headers, beside `alg` and `enc`.
const MEMBERS: &[&str] = &[
    r#""cty":"JWT""#,
    r#""cty":1"#,
    r#""typ":"JWT""#,
    r#""typ":["JWT"]"#,
    r#""kid":"k""#,
    r#""kid":7"#,
    r#""kid":null"#,
    r#""zip":"DEF""#,
    r#""zip":null"#,
    r#""zip":"""#,
    r#""crit":["exp"],"exp":1"#,
    r#""crit":[]"#,
    r#""crit":["b64"],"b64":true"#,
    r#""b64":false"#,
    r#""alg":"A256KW""#,
    r#""alg":"none""#,
    r#""alg":null"#,
    r#""enc":"A128GCM""#,
    r#""enc":"A256CBC-HS512""#,
    r#""enc":1"#,
    r#""apu":"QWxpY2U""#,
    r#""apu":"=""#,
    r#""epk":{"kty":"EC"}"#,
    r#""p2c":1000000000,"p2s":"AAAA""#,
    r#""iss":"https://id.example.com""#,
    r#""x":{"y":[1,2,3]}"#,
    r#""jwk":{"kty":"oct","k":"AAAA"}"#,
    r#""jku":"https://evil.example.com/jwks""#,
    r#""x":"\ud800""#,
    r#""x":1e999"#,
];

/// The changes of the token for each key and encryption: 76 × 40 of them.
const OF_EACH: usize = 40;
const HEADERS: usize = 2_000;
