use serde_json::json;
use snapbox::{assert_data_eq, str};

use crate::keysmint::support::Folder;

/// RFC 7638 §3.1.
const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
/// RFC 8037 §A.1, the private key.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

#[test]
fn thumbprints_are_those_of_the_rfcs_examples() {
    let folder = Folder::new();
    folder.write("rsa.json", RSA);
    folder.write("ed.json", ED25519);

    assert_data_eq!(
        folder.good("keys thumbprint rsa.json"),
        str![[r#"
NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs

"#]]
    );
    assert_data_eq!(
        folder.good("keys thumbprint ed.json --uri"),
        str![[r#"
urn:ietf:params:oauth:jwk-thumbprint:sha-256:kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k

"#]]
    );
}

#[test]
fn every_key_of_a_set_has_its_line_and_the_names_beside() {
    let folder = Folder::new();
    folder.write("set.json", format!(r#"{{"keys":[{RSA},{ED25519}]}}"#));

    let shown = folder.good("keys thumbprint set.json");
    let json = folder.run("keys thumbprint set.json --json").json();

    assert_data_eq!(
        shown,
        str![[r#"
NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs  2011-04-29
kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k

"#]]
    );
    assert_eq!(json["thumbprints"][1]["algorithm"], "Ed25519");
    assert_eq!(
        json["thumbprints"][0]["uri"],
        json!(
            "urn:ietf:params:oauth:jwk-thumbprint:sha-256:NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        )
    );
}

#[test]
fn thumbprint_is_the_same_in_every_form_and_a_secret_has_none() {
    let folder = Folder::with_key();
    folder.good("keys convert key.json --to pem --out key.pem");
    folder.good("keys convert key.json --public --to der --out key.der");
    folder.good("keys generate --algorithm HS256 --out secret.json");

    let thumbprints = ["key.json", "jwks.json", "key.pem", "key.der"]
        .map(|name| folder.good(&format!("keys thumbprint {name}")));
    let secret = folder.run("keys thumbprint secret.json");

    assert!(thumbprints.iter().all(|one| *one == thumbprints[0]), "{thumbprints:?}");
    assert_eq!(secret.code, 2);
    assert_data_eq!(
        secret.stderr,
        str![[r#"
note: a secret is left out: its thumbprint would help to guess it
error: there is no key with a public part

"#]]
    );
}
