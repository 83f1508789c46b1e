use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
use tower_bearer::{Algorithm, ConfigError, KeySet, SigningKey};

use super::{CLIENT, SECRET, basic};
use crate::support::{ISSUER, key};

const URL: &str = "https://id.example.com/introspect";

fn with_client(client: ClientAuthentication) -> Result<Introspection, ConfigError> {
    Introspection::new(URL, client, OpaqueTokens::by_shape())
}

#[test]
fn mistakes_are_found_at_set_up_and_say_what_to_do() {
    // RFC 7662 §2.1: introspection goes over TLS
    let new = |url| Introspection::new(url, basic(), OpaqueTokens::all());
    let discover = |issuer| Introspection::discover(issuer, basic(), OpaqueTokens::all());
    let short = ClientAuthentication::client_secret_basic;
    let keys = || KeySet::from_iter([key().verifying_key()]);
    let signed = |issuer: &str| discover(ISSUER).unwrap().with_signed_answers(issuer, keys());
    let long = SigningKey::generate(Algorithm::ES256).unwrap();
    for (result, more) in [
        (new("http://id.example.com/introspect"), "not HTTPS"),
        (new("id.example.com"), "https://"),
        (new("https://id.example.com/introspect#a"), "fragment"),
        (new("https://user:word@id.example.com/"), "user"),
        (new("https://{tenant}.example.com/"), "placeholder"),
        (discover("http://id.example.com"), "not HTTPS"),
        (discover("https://id.example.com?a=b"), "query"),
        (
            discover("https://id.example.com/.well-known/openid-configuration"),
            "before /.well-known/",
        ),
        (with_client(short("", SECRET)), "empty id"),
        (with_client(short(CLIENT, "")), "empty secret"),
        (with_client(ClientAuthentication::client_secret_post(CLIENT, "")), "empty secret"),
        (with_client(ClientAuthentication::tls_client("")), "empty id"),
        (with_client(ClientAuthentication::private_key_jwt("", long)), "empty id"),
        (signed(""), "issuer is empty"),
        (signed("https://other.example.com"), "is not the one"),
        (new(URL).unwrap().with_metadata_url(URL), "means nothing"),
        (discover(ISSUER).unwrap().with_metadata_url("http://id.example.com"), "not HTTPS"),
        (discover(ISSUER).unwrap().with_proxy("socks5://a"), "SOCKS"),
        (discover(ISSUER).unwrap().with_root_certificates("x"), "BEGIN CERTIFICATE"),
    ] {
        let error = result.map(drop).unwrap_err().to_string();
        assert!(error.contains(more), "{more}: {error}");
        assert!(!error.contains("hunter2") && !error.contains("word"), "{error}");
    }
    assert!(new(URL).is_ok() && new("http://127.0.0.1:1/introspect").is_ok());
    assert!(discover(ISSUER).is_ok() && signed(ISSUER).is_ok());
}

#[test]
fn plain_http_elsewhere_has_to_be_allowed() {
    let inner = "http://keycloak:8080/realms/shop";
    let allowed = Introspection::dangerous().allow_plain_http();

    assert!(allowed.from_url(inner, basic(), OpaqueTokens::all()).is_ok());
    assert!(allowed.discover(inner, basic(), OpaqueTokens::all()).is_ok());
    let allowed = Introspection::dangerous().allow_private_networks();
    assert!(allowed.from_url(inner, basic(), OpaqueTokens::all()).is_err());
    assert!(allowed.discover(inner, basic(), OpaqueTokens::all()).is_err());
}

#[test]
fn debug_shows_no_secret() {
    let secret = "hunter2-hunter2-hunter2-hunter2-hunter2";
    let key = SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
    for client in [
        basic(),
        ClientAuthentication::client_secret_post(CLIENT, SECRET),
        ClientAuthentication::private_key_jwt(CLIENT, key),
        ClientAuthentication::tls_client(CLIENT),
    ] {
        let shown = format!("{client:?} {:?}", with_client(client.clone()).unwrap());
        assert!(shown.contains(CLIENT) && shown.contains(URL), "{shown}");
        // The secret as it is, as a form has it, and in Basic credentials.
        for secret in ["hunter2", "aHVudGVyMi", "OmhodW50ZXIy", "b3JkZXJzLWFwaT"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
