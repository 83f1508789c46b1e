//! Makes tokens that are nearly right: valid ones with one to three changes.
//!
//! Header and payload are changed as texts and signed afterwards, with the right key. Otherwise
//! every reader would refuse at the signature, and the test would learn nothing about how it reads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tower_bearer::Algorithm;
use tower_bearer::test_util::TestKey;

use self::values::{AFTER, BEFORE, BETWEEN, CLAIMS, CRITICAL, IN_STRINGS, PARAMETERS, VALUES};
use crate::support::{AUDIENCE, ISSUER, NOW, key_for};

mod values;
pub mod proofs;

/// The name of every key.
pub const KEY_ID: &str = "k1";

pub struct Mutant {
    pub algorithm: Algorithm,
    pub token: String,
    /// The changes, in their order.
    pub changes: Vec<String>,
    /// Header and payload as they were signed, before base64.
    pub texts: [String; 2],
}

/// Random numbers that are the same for the same seed (SplitMix64).
pub struct Random(pub u64);

/// A token that is being built.
struct Draft {
    key: TestKey,
    /// Header and payload as objects, as texts, and in base64.
    objects: [Members; 2],
    texts: [Vec<u8>; 2],
    codes: [String; 2],
    signature: Vec<u8>,
    token: String,
}

/// An object as it is written: names with their quotes, and values.
struct Members(Vec<(String, String)>);

type Change = fn(&mut Draft, &mut Random) -> String;

/// The possible changes and their weights, in the order in which a token is made.
const OBJECT_CHANGES: [(usize, Change); 7] = [
    (26, |draft, random| draft.objects[PAYLOAD].set(random, "claim", CLAIMS)),
    (18, |draft, random| draft.objects[PAYLOAD].set_date(random)),
    (3, misname),
    (16, |draft, random| draft.objects[HEADER].set(random, "header", PARAMETERS)),
    (3, |draft, random| draft.objects[HEADER].set_critical(random)),
    (6, |draft, random| draft.objects[PAYLOAD].rearrange(random, "payload")),
    (4, |draft, random| draft.objects[HEADER].rearrange(random, "header")),
];
const TEXT_CHANGES: [(usize, Change); 2] = [
    (14, |draft, random| format!("payload {}", rewrite(&mut draft.texts[PAYLOAD], random))),
    (8, |draft, random| format!("header {}", rewrite(&mut draft.texts[HEADER], random))),
];
const CODE_CHANGES: [(usize, Change); 2] = [
    (6, |draft, random| format!("payload {}", recode(&mut draft.codes[PAYLOAD], random))),
    (4, |draft, random| format!("header {}", recode(&mut draft.codes[HEADER], random))),
];
const SIGNATURE_CHANGES: [(usize, Change); 1] = [(8, resign)];
const TOKEN_CHANGES: [(usize, Change); 2] = [(4, recode_signature), (5, resegment)];

const HEADER: usize = 0;
const PAYLOAD: usize = 1;

impl Mutant {
    pub fn new(algorithm: Algorithm, random: &mut Random) -> Self {
        let stages: [&[(usize, Change)]; 5] =
            [&OBJECT_CHANGES, &TEXT_CHANGES, &CODE_CHANGES, &SIGNATURE_CHANGES, &TOKEN_CHANGES];
        let total = stages.iter().copied().flatten().map(|(weight, _)| weight).sum();
        // A token with one change says most about it.
        let points: Vec<usize> = (0..*random.one(&[0, 1, 1, 1, 1, 1, 1, 2, 2, 3]))
            .map(|_| random.below(total))
            .collect();
        let mut passed = 0;
        let mut changes = Vec::new();
        let mut draft = Draft::new(algorithm);
        for (stage, choices) in stages.into_iter().enumerate() {
            draft.enter(stage);
            for (weight, change) in choices {
                for _ in points.iter().filter(|point| (passed..passed + weight).contains(point)) {
                    changes.push(change(&mut draft, random));
                }
                passed += weight;
            }
        }
        let texts = draft.texts.map(|text| text.escape_ascii().to_string());
        Self { algorithm, token: draft.token, changes, texts }
    }
}

impl Draft {
    fn new(algorithm: Algorithm) -> Self {
        let text = |value: &str| json!(value).to_string();
        let header = [("alg", algorithm.as_str()), ("typ", "at+jwt"), ("kid", KEY_ID)];
        let strings = [("iss", ISSUER), ("aud", AUDIENCE), ("sub", "alice"), ("jti", "t1")];
        let dates = [("iat", NOW), ("nbf", NOW), ("exp", NOW + 900)];
        let header = header.map(|(name, value)| (text(name), text(value)));
        let strings = strings.map(|(name, value)| (text(name), text(value)));
        let dates = dates.map(|(name, value)| (text(name), value.to_string()));
        Self {
            key: key_for(algorithm),
            objects: [Members(header.into()), Members([&strings[..], &dates].concat())],
            texts: Default::default(),
            codes: Default::default(),
            signature: Vec::new(),
            token: String::new(),
        }
    }

    /// Makes the text or the bytes that the changes of a stage work on.
    fn enter(&mut self, stage: usize) {
        let input = || self.codes.join(".");
        match stage {
            1 => self.texts = self.objects.each_ref().map(Members::text),
            2 => self.codes = self.texts.each_ref().map(|text| URL_SAFE_NO_PAD.encode(text)),
            3 => self.signature = self.key.sign(input().as_bytes()),
            4 => self.token = format!("{}.{}", input(), URL_SAFE_NO_PAD.encode(&self.signature)),
            _ => {}
        }
    }
}

impl Members {
    fn text(&self) -> Vec<u8> {
        let members: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }

    fn put(&mut self, name: &str, value: &str) {
        let name = json!(name).to_string();
        match self.0.iter_mut().find(|(one, _)| *one == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name, value.to_owned())),
        }
    }

    /// Gives a member a value that suits it, or any.
    fn set(&mut self, random: &mut Random, what: &str, members: &[(&str, &[&str])]) -> String {
        let (name, own) = random.one(members);
        let value = match random.below(3) {
            0 | 1 if !own.is_empty() => (*random.one(own)).to_owned(),
            _ => any_value(random),
        };
        self.put(name, &value);
        format!("{what} {name}: {}", shortened(&value))
    }

    fn set_date(&mut self, random: &mut Random) -> String {
        let name = random.one(&["exp", "exp", "nbf", "iat"]);
        let seconds =
            NOW.checked_add_signed(*random.one(&[-61, -60, -59, 0, 59, 60, 61, 900])).unwrap();
        let value = match random.below(9) {
            0..3 => seconds.to_string(),
            3..5 => format!("{seconds}.{}", random.one(&["0", "5", "25", "999999", "000000001"])),
            5 => format!("{}.{:08}e8", seconds / 100_000_000, seconds % 100_000_000),
            6 => format!("{seconds}000E-3"),
            7 => format!("{seconds}e0"),
            _ => format!("\"{seconds}\""),
        };
        self.put(name, &value);
        format!("date {name}: {value}")
    }

    fn set_critical(&mut self, random: &mut Random) -> String {
        let crit = random.one(CRITICAL);
        let b64 = random.one(&["true", "false", "null", "0"]);
        self.put("crit", crit);
        self.put("b64", b64);
        self.put("exp", "1");
        format!("critical {crit}, b64 {b64}")
    }

    /// Changes which members there are, or how their names are written.
    fn rearrange(&mut self, random: &mut Random, what: &str) -> String {
        let at = random.below(self.0.len());
        let (name, value) = self.0[at].clone();
        let plain = name.trim_matches('"').to_owned();
        let rest = plain.get(1..).unwrap_or_default();
        let first = plain.chars().next().map_or(0, u32::from);
        let how = match random.below(9) {
            0 => {
                self.0.remove(at);
                "without"
            }
            1 => {
                self.0.push((name.clone(), value));
                "repeated"
            }
            2 => {
                self.0.push((name.clone(), any_value(random)));
                "repeated otherwise"
            }
            3 => {
                self.0.push((format!(r#""\u{first:04X}{rest}""#), value));
                "repeated with an escape"
            }
            4 => {
                self.0[at].0 = format!(r#""\u{first:04x}{rest}""#);
                "with an escape"
            }
            5 => {
                self.0[at].0 = format!("\"{}\"", plain.to_uppercase());
                "in capitals"
            }
            6 => {
                self.0[at].0 =
                    random.one(&[r#""\u0000""#, r#""""#, r#""\ud800""#, "1"]).to_string();
                "under an odd name"
            }
            7 => {
                let members = random.one(&[100, 509, 510, 600]);
                self.0.extend((0..*members).map(|n| (format!("\"m{n}\""), "0".to_owned())));
                return format!("{what} with {members} more members");
            }
            _ => {
                self.0.reverse();
                "reversed before"
            }
        };
        format!("{what} {how} {plain}")
    }
}

/// Names another algorithm of the same kind: one hash longer or shorter, or the other name of
/// EdDSA.
fn misname(draft: &mut Draft, random: &mut Random) -> String {
    let own = draft.key.algorithm().as_str();
    let is_sibling = |name: &&str| name[..2] == own[..2] && *name != own;
    let siblings: Vec<_> =
        Algorithm::ALL.iter().map(|one| one.as_str()).filter(is_sibling).collect();
    let name = json!(random.one(&siblings)).to_string();
    draft.objects[HEADER].put("alg", &name);
    format!("header alg: {name}")
}

/// Changes a text in a way that JSON may or may not allow.
fn rewrite(text: &mut Vec<u8>, random: &mut Random) -> String {
    if text.is_empty() {
        return "left empty".to_owned();
    }
    let at = random.below(text.len());
    let string = String::from_utf8_lossy(text).into_owned();
    match random.below(14) {
        0 | 1 => {
            let (name, prefix) = random.one(BEFORE);
            text.splice(..0, prefix.iter().copied());
            format!("begins with {name}")
        }
        2 | 3 => {
            let (name, suffix) = random.one(AFTER);
            text.extend_from_slice(suffix);
            format!("ends with {name}")
        }
        4 | 5 => {
            let (name, bytes) = random.one(IN_STRINGS);
            let member = [b",\"cty\":\"".as_slice(), bytes, b"\"}"].concat();
            text.pop();
            text.extend(member);
            format!("with {name} in a string")
        }
        6 => {
            let (name, space) = random.one(BETWEEN);
            *text = string.replace("\",", &format!("\"{space},{space}")).into_bytes();
            format!("with {name} between members")
        }
        7 => {
            let (name, whole) = random.one(&[
                ("null", "null"),
                ("a list", "[]"),
                ("a string", r#""x""#),
                ("nothing", ""),
                ("a number", "1"),
                ("an empty object", "{}"),
                ("true", "true"),
            ]);
            *text = whole.as_bytes().to_vec();
            format!("is {name}")
        }
        8 => {
            *text = format!("[{string}]").into_bytes();
            "in a list".to_owned()
        }
        9 => {
            let (name, utf16) = *random.one(&[
                ("UTF-16LE", u16::to_le_bytes as fn(u16) -> [u8; 2]),
                ("UTF-16BE", u16::to_be_bytes),
            ]);
            *text = string.encode_utf16().flat_map(utf16).collect();
            format!("in {name}")
        }
        10 => {
            let bit = 1 << random.below(8);
            text[at] ^= bit;
            format!("byte {at} ^ {bit:#04x}")
        }
        11 => {
            text.remove(at);
            format!("without byte {at}")
        }
        12 => {
            let byte = u8::try_from(random.below(256)).unwrap();
            text.insert(at, byte);
            format!("byte {at} before is {byte:#04x}")
        }
        _ => {
            text.truncate(at);
            format!("cut at {at}")
        }
    }
}

/// Changes text in base64, without always changing the bytes it stands for.
fn recode(code: &mut String, random: &mut Random) -> String {
    let at = random.below(code.chars().count() + 1);
    let at = code.char_indices().nth(at).map_or(code.len(), |(at, _)| at);
    match random.below(7) {
        0 => {
            let padding = *random.one(&["=", "==", "%3D"]);
            code.push_str(padding);
            format!("code ends with {padding}")
        }
        1 => {
            *code = code.replace('-', "+").replace('_', "/");
            "code in the other alphabet".to_owned()
        }
        2 => {
            let spare = [0, 0, 4, 2][code.len() % 4];
            let Some(last) = code.pop() else { return "code empty".to_owned() };
            let value = ALPHABET.find(last).unwrap_or_default();
            let next =
                if spare == 0 { value } else { value | (1 + random.below((1 << spare) - 1)) };
            code.push(char::from(ALPHABET.as_bytes()[next]));
            format!("code with {spare} bits behind the last byte")
        }
        3 | 4 => {
            let between =
                *random.one(&["\n", "\r\n", " ", "\t", "\0", "~", "é", "=", ".", "A", "\""]);
            code.insert_str(at, between);
            format!("code with {between:?} at {at}")
        }
        5 => {
            let end = *random.one(&["\n", "A", "AA", "AAAA", " "]);
            code.push_str(end);
            format!("code ends with {end:?}")
        }
        _ => {
            code.pop();
            "code one short".to_owned()
        }
    }
}

fn resign(draft: &mut Draft, random: &mut Random) -> String {
    let signature = &mut draft.signature;
    if signature.is_empty() {
        return "signature left empty".to_owned();
    }
    let at = random.below(signature.len());
    match random.below(10) {
        0..3 => {
            let bit = 1 << random.below(8);
            signature[at] ^= bit;
            format!("signature byte {at} ^ {bit:#04x}")
        }
        3 => {
            signature.truncate(at);
            format!("signature cut at {at}")
        }
        4 => {
            signature.push(0);
            "signature ends with 0".to_owned()
        }
        5 => {
            signature.insert(0, 0);
            "signature begins with 0".to_owned()
        }
        6 => {
            let byte = *random.one(&[0, 0xff]);
            signature.fill(byte);
            format!("signature of {byte:#04x}")
        }
        7 => {
            let other = *random.one(&Algorithm::ALL);
            *signature = key_for(other).sign(draft.codes.join(".").as_bytes());
            format!("signature of the {other} key")
        }
        8 if draft.key.algorithm().as_str().starts_with("ES") => {
            *signature = der(signature);
            "signature in DER".to_owned()
        }
        9 if draft.key.algorithm().as_str().starts_with("Ed") => {
            // Valid where S may be L or more, which RFC 8032 §5.1.7 forbids.
            if let Some(number) = signature.get_mut(32..64) {
                add(number, ORDER);
            }
            "signature with L added".to_owned()
        }
        _ => {
            signature.reverse();
            "signature reversed".to_owned()
        }
    }
}

fn recode_signature(draft: &mut Draft, random: &mut Random) -> String {
    let (input, signature) = draft.token.rsplit_once('.').unwrap();
    let mut code = signature.to_owned();
    let how = recode(&mut code, random);
    draft.token = format!("{input}.{code}");
    format!("signature {how}")
}

fn resegment(draft: &mut Draft, random: &mut Random) -> String {
    let signature = draft.token.rsplit('.').next().unwrap();
    let [header, payload] = &draft.codes;
    let (how, token) = match random.below(16) {
        0 => ("h.p", format!("{header}.{payload}")),
        1 => ("h.p.", format!("{header}.{payload}.")),
        2 => (".p.s", format!(".{payload}.{signature}")),
        3 => ("h..s", format!("{header}..{signature}")),
        4 => ("h.p.s.", format!("{header}.{payload}.{signature}.")),
        5 => (".h.p.s", format!(".{header}.{payload}.{signature}")),
        6 => ("h.p.s.s", format!("{header}.{payload}.{signature}.{signature}")),
        7 => ("h.p.s.s.s", format!("{header}.{payload}.{signature}.{signature}.{signature}")),
        8 => ("h.p.s\\n", format!("{header}.{payload}.{signature}\n")),
        9 => (" h.p.s", format!(" {header}.{payload}.{signature}")),
        10 => ("Bearer h.p.s", format!("Bearer {header}.{payload}.{signature}")),
        11 => ("p.h.s", format!("{payload}.{header}.{signature}")),
        12 => ("h,p,s", format!("{header},{payload},{signature}")),
        13 => ("h。p。s", format!("{header}。{payload}。{signature}")),
        14 => ("nothing", String::new()),
        _ => {
            let members =
                json!({ "protected": header, "payload": payload, "signature": signature });
            ("JSON", members.to_string())
        }
    };
    draft.token = token;
    format!("segments {how}")
}

/// ECDSA's two numbers as X.509 writes them, which RFC 7518 §3.4 does not.
fn der(signature: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let sign: &[u8] = if bytes.get(zeros).is_none_or(|byte| *byte > 0x7f) { &[0] } else { &[] };
        let bytes = [sign, &bytes[zeros..]].concat();
        [&[2, u8::try_from(bytes.len()).unwrap()], &*bytes].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let body = [number(r), number(s)].concat();
    match u8::try_from(body.len()).unwrap() {
        short @ ..0x80 => [&[0x30, short], &*body].concat(),
        long => [&[0x30, 0x81, long], &*body].concat(),
    }
}

/// Adds to a number whose lowest byte comes first.
fn add(number: &mut [u8], more: &[u8]) {
    let mut carry = 0;
    for (digit, more) in number.iter_mut().zip(more) {
        let sum = u16::from(*digit) + u16::from(*more) + carry;
        *digit = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

fn any_value(random: &mut Random) -> String {
    match random.below(20) {
        0 => {
            let depth = *random.one(&[30, 31, 32, 33, 127, 128, 1100, 3000]);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        1 | 2 => "9".repeat(*random.one(&[20, 309, 310, 4300, 4301])),
        3 => format!("\"{}\"", "x".repeat(*random.one(&[255, 256, 257, 700, 5000, 9000]))),
        _ => (*random.one(VALUES)).to_owned(),
    }
}

fn shortened(value: &str) -> String {
    let shown: String = value.chars().take(40).collect();
    if shown.len() == value.len() { shown } else { format!("{shown}… ({})", value.len()) }
}

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end.max(1) as u64).unwrap()
    }

    pub fn one<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// L of Ed25519 (RFC 8032 §5.1), lowest byte first.
const ORDER: &[u8; 32] = b"\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\
                           \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10";
