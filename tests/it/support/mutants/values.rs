//! Lists the values, bytes and spaces that mutants have in place of the right ones.

/// Values of any member, some of which are no JSON.
#[rustfmt::skip]
pub const VALUES: &[&str] = &[
    "null", "true", "false", "[]", "{}", r#""""#, r#""x""#, "[null]", "[[]]", r#"["x"]"#, r#"["x",1]"#,
    r#"{"x":1}"#, r#"{"x":1,"x":2}"#, r#"{"x":1,"\u0078":1}"#, r#"{"__proto__":{"x":1}}"#, r#"{"":0}"#,
    "0", "-0", "-1", "1", "1.5", "-1.5", "1e0", "1E+2", "1e300", "-1e300", "1e-400", "1e400", "-1e400",
    "9007199254740993", "9223372036854775808", "18446744073709551616", "-9223372036854775809",
    "1.7976931348623159e308", "0.1e1", "-0.0", "-0e5",
    "00", "01", "-01", "1.", ".5", "+1", "0x10", "1_000", "1e", "--1", "NaN", "Infinity", "-Infinity",
    "nan", "undefined", "True", "None", "'x'", "x", "", "[1,]", "[,1]", r#"{"x":1,}"#, r#"{x:1}"#, "[1}",
    r#""\u0000""#, r#""\ud83d\udd11""#, r#""\ud800""#, r#""\udc00\ud800""#, r#""\ud800x""#,
    r#""\u00e9""#, "\"é\"", "\"\u{1f511}\"", r#""\/\b\f\n\r\t\"\\""#, r#""\x41""#, r#""\u12""#, r#""\a""#,
    r#""\'""#, r#""\U0001F511""#, "\"\t\"", "\"\n\"", "\"\u{1f}\"", "\"\u{7f}\"", "\"\u{2028}\"",
    "\"\u{feff}\"", "\"\u{ffff}\"", r#""\uDEAD\uBEEF""#, r#"{"\ud800":1}"#, r#"["\udfff"]"#, "\"x",
    r#""x""y""#, "1 2", "/**/1", "1//\n",
];

#[rustfmt::skip]
pub const CLAIMS: &[(&str, &[&str])] = &[
    ("iss", &[
        r#""https:\/\/id.example.com""#, r#""\u0068ttps://id.example.com""#, r#""https://id.example.com/""#,
        r#""HTTPS://id.example.com""#, r#""https://id.example.com\u0000""#, r#"["https://id.example.com"]"#,
        r#"" https://id.example.com""#,
    ]),
    ("aud", &[
        r#"["https://api.example.com"]"#, r#"["x","https://api.example.com"]"#,
        r#"["https://api.example.com","https://api.example.com"]"#, r#"["https://api.example.com",1]"#,
        r#"["https://api.example.com",null]"#, r#"["https://api.example.com",["x"]]"#,
        r#"[["https://api.example.com"]]"#, r#"{"https://api.example.com":1}"#,
        r#""https:\/\/api.example.com""#, r#""https://api.example.com x""#, r#"["https://api.example.com",]"#,
        r#"["https://api.example.com",""]"#, r#"["https://api.example.com","\ud800"]"#,
    ]),
    ("sub", &["null", "1", r#""""#, r#"["alice"]"#, r#""\ud800""#]),
    ("exp", &["1e300", "1e400", "253402300800", "9223372036854775807", "18446744073709551615", "Infinity"]),
    ("nbf", &["0", "-1", "-1e300", "null", "-9223372036854775809", "-Infinity"]),
    ("iat", &["0", "-1", "-1e300", "null", "1e300"]),
    ("jti", &["null", "1", r#""""#]),
    ("client_id", &[r#""shop""#, "null", "1"]),
    ("azp", &[r#""shop""#, "null", "1"]),
    ("nonce", &[r#""n""#, "null"]),
    ("at_hash", &[r#""h""#]),
    ("c_hash", &[r#""h""#]),
    ("events", &["{}"]),
    ("cnf", &[r#"{"jkt":"x"}"#, r#"{"x5t#S256":"x"}"#, "null", "{}"]),
    ("typ", &[r#""Bearer""#, r#""ID""#, r#""Refresh""#, r#""Logout""#]),
    ("token_use", &[r#""access""#, r#""id""#]),
    ("cid", &[r#""shop""#]),
    ("appid", &[r#""shop""#]),
    ("acr", &[r#""phr""#, "1"]),
    ("amr", &[r#"["mfa","otp"]"#, r#"["mfa",1]"#, r#""mfa""#]),
    ("auth_time", &["1800000000", r#""1800000000""#, "1e400"]),
    ("act", &[r#"{"sub":"agent-7"}"#, r#"{"sub":"a","act":{"sub":"b"}}"#, "{}", r#"["a"]"#, "null"]),
    ("authorization_details", &[r#"[{"type":"x"}]"#, "{}"]),
    ("scope", &[r#""read write""#, r#"["read","write"]"#]),
    ("roles", &[r#"["admin"]"#, r#"[1,{"x":[]}]"#]),
    ("x", &[]),
    ("https://example.com/x", &[]),
    ("__proto__", &[]),
];

#[rustfmt::skip]
pub const PARAMETERS: &[(&str, &[&str])] = &[
    ("alg", &[
        r#""none""#, r#""None""#, r#""HS256""#, r#""HS512""#, r#""RS256""#, r#""PS256""#, r#""ES256""#,
        r#""ES512""#, r#""EdDSA""#, r#""Ed25519""#, r#""hs256""#, r#""ES256K""#, r#""\u0048S256""#,
        r#""HS256 ""#, r#"["HS256"]"#,
    ]),
    ("typ", &[
        r#""JWT""#, r#""jwt""#, r#""AT+JWT""#, r#""application/at+jwt""#, r#""APPLICATION/JWT""#,
        r#""application/application/jwt""#, r#""dpop+jwt""#, r#""logout+jwt""#, r#""JOSE""#, r#""""#, "null",
        r#""at\u002bjwt""#,
    ]),
    ("cty", &[r#""JWT""#, r#""application/jwt""#, r#""json""#, r#""application/json""#, r#""""#]),
    ("kid", &[
        r#""k1""#, r#""k2""#, r#""K1""#, r#""""#, "null", "1", r#""\u006b1""#, r#""k1\u0000""#, r#""k1 ""#,
        r#"["k1"]"#,
    ]),
    ("crit", &["[]", r#"["exp"]"#, r#"["b64"]"#, r#"["alg"]"#, "null"]),
    ("b64", &["true", "false", "null"]),
    ("jku", &[r#""https://evil.example/jwks.json""#, r#""x""#]),
    ("jwk", &[r#"{"kty":"oct","k":"AAAA"}"#, r#""x""#]),
    ("x5u", &[r#""https://evil.example/cert.pem""#]),
    ("x5c", &[r#"["AAAA"]"#]),
    ("x5t", &[r#""x""#]),
    ("x5t#S256", &[r#""x""#]),
    ("enc", &[r#""A256GCM""#]),
    ("zip", &[r#""DEF""#]),
    ("iss", &[r#""https://evil.example""#]),
    ("nonce", &[r#""n""#]),
    ("x", &[]),
    ("__proto__", &[]),
];

#[rustfmt::skip]
pub const CRITICAL: &[&str] = &[
    r#"["b64"]"#, r#"["exp"]"#, r#"["alg"]"#, r#"["x"]"#, "[]", "null", r#""b64""#, "[1]", "{}",
    r#"["b64","b64"]"#,
];

pub const BEFORE: &[(&str, &[u8])] = &[
    ("a byte order mark", b"\xef\xbb\xbf"),
    ("space", b" \t\r\n"),
    ("a form feed", b"\x0c"),
    ("a vertical tab", b"\x0b"),
    ("a space that does not break", b"\xc2\xa0"),
    ("a comment", b"/* */"),
    ("zero", b"\0"),
    ("a comma", b","),
];

pub const AFTER: &[(&str, &[u8])] = &[
    ("space", b" \t\r\n"),
    ("zero", b"\0"),
    ("a letter", b"x"),
    ("a brace", b"}"),
    ("another object", b"{}"),
    ("a comma", b","),
    ("a comment", b"// x"),
    ("a form feed", b"\x0c"),
    ("a line separator", b"\xe2\x80\xa8"),
    ("half a character", b"\xc3"),
];

pub const IN_STRINGS: &[(&str, &[u8])] = &[
    ("Latin-1", b"\xe9"),
    ("a long zero", b"\xc0\x80"),
    ("a long slash", b"\xe0\x80\xaf"),
    ("half a pair of UTF-16", b"\xed\xa0\x80"),
    ("a pair of UTF-16", b"\xed\xa0\xbd\xed\xb4\x91"),
    ("more than Unicode has", b"\xf4\x90\x80\x80"),
    ("half a character", b"\xf0\x9f\x94"),
    ("0xff", b"\xff"),
    ("a byte order mark", b"\xef\xbb\xbf"),
    ("a character that is none", b"\xef\xbf\xbe"),
    ("zero", b"\0"),
    ("a line", b"\n"),
    ("an escaped line", b"\\\n"),
];

pub const BETWEEN: &[(&str, &str)] = &[
    ("space", " \t\r\n"),
    ("a comment", "/* */"),
    ("a form feed", "\u{c}"),
    ("a space that does not break", "\u{a0}"),
    ("a comma", ","),
    ("zero", "\0"),
];
