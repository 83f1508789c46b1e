use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use snapbox::{assert_data_eq, str};
use tower_bearer::{Algorithm, KeySet, SigningKey, Validation, Verifier};

use crate::keysmint::support::{AUDIENCE, Folder, ISSUER, Server, part};

#[test]
fn token_says_what_the_arguments_say() {
    let folder = Folder::with_key();

    let token = folder.mint(
        "--audience stock --subject alice --role admin --role buyer --scope a --scope b --client-id shop \
         --lifetime 2h --claim level=3 --claim-text tenant=42 --without nbf --header x=[1] --key-id k9 \
         --claim-text jti=one",
    );

    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(header, json!({ "alg": "ES256", "kid": "k9", "typ": "at+jwt", "x": [1] }));
    let issued = claims["iat"].as_i64().unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "aud": ["orders", "stock"], "sub": "alice", "iat": issued, "exp": issued + 7200,
            "jti": "one", "client_id": "shop", "roles": ["admin", "buyer"], "scope": "a b", "tenant": "42",
            "level": 3,
        })
    );
}

#[test]
fn json_has_token_header_and_claims() {
    let folder = Folder::with_key();

    let minted =
        folder.run(&format!("mint --key key.json --issuer {ISSUER} --audience a --json")).json();

    let token = minted["token"].as_str().unwrap();
    assert_eq!(minted["header"], part(token, 0));
    assert_eq!(minted["claims"], part(token, 1));
    assert_eq!(minted.as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn token_of_every_algorithm_and_form_of_key_is_accepted() {
    for algorithm in Algorithm::ALL {
        let folder = Folder::new();
        folder.good(&format!("keys generate --algorithm {algorithm} --out key.json"));
        let key = SigningKey::from_jwk(folder.read("key.json")).unwrap();
        let keys = KeySet::from(key.verifying_key());
        let verifier =
            Verifier::<serde_json::Value>::new(keys, Validation::new(ISSUER, AUDIENCE)).unwrap();
        let mut tokens = vec![folder.mint("")];
        if !algorithm.as_str().starts_with("HS") {
            for form in ["pem", "der", "jwks"] {
                folder.good(&format!("keys convert key.json --to {form} --out key.other --force"));
                let arguments = "--issuer http://localhost:9000 --audience orders";
                let minted = format!("mint --key key.other --algorithm {algorithm} {arguments}");
                tokens.push(folder.good(&minted).trim().to_owned());
            }
        }

        for token in tokens {
            let answer = verifier.verify(&token).await;
            assert!(answer.is_ok(), "{algorithm}: {:?}", answer.err());
        }
    }
}

#[tokio::test]
async fn secret_is_the_bytes_of_the_file() {
    let folder = Folder::new();
    let secret = "a secret of more than thirty-two bytes";
    folder.write("secret.txt", format!("{secret}\n"));
    folder.write("short.txt", "short");
    let key = SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
    let verifier = Verifier::<serde_json::Value>::new(
        KeySet::from(key.verifying_key()),
        Validation::new(ISSUER, AUDIENCE),
    );
    let arguments = format!("--issuer {ISSUER} --audience {AUDIENCE}");

    let token = folder.good(&format!("mint --secret-file secret.txt {arguments}"));
    let short = folder.run(&format!("mint --secret-file short.txt {arguments}"));

    assert!(verifier.unwrap().verify(token.trim()).await.is_ok());
    assert_eq!(short.code, 2);
    assert_data_eq!(
        short.stderr,
        str![[r#"
error: the key cannot be used: the secret has 40 bits but this algorithm needs 256
hint: the bytes of the file are the secret; for one in base64url use --key FILE --algorithm HS256

"#]]
    );
}

#[test]
fn token_like_another_one_is_fresh_and_lasts_as_long_unless_its_dates_are_kept() {
    let folder = Folder::with_key();
    let like = folder.mint(
        "--claim iat=1700000000 --claim nbf=1700000000 --claim exp=1700001000 --claim auth_time=1699999000 \
         --header typ=\"JWT\" --claim-text tenant=42",
    );
    folder.write("token.txt", format!("Authorization: Bearer {like}\n"));

    let fresh = folder.good("mint --key key.json --like token.txt");
    let kept = folder.good("mint --key key.json --like token.txt --keep-dates --subject bob");
    let longer = folder.good("mint --key key.json --like token.txt --lifetime 1h");

    let (old, fresh, kept) = (part(&like, 1), part(fresh.trim(), 1), part(kept.trim(), 1));
    let issued = fresh["iat"].as_i64().unwrap();
    assert!(issued > 1_700_000_000);
    let dates =
        ["iat", "nbf", "exp", "auth_time"].map(|name| fresh[name].as_i64().unwrap() - issued);
    assert_eq!(dates, [0, 0, 1000, -1000]);
    assert_eq!(fresh["tenant"], "42");
    assert_eq!((&kept["exp"], &kept["sub"]), (&old["exp"], &json!("bob")));
    assert_eq!(part(longer.trim(), 0)["typ"], "JWT");
    let longer = part(longer.trim(), 1);
    assert_eq!(longer["exp"].as_i64().unwrap() - longer["iat"].as_i64().unwrap(), 3600);
}

#[test]
fn token_like_another_one_keeps_the_key_id_when_the_key_has_no_name() {
    let folder = Folder::with_key();
    folder.good("keys convert key.json --to pem --out key.pem");
    folder.write("token.txt", folder.mint("--key-id theirs"));

    let nameless = folder.good("mint --key key.pem --like token.txt");
    let named = folder.good("mint --key key.json --like token.txt");

    assert_eq!(part(nameless.trim(), 0)["kid"], "theirs");
    assert_eq!(part(named.trim(), 0)["kid"], folder.json("key.json")["kid"]);
}

#[test]
fn long_lifetime_and_https_issuer_get_a_note() {
    let folder = Folder::with_key();
    let mint =
        |arguments: &str| folder.run(&format!("mint --key key.json --audience a {arguments}"));

    assert_eq!(mint("--issuer http://localhost --lifetime 1d").stderr, "");
    assert_data_eq!(
        mint("--issuer http://localhost --lifetime 2d").stderr,
        str![[r#"
note: this token is for tests, and lasts 2 days; --lifetime 15m makes a shorter one

"#]]
    );
    assert_data_eq!(
        mint("--issuer https://id.example.com").stderr,
        str![[r#"
note: this token is for tests, and names the issuer https://id.example.com: each API that trusts the key accepts it

"#]]
    );
}

#[test]
fn wrong_arguments_are_refused_with_what_to_do() {
    let folder = Folder::with_key();
    folder.write("token.txt", "not a token");
    let usual = format!("mint --issuer {ISSUER} --audience a");
    for (arguments, expected) in [
        (usual.clone(), "error: there is no key to sign with\n"),
        (
            format!("{usual} --key jwks.json"),
            "error: jwks.json holds a public key, which cannot sign\n",
        ),
        (
            format!("{usual} --key key.json --without other"),
            "error: the token has no claim `other` to leave out\n",
        ),
        (
            "mint --key key.json --like token.txt".to_owned(),
            "error: the header of the token of --like cannot be read\n",
        ),
        (
            "mint --key key.json".to_owned(),
            "error: the following required arguments were not provided:\n",
        ),
        (
            format!("{usual} --key key.json --claim a=b"),
            "error: invalid value 'a=b' for '--claim <NAME=JSON>': the value of `a` is no JSON; text needs quotes, or --claim-text\n",
        ),
        (
            format!("{usual} --key key.json --lifetime 15"),
            "error: invalid value '15' for '--lifetime <TIME>': write a time such as 90s, 15m, 8h or 2d\n",
        ),
        (
            format!("{usual} --provider http://id.example.com"),
            "error: http://id.example.com/mint is not HTTPS, so its answer could come from an attacker on the way\n",
        ),
    ] {
        let ended = folder.run(&arguments);
        assert_eq!((ended.code, ended.text()), (2, String::new()), "{arguments}");
        let first = ended.stderr.split_inclusive('\n').next().unwrap_or_default();
        assert_eq!(first, expected, "{arguments}");
    }
}

#[test]
fn provider_signs_and_its_refusals_are_shown() {
    let folder = Folder::with_key();
    let token = folder.mint("");
    let body = token.clone();
    let answer = move |url: &str| {
        let _ = url;
        vec![
            ("/mint".to_owned(), "200 OK".to_owned(), format!("{body}\n")),
            ("/busy/mint".to_owned(), "503 Busy".to_owned(), "later\u{1b}[2J".to_owned()),
            ("/page/mint".to_owned(), "200 OK".to_owned(), "<html>".to_owned()),
        ]
    };
    let server = Server::start(answer);

    let minted = folder.good(&format!("mint --provider {} --audience a", server.url));
    let broken = folder.good(&format!("mint --provider {} --audience a --malformed", server.url));
    folder.good(&format!(
        "mint --provider {} --role r --without client_id --claim-text jti=j",
        server.url
    ));
    let fresh = server.last_body();
    folder.write("token.txt", &token);
    folder.good(&format!("mint --provider {} --like token.txt --subject bob", server.url));
    let like = server.last_body();
    let shown = folder.run(&format!("mint --provider {} --json", server.url)).json();
    let busy = folder.run(&format!("mint --provider {}/busy --audience a", server.url));
    let page = folder.run(&format!("mint --provider {}/page --audience a", server.url));

    assert_eq!(minted.trim(), token);
    assert_eq!(broken.trim(), token.rsplit_once('.').unwrap().0);
    assert_eq!(shown["claims"], part(&token, 1));
    // The provider chooses the key and adds its usual claims, unless they are to be left out.
    assert_eq!(fresh["header"], json!({ "typ": "at+jwt" }));
    let mut names: Vec<_> = fresh["claims"].as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["client_id", "exp", "iat", "jti", "nbf", "roles"].map(str::to_owned));
    assert_eq!(fresh["claims"]["client_id"], json!(null));
    assert_eq!(like["claims"]["sub"], "bob");
    assert_eq!((&like["claims"]["roles"], &like["claims"]["iss"]), (&json!(null), &json!(ISSUER)));
    assert_eq!((busy.code, page.code), (2, 2));
    assert!(busy.stderr.contains("answers with status 503: later\\u{1b}[2J"), "{}", busy.stderr);
    assert!(page.stderr.contains("something that is no token"), "{}", page.stderr);
}

#[test]
fn none_has_no_signature_and_confusion_signs_with_the_public_key() {
    let folder = Folder::with_key();
    folder.good("keys convert key.json --public --to pem --out public.pem");

    let none = folder.mint("--none");
    let confused = folder.mint("--alg-confusion");

    assert_eq!(part(&none, 0), json!({ "alg": "none", "typ": "at+jwt" }));
    assert!(none.ends_with('.'));
    let (input, signature) = confused.rsplit_once('.').unwrap();
    let pem = fs::read(folder.path("public.pem")).unwrap();
    let expected = tower_bearer::test_util::TestKey::from_secret(Algorithm::HS256, &pem)
        .sign(input.as_bytes());
    assert_eq!(signature, URL_SAFE_NO_PAD.encode(expected));
    assert_eq!(part(&confused, 0)["alg"], "HS256");
}
