//! Makes DPoP proofs that are nearly right, each with the request that it comes with.
//!
//! The token of a request is bound to the key as the proof writes it, mostly: otherwise every reader would refuse an odd
//! key at the thumbprint, and the test would learn nothing about how it reads keys.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::test_util::TestKey;

use super::{
    CODE_CHANGES, Change, Draft, HEADER, Members, PAYLOAD, Random, SIGNATURE_CHANGES, TEXT_CHANGES,
    TOKEN_CHANGES, misname, values,
};
use crate::support::{NOW, key_for, token};

/// The public URL of the API that the proofs are for.
pub const ORIGIN: &str = "https://api.example.com";
/// How long proofs are accepted, and how far ahead they may be: oauth4webapi has no setting for it.
pub const WINDOW: u64 = 300;

/// A request with a proof that was changed.
pub struct ProofMutant {
    pub algorithm: Algorithm,
    pub method: &'static str,
    pub path: &'static str,
    pub token: String,
    /// The `DPoP` fields. There is one, mostly.
    pub proofs: Vec<String>,
    /// The changes, in their order.
    pub changes: Vec<String>,
    /// The `htu` of the proof, if it can be read.
    pub htu: Option<String>,
    /// Header and payload as they were signed, before base64.
    pub texts: [String; 2],
}

const HEADER_CHANGES: [(usize, Change); 5] = [
    (20, |draft, random| draft.objects[HEADER].set(random, "header", PARAMETERS)),
    (4, misname),
    (3, |draft, random| draft.objects[HEADER].set_critical(random)),
    (7, |draft, random| draft.objects[HEADER].rearrange(random, "header")),
    (36, change_key),
];
const PAYLOAD_CHANGES: [(usize, Change); 4] = [
    (26, |draft, random| draft.objects[PAYLOAD].set(random, "claim", CLAIMS)),
    (18, set_date),
    (9, |draft, random| draft.objects[PAYLOAD].rearrange(random, "payload")),
    (4, change_hash),
];

impl ProofMutant {
    pub fn new(algorithm: Algorithm, random: &mut Random) -> Self {
        let key = match (algorithm, random.below(4)) {
            (Algorithm::ES256, 0) => random.one(keys_with_a_leading_zero()).clone(),
            _ => key_for(algorithm),
        };
        let method = *random.one(METHODS);
        let odd = *random.one(PATHS);
        let path = *random.one(&["/", "/", "/orders", odd]);
        let mut draft = proof(key, method, path);
        let stages: [&[(usize, Change)]; 6] = [
            &HEADER_CHANGES,
            &PAYLOAD_CHANGES,
            &TEXT_CHANGES,
            &CODE_CHANGES,
            &SIGNATURE_CHANGES,
            &TOKEN_CHANGES,
        ];
        let of_stages: usize = stages.iter().copied().flatten().map(|(weight, _)| weight).sum();
        // The URI is changed by itself: it depends on that of the request.
        let total = of_stages + URI_WEIGHT;
        let points: Vec<usize> = (0..*random.one(&[0, 1, 1, 1, 1, 1, 1, 2, 2, 3]))
            .map(|_| random.below(total))
            .collect();
        let mut changes = Vec::new();
        for _ in points.iter().filter(|point| **point >= of_stages) {
            let (how, htu) = uri(path, random);
            draft.objects[PAYLOAD].put("htu", &json!(htu).to_string());
            changes.push(format!("htu {how}: {htu} for {path}"));
        }
        let mut passed = 0;
        let mut bound = String::new();
        for (stage, choices) in stages.into_iter().enumerate() {
            match stage {
                0 => {}
                1 => {
                    let (how, token) = bind(&draft, random);
                    changes.extend(how);
                    let hash = URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()));
                    draft.objects[PAYLOAD].put("ath", &json!(hash).to_string());
                    bound = token;
                }
                later => draft.enter(later - 1),
            }
            for (weight, change) in choices {
                for _ in points.iter().filter(|point| (passed..passed + weight).contains(point)) {
                    changes.push(change(&mut draft, random));
                }
                passed += weight;
            }
        }
        // Space around a field is none of it (RFC 9110 §5.5).
        let proof = draft.token.trim_matches([' ', '\t']).to_owned();
        let mut proofs = vec![proof.clone()];
        if random.below(200) == 0 {
            changes.push("two fields".to_owned());
            proofs.push(proof);
        }
        // Of the other claims, some hold values that serde_json does not read.
        let claims = serde_json::from_slice::<Claims>(&draft.texts[PAYLOAD]);
        let htu = claims.ok().and_then(|Claims { htu }| htu);
        let texts = draft.texts.map(|text| text.escape_ascii().to_string());
        Self { algorithm, method, path, token: bound, proofs, changes, htu, texts }
    }

    pub fn question(&self) -> Value {
        json!({
            "method": self.method,
            "url": format!("{ORIGIN}{}", self.path),
            "token": self.token,
            "proofs": self.proofs,
            "now": NOW,
        })
    }
}

#[derive(Deserialize)]
struct Claims {
    htu: Option<String>,
}

/// A good proof without `ath`.
fn proof(key: TestKey, method: &str, path: &str) -> Draft {
    let text = |value: &str| json!(value).to_string();
    let path = &path[..path.find('?').unwrap_or(path.len())];
    let htu = format!("{ORIGIN}{path}");
    let header = [("typ", text("dpop+jwt")), ("alg", text(key.algorithm().as_str()))];
    let header = [&header[..], &[("jwk", public_part(&key).to_string())]].concat();
    let claims = [
        ("jti", text("a proof")),
        ("htm", text(method)),
        ("htu", text(&htu)),
        ("iat", NOW.to_string()),
        ("ath", text("")),
    ];
    let quoted = |(name, value): (&str, String)| (text(name), value);
    Draft {
        key,
        objects: [
            Members(header.into_iter().map(quoted).collect()),
            Members(claims.map(quoted).into()),
        ],
        texts: Default::default(),
        codes: Default::default(),
        signature: Vec::new(),
        token: String::new(),
    }
}

/// Makes a token that is bound to the key as the header writes it, or to the right one.
fn bind(draft: &Draft, random: &mut Random) -> (Option<String>, String) {
    let right = thumbprint(&public_part(&draft.key)).unwrap();
    let written = draft.objects[HEADER].0.iter().find(|(name, _)| name == "\"jwk\"");
    let written = written.and_then(|(_, jwk)| thumbprint(&serde_json::from_str(jwk).ok()?));
    let (how, bound) = match written {
        Some(written) if written != right && random.below(4) > 0 => {
            (Some("bound to the key as it is written".to_owned()), written)
        }
        _ => (None, right),
    };
    let token = token()
        .header("typ", "at+jwt")
        .claim("client_id", "shop")
        .claim("jti", "t1")
        .claim("iat", NOW)
        .claim("cnf", json!({ "jkt": bound }));
    (how, token.sign(&issuer_key()))
}

/// The key of the tokens.
pub fn issuer_key() -> TestKey {
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(|| TestKey::generate(Algorithm::ES256).with_key_id("issuer")).clone()
}

/// Keys whose `x` or `y` begins with a byte of zeros, which a careless library leaves out.
fn keys_with_a_leading_zero() -> &'static [TestKey] {
    static KEYS: OnceLock<[TestKey; 2]> = OnceLock::new();
    KEYS.get_or_init(|| {
        ["x", "y"].map(|member| {
            let keys = std::iter::repeat_with(|| TestKey::generate(Algorithm::ES256));
            let starts = |key: &TestKey| decode(&key.to_jwk()[member])[0] == 0;
            keys.take(100_000).find(starts).unwrap()
        })
    })
}

fn public_part(key: &TestKey) -> Value {
    let mut jwk = key.to_jwk();
    let members = jwk.as_object_mut().unwrap();
    members.retain(|name, _| ["kty", "crv", "x", "y", "n", "e"].contains(&name.as_str()));
    jwk
}

/// RFC 7638, with the members as they are written.
fn thumbprint(jwk: &Value) -> Option<String> {
    let members = match jwk["kty"].as_str()? {
        "EC" => &["crv", "kty", "x", "y"][..],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let members =
        members.iter().map(|name| Some(format!("{:?}:{}", name, json!(jwk[*name].as_str()?))));
    let input = format!("{{{}}}", members.collect::<Option<Vec<_>>>()?.join(","));
    Some(URL_SAFE_NO_PAD.encode(sha256(input.as_bytes())))
}

fn sha256(bytes: &[u8]) -> impl AsRef<[u8]> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes)
}

fn decode(member: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(member.as_str().unwrap()).unwrap()
}

/// Changes the key in the header.
fn change_key(draft: &mut Draft, random: &mut Random) -> String {
    let mut jwk = public_part(&draft.key);
    let names: Vec<String> = jwk.as_object().unwrap().keys().cloned().collect();
    let name = random.one(&names).clone();
    let text = jwk[&name].as_str().unwrap().to_owned();
    let is_code = !["kty", "crv"].contains(&&*name);
    let how = match random.below(22) {
        0 => {
            jwk.as_object_mut().unwrap().remove(&name);
            format!("without {name}")
        }
        1 | 2 => {
            let value = *random.one(values::VALUES);
            let jwk = jwk.to_string().replace(&json!(text).to_string(), value);
            draft.objects[HEADER].put("jwk", &jwk);
            return format!("jwk {name}: {}", super::shortened(value));
        }
        3 => {
            let members = format!("{:?}:{}", name, json!(text));
            let jwk = jwk.to_string().replacen('{', &format!("{{{members},"), 1);
            draft.objects[HEADER].put("jwk", &jwk);
            return format!("jwk repeated {name}");
        }
        4 => {
            let other = key_for(*random.one(&Algorithm::ALL));
            jwk = match other.algorithm().as_str().starts_with("HS") {
                true => other.to_jwk(),
                false => public_part(&other),
            };
            format!("of the {} key", other.algorithm())
        }
        5 | 6 if is_code => {
            let bytes = decode(&jwk[&name]);
            let (how, text) = match random.below(7) {
                0 => ("padded", URL_SAFE.encode(bytes)),
                1 => ("in plain base64", STANDARD.encode(bytes).trim_end_matches('=').to_owned()),
                2 => ("with a zero in front", URL_SAFE_NO_PAD.encode([&[0], &*bytes].concat())),
                3 => ("with a zero behind", URL_SAFE_NO_PAD.encode([&*bytes, &[0]].concat())),
                4 => {
                    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                    ("without zeros in front", URL_SAFE_NO_PAD.encode(&bytes[zeros..]))
                }
                5 => (
                    "reversed",
                    URL_SAFE_NO_PAD.encode(bytes.into_iter().rev().collect::<Vec<_>>()),
                ),
                _ => ("one short", URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() - 1])),
            };
            jwk[&name] = text.into();
            format!("{name} {how}")
        }
        7..9 if is_code => {
            let mut text = text;
            let how = super::recode(&mut text, random);
            jwk[&name] = text.into();
            format!("{name} {how}")
        }
        9 | 10 => {
            let private = *random.one(&["d", "p", "q", "dp", "dq", "qi", "oth", "k"]);
            let value = match random.below(5) {
                0 => json!(""),
                1 => Value::Null,
                2 => json!([]),
                _ => json!(URL_SAFE_NO_PAD.encode([7; 32])),
            };
            let how = format!("with {private} {value}");
            jwk[private] = value;
            how
        }
        11 => {
            let value =
                *random.one(&["ES256", "ES384", "RS256", "none", "", "HS256", "EdDSA", "Ed25519"]);
            jwk["alg"] = value.into();
            format!("with alg {value}")
        }
        12 => {
            let value =
                random.one(&[json!("sig"), json!("enc"), json!(""), json!(null), json!(1)]).clone();
            let how = format!("with use {value}");
            jwk["use"] = value;
            how
        }
        13 => {
            let value = random
                .one(&[
                    json!(["verify"]),
                    json!(["sign"]),
                    json!(["sign", "verify"]),
                    json!(["encrypt"]),
                    json!([]),
                    json!(["verify", "verify"]),
                    json!("verify"),
                    json!(null),
                    json!([1]),
                ])
                .clone();
            let how = format!("with key_ops {value}");
            jwk["key_ops"] = value;
            how
        }
        14 => {
            let (name, value) = random
                .one(&[
                    ("ext", json!(true)),
                    ("ext", json!(false)),
                    ("ext", json!(null)),
                    ("kid", json!("k1")),
                    ("kid", json!(1)),
                    ("x5c", json!(["AAAA"])),
                    ("x5u", json!("https://evil.example/cert.pem")),
                    ("x5t", json!("x")),
                    ("iss", json!("https://evil.example")),
                    ("x-unknown", json!({ "x": [1] })),
                    ("exp", json!(0)),
                    ("__proto__", json!({ "kty": "oct" })),
                ])
                .clone();
            let how = format!("with {name} {value}");
            jwk[name] = value;
            how
        }
        15 => {
            let curve = *random.one(&[
                "P-256",
                "P-384",
                "P-521",
                "p-256",
                "secp256k1",
                "Ed25519",
                "X25519",
                "Ed448",
                "P-256 ",
            ]);
            jwk["crv"] = curve.into();
            format!("with crv {curve}")
        }
        16 => {
            let kind = *random.one(&["EC", "RSA", "OKP", "oct", "ec", "AKP", "EC ", ""]);
            jwk["kty"] = kind.into();
            format!("with kty {kind}")
        }
        17 => {
            jwk = match random.below(4) {
                0 => json!([jwk]),
                1 => json!({ "keys": [jwk] }),
                2 => jwk.to_string().into(),
                _ => json!(URL_SAFE_NO_PAD.encode(jwk.to_string())),
            };
            "wrapped".to_owned()
        }
        18 if is_code => {
            // A point that is not on the curve, or another modulus.
            let mut bytes = decode(&jwk[&name]);
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            jwk[&name] = URL_SAFE_NO_PAD.encode(bytes).into();
            format!("{name} with another byte {at}")
        }
        19 if is_code => {
            let byte = *random.one(&[0, 1, 0xff]);
            let length = decode(&jwk[&name]).len();
            jwk[&name] = URL_SAFE_NO_PAD.encode(vec![byte; length]).into();
            format!("{name} of {byte:#04x}")
        }
        20 => {
            let text = jwk.to_string().replacen(':', " \t\n:\r ", 2);
            draft.objects[HEADER].put("jwk", &text);
            return "jwk with space".to_owned();
        }
        _ => {
            // In the reverse order, with a name and a value in escapes.
            let members = jwk.as_object().unwrap().iter().rev();
            let escaped = |text: &str| {
                let first = u32::from(text.chars().next().unwrap());
                format!("\"\\u{first:04x}{}\"", &text[1..])
            };
            let members = members.map(|(name, value)| {
                format!("{}:{}", escaped(name), escaped(value.as_str().unwrap()))
            });
            let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
            draft.objects[HEADER].put("jwk", &text);
            return "jwk with escapes".to_owned();
        }
    };
    draft.objects[HEADER].put("jwk", &jwk.to_string());
    format!("jwk {how}")
}

fn set_date(draft: &mut Draft, random: &mut Random) -> String {
    let name = random.one(&["iat", "iat", "iat", "exp", "nbf"]);
    let window = i64::try_from(WINDOW).unwrap();
    let off = *random.one(&[
        -window - 1,
        -window,
        1 - window,
        -1,
        0,
        1,
        window - 1,
        window,
        window + 1,
        900,
    ]);
    let seconds = NOW.checked_add_signed(off).unwrap();
    let value = match random.below(10) {
        0..4 => seconds.to_string(),
        4..6 => format!("{seconds}.{}", random.one(&["0", "5", "25", "999999", "000000001"])),
        6 => format!("{}.{:08}e8", seconds / 100_000_000, seconds % 100_000_000),
        7 => format!("{seconds}000E-3"),
        8 => format!("{}", i64::try_from(seconds).unwrap() * 1000),
        _ => format!("\"{seconds}\""),
    };
    draft.objects[PAYLOAD].put(name, &value);
    format!("date {name}: {value}")
}

/// Changes how the hash of the token is written.
fn change_hash(draft: &mut Draft, random: &mut Random) -> String {
    let claim = draft.objects[PAYLOAD].0.iter().find(|(name, _)| name == "\"ath\"");
    let Some(code) = claim.and_then(|(_, hash)| serde_json::from_str::<String>(hash).ok()) else {
        return "ath as it was".to_owned();
    };
    let bytes = URL_SAFE_NO_PAD.decode(&code).unwrap_or_default();
    let (how, hash) = match random.below(6) {
        0 => ("padded", URL_SAFE.encode(bytes)),
        1 => ("in plain base64", STANDARD.encode(bytes)),
        2 => ("in hex", bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        3 => ("in small letters", code.to_lowercase()),
        4 => ("half", URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() / 2])),
        _ => {
            let mut code = code;
            super::recode(&mut code, random);
            ("recoded", code)
        }
    };
    draft.objects[PAYLOAD].put("ath", &json!(hash).to_string());
    format!("ath {how}")
}

/// Writes the URI of a request for this path in another way, or that of another request.
fn uri(path: &str, random: &mut Random) -> (&'static str, String) {
    let bare = &path[..path.find('?').unwrap_or(path.len())];
    let at = random.below(bare.len());
    let whole = |path: &str| format!("{ORIGIN}{path}");
    let inserted = |text: &str| format!("{}{text}{}", &bare[..at], &bare[at..]);
    match random.below(30) {
        0 => ("with the query", whole(&format!("{bare}?page=2"))),
        1 => ("with a fragment", whole(&format!("{bare}#x?y"))),
        2 => ("in capitals", format!("HTTPS://API.EXAMPLE.COM{bare}")),
        3 => ("with the port", format!("{ORIGIN}:443{bare}")),
        4 => ("with a colon", format!("{ORIGIN}:{bare}")),
        5 => (
            "with a port",
            format!(
                "{ORIGIN}:{}{bare}",
                random.one(&["80", "8443", "0443", "00443", "65979", "x", "443x"])
            ),
        ),
        6 => ("by HTTP", format!("http://api.example.com{bare}")),
        7 => ("with a slash", whole(&format!("{bare}/"))),
        8 => ("without the path", ORIGIN.to_owned()),
        9 => (
            "with a user",
            format!(
                "https://{}@api.example.com{bare}",
                random.one(&["me", "me:pw", "", ":", "api.example.com"])
            ),
        ),
        10 => ("of another host", format!("https://{}{bare}", random.one(HOSTS))),
        11 | 12 => {
            // One character in percent, in capitals or not.
            let byte = bare.as_bytes()[at];
            let code =
                if random.below(2) == 0 { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
            (
                "with a character in percent",
                whole(&format!("{}{code}{}", &bare[..at], &bare[at + 1..])),
            )
        }
        13 => (
            "decoded",
            whole(
                &bare
                    .replace("%2F", "/")
                    .replace("%6f", "o")
                    .replace("%C3%A9", "é")
                    .replace("%7E", "~"),
            ),
        ),
        14 => ("in small letters", whole(&bare.to_lowercase())),
        15 => ("in capital letters", whole(&bare.to_uppercase())),
        16 => ("with dots", whole(&format!("/.{bare}"))),
        17 => ("with two dots", whole(&format!("/x/..{bare}"))),
        18 => ("with dots in percent", whole(&format!("/x/%2e%2E{bare}"))),
        19 => ("with a double slash", whole(&format!("/{bare}"))),
        20 => ("with backslashes", whole(&bare.replace('/', "\\"))),
        21 => (
            "with space around",
            random
                .one(&[" {}", "{} ", "\t{}", "{}\n", "\0{}", "{}\u{a0}"])
                .replace("{}", &whole(bare)),
        ),
        22 => (
            "with space inside",
            whole(&inserted(random.one::<&str>(&[" ", "\t", "\n", "\0", "\u{7f}", "%20", "+"]))),
        ),
        23 => (
            "with an odd character",
            whole(&inserted(random.one::<&str>(&[
                "|", "[", "]", "^", "\"", "<", "{", "`", "é", "\u{202e}", "%", "%zz", "%7C", "%5B",
            ]))),
        ),
        24 => (
            "relative",
            random
                .one(&[
                    "{}",
                    "//api.example.com{}",
                    "api.example.com{}",
                    "https:{}",
                    "https:/api.example.com{}",
                    "https:///api.example.com{}",
                    "https:\\\\api.example.com{}",
                ])
                .replace("{}", bare),
        ),
        25 => ("of another path", whole(random.one::<&str>(PATHS))),
        26 => ("with the query in percent", whole(&format!("{bare}%3Fpage=2"))),
        27 => ("with parameters", whole(&format!("{bare};x=1"))),
        28 => ("twice", whole(bare).repeat(2)),
        _ => ("as it is", whole(path)),
    }
}

const URI_WEIGHT: usize = 40;
const METHODS: &[&str] =
    &["GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

#[rustfmt::skip]
const PATHS: &[&str] = &[
    "/", "/orders", "/orders/1?page=2", "/orders/", "/a%2Fb", "/a/../b", "/%6frders", "/a|b", "/caf%C3%A9", "//x", "/a;b=c",
    "/Orders/%7Eme", "/a//b", "/.well-known/x", "/a.b/..c", "/a[1]", "/a+b%20c", "/%e4%bd%a0", "/a/%2e%2e/b", "/a/./b",
    "/x?y=/../z", "/@me", "/a:b", "/%25", "/?", "/a%00b", "/'", "/$a,b&c=d!*()",
];

#[rustfmt::skip]
const HOSTS: &[&str] = &[
    "evil.example", "api.example.com.evil.example", "api.example.com.", "api.example", "API.example.com", "%61pi.example.com",
    "api\u{3002}example.com", "api.example.com:443:443", "\u{ff41}pi.example.com", "xn--api.example.com", "api.example.com%00",
    "", "127.0.0.1", "[::1]", "api.example.com\\evil.example", "evil.example\\@api.example.com", "api..example.com",
    "api.ex\u{ad}ample.com", "\u{430}pi.example.com", "api.example.com\t", "api.example.com%2f",
];

#[rustfmt::skip]
const CLAIMS: &[(&str, &[&str])] = &[
    ("jti", &[
        "null", "1", r#""""#, r#"" ""#, r#"["x"]"#, r#""\u0000""#, r#""\ud800""#, r#""é""#, r#""\n""#, r#""a\"b""#,
    ]),
    ("htm", &[
        r#""GET""#, r#""get""#, r#""POST""#, r#""Post""#, r#""\u0047ET""#, r#"" GET""#, r#""GET ""#, r#"["GET"]"#, "null", r#""""#,
        r#""HEAD""#, r#""*""#, r#""QUERY""#,
    ]),
    ("htu", &[
        r#""https:\/\/api.example.com\/""#, r#""\u0068ttps://api.example.com/""#, r#"["https://api.example.com/"]"#, "null", r#""""#,
        r#"{"https://api.example.com/":1}"#, r#""https://api.example.com/\ud800""#, r#""https://api.example.com/\u0000""#,
    ]),
    ("iat", &[
        "0", "-1", "null", "1e300", "-1e300", "1e400", "1800000000000", "18446744073709551615", "-9223372036854775809", "NaN",
        "Infinity", r#""1800000000""#, "[1800000000]", "true", "1.8e9", "18e8", "1800000000.0", "180000000000e-2", "01800000000",
    ]),
    ("ath", &["null", "1", r#""""#, r#""47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU""#, "[]", r#""\u0000""#]),
    ("nonce", &[r#""n""#, "null", "1", r#""""#, "[]", r#""\ud800""#]),
    ("exp", &["0", "null", "1800000900", r#""1800000900""#, "1e300", "-1", "true"]),
    ("nbf", &["0", "null", "1799999990", r#""0""#, "1e300", "-1", "[]"]),
    ("iss", &[r#""shop""#, r#""https://id.example.com""#, "null", "1"]),
    ("aud", &[r#""https://api.example.com""#, r#""https://evil.example""#, "null", "1", "[]", "{}"]),
    ("sub", &[r#""alice""#, "null", "1"]),
    ("cnf", &[r#"{"jkt":"x"}"#, "null"]),
    ("htm2", &[]),
    ("x", &[]),
    ("https://example.com/x", &[]),
    ("__proto__", &[r#"{"htm":"GET"}"#]),
];

#[rustfmt::skip]
const PARAMETERS: &[(&str, &[&str])] = &[
    ("alg", &[
        r#""none""#, r#""None""#, r#""HS256""#, r#""HS512""#, r#""RS256""#, r#""PS256""#, r#""ES256""#, r#""ES384""#, r#""ES512""#,
        r#""EdDSA""#, r#""Ed25519""#, r#""es256""#, r#""ES256K""#, r#""\u0045S256""#, r#""ES256 ""#, r#"["ES256"]"#, "null", r#""""#,
        r#""RSA-OAEP""#, r#""ML-DSA-44""#,
    ]),
    ("typ", &[
        r#""dpop+jwt""#, r#""DPOP+JWT""#, r#""application/dpop+jwt""#, r#""dpop""#, r#""JWT""#, r#""at+jwt""#, r#""""#, "null",
        r#""dpop\u002bjwt""#, r#"["dpop+jwt"]"#, r#""dpop+jwt ""#, r#""dpop+jwt;x=y""#,
    ]),
    ("jwk", &[
        "null", "{}", "[]", r#""x""#, r#"{"kty":"oct","k":"AAAA"}"#, r#"{"kty":"EC"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
        r#"{"kty":"RSA","e":"AQ","n":"AQ"}"#,
    ]),
    ("cty", &[r#""JWT""#, r#""json""#, r#""""#, "null", "1"]),
    ("kid", &[r#""k1""#, "null", "1", "[]"]),
    ("crit", &["[]", r#"["exp"]"#, r#"["b64"]"#, "null", r#"["jwk"]"#]),
    ("b64", &["true", "false", "null"]),
    ("jku", &[r#""https://evil.example/jwks.json""#, "1"]),
    ("x5u", &[r#""https://evil.example/cert.pem""#]),
    ("x5c", &[r#"["AAAA"]"#, "1"]),
    ("x5t", &[r#""x""#]),
    ("x5t#S256", &[r#""x""#]),
    ("enc", &[r#""A256GCM""#]),
    ("zip", &[r#""DEF""#]),
    ("epk", &[r#"{"kty":"EC"}"#]),
    ("nonce", &[r#""n""#]),
    ("x", &[]),
    ("__proto__", &[r#"{"alg":"none"}"#]),
];
