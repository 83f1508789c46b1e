//! `bearer inspect` shows what is in a token, and never that it is good.

use std::path::Path;

use serde_json::{Value, json};
use snapbox::str;

use crate::support::{bearer, file, key, now, token};

fn inspected(token: &str) -> Value {
    let output = bearer().args(["inspect", "--json"]).stdin(token).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

#[test]
fn token_is_shown_with_the_meaning_of_its_members() {
    let token = token()
        .claim("scope", "orders:read orders:write")
        .claim("roles", json!(["admin"]))
        .claim("tenant", json!({"id": 7}))
        .sign(&key());

    bearer().arg("inspect").stdin(&token).assert().success().stderr_eq("").stdout_eq(str![[r#"
Not verified. This says what is in the token, not whether it is good.

Signed token (JWS), [..] bytes

Header
  alg  HS256
       HMAC, with a secret that issuer and API share; algorithm of the signature
  typ  at+jwt
       type of the token

Claims
  aud     https://api.example.com
          audience: the APIs that the token is for
  exp     1767226500
          2026-01-01 00:15:00 UTC: expired [..] ago; the moment from which the token is refused
  iat     1767225600
          2026-01-01 00:00:00 UTC: [..] ago; the moment at which the token was issued
  iss     https://id.example.com
          issuer: who made the token
  jti     test-token
          id of the token
  nbf     1767225600
          2026-01-01 00:00:00 UTC: [..] ago; the moment from which the token is good
  roles   ["admin"]
          roles or groups of the user
  scope   orders:read orders:write
          scopes: what the client may do
  sub     alice
          subject: who the token speaks for, within the issuer
  tenant  {"id":7}

Roles   admin
Scopes  orders:read, orders:write

"#]]);
}

#[test]
fn json_holds_header_claims_and_dates_and_says_that_nothing_was_verified() {
    let report = inspected(&token().sign(&key()));

    assert_eq!(report["verified"], false);
    assert_eq!(report["form"], "jws");
    assert_eq!(report["header"]["alg"], "HS256");
    assert_eq!(report["claims"]["sub"], "alice");
    assert_eq!(report["times"]["expires_at"], 1_767_226_500);
    assert_eq!(report["problem"], Value::Null);
}

#[test]
fn token_in_an_argument_comes_with_a_warning_and_in_a_file_without() {
    let token = token().sign(&key());
    let path = file("inspect-token", format!("Authorization: Bearer {token}\r\n"));

    bearer().args(["inspect", &token]).assert().success().stderr_eq(str![[r#"
note: the token is in the history of your shell now; pipe it in instead, or use --file

"#]]);
    bearer().arg("inspect").arg("--file").arg(path).assert().success().stderr_eq("");
}

#[test]
fn roles_are_those_that_the_preset_reads() {
    let token = token()
        .claim("realm_access", json!({"roles": ["clerk"]}))
        .claim("resource_access", json!({"orders": {"roles": ["cashier"]}}))
        .sign(&key());
    let roles = |arguments: &[&str]| {
        let output = bearer().args(["inspect", "--json"]).args(arguments).stdin(&token).assert();
        let report: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        report["roles"].clone()
    };

    assert_eq!(roles(&[]), json!([]));
    assert_eq!(roles(&["--preset", "keycloak"]), json!(["clerk"]));
    assert_eq!(
        roles(&["--preset", "keycloak", "--audience", "orders"]),
        json!(["clerk", "cashier"])
    );
}

#[test]
fn members_that_stand_twice_are_said_to() {
    let token = token()
        .raw_header(r#"{"alg":"none","alg":"HS256","kid":"k"}"#)
        .raw_payload(r#"{"sub":"alice","exp":1,"sub":"admin","sub":"root"}"#)
        .sign(&key());

    let report = inspected(&token);

    let unusual = report["unusual"].to_string();
    assert!(unusual.contains("`alg` stands more than once in the header"), "{unusual}");
    assert_eq!(
        unusual.matches("`sub` stands more than once in the claims").count(),
        1,
        "{unusual}"
    );
    assert!(!unusual.contains("`kid`") && !unusual.contains("`exp` stands"), "{unusual}");
}

#[test]
fn each_unusual_thing_is_said() {
    let key = key();
    let far = now() + 40 * 24 * 3600;
    for (token, word) in [
        (token().header("alg", "none").sign(&key), "needs no key to be made"),
        (token().header("jku", "https://evil.example").sign(&key), "brings its own key (`jku`)"),
        (token().header("crit", json!(["x"])).sign(&key), "asks for an extension (`crit`)"),
        (token().without("exp").sign(&key), "There is no `exp`"),
        (token().claim("aud", json!([])).sign(&key), "is for no API"),
        (token().claim("exp", "soon").sign(&key), "`exp` is not a number"),
        (token().claim("exp", 1_767_226_500_000_u64).sign(&key), "in milliseconds"),
        (
            token().claim("iat", now() + 3600).claim("exp", now() + 7200).sign(&key),
            "clock of its issuer",
        ),
        (token().claim("exp", 1).sign(&key), "expires before it was issued"),
        (token().claim("iat", now()).claim("exp", far).sign(&key), "lives for 40 days"),
        (
            token().claim("nonce", "n").claim("at_hash", "h").sign(&key),
            "`nonce`, `at_hash` marks an ID token",
        ),
        (token().claim("events", json!({})).sign(&key), "marks a logout token"),
        (token().claim("cnf", json!({"jkt": "x"})).sign(&key), "bound to a key"),
        (token().claim("password", "x").sign(&key), "which everyone who sees the token can read"),
        (token().claim("x", "x".repeat(5_000)).sign(&key), "8 KiB"),
        (token().sign(&key) + "=", "written without padding"),
    ] {
        let report = inspected(&token);
        let unusual = report["unusual"].to_string();
        assert!(unusual.contains(word), "{word}: {unusual}");
    }
    assert_eq!(inspected(&token().sign(&key))["unusual"], json!([]));
}

#[test]
fn encrypted_token_shows_its_header() {
    // RFC 7516 §A.1
    let token = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ";

    let report = inspected(token);

    assert_eq!(report["form"], "jwe");
    assert_eq!(report["header"]["enc"], "A256GCM");
    assert_eq!(report["claims"], Value::Null);
}

/// RFC 7516 §A.1: RSA-OAEP with A256GCM, whose content is a sentence.
fn rfc_7516() -> (String, String) {
    let vectors = include_str!("../../../tests/fixtures/vectors/encrypted.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    (vectors[0]["token"].as_str().unwrap().to_owned(), vectors[0]["jwk"].to_string())
}

/// A secret for `dir`, and tokens that are encrypted with it.
const DIRECT: &str =
    r#"{"kty":"oct","alg":"dir","k":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#;
const ENCRYPTED_CLAIMS: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AQEBAQEBAQEBAQEB.DcPgxOOd1iy5oKhRAw1fHsGfOpFg9lZjNFRtAQnZFJfg033Uvimn6CoGOHj7UcH4_nLHZyXfki_OJ4lruU-nuYuUK1Is9hRMDzF6BYkII_0r_0ENMv0tGh4DL8SIqPMsfr9w58jlJu9bfRbMEsl5nH8UpxGu.Rmfx5UbEtPBdfdnwfYkm0g";
const ENCRYPTED_TOKEN: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiY3R5IjoiSldUIn0..AQEBAQEBAQEBAQEB.E5jD3_L4j2eevZZoJU05AOaSXYdR-WkmO3IKVC_ZcIuJgHiD-FDPuXAXMUGxHd3U51SASDLatw3VId1noG63-cKrM2Y6lWEcFDpeNd59M6EnxgpAapNDe0d4c57R-ZdcPb9X2puLZfRcbDXCFeAbhnIXm3GgMF6mysGxFPAl2tImaPoHvlvujwqrxj4GGlC7fcwBB331He8TmXVFk2ZuBqEEXG3NY1Jjs6vbfB2he7tHHC4gdb2PRaOBqIUxgV-hZKMTcvX1bn-MRbZR6e-o4ajbb311dSNUGNGROyvtRihb8TRDcePnu4NcEOU5vZPnrg.uZ1n8tm0zfISkQ72KdR9kA";

#[test]
fn encrypted_token_is_decrypted_with_a_key_and_its_content_marked_as_not_verified() {
    let key = file("decrypt-direct.json", DIRECT);

    let command = || bearer().args(["inspect", "--decrypt-key"]).arg(&key);
    let shown = command().stdin(ENCRYPTED_TOKEN).assert().success().stderr_eq("");
    let json = command().arg("--json").stdin(ENCRYPTED_TOKEN).assert().success();

    shown.stdout_eq(str![[r#"
Not verified. This says what is in the token, not whether it is good.

Encrypted token (JWE), [..] bytes

Header
  alg  dir
       how the key of the content is carried
  enc  A256GCM
       algorithm that encrypts the content
  cty  JWT
       type of the content, if that is another token

Decrypted, not verified. Everyone who has the key to encrypt may have made what follows.

Signed token (JWS), [..] bytes

Header
  alg  HS256
       HMAC, with a secret that issuer and API share; algorithm of the signature
  typ  at+jwt
       type of the token

Claims
  iss    https://id.example.com
         issuer: who made the token
  aud    https://api.example.com
         audience: the APIs that the token is for
  sub    alice
         subject: who the token speaks for, within the issuer
  exp    1767226500
         2026-01-01 00:15:00 UTC: expired [..] ago; the moment from which the token is refused
  scope  orders:read
         scopes: what the client may do

Roles   none
Scopes  orders:read

"#]]);
    let report: Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert_eq!(report["form"], "jwe");
    assert_eq!(report["claims"], Value::Null);
    assert_eq!(report["decrypted"]["verified"], false);
    assert_eq!(report["decrypted"]["form"], "jws");
    assert_eq!(report["decrypted"]["header"]["alg"], "HS256");
    assert_eq!(report["decrypted"]["claims"]["sub"], "alice");
}

#[test]
fn claims_may_be_encrypted_without_a_signature() {
    let key = file("decrypt-claims.json", DIRECT);

    let command = || bearer().args(["inspect", "--decrypt-key"]).arg(&key);
    let json = command().arg("--json").stdin(ENCRYPTED_CLAIMS).assert().success();
    let shown = command().stdin(ENCRYPTED_CLAIMS).assert().success();

    let report: Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert_eq!(report["decrypted"]["form"], "claims");
    assert_eq!(report["decrypted"]["header"], Value::Null);
    assert_eq!(report["decrypted"]["claims"]["sub"], "alice");
    assert_eq!(report["decrypted"]["scopes"], json!(["orders:read"]));
    let text = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    assert!(text.contains("Claims that are not signed"), "{text}");
}

#[test]
fn content_that_is_no_token_is_shown_as_text() {
    let (token, jwk) = rfc_7516();
    let key = file("decrypt-rfc.json", jwk);

    let output = bearer().args(["inspect", "--json", "--decrypt-key"]).arg(key).stdin(token);

    let output = output.assert().code(0);
    let report: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(report["header"]["alg"], "RSA-OAEP");
    assert_eq!(report["decrypted"]["form"], "text");
    // RFC 7516 §A.1
    let text = report["decrypted"]["text"].as_str().unwrap();
    assert!(text.starts_with("The true sign of intelligence"), "{text}");
}

#[test]
fn key_that_does_not_decrypt_is_an_error_that_says_what_to_do() {
    let (token, _) = rfc_7516();
    let direct = file("decrypt-other.json", DIRECT);
    let nameless = file("decrypt-nameless.json", DIRECT.replace(r#""alg":"dir","#, ""));
    let pem = file("decrypt.pem", include_str!("../../../tests/fixtures/keys/rsa_traditional.pem"));
    let run = |key: &Path, more: &[&str]| {
        let output = bearer().args(["inspect", "--decrypt-key"]).arg(key).args(more).stdin(&*token);
        let output = output.assert().code(2).stdout_eq("");
        String::from_utf8(output.get_output().stderr.clone()).unwrap()
    };

    for (said, part) in [
        (run(&direct, &[]), "the token is not decrypted: the token is encrypted"),
        (run(&nameless, &[]), "must name its `alg`"),
        (run(&pem, &[]), "name the `alg` of the token's header with --decrypt-algorithm"),
        (run(&pem, &["--decrypt-algorithm", "RSA-OAEP"]), "the token is not decrypted"),
        (run(&pem, &["--decrypt-algorithm", "ECDH-ES"]), "cannot be used with an RSA key"),
        (run(&pem, &["--decrypt-algorithm", "RSA1_5"]), "it is none of dir, A128KW"),
        (run(&direct, &["--decrypt-algorithm", "dir"]), "a JWK names its own `alg`"),
        (run(Path::new("/no/such/file"), &[]), "cannot be read"),
    ] {
        assert!(said.contains(part), "{part}: {said}");
        assert!(!said.contains("BwcHBwcH"), "{said}");
    }
}

#[test]
fn text_that_is_no_token_is_said_to_be_none() {
    for (text, sentence) in [
        ("abc", "it has no dots"),
        ("a.b", "it has 2 parts"),
        ("a.b c.d", "white space inside"),
        ("é.b.c", "its header is not base64url"),
        ("e30.W10.c", "its payload is not a JSON object"),
        ("W10.e30.c", "its header is not a JSON object"),
        ("e30..c", "its payload is not base64url"),
    ] {
        let output = bearer().args(["inspect", "--json"]).stdin(text).assert().code(2);
        let report: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!(report["form"], "unreadable");
        let problem = report["problem"].as_str().unwrap();
        assert!(problem.contains(sentence), "{text}: {problem}");
    }
}

#[test]
fn no_input_at_all_is_an_error_that_says_what_to_do() {
    bearer().arg("inspect").stdin(" \n").assert().code(2).stdout_eq("").stderr_eq(str![[r#"
error: there is no token
hint: pipe one in, name a file with --file, or answer the prompt

"#]]);
    bearer().args(["inspect", "--file", "/no/such/file"]).assert().code(2).stderr_eq(str![[r#"
error: /no/such/file cannot be read: No such file or directory (os error 2)

"#]]);
}

#[test]
fn token_cannot_write_to_the_terminal() {
    let token = token().claim("name", "\u{1b}[2J\u{202e}").claim("\u{1b}]0;x\u{7}", 1).sign(&key());

    let output = bearer().args(["inspect", "--color", "never"]).stdin(&token).assert().success();

    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    assert!(text.contains(r"\u{1b}[2J\u{202e}"), "{text:?}");
}

#[test]
fn colours_come_only_where_they_are_wanted() {
    let colours = |arguments: &[&str]| {
        let token = token().sign(&key());
        let output = bearer().arg("inspect").args(arguments).stdin(token).assert().success();
        output.get_output().stdout.contains(&0x1b)
    };

    assert!(!colours(&[]), "no terminal reads it");
    assert!(colours(&["--color", "always"]));
    assert!(!colours(&["--color", "never"]));
}

/// Returns the tokens of a provider's documentation: name, header and claims.
fn documented(provider: &str) -> (Value, Vec<(String, Value)>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/providers");
    let text = std::fs::read_to_string(format!("{folder}/{provider}.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let tokens =
        document.as_object().unwrap().iter().filter(|(_, value)| value["claims"].is_object());
    let tokens = tokens.map(|(name, value)| (name.clone(), value.clone())).collect();
    (document, tokens)
}

#[test]
fn tokens_of_providers_are_shown_and_explained_as_what_they_are() {
    for provider in ["auth0", "cognito", "entra", "keycloak", "okta"] {
        let (document, tokens) = documented(provider);
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        let mut accepted = 0;
        for (name, value) in tokens {
            let mut made = support_token();
            for (member, value) in value["claims"].as_object().unwrap() {
                made = made.claim(member, value.clone());
            }
            made = match value["header"]["typ"].as_str() {
                Some(typ) => made.header("typ", typ),
                None => made.without_header("typ"),
            };
            let token = made.sign(&key());
            let issued_at = value["claims"]["iat"].as_u64().unwrap() + 1;

            let report = inspected(&token);
            assert_eq!(report["claims"], value["claims"], "{provider} {name}");
            let explained = bearer()
                .args(["explain", "--json", "--preset", provider, "--at", &issued_at.to_string()])
                .args(["--issuer", &text("issuer"), "--audience", &text("audience")])
                .args(["--secret-env", "SECRET"])
                .env("SECRET", crate::support::SECRET)
                .stdin(&token)
                .assert();
            let output = explained.get_output();
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            match &name[..] {
                "access" => assert_eq!(report["verdict"], "accepted", "{provider}: {report}"),
                "id" => assert_eq!(report["reason"], "wrong_token_type", "{provider}: {report}"),
                _ => assert_ne!(report["verdict"], "undecided", "{provider} {name}: {report}"),
            }
            accepted += usize::from(report["verdict"] == "accepted");
        }
        assert!(accepted > 1, "{provider}");
    }
}

/// Returns a token with no claims of its own.
fn support_token() -> tower_bearer::test_util::TestToken {
    ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"]
        .into_iter()
        .fold(token(), |token, claim| token.without(claim))
}
