//! Tests tokens of several tenants of one provider, as Microsoft Entra ID issues them.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::explain::Outcome;
use tower_bearer::keys::{HttpFetch, KeySource, VerifyingKey};
use tower_bearer::policy::scope;
use tower_bearer::revocation::{MemoryRevocations, Revocation, RevocationKind};
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::validation::Preset;
use tower_bearer::{
    Algorithm, AuthError, BearerLayer, ConfigError, Issuers, KeySet, Reason, RemoteKeys,
    Validation, Verified, Verifier,
};

use crate::support::log::Log;
use crate::support::{WithBearer, get, invalid_token, send};

/// The middle of the hour in which the documented tokens are valid.
const NOW: u64 = 1_790_000_100;
const A: &str = "aaaaaaaa-1111-4222-8333-444444444444";
const B: &str = "aaaaaaaa-2222-4222-8333-444444444444";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

fn documented() -> Value {
    let text = include_str!("../../fixtures/providers/entra_any_tenant.json");
    serde_json::from_str(text).unwrap()
}

fn audience() -> String {
    documented()["audience"].as_str().unwrap().to_owned()
}

/// A key of the documented set.
fn key(name: &str) -> TestKey {
    static KEYS: OnceLock<Vec<(&str, TestKey)>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let names = ["any", "personal", "unnamed", "other_cloud"];
        names.map(|name| (name, TestKey::generate(Algorithm::ES256))).into()
    });
    let (_, key) = keys.iter().find(|(one, _)| *one == name).unwrap();
    key.clone().with_key_id(documented()["keys"][name]["kid"].as_str().unwrap())
}

/// The JWK of a key with the documented members.
fn jwk(name: &str) -> Value {
    let mut jwk = key(name).to_jwk();
    let members = documented()["keys"][name].as_object().unwrap().clone();
    jwk.as_object_mut().unwrap().extend(members);
    jwk
}

fn jwks() -> Value {
    let keys = ["any", "personal", "unnamed", "other_cloud"].map(jwk);
    json!({ "keys": keys })
}

fn keys() -> KeySet {
    KeySet::from_jwks(jwks().to_string()).unwrap()
}

fn issuer_of(tenant: &str) -> String {
    TEMPLATE.replace("{tenantid}", tenant)
}

/// The documented token, of this tenant.
fn claims(tenant: &str) -> Value {
    let mut claims = documented()["access"]["claims"].clone();
    claims["iss"] = issuer_of(tenant).into();
    claims["tid"] = tenant.into();
    claims
}

fn sign(claims: &Value, key: &TestKey) -> String {
    let token = TestToken::new("", "").raw_payload(claims.to_string());
    token.header("typ", "JWT").sign(key)
}

/// The token of this tenant, always with the same signature, so that it may be remembered.
fn of(tenant: &str) -> String {
    static SIGNED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut signed = SIGNED.lock().unwrap();
    let new = || sign(&claims(tenant), &key("any"));
    signed.entry(tenant.to_owned()).or_insert_with(new).clone()
}

fn rules() -> Validation {
    Validation::new(TEMPLATE, audience()).with_preset(Preset::Entra)
}

fn verifier_with(keys: impl KeySource, validation: Validation) -> Verifier<Value> {
    Verifier::new(keys, validation).unwrap().with_clock(TestClock::at(NOW))
}

fn verifier() -> Verifier<Value> {
    verifier_with(keys(), rules().with_tenants([A, PERSONAL]))
}

async fn verify(token: &str) -> Result<Verified<Value>, AuthError> {
    verifier().verify(token).await
}

async fn refusal(token: &str) -> (Reason, String) {
    let error = verify(token).await.unwrap_err();
    (error.reason(), error.detail().unwrap_or_default().to_owned())
}

/// Serves the documented metadata, and keys that tests replace.
struct Provider {
    address: String,
    metadata: Arc<Mutex<Value>>,
    keys: Arc<Mutex<Value>>,
}

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut metadata = documented()["metadata"].clone();
        metadata["jwks_uri"] = format!("{address}/keys").into();
        let [metadata, keys] = [metadata, jwks()].map(|value| Arc::new(Mutex::new(value)));
        let text = |value: &Arc<Mutex<Value>>| {
            let value = Arc::clone(value);
            on_get(move || async move { value.lock().unwrap().to_string() })
        };
        let app = Router::new().route(METADATA_PATH, text(&metadata)).route("/keys", text(&keys));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, metadata, keys }
    }

    fn metadata_url(&self) -> String {
        format!("{}{METADATA_PATH}", self.address)
    }

    fn fetch(&self) -> HttpFetch {
        HttpFetch::discover_at(TEMPLATE, &self.metadata_url()).unwrap()
    }
}

const METADATA_PATH: &str = "/common/v2.0/.well-known/openid-configuration";

#[tokio::test]
async fn tenants_are_accepted_with_the_keys_that_they_share_at_the_documented_metadata() {
    let provider = Provider::start().await;
    let verifier = verifier_with(RemoteKeys::new(provider.fetch()), rules().with_tenants([A, B]));
    let layer = BearerLayer::new(verifier).with_policy(scope("access_as_user"));
    let app = Router::new()
        .route("/", on_get(|who: tower_bearer::Principal| async move { who.issuer().to_owned() }))
        .layer(layer);

    for tenant in [A, B, A] {
        send(&app, get("/").bearer(of(tenant))).await.is_ok(&issuer_of(tenant));
    }
    let answer = send(&app, get("/").bearer(of("aaaaaaaa-3333-4222-8333-444444444444"))).await;
    assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::WrongIssuer)));
    assert!(answer.challenge().unwrap().starts_with(&invalid_token("")[..40]));
}

#[tokio::test]
async fn metadata_must_be_of_the_template_to_the_letter() {
    let provider = Provider::start().await;
    for other in [&issuer_of(A)[..], "https://login.microsoftonline.us/{tenantid}/v2.0"] {
        provider.metadata.lock().unwrap()["issuer"] = other.into();
        let verifier = verifier_with(RemoteKeys::new(provider.fetch()), rules().with_tenants([A]));

        let error = verifier.verify(&of(A)).await.unwrap_err();

        assert_eq!(error.reason(), Reason::KeysUnavailable, "{other}");
    }
}

#[tokio::test]
async fn token_of_a_listed_tenant_is_accepted() {
    let verified = verify(&of(A)).await.unwrap();

    assert_eq!(verified.principal().issuer(), issuer_of(A));
}

#[tokio::test]
async fn token_of_a_tenant_that_is_not_listed_is_refused_by_its_name() {
    let (reason, detail) = refusal(&of(B)).await;

    assert_eq!(reason, Reason::WrongIssuer);
    assert_eq!(detail, format!("the tenant \"{B}\" is not allowed"));
    // To the letter.
    assert_eq!(refusal(&of(&A.to_uppercase())).await.0, Reason::WrongIssuer);
}

#[tokio::test]
async fn issuer_of_another_tenant_than_tid_is_refused() {
    let mut claims = claims(A);
    claims["iss"] = issuer_of(PERSONAL).into();

    let (reason, detail) = refusal(&sign(&claims, &key("any"))).await;

    assert_eq!(reason, Reason::WrongIssuer);
    assert!(detail.contains("is not of the tenant"), "{detail}");
}

#[tokio::test]
async fn issuer_that_does_not_fit_the_template_is_refused() {
    for issuer in [
        format!("https://sts.windows.net/{A}/"),
        format!("https://login.microsoftonline.us/{A}/v2.0"),
        format!("{}/", issuer_of(A)),
        TEMPLATE.to_owned(),
        issuer_of(""),
    ] {
        let mut claims = claims(A);
        claims["iss"] = issuer.clone().into();

        // A key for every issuer, so that its own issuer does not decide.
        let (reason, detail) = refusal(&sign(&claims, &key("unnamed"))).await;

        assert_eq!(reason, Reason::WrongIssuer, "{issuer}");
        assert!(detail.contains("does not fit"), "{detail}");
    }
}

#[tokio::test]
async fn token_without_tid_is_refused_for_the_missing_claim() {
    let mut absent = claims(A);
    absent.as_object_mut().unwrap().remove("tid");
    let mut null = claims(A);
    null["tid"] = Value::Null;
    let mut nameless = claims(A);
    nameless.as_object_mut().unwrap().remove("iss");

    for claims in [absent, null] {
        let refused = refusal(&sign(&claims, &key("any"))).await;
        assert_eq!(refused, (Reason::MissingClaim, "no `tid`".to_owned()));
    }
    let refused = refusal(&sign(&nameless, &key("any"))).await;
    assert_eq!(refused, (Reason::MissingClaim, "no `iss`".to_owned()));
}

#[tokio::test]
async fn tid_that_is_no_plain_name_is_refused_whatever_the_function_says() {
    let all = verifier_with(keys(), rules().with_tenants_by(|_| true));
    for tid in [
        json!("a/b"),
        json!("{tenantid}"),
        json!(""),
        json!("a b"),
        json!("a\u{0}"),
        json!("\u{e4}"),
        json!("a".repeat(254)),
        json!(1),
        json!([A]),
        json!({ "a": A }),
    ] {
        let mut same = claims(A);
        same["tid"] = tid.clone();
        let mut put_in = same.clone();
        put_in["iss"] = issuer_of(tid.as_str().unwrap_or("1")).into();

        let error = all.verify(&sign(&same, &key("unnamed"))).await.unwrap_err();
        assert_eq!((error.reason(), error.claim()), (Reason::InvalidClaim, Some("tid")), "{tid}");
        let error = all.verify(&sign(&put_in, &key("unnamed"))).await.unwrap_err();
        let reasons = [Reason::WrongIssuer, Reason::InvalidClaim];
        assert!(reasons.contains(&error.reason()), "{tid}: {error:?}");
    }
    // Twice: both must not be read differently by two readers.
    let text = claims(A).to_string().replacen('{', &format!("{{\"tid\":\"{B}\","), 1);
    let twice = TestToken::new("", "").raw_payload(text).sign(&key("any"));
    assert_eq!(all.verify(&twice).await.unwrap_err().reason(), Reason::Malformed);
}

#[tokio::test]
async fn key_of_one_tenant_signs_for_this_tenant_only() {
    let personal = sign(&claims(PERSONAL), &key("personal"));
    let other = sign(&claims(A), &key("personal"));

    verify(&personal).await.unwrap();
    let (reason, detail) = refusal(&other).await;

    assert_eq!(reason, Reason::WrongIssuer);
    assert!(detail.contains("its key is for"), "{detail}");
    // The key of any tenant is for the tenant of personal accounts as well.
    verify(&of(PERSONAL)).await.unwrap();
}

#[tokio::test]
async fn key_of_another_cloud_signs_for_no_tenant_here() {
    assert_eq!(refusal(&sign(&claims(A), &key("other_cloud"))).await.0, Reason::WrongIssuer);
}

#[tokio::test]
async fn key_without_an_issuer_signs_for_every_tenant() {
    verify(&sign(&claims(A), &key("unnamed"))).await.unwrap();
}

#[tokio::test]
async fn key_that_verified_the_signature_counts_and_not_another_of_its_name() {
    let named = |mut jwk: Value, issuer: &str| {
        (jwk["kid"], jwk["issuer"]) = ("same".into(), issuer.into());
        jwk
    };
    let set = |keys: &[Value]| KeySet::from_jwks(json!({ "keys": keys }).to_string()).unwrap();
    let token = sign(&claims(A), &key("personal").with_key_id("same"));
    let rules = || rules().with_tenants([A]);
    let (right, wrong) = (issuer_of(A), issuer_of(PERSONAL));

    // Another key of the name is for the issuer.
    let others = set(&[named(jwk("any"), &right), named(jwk("personal"), &wrong)]);
    let error = verifier_with(others, rules()).verify(&token).await.unwrap_err();
    assert_eq!(error.reason(), Reason::WrongIssuer);
    // The same key stands there twice, for two issuers.
    let both = [named(jwk("personal"), &wrong), named(jwk("personal"), &right)];
    for keys in [[both[0].clone(), both[1].clone()], [both[1].clone(), both[0].clone()]] {
        verifier_with(set(&keys), rules()).verify(&token).await.unwrap();
    }
}

#[tokio::test]
async fn issuer_of_a_key_says_nothing_to_a_verifier_without_tenants() {
    let rules = Validation::new(issuer_of(A), audience());

    verifier_with(keys(), rules).verify(&sign(&claims(A), &key("personal"))).await.unwrap();
}

#[test]
fn issuer_of_a_key_is_a_string_and_any_other_value_that_of_no_issuer() {
    assert_eq!(keys().keys()[0].issuer(), Some(TEMPLATE));
    assert_eq!(keys().keys()[2].issuer(), None);
    for wrong in [json!(1), json!([TEMPLATE]), json!({})] {
        let mut jwk = jwk("any");
        jwk["issuer"] = wrong;
        // As RFC 7517 §4 asks for members that are not understood.
        let keys = KeySet::from_jwks(jwk.to_string()).unwrap();
        assert_eq!(keys.keys()[0].issuer(), Some(""));
        let verdict = verifier_with(keys, rules().with_tenants([A])).verify_now(&of(A)).unwrap();
        assert_eq!(verdict.unwrap_err().reason(), Reason::WrongIssuer);
    }
}

#[tokio::test]
async fn issuer_of_a_key_can_be_given_by_code() {
    let with_issuer = |issuer: &str| -> VerifyingKey {
        key("any").verifying_key().with_issuer(issuer).with_key_id("key-of-any-tenant")
    };
    let rules = || rules().with_tenants([A]);

    verifier_with(with_issuer(&issuer_of(A)), rules()).verify(&of(A)).await.unwrap();
    let error = verifier_with(with_issuer(&issuer_of(B)), rules()).verify(&of(A)).await;
    assert_eq!(error.unwrap_err().reason(), Reason::WrongIssuer);
}

#[tokio::test]
async fn remembered_token_is_refused_when_its_key_gets_another_issuer() {
    let provider = Provider::start().await;
    let remote = Arc::new(RemoteKeys::new(provider.fetch()));
    let verifier = verifier_with(Arc::clone(&remote), rules().with_tenants([A, B]));
    verifier.verify(&of(A)).await.unwrap();
    assert!(verifier.verify_now(&of(A)).unwrap().is_ok());

    provider.keys.lock().unwrap()["keys"][0]["issuer"] = issuer_of(B).into();
    // A token of a key that is not known has the set fetched again.
    let stranger = TestKey::generate(Algorithm::ES256).with_key_id("unknown");
    _ = verifier.verify(&sign(&claims(A), &stranger)).await;

    assert_eq!(verifier.verify(&of(A)).await.unwrap_err().reason(), Reason::WrongIssuer);
    verifier.verify(&of(B)).await.unwrap();
}

#[tokio::test]
async fn function_is_asked_about_new_tokens_and_not_about_remembered_ones() {
    let customers = Arc::new(Mutex::new(HashSet::from([A.to_owned()])));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let by = {
        let (customers, asked) = (Arc::clone(&customers), Arc::clone(&asked));
        move |tenant: &str| {
            asked.lock().unwrap().push(tenant.to_owned());
            customers.lock().unwrap().contains(tenant)
        }
    };
    let verifier = verifier_with(keys(), rules().with_tenants_by(by));

    verifier.verify(&of(A)).await.unwrap();
    verifier.verify(&of(A)).await.unwrap();
    assert_eq!(verifier.verify(&of(B)).await.unwrap_err().reason(), Reason::WrongIssuer);
    assert_eq!(*asked.lock().unwrap(), [A, B]);

    customers.lock().unwrap().insert(B.to_owned());
    verifier.verify(&of(B)).await.unwrap();
    // A stranger's signature is not worth a question.
    let stranger = TestKey::generate(Algorithm::ES256).with_key_id("key-of-any-tenant");
    verifier.verify(&sign(&claims(A), &stranger)).await.unwrap_err();
    assert_eq!(*asked.lock().unwrap(), [A, B, B]);
}

#[tokio::test]
async fn revocation_counts_for_its_tenant_and_for_no_other() {
    // The documented tokens have no `jti`.
    let view = MemoryRevocations::new().with_kinds([RevocationKind::Subject]).unwrap();
    let subject = "examplePairwiseSubject";
    let verifier = verifier_with(keys(), rules().with_tenants([A, B]));
    let verifier = verifier.with_revocations(view.clone());
    for tenant in [A, B] {
        verifier.verify(&of(tenant)).await.unwrap();
    }

    let now = tower_bearer::clock::Clock::now(&TestClock::at(NOW));
    view.revoke(Revocation::subject(&issuer_of(A), subject, now));

    // Remembered, and new.
    let new = |tenant| {
        let mut claims = claims(tenant);
        claims["uti"] = "another".into();
        sign(&claims, &key("any"))
    };
    for token in [of(A), new(A)] {
        assert_eq!(verifier.verify(&token).await.unwrap_err().reason(), Reason::Revoked);
    }
    for token in [of(B), new(B)] {
        verifier.verify(&token).await.unwrap();
    }
}

#[tokio::test]
async fn one_token_is_revoked_by_its_own_issuer() {
    let view = MemoryRevocations::new();
    let verifier = verifier_with(keys(), rules().with_tenants([A, B]));
    let verifier = verifier.with_revocations(view.clone());
    let with_id = |tenant| {
        let mut claims = claims(tenant);
        claims["jti"] = "same".into();
        sign(&claims, &key("any"))
    };
    let verified = verifier.verify(&with_id(A)).await.unwrap();

    view.revoke(Revocation::of(verified.principal()).unwrap());

    assert_eq!(verifier.verify(&with_id(A)).await.unwrap_err().reason(), Reason::Revoked);
    verifier.verify(&with_id(B)).await.unwrap();
}

#[tokio::test]
async fn template_stands_beside_other_issuers_and_an_exact_name_wins() {
    let issuers = Issuers::new();
    let other = TestKey::generate(Algorithm::ES256);
    issuers.add(keys(), rules().with_tenants([A, B])).unwrap();
    issuers.add(other.verifying_key(), Validation::new(issuer_of(B), audience())).unwrap();
    let verifier = Verifier::<Value>::multi_issuer(&issuers).with_clock(TestClock::at(NOW));

    for _ in 0..2 {
        verifier.verify(&of(A)).await.unwrap();
        verifier.verify(&sign(&claims(B), &other)).await.unwrap();
        let error = verifier.verify(&of(B)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidSignature);
    }
    let error = issuers.add(keys(), rules().with_tenants([A])).unwrap_err();
    assert!(matches!(error, ConfigError::RepeatedIssuer { .. }), "{error}");

    // The template takes the tenant over, also of a token that is remembered.
    let remembered = sign(&claims(B), &other);
    for _ in 0..2 {
        verifier.verify(&remembered).await.unwrap();
    }
    assert!(issuers.remove(&issuer_of(B)));
    verifier.verify(&of(B)).await.unwrap();
    assert!(verifier.verify(&remembered).await.is_err());
    // And the other way round.
    issuers.add(other.verifying_key(), Validation::new(issuer_of(B), audience())).unwrap();
    assert!(verifier.verify(&of(B)).await.is_err());
    assert!(issuers.remove(&issuer_of(B)));
    assert!(!issuers.remove(&issuer_of(A)));
    assert!(issuers.remove(TEMPLATE));
    assert_eq!(verifier.verify(&of(A)).await.unwrap_err().reason(), Reason::WrongIssuer);
    assert!(issuers.names().is_empty());
}

#[tokio::test]
async fn near_miss_of_a_template_is_reported_without_the_name_in_the_token() {
    let issuers = Issuers::new();
    issuers.add(keys(), rules().with_tenants([A])).unwrap();
    let several = Verifier::<Value>::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    let with_issuer = |issuer: String| {
        let mut claims = claims(A);
        claims["iss"] = issuer.into();
        sign(&claims, &key("unnamed"))
    };
    let slash = with_issuer(format!("{}/", issuer_of(A)));
    let other = with_issuer(format!("https://sts.windows.net/{A}/"));
    let one = verifier();

    for (token, verifier, reported) in
        [(&slash, &several, 1), (&slash, &one, 1), (&other, &several, 0), (&of(B), &several, 0)]
    {
        let (log, _guard) = Log::of_this_thread();
        let error = verifier.verify(token).await.unwrap_err();

        let warnings = log.about("a slash at the end");
        assert_eq!((error.reason(), warnings.len()), (Reason::WrongIssuer, reported));
        assert!(warnings.iter().all(|(_, text)| text.contains(TEMPLATE) && !text.contains(A)));
    }
}

#[tokio::test]
async fn tenant_that_is_taken_from_the_list_is_refused_when_the_issuer_is_added_again() {
    let issuers = Issuers::new();
    issuers.add(keys(), rules().with_tenants([A, B])).unwrap();
    let verifier = Verifier::<Value>::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    for tenant in [A, B] {
        verifier.verify(&of(tenant)).await.unwrap();
    }

    issuers.remove(TEMPLATE);
    issuers.add(keys(), rules().with_tenants([A])).unwrap();

    verifier.verify(&of(A)).await.unwrap();
    assert_eq!(verifier.verify(&of(B)).await.unwrap_err().reason(), Reason::WrongIssuer);
}

#[tokio::test]
async fn longest_template_that_fits_decides() {
    let issuers = Issuers::new();
    let (long, short) = (TestKey::generate(Algorithm::ES256), TestKey::generate(Algorithm::ES256));
    for (key, template) in [(&short, "https://{tenantid}.com"), (&long, "https://a.{tenantid}.com")]
    {
        let rules = Validation::new(template, "api").with_tenants_by(|_| true);
        issuers.add(key.verifying_key(), rules).unwrap();
    }
    let verifier = Verifier::<Value>::multi_issuer(&issuers);
    let token = |issuer: &str, tid: &str, key: &TestKey| {
        TestToken::new(issuer, "api").claim("tid", tid).sign(key)
    };

    for _ in 0..2 {
        verifier.verify(&token("https://a.b.com", "b", &long)).await.unwrap();
        verifier.verify(&token("https://b.com", "b", &short)).await.unwrap();
        assert!(verifier.verify(&token("https://a.b.com", "a.b", &short)).await.is_err());
    }
}

#[tokio::test]
async fn explanation_agrees_with_the_verdict_and_says_which_check_it_was() {
    let several = Issuers::new();
    several.add(keys(), rules().with_tenants([A, PERSONAL])).unwrap();
    let several = Verifier::<Value>::multi_issuer(&several).with_clock(TestClock::at(NOW));
    let mut no_tid = claims(A);
    no_tid.as_object_mut().unwrap().remove("tid");
    let mut other_tid = claims(A);
    other_tid["tid"] = PERSONAL.into();
    for (token, said) in [
        (of(A), None),
        (of(B), Some("is not allowed")),
        (sign(&no_tid, &key("any")), Some("no `tid`")),
        (sign(&other_tid, &key("any")), Some("is not of the tenant")),
        (sign(&claims(A), &key("personal")), Some("its key is for")),
    ] {
        for verifier in [&verifier(), &several] {
            let verdict = verifier.verify(&token).await.map(drop).map_err(|error| error.reason());
            let explanation = verifier.explain(&token).await;

            let failed = explanation.checks().iter().find_map(|check| check.outcome().error());
            assert_eq!(explanation.error().map(AuthError::reason), verdict.err());
            assert_eq!(failed.map(AuthError::reason), verdict.err());
            let detail = failed.and_then(AuthError::detail).unwrap_or_default();
            assert!(detail.contains(said.unwrap_or_default()), "{said:?}: {detail}");
            assert_eq!(explanation.change().is_some(), said.is_some());
        }
    }
}

#[tokio::test]
async fn change_of_an_explanation_makes_the_token_pass() {
    let mut no_tid = claims(A);
    no_tid.as_object_mut().unwrap().remove("tid");
    for claims in [claims(B), no_tid] {
        let explanation = verifier().explain(&sign(&claims, &key("any"))).await;
        let change = explanation.change().unwrap();

        let (_, mended) = change.apply("{}", &claims.to_string());

        let mended: Value = serde_json::from_str(&mended).unwrap();
        verify(&sign(&mended, &key("any"))).await.unwrap();
    }
    let passed = verifier().explain(&of(A)).await;
    assert!(passed.checks().iter().all(|check| matches!(check.outcome(), Outcome::Passed)));
}

#[test]
fn template_and_tenants_belong_together() {
    let problem = |validation: Validation| {
        Verifier::<Value>::new(keys(), validation).unwrap_err().to_string()
    };
    let of = |issuer: &str| Validation::new(issuer, "api");
    let none: [&str; 0] = [];
    for (validation, said) in [
        (of(TEMPLATE), "with_tenants"),
        (of("https://a/{tenant}"), "placeholder"),
        (of("https://a").with_tenants([A]), "write `{tenantid}`"),
        (of("https://a/{tenant}").with_tenants([A]), "placeholder"),
        (of("https://a/{tenantid}/{tenantid}").with_tenants([A]), "one placeholder"),
        (of("https://{a}/{tenantid}").with_tenants([A]), "one placeholder"),
        (of(TEMPLATE).with_tenants(none), "the list of tenants is empty"),
        (of(TEMPLATE).with_tenants([A, ""]), "not be empty"),
        (of(TEMPLATE).with_tenants([A, "a/b"]), "ASCII letters"),
        (of(TEMPLATE).with_tenants(["{tenantid}"]), "ASCII letters"),
        (of(TEMPLATE).with_tenants([A]).dangerous().accept_missing_issuer(), "accept_missing"),
    ] {
        let problem = problem(validation);
        assert!(problem.contains(said), "{said}: {problem}");
    }
}

#[test]
fn template_is_not_fetched_from() {
    let error = HttpFetch::discover(TEMPLATE).unwrap_err().to_string();
    assert!(error.contains("discover_at"), "{error}");
    assert!(RemoteKeys::discover(TEMPLATE).is_err());
    let metadata = "https://login.microsoftonline.com/common/.well-known/openid-configuration";
    assert!(RemoteKeys::discover_at(TEMPLATE, metadata).is_ok());
    assert!(RemoteKeys::discover_at("https://id.example.com", metadata).is_ok());
    for (issuer, metadata) in [
        ("http://login.example.com/{tenantid}", metadata),
        ("https://login.example.com/{tenantid}?a", metadata),
        ("https://login.example.com/{tenantid}/{tenantid}", metadata),
        (TEMPLATE, "http://login.example.com/metadata"),
        (TEMPLATE, TEMPLATE),
    ] {
        assert!(RemoteKeys::discover_at(issuer, metadata).is_err(), "{issuer} {metadata}");
    }
}
