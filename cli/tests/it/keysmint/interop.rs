//! Other programs read what `keys` and `mint` write, and the reverse. `scripts/interop` installs them.

use std::env;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::{Algorithm, KeySet, Validation, Verifier};

use crate::keysmint::support::{AUDIENCE, Folder, ISSUER, part};

mod needs_openssl {
    use super::*;

    /// Runs openssl in the folder, which must end well.
    #[track_caller]
    fn openssl(folder: &Folder, arguments: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(folder.path("."));
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    #[ignore = "needs openssl: scripts/interop"]
    fn openssl_reads_the_keys_in_every_form() {
        for algorithm in ["RS256", "ES256", "ES384", "ES512", "Ed25519"] {
            let folder = Folder::new();
            folder.good(&format!("keys generate --algorithm {algorithm} --out key.json"));
            folder.good("keys convert key.json --to pem --out key.pem");
            folder.good("keys convert key.json --to der --out key.der");
            folder.good("keys convert key.json --public --to pem --out public.pem");
            folder.good("keys convert key.json --public --to der --out public.der");

            openssl(&folder, "pkey -in key.pem -check -noout");
            openssl(&folder, "pkey -in key.der -inform DER -check -noout");
            let public = openssl(&folder, "pkey -in key.pem -pubout");
            let of_der = openssl(&folder, "pkey -pubin -in public.der -inform DER");

            // To the letter: what openssl writes is what `keys` writes.
            assert_eq!(public, folder.read("public.pem"), "{algorithm}");
            assert_eq!(of_der, public, "{algorithm}");
            if algorithm != "Ed25519" {
                folder.good("keys convert key.json --to pem --traditional --out old.pem");
                let of_old = openssl(&folder, "pkey -in old.pem -pubout");
                assert_eq!(of_old, public, "{algorithm}");
            }
        }
    }

    #[test]
    #[ignore = "needs openssl: scripts/interop"]
    fn keys_and_certificates_of_openssl_are_read() {
        for (made_by, algorithm) in [
            ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "PS256"),
            ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", "ES384"),
            ("ecparam -genkey -name prime256v1", "ES256"),
            ("genpkey -algorithm ed25519", "EdDSA"),
        ] {
            let folder = Folder::new();
            openssl(&folder, &format!("{made_by} -out key.pem"));
            openssl(&folder, "pkey -in key.pem -pubout -out public.pem");
            openssl(&folder, "req -x509 -key key.pem -subj /CN=test -days 10 -out certificate.pem");
            let jwk = |name: &str| {
                let arguments =
                    format!("keys convert {name} --to jwk --public --algorithm {algorithm}");
                serde_json::from_str::<Value>(&folder.good(&arguments)).unwrap()
            };

            let private = jwk("key.pem");

            assert_eq!(private["alg"], algorithm);
            assert_eq!(jwk("public.pem"), private, "{made_by}");
            assert_eq!(jwk("certificate.pem"), private, "{made_by}");
            let checked = folder.run("keys check certificate.pem --json").json();
            assert_eq!(checked["findings"][0]["code"], "certificate_expires_soon", "{made_by}");
        }
    }

    #[test]
    #[ignore = "needs openssl: scripts/interop"]
    fn openssl_verifies_the_signature_of_a_token() {
        let folder = Folder::new();
        folder.good(
            "keys generate --algorithm RS256 --format pem --out key.json --public-out public.pem",
        );
        let token = folder.mint("");
        let (input, signature) = token.rsplit_once('.').unwrap();
        folder.write("input", input);
        folder.write("signature", URL_SAFE_NO_PAD.decode(signature).unwrap());

        let said = openssl(&folder, "dgst -sha256 -verify public.pem -signature signature input");

        assert_eq!(said.trim(), "Verified OK");
    }
}

mod needs_second_opinion {
    use super::*;

    /// Name, variable with the command line, and the algorithm that it does not know.
    const LIBRARIES: [(&str, &str, Option<Algorithm>); 3] = [
        ("jose", "JOSE_CHECK", None),
        // It does not know RFC 9864.
        ("pyjwt", "PYJWT_CHECK", Some(Algorithm::Ed25519)),
        ("joserfc", "JOSERFC_CHECK", None),
    ];

    /// Returns one answer for each question.
    fn ask(command: &str, questions: &[Value]) -> Vec<String> {
        let line = env::var(command)
            .unwrap_or_else(|_| panic!("{command} is not set: run scripts/interop"));
        let mut library = Command::new("sh")
            .args(["-c", &line])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = library.stdin.take().unwrap();
        let lines: String = questions.iter().map(|one| format!("{one}\n")).collect();
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
        let output = library.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{command}: {}", output.status);
        let answers: Vec<_> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(answers.len(), questions.len(), "{command}: {answers:?}");
        answers
    }

    fn algorithms(unknown: Option<Algorithm>) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |one| Some(*one) != unknown)
    }

    #[test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    fn others_accept_tokens_of_mint_and_refuse_broken_ones() {
        for (library, command, unknown) in LIBRARIES {
            let (mut questions, mut expected) = (Vec::new(), Vec::new());
            for algorithm in algorithms(unknown) {
                let folder = Folder::new();
                folder.good(&format!(
                    "keys generate --algorithm {algorithm} --key-id k --out key.json"
                ));
                let is_secret = algorithm.as_str().starts_with("HS");
                let public = if is_secret { "" } else { "--public" };
                let jwks = folder.good(&format!("keys convert key.json --to jwks {public}"));
                let jwks: Value = serde_json::from_str(&jwks).unwrap();
                for (flag, is_good) in [
                    ("", true),
                    ("--expired", false),
                    ("--wrong-audience", false),
                    ("--wrong-signature", false),
                    ("--none", false),
                ] {
                    let token = folder.mint(flag);
                    let now = part(&folder.mint(""), 1)["iat"].clone();
                    questions.push(json!({
                        "token": token, "jwks": jwks, "issuer": ISSUER, "audience": AUDIENCE,
                        "algorithms": [algorithm.as_str()], "now": now,
                    }));
                    expected.push((algorithm, flag, is_good));
                }
            }

            let answers = ask(command, &questions);

            for ((algorithm, flag, is_good), answer) in expected.into_iter().zip(answers) {
                assert_eq!(answer == "ok", is_good, "{library}, {algorithm} {flag}: {answer}");
            }
        }
    }

    #[tokio::test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    async fn others_sign_with_private_keys_of_generate_in_both_forms() {
        for (library, command, unknown) in LIBRARIES {
            for algorithm in algorithms(unknown) {
                let folder = Folder::new();
                folder.good(&format!("keys generate --algorithm {algorithm} --out key.json"));
                let now = part(&folder.mint(""), 1)["iat"].clone();
                let mut keys = vec![json!({ "jwk": folder.json("key.json") })];
                if !algorithm.as_str().starts_with("HS") {
                    keys.push(json!({ "pem": folder.good("keys convert key.json --to pem") }));
                }
                let questions: Vec<_> = keys
                    .into_iter()
                    .map(|key| {
                        json!({ "sign": {
                            "algorithm": algorithm.as_str(), "key": key,
                            "claims": { "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now.as_i64().unwrap() + 900 },
                        }})
                    })
                    .collect();

                let tokens = ask(command, &questions);

                let key = tower_bearer::SigningKey::from_jwk(folder.read("key.json")).unwrap();
                let keys = KeySet::from(key.verifying_key());
                let validation = Validation::new(ISSUER, AUDIENCE);
                let verifier = Verifier::<Value>::new(keys, validation).unwrap();
                for token in tokens {
                    let answer = verifier.verify(&token).await;
                    assert!(answer.is_ok(), "{library}, {algorithm}: {token} {:?}", answer.err());
                }
            }
        }
    }

    #[tokio::test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    async fn keys_and_tokens_of_others_are_read() {
        for (library, command, unknown) in LIBRARIES {
            let now = 1_800_000_000;
            let order = |algorithm: Algorithm| {
                let algorithm = algorithm.as_str();
                json!({ "mint": { "algorithm": algorithm, "issuer": ISSUER, "audience": AUDIENCE, "now": now } })
            };
            let questions: Vec<_> = algorithms(unknown).map(order).collect();

            let answers = ask(command, &questions);

            for (algorithm, made) in algorithms(unknown).zip(answers) {
                let folder = Folder::new();
                let made: Value = serde_json::from_str(&made).unwrap();
                folder.write("token.txt", made["token"].as_str().unwrap());
                folder.write("public.json", made["jwk"].to_string());
                let (key, algorithm_of) = match made["pem"].as_str() {
                    Some(pem) => {
                        folder.write("key.pem", pem);
                        ("key.pem", format!("--algorithm {algorithm}"))
                    }
                    None => ("public.json", String::new()),
                };

                // A fresh token like theirs, signed with their key, is good for their public key.
                let token =
                    folder.good(&format!("mint --key {key} {algorithm_of} --like token.txt"));

                let keys = KeySet::from_jwks(folder.read("public.json")).unwrap();
                let verifier =
                    Verifier::<Value>::new(keys, Validation::new(ISSUER, AUDIENCE)).unwrap();
                let answer = verifier.verify(token.trim()).await;
                assert!(answer.is_ok(), "{library}, {algorithm}: {:?}", answer.err());
                assert_eq!(part(&token, 0)["kid"], made["jwk"]["kid"], "{library}, {algorithm}");
                if key == "key.pem" {
                    let thumbprint = |name: &str| folder.good(&format!("keys thumbprint {name}"));
                    assert_eq!(thumbprint("key.pem"), thumbprint("public.json"), "{library}");
                }
            }
        }
    }
}
