//! An explanation agrees with the verdict, and its change makes the token pass.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tower_bearer::error::Remedy;
use tower_bearer::explain::{Change, ChangeSide, Explanation, Outcome, Step, UnverifiedToken};
use tower_bearer::keys::VerifyingKey;
use tower_bearer::policy::{Access, Policy, role, scope};
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::validation::{Preset, TrustPolicy};
use tower_bearer::{Algorithm, Issuers, KeySet, Reason, Validation, Verifier};

use crate::support::mutants::{KEY_ID, Mutant, Random};
use crate::support::{AUDIENCE, ISSUER, NOW, good, key, key_for, token, validation};

type Anything = Verifier<Value>;

/// Makes a policy, which an explanation consumes.
type MakePolicy = fn() -> Box<dyn Boxed>;

fn verifier_of(key: VerifyingKey, validation: Validation) -> Anything {
    Verifier::new(key, validation).unwrap().with_clock(TestClock::at(NOW))
}

fn verifier() -> Anything {
    verifier_of(key().verifying_key(), validation())
}

fn outcome_of(explanation: &Explanation, step: Step) -> &Outcome {
    explanation.checks().iter().find(|check| check.step() == step).unwrap().outcome()
}

/// Returns the reason of the first check that did not pass.
fn first_reason(explanation: &Explanation) -> Option<Reason> {
    explanation.checks().iter().find_map(|check| Some(check.outcome().error()?.reason()))
}

/// Makes the change of an explanation, until no other is left.
async fn mended(
    verifier: &Anything,
    policy: Option<MakePolicy>,
    token: String,
) -> Result<(), Reason> {
    let mut token = token;
    let mut last = None;
    for _ in 0..3 {
        let explanation = match policy {
            Some(policy) => policy().explain(verifier, &token).await,
            None => verifier.explain(&token).await,
        };
        let Some(change) = explanation.change() else { return Ok(()) };
        last = explanation.error().map(tower_bearer::AuthError::reason);
        let unverified = UnverifiedToken::parse(&token);
        let (header, claims) = change.apply(
            unverified.header().unwrap_or_default(),
            unverified.claims().unwrap_or_default(),
        );
        let header: Value = serde_json::from_str(&header).unwrap();
        let mut next = TestToken::new("", "").raw_payload(claims);
        for (name, value) in header.as_object().unwrap() {
            next = next.header(name, value.clone());
        }
        if header.get("typ").is_none() {
            next = next.without_header("typ");
        }
        token = next.sign(&key());
    }
    Err(last.unwrap())
}

/// A policy that can be chosen at run time.
trait Boxed {
    fn explain<'a>(
        self: Box<Self>,
        verifier: &'a Anything,
        token: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Explanation> + 'a>>;
}

impl<P: Policy> Boxed for P {
    fn explain<'a>(
        self: Box<Self>,
        verifier: &'a Anything,
        token: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Explanation> + 'a>> {
        Box::pin(verifier.explain_with_policy(token, *self))
    }
}

#[tokio::test]
async fn accepted_token_passes_every_check_and_needs_no_change() {
    let explanation = verifier().explain(&good()).await;

    assert!(explanation.is_accepted());
    assert!(explanation.change().is_none());
    assert!(explanation.checks().iter().all(|check| matches!(check.outcome(), Outcome::Passed)));
    let steps: Vec<_> = explanation.checks().iter().map(|check| check.step().as_str()).collect();
    assert_eq!(
        steps,
        [
            "size",
            "form",
            "header",
            "algorithm",
            "header_type",
            "key",
            "signature",
            "payload",
            "binding",
            "kind",
            "issuer",
            "audience",
            "expiry",
            "start",
            "age",
            "required_claims",
            "claims_type"
        ]
    );
}

#[tokio::test]
async fn checks_behind_the_first_failure_are_made_too() {
    let token = token()
        .claim("aud", "orders")
        .claim("exp", NOW - 180)
        .sign(&TestKey::generate(Algorithm::HS256));

    let explanation = verifier().explain(&token).await;

    assert_eq!(explanation.error().unwrap().reason(), Reason::InvalidSignature);
    for (step, reason) in [
        (Step::Signature, Reason::InvalidSignature),
        (Step::Audience, Reason::WrongAudience),
        (Step::Expiry, Reason::Expired),
    ] {
        assert_eq!(outcome_of(&explanation, step).error().unwrap().reason(), reason);
    }
    assert!(matches!(outcome_of(&explanation, Step::Issuer), Outcome::Passed));
    let sentence = explanation.change().unwrap().sentence();
    assert!(
        sentence
            .contains("The audience is `orders`, and this API expects `https://api.example.com`"),
        "{sentence}"
    );
}

#[tokio::test]
async fn explanation_agrees_with_the_verdict_about_random_tokens() {
    let keys = [Algorithm::HS256, Algorithm::ES256, Algorithm::RS256]
        .map(|algorithm| key_for(algorithm).with_key_id(KEY_ID));
    let set = || KeySet::from_iter(keys.iter().map(TestKey::verifying_key));
    let one = Anything::new(set(), validation()).unwrap().with_clock(TestClock::at(NOW));
    let issuers = Issuers::new();
    issuers.add(set(), validation()).unwrap();
    issuers.add(set(), Validation::new("https://other.example.com", AUDIENCE)).unwrap();
    let several = Anything::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    let mut random = Random(20);
    let mut refused = 0;

    for round in 0..4_000 {
        let algorithm = keys[round % keys.len()].algorithm();
        let Mutant { token, changes, .. } = Mutant::new(algorithm, &mut random);
        for verifier in [&one, &several] {
            let verdict = verifier.verify(&token).await;
            let explanation = verifier.explain(&token).await;

            let reason = verdict.err().map(|error| error.reason());
            assert_eq!(explanation.is_accepted(), reason.is_none(), "{changes:?}");
            assert_eq!(
                first_reason(&explanation),
                reason,
                "{changes:?} {:?}",
                explanation.checks()
            );
            assert_eq!(explanation.change().is_some(), reason.is_some(), "{changes:?}");
            refused += usize::from(reason.is_some());
        }
    }
    assert!(refused > 2_000, "{refused}");
}

/// Requires a sign-in that is at most five minutes old.
struct RecentSignIn;

impl Policy for RecentSignIn {
    fn allows(&self, access: &Access<'_>) -> bool {
        let claims = access.principal().claims::<Value>().unwrap();
        claims["auth_time"].as_u64().is_some_and(|at| at + 300 > NOW)
    }

    fn remedy(&self, _: &Access<'_>) -> Option<Remedy> {
        Some(Remedy::recent_authentication(Duration::from_secs(300)))
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn change_of_each_reason_makes_the_token_pass() {
    let revocations = MemoryRevocations::new();
    let moment = UNIX_EPOCH + Duration::from_secs(NOW - 120);
    revocations.revoke(Revocation::subject(ISSUER, "alice", moment));
    let with = |change: fn(Validation) -> Validation| {
        verifier_of(key().verifying_key(), change(validation()))
    };
    let workloads = || {
        let domain = Validation::new(DOMAIN, AUDIENCE).with_preset(Preset::Spiffe);
        verifier_of(key().verifying_key(), domain)
    };
    let named = || verifier_of(key().with_key_id("k1").verifying_key(), validation());
    let text = |claims: &str| token().raw_payload(claims.as_bytes()).sign(&key());
    let part = |at: usize| good().split('.').nth(at).unwrap().to_owned();
    let cases: Vec<(Reason, Anything, String)> = vec![
        (
            Reason::TokenTooLarge,
            verifier(),
            token().claim("groups", "g".repeat(20_000)).sign(&key()),
        ),
        (Reason::Malformed, verifier(), good() + "="),
        (Reason::Malformed, verifier(), text(&format!(r#"{{"iss":"{ISSUER}","a":1,"a":2}}"#))),
        (Reason::Malformed, verifier(), token().raw_header(r#"{"typ":"JWT"}"#).sign(&key())),
        (Reason::Encrypted, verifier(), format!("{}.a.b.c.d", part(0))),
        (Reason::UnsupportedAlgorithm, verifier(), token().header("alg", "none").sign(&key())),
        (Reason::AlgorithmNotAllowed, verifier(), token().header("alg", "HS512").sign(&key())),
        (
            Reason::AlgorithmNotAllowed,
            with(|one| one.with_algorithms([Algorithm::HS256])),
            token().header("alg", "ES256").sign(&key()),
        ),
        (Reason::CriticalHeader, verifier(), token().header("crit", json!(["exp"])).sign(&key())),
        (Reason::CriticalHeader, verifier(), token().header("b64", false).sign(&key())),
        (Reason::UnknownKey, named(), token().header("kid", "k2").sign(&key())),
        (Reason::InvalidSignature, verifier(), token().sign(&TestKey::generate(Algorithm::HS256))),
        (Reason::WrongTokenType, verifier(), token().header("typ", "logout+jwt").sign(&key())),
        (Reason::WrongTokenType, verifier(), token().header("cty", "JWT").sign(&key())),
        (
            Reason::WrongTokenType,
            with(Validation::with_at_jwt_only),
            token().header("typ", "JWT").sign(&key()),
        ),
        (
            Reason::WrongTokenType,
            with(Validation::with_at_jwt_only),
            token().without_header("typ").sign(&key()),
        ),
        (
            Reason::WrongTokenType,
            verifier(),
            token()
                .claim("nonce", "n")
                .claim("at_hash", "h")
                .claim("c_hash", "h")
                .claim("events", json!({}))
                .sign(&key()),
        ),
        (
            Reason::WrongTokenType,
            verifier(),
            token().claim("typ", "ID").claim("token_use", "id").sign(&key()),
        ),
        (Reason::WrongTokenType, with(|one| one.with_preset(Preset::Keycloak)), good()),
        (Reason::WrongTokenType, with(|one| one.with_preset(Preset::Cognito)), good()),
        (Reason::WrongTokenType, with(|one| one.with_preset(Preset::Entra)), good()),
        (Reason::BoundToken, verifier(), token().claim("cnf", json!({"jkt": "x"})).sign(&key())),
        (Reason::MissingClaim, verifier(), token().without("exp").sign(&key())),
        (Reason::MissingClaim, verifier(), token().without("iss").without("aud").sign(&key())),
        (
            Reason::MissingClaim,
            with(|one| one.with_max_age(Duration::from_secs(60))),
            token().without("iat").sign(&key()),
        ),
        (
            Reason::MissingClaim,
            with(|one| one.with_required_claims(["tenant", "jti"])),
            token().without("jti").sign(&key()),
        ),
        (
            Reason::MissingClaim,
            with(Validation::with_client_id_as_audience),
            token().without("aud").sign(&key()),
        ),
        (
            Reason::MissingClaim,
            verifier().with_revocations(MemoryRevocations::new()),
            token().without("jti").sign(&key()),
        ),
        (Reason::InvalidClaim, verifier(), token().claim("exp", "tomorrow").sign(&key())),
        (Reason::InvalidClaim, verifier(), token().claim("aud", 1).sign(&key())),
        (Reason::InvalidClaim, verifier(), token().claim("sub", json!({})).sign(&key())),
        (Reason::Expired, verifier(), token().claim("exp", NOW - 180).sign(&key())),
        (
            Reason::TooOld,
            with(|one| one.with_max_age(Duration::from_secs(60))),
            token().claim("iat", NOW - 300).sign(&key()),
        ),
        (
            Reason::NotYetValid,
            verifier(),
            token().claim("nbf", NOW + 300).claim("iat", NOW + 300).sign(&key()),
        ),
        (
            Reason::WrongIssuer,
            verifier(),
            token().claim("iss", "https://id.example.com/").sign(&key()),
        ),
        (
            Reason::WrongAudience,
            verifier(),
            token().claim("aud", json!(["orders", "stock"])).sign(&key()),
        ),
        (Reason::WrongAudience, verifier(), token().claim("aud", json!([])).sign(&key())),
        (
            Reason::WrongAudience,
            with(Validation::with_client_id_as_audience),
            token().without("aud").claim("client_id", "web").sign(&key()),
        ),
        (
            Reason::NotTrusted,
            with(|one| one.with_allowed_parties(["web"])),
            token().claim("azp", "other").sign(&key()),
        ),
        (
            Reason::NotTrusted,
            with(|one| {
                let main = TrustPolicy::new("project", "20").and("ref", "main").and("sub", "job");
                one.with_trust_policies([main, TrustPolicy::new("project", "21")])
            }),
            token().claim("project", "20").sign(&key()),
        ),
        (Reason::MissingClaim, with(|one| one.with_allowed_parties(["web"])), good()),
        (
            Reason::WrongAudience,
            verifier_of(key().verifying_key(), Validation::for_parties(ISSUER, ["web"])),
            token().claim("azp", "web").sign(&key()),
        ),
        (
            Reason::WrongIssuer,
            workloads(),
            token().claim("iss", DOMAIN).claim("sub", "spiffe://other.example/a").sign(&key()),
        ),
        (
            Reason::InvalidClaim,
            workloads(),
            token().claim("iss", DOMAIN).claim("sub", "spiffe://shop.example//").sign(&key()),
        ),
        (
            Reason::Revoked,
            verifier().with_revocations(revocations.clone()),
            token().claim("iat", NOW - 180).sign(&key()),
        ),
    ];
    let mut seen: Vec<Reason> = Vec::new();

    for (reason, verifier, token) in cases {
        let explanation = verifier.explain(&token).await;
        assert_eq!(explanation.error().map(|error| error.reason()), Some(reason), "{token}");
        assert_eq!(first_reason(&explanation), Some(reason), "{explanation:?}");
        assert_eq!(
            mended(&verifier, None, token).await,
            Ok(()),
            "{reason}: {:?}",
            explanation.checks()
        );
        seen.push(reason);
    }

    let policies: [(Reason, MakePolicy); 4] = [
        (Reason::InsufficientScope, || Box::new(scope("orders:read orders:write"))),
        (Reason::Forbidden, || Box::new(role("admin").and(role("staff")))),
        (Reason::Forbidden, || Box::new(role("admin").or(role("staff")).and(scope("a")))),
        (Reason::InsufficientAuthentication, || Box::new(RecentSignIn)),
    ];
    for (reason, policy) in policies {
        let verifier = verifier();
        let token = token().claim("scope", "orders:read").sign(&key());
        let explanation = policy().explain(&verifier, &token).await;
        assert_eq!(explanation.error().map(|error| error.reason()), Some(reason));
        assert_eq!(mended(&verifier, Some(policy), token).await, Ok(()), "{reason}");
        seen.push(reason);
    }

    // No change of a token helps with the others.
    for reason in Reason::ALL {
        let change = Change::of_reason(*reason);
        let is_of_the_token = seen.contains(reason);
        assert!(change.sentence().ends_with('.') && change.sentence().len() > 30, "{reason}");
        let expected = match change.side() {
            ChangeSide::Request | ChangeSide::Server => false,
            // No edit encrypts a token, or binds one to the key of the client.
            _ => !matches!(
                reason,
                Reason::ClaimsMismatch
                    | Reason::NotEncrypted
                    | Reason::UnboundToken
                    | Reason::DowngradedToken
            ),
        };
        assert_eq!(is_of_the_token, expected, "{reason}");
    }
}

const DOMAIN: &str = "spiffe://shop.example";

#[tokio::test]
async fn claims_that_do_not_fit_are_a_check_of_their_own() {
    #[derive(Debug, serde::Deserialize)]
    struct Strict {
        #[expect(dead_code, reason = "is read")]
        email: String,
    }
    let verifier = Verifier::<Strict>::new(key().verifying_key(), validation()).unwrap();
    let verifier = verifier.with_clock(TestClock::at(NOW));

    let explanation = verifier.explain(&good()).await;

    assert_eq!(first_reason(&explanation), Some(Reason::ClaimsMismatch));
    assert!(outcome_of(&explanation, Step::ClaimsType).error().is_some());
    assert!(!explanation.change().unwrap().is_applicable());
    let fitting = token().claim("email", "a@example.com").sign(&key());
    assert!(verifier.explain(&fitting).await.is_accepted());
}

#[tokio::test]
async fn serialised_explanation_says_all_of_it_and_debug_says_no_claim() {
    let token = token().claim("aud", "secret-audience").sign(&key());

    let explanation = verifier().explain(&token).await;

    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["verdict"], "refused");
    assert_eq!(json["reason"], "wrong_audience");
    assert_eq!(json["status"], 401);
    assert_eq!(json["change"]["side"], "token");
    assert_eq!(json["change"]["edits"], json!([{"set_claim": {"name": "aud", "value": AUDIENCE}}]));
    let audience =
        json["checks"].as_array().unwrap().iter().find(|check| check["name"] == "audience");
    assert_eq!(audience.unwrap()["outcome"], "failed");
    assert!(!format!("{explanation:?} {:?}", explanation.change()).contains("secret-audience"));
    assert!(!format!("{:?}", UnverifiedToken::parse(&token)).contains("secret-audience"));
}

#[test]
fn unverified_token_is_read_as_far_as_it_can_be() {
    let validation = || Validation::new("https://elsewhere", "x").with_preset(Preset::Keycloak);
    let token = token()
        .claim("realm_access", json!({"roles": ["admin"]}))
        .claim("scope", "a b")
        .sign(&key());

    let unverified = UnverifiedToken::parse(&token);
    assert!(unverified.claims().unwrap().contains("alice"));
    assert!(!unverified.is_encrypted());
    let (roles, scopes) = unverified.grants(validation()).unwrap();
    assert_eq!((roles, scopes), (vec!["admin".to_owned()], vec!["a".to_owned(), "b".to_owned()]));

    assert!(UnverifiedToken::parse("a.b.c.d.e").is_encrypted());
    for broken in ["", ".", "..", "a", "é.é.é", "....", "a.b.c.d.e.f.g"] {
        let unverified = UnverifiedToken::parse(broken);
        assert_eq!(unverified.claims(), None, "{broken}");
        assert_eq!(unverified.grants(validation()).unwrap(), (vec![], vec![]), "{broken}");
    }
}

#[tokio::test]
async fn good_signature_of_a_payload_that_is_no_json_is_a_good_signature() {
    for payload in [&b"\xff"[..], b"[]", b"no JSON"] {
        let token = token().raw_payload(payload).sign(&key());

        let explanation = verifier().explain(&token).await;

        assert!(matches!(outcome_of(&explanation, Step::Signature), Outcome::Passed));
        assert_eq!(first_reason(&explanation), Some(Reason::Malformed), "{payload:?}");
    }
}

#[tokio::test]
async fn policy_is_a_step_where_there_is_one_and_once() {
    let count = |explanation: &Explanation| {
        explanation.checks().iter().filter(|check| check.step() == Step::Policy).count()
    };
    let expired = token().claim("exp", 1).sign(&key());
    let verifier = verifier();

    assert_eq!(count(&verifier.explain(&good()).await), 0);
    assert_eq!(count(&verifier.explain(&expired).await), 0);
    let explanation = verifier.explain_with_policy(&good(), scope("orders:read")).await;
    assert_eq!((count(&explanation), explanation.is_accepted()), (1, false));
    let explanation = verifier.explain_with_policy(&expired, scope("orders:read")).await;
    assert_eq!(count(&explanation), 1);
    assert!(matches!(outcome_of(&explanation, Step::Policy), Outcome::Skipped));
}

#[tokio::test]
async fn size_is_good_up_to_the_limit() {
    let token = good();
    for (limit, is_good) in [(token.len(), true), (token.len() - 1, false)] {
        let explanation = verifier().with_max_token_bytes(limit).explain(&token).await;

        assert_eq!(explanation.is_accepted(), is_good);
        assert_eq!(matches!(outcome_of(&explanation, Step::Size), Outcome::Passed), is_good);
    }
}

#[tokio::test]
async fn issuer_is_one_step_for_one_issuer_and_for_several() {
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), validation()).unwrap();
    let several = Anything::multi_issuer(&issuers).with_clock(TestClock::at(NOW));

    for verifier in [verifier(), several] {
        let explanation = verifier.explain(&good()).await;
        let steps = explanation.checks().iter().filter(|check| check.step() == Step::Issuer);
        assert_eq!((steps.count(), explanation.is_accepted()), (1, true));
    }
}

/// Returns the claims of a token that its explanation would change: those to remove, and those to set.
async fn changed_claims(verifier: Anything, token: TestToken) -> (Vec<String>, Value) {
    let explanation = verifier.explain(&token.sign(&key())).await;
    assert_eq!(explanation.error().unwrap().reason(), Reason::WrongTokenType);
    let change = serde_json::to_value(explanation.change().unwrap()).unwrap();
    let (mut removed, mut set) = (Vec::new(), serde_json::Map::new());
    for edit in change["edits"].as_array().unwrap() {
        if let Some(name) = edit["remove_claim"].as_str() {
            removed.push(name.to_owned());
        }
        if let Some(claim) = edit.get("set_claim") {
            set.insert(claim["name"].as_str().unwrap().to_owned(), claim["value"].clone());
        }
    }
    (removed, Value::Object(set))
}

#[tokio::test]
async fn claims_that_are_right_for_an_access_token_are_left_alone() {
    let with = |preset| verifier_of(key().verifying_key(), validation().with_preset(preset));

    let id_token = token().claim("at_hash", "x").claim("token_use", "access");
    let changed = changed_claims(verifier(), id_token).await;
    assert_eq!(changed, (vec!["at_hash".to_owned()], json!({})));

    let keycloak = token().claim("nonce", "n").claim("typ", "ID");
    let changed = changed_claims(with(Preset::Keycloak), keycloak).await;
    assert_eq!(changed, (vec![], json!({ "typ": "Bearer" })));

    let keycloak = token().claim("at_hash", "x").claim("typ", "Bearer");
    let changed = changed_claims(with(Preset::Keycloak), keycloak).await;
    assert_eq!(changed, (vec!["at_hash".to_owned()], json!({})));
}

#[tokio::test]
async fn header_type_is_the_verifiers_matter_only_where_it_wants_one_type() {
    let strict = || verifier_of(key().verifying_key(), validation().with_at_jwt_only());
    let side = async |verifier: Anything, token: TestToken| {
        let explanation = verifier.explain(&token.sign(&key())).await;
        assert_eq!(explanation.error().unwrap().reason(), Reason::WrongTokenType);
        let change = explanation.change().unwrap();
        (change.side(), change.sentence().contains("at+jwt"))
    };

    assert_eq!(side(strict(), token().header("typ", "JWT")).await, (ChangeSide::Verifier, true));
    let nested = token().header("typ", "JWT").header("cty", "JWT");
    assert_ne!(side(verifier(), nested).await.0, ChangeSide::Verifier);
}

#[tokio::test]
async fn client_is_the_audience_where_the_provider_writes_none() {
    let cognito = validation().with_preset(Preset::Cognito);
    let verifier = verifier_of(key().verifying_key(), cognito);
    let token = token().without("aud").claim("token_use", "access").claim("client_id", "other");

    let explanation = verifier.explain(&token.sign(&key())).await;

    assert_eq!(explanation.error().unwrap().reason(), Reason::WrongAudience);
    let change = serde_json::to_value(explanation.change().unwrap()).unwrap();
    assert_eq!(change["edits"], json!([{"set_claim": {"name": "client_id", "value": AUDIENCE}}]));
}
