use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use crate::keysmint::support::{Folder, part};

fn applied(folder: &Folder, change: &Value, arguments: &str) -> String {
    folder.write("why.json", change.to_string());
    let token =
        folder.good(&format!("mint --key key.json --like token.txt --edits why.json {arguments}"));
    token.trim().to_owned()
}

#[test]
fn every_edit_is_applied_and_nothing_else_changes() {
    let folder = Folder::with_key();
    let token = folder.mint("--wrong-type --critical --claim exp=1700000000 --key-id k1");
    folder.write("token.txt", &token);
    let change = json!({ "side": "token", "sentence": "…", "edits": [
        { "set_claim": { "name": "exp", "value": 4_000_000_000_u32 } },
        { "remove_claim": "nonce" },
        { "set_header": { "name": "typ", "value": "at+jwt" } },
        { "remove_header": "crit" },
    ]});

    let edited = applied(&folder, &change, "--key-id k1");
    let whole = applied(&folder, &json!({ "verdict": "refused", "change": change }), "--key-id k1");

    let (mut header, mut claims) = (part(&token, 0), part(&token, 1));
    header["typ"] = "at+jwt".into();
    header.as_object_mut().unwrap().remove("crit");
    claims["exp"] = 4_000_000_000_u32.into();
    claims.as_object_mut().unwrap().remove("nonce");
    assert_eq!((part(&edited, 0), part(&edited, 1)), (header, claims));
    assert_eq!(part(&whole, 1), part(&edited, 1));
}

#[test]
fn grants_are_added_where_the_token_has_them_or_would_have_them() {
    let folder = Folder::with_key();
    folder.write("token.txt", folder.mint("--scope a --role r --claim-text group=one"));
    let grant = |place: &str, values: &[&str], is_text: bool| json!({ "grant": { "place": place, "values": values, "is_text": is_text } });
    let change = json!({ "edits": [
        grant("scope", &["a", "b"], true),
        grant("roles", &["admin"], false),
        grant("group", &["two"], false),
        grant("/realm_access/x~1y/roles", &["admin"], false),
        grant("scp", &["c", "d"], true),
    ]});

    let claims = part(&applied(&folder, &change, ""), 1);

    assert_eq!((&claims["scope"], &claims["scp"]), (&json!("a b"), &json!("c d")));
    assert_eq!(
        (&claims["roles"], &claims["group"]),
        (&json!(["r", "admin"]), &json!(["one", "two"]))
    );
    assert_eq!(claims["realm_access"]["x/y"]["roles"], json!(["admin"]));
}

#[test]
fn token_that_cannot_be_read_is_made_anew_by_edits_alone() {
    let folder = Folder::with_key();
    folder.write("token.txt", "no token");
    let change = json!({ "edits": [{ "set_claim": { "name": "iss", "value": "a" } }] });

    let token = applied(&folder, &change, "");

    assert_eq!(part(&token, 1), json!({ "iss": "a" }));
    assert_eq!(part(&token, 0)["alg"], "ES256");
    assert_eq!(folder.run("mint --key key.json --like token.txt").code, 2);
}

#[test]
fn key_that_the_change_names_signs_for_its_algorithm_and_under_its_name() {
    let folder = Folder::new();
    folder.good("keys generate --algorithm RS256 --out key.json");
    folder.write("token.txt", folder.mint("--none"));
    let sign_with = |algorithm: &str, key_id: Value| json!({ "edits": [{ "sign_with": { "algorithm": algorithm, "key_id": key_id } }] });

    let named = applied(&folder, &sign_with("PS384", json!("k7")), "");
    let nameless = applied(&folder, &sign_with("RS256", json!(null)), "");
    folder.write("why.json", sign_with("ES256", json!(null)).to_string());
    let other = folder.run("mint --key key.json --like token.txt --edits why.json");

    let header = part(&named, 0);
    assert_eq!((&header["alg"], &header["kid"]), (&json!("PS384"), &json!("k7")));
    let header = part(&nameless, 0);
    assert_eq!((&header["alg"], header.get("kid")), (&json!("RS256"), None));
    assert_eq!(other.code, 2);
    assert_data_eq!(
        other.stderr,
        str![[r#"
error: the change asks for a key for ES256, and this one is not: [..]
hint: give the key that the verifier knows

"#]]
    );
}

#[test]
fn change_that_no_token_can_make_is_refused() {
    let folder = Folder::with_key();
    folder.write("token.txt", folder.mint(""));
    for (change, expected) in [
        (
            json!({ "change": null }),
            "error: why.json holds no change of a token: `bearer explain` proposes none\n",
        ),
        (
            json!({ "change": { "side": "server", "sentence": "Start it.", "edits": [] } }),
            "error: no other token would help: the change is on the side of the server\nhint: Start it.\n",
        ),
        (
            json!({ "edits": [] }),
            "error: why.json holds no change of a token: its list `edits` is empty\n",
        ),
        (json!([]), "error: why.json holds no change of a token: "),
        (
            json!({ "edits": [{ "dance": 1 }] }),
            "error: why.json holds no change of a token: unknown variant `dance`",
        ),
    ] {
        folder.write("why.json", change.to_string());
        let ended = folder.run("mint --key key.json --like token.txt --edits why.json");
        assert_eq!(ended.code, 2, "{change}");
        assert!(ended.stderr.starts_with(expected), "{change}: {}", ended.stderr);
    }
}
