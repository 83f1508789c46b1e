//! Tests providers without a preset against their documented tokens (`tests/fixtures/providers`).
//!
//! Each is set up as the guide says, and each has a twin that is refused.

use serde_json::{Value, json};
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::validation::{Preset, TrustPolicy};
use tower_bearer::{Algorithm, KeySet, Reason, Validation, Verified, Verifier};

use crate::support::key_for;

/// The middle of the hour in which the documented tokens are valid.
const NOW: u64 = 1_790_000_100;

struct Documented(Value);

impl Documented {
    fn setting(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap()
    }

    fn validation(&self) -> Validation {
        Validation::new(self.setting("issuer"), self.setting("audience"))
    }

    /// Signs the documented token, with one claim changed.
    fn token(&self, change: Option<(&str, Value)>, key: &TestKey) -> String {
        let mut token = self.0["access"].clone();
        token["header"]["alg"] = key.algorithm().as_str().into();
        token["header"]["kid"] = "k".into();
        if let Some((pointer, value)) = change {
            *token["claims"].pointer_mut(pointer).unwrap() = value;
        }
        TestToken::new("", "")
            .raw_header(token["header"].to_string())
            .raw_payload(token["claims"].to_string())
            .sign(key)
    }

    async fn verify(
        &self,
        validation: Validation,
        change: Option<(&str, Value)>,
    ) -> Result<Verified<Value>, Reason> {
        let key = key_for(Algorithm::HS256);
        let verifier = Verifier::<Value>::new(key.verifying_key(), validation).unwrap();
        let verifier = verifier.with_clock(TestClock::at(NOW));
        verifier.verify(&self.token(change, &key)).await.map_err(|error| error.reason())
    }
}

macro_rules! documented {
    ($name:literal) => {
        Documented(
            serde_json::from_str(include_str!(concat!(
                "../../fixtures/providers/",
                $name,
                ".json"
            )))
            .unwrap(),
        )
    };
}

#[tokio::test]
async fn clerk_has_no_audience_and_the_page_that_asked_is_checked() {
    let clerk = documented!("clerk");
    let parties: Vec<String> = serde_json::from_value(clerk.0["parties"].clone()).unwrap();
    let rules = || {
        Validation::for_parties(clerk.setting("issuer"), parties.clone()).with_roles_at(["/o/rol"])
    };

    let verified = clerk.verify(rules(), None).await.unwrap();

    assert_eq!(verified.principal().subject(), Some("user_example"));
    assert!(verified.principal().has_role("admin"));
    let other = Some(("/azp", json!("https://evil.example.com")));
    assert_eq!(clerk.verify(rules(), other).await.unwrap_err(), Reason::NotTrusted);
    let usual = Validation::new(clerk.setting("issuer"), "orders-api");
    assert_eq!(clerk.verify(usual, None).await.unwrap_err(), Reason::MissingClaim);
}

#[tokio::test]
async fn hydra_names_no_audience_unless_it_is_asked_for_and_the_client_stands_for_it() {
    let hydra = documented!("hydra");
    let rules = || hydra.validation().with_client_id_as_audience();

    let verified = hydra.verify(rules(), None).await.unwrap();

    assert!(verified.principal().has_scope("orders.read"));
    let other = Some(("/client_id", json!("another")));
    assert_eq!(hydra.verify(rules(), other).await.unwrap_err(), Reason::WrongAudience);
    assert_eq!(hydra.verify(hydra.validation(), None).await.unwrap_err(), Reason::WrongAudience);
}

#[tokio::test]
async fn zitadel_roles_are_names_of_members() {
    let zitadel = documented!("zitadel");
    let rules = zitadel.validation().with_role_keys_at("urn:zitadel:iam:org:project:roles");

    let verified = zitadel.verify(rules, None).await.unwrap();

    assert_eq!(verified.principal().grants().roles().collect::<Vec<_>>(), ["admin", "clerk"]);
    let without = zitadel.verify(zitadel.validation(), None).await.unwrap();
    assert_eq!(without.principal().grants().roles().count(), 0);
}

#[tokio::test]
async fn adfs_tokens_name_another_issuer_than_its_metadata() {
    let adfs = documented!("adfs");
    let metadata = &adfs.0["metadata"];
    assert_eq!(metadata["access_token_issuer"], adfs.0["issuer"]);

    let verified = adfs.verify(adfs.validation(), None).await.unwrap();

    assert!(verified.principal().has_scope("orders.read"));
    let of_metadata = Some(("/iss", metadata["issuer"].clone()));
    let refused = adfs.verify(adfs.validation(), of_metadata).await;
    assert_eq!(refused.unwrap_err(), Reason::WrongIssuer);
}

#[tokio::test]
async fn kubernetes_accounts_are_trusted_by_namespace_and_name() {
    let kubernetes = documented!("kubernetes");
    let cart = TrustPolicy::new("sub", "system:serviceaccount:shop:cart")
        .and("/kubernetes.io/namespace", "shop");
    let rules = || kubernetes.validation().with_trust_policies([cart.clone()]);

    kubernetes.verify(rules(), None).await.unwrap();

    for change in [
        ("/sub", json!("system:serviceaccount:shop:other")),
        ("/kubernetes.io/namespace", json!("other")),
    ] {
        let refused = kubernetes.verify(rules(), Some(change)).await;
        assert_eq!(refused.unwrap_err(), Reason::NotTrusted);
    }
    let other = Some(("/aud", json!(["https://kubernetes.default.svc"])));
    assert_eq!(kubernetes.verify(rules(), other).await.unwrap_err(), Reason::WrongAudience);
}

#[tokio::test]
async fn workflows_of_github_are_trusted_by_the_values_of_their_claims() {
    let github = documented!("github_actions");
    let production = TrustPolicy::new("repository_id", "74")
        .and("ref", "refs/heads/main")
        .and("environment", "production");
    let rules = || github.validation().with_trust_policies([production.clone()]);

    github.verify(rules(), None).await.unwrap();

    for change in [
        ("/repository_id", json!("75")),
        ("/ref", json!("refs/pull/1/merge")),
        ("/environment", json!("staging")),
    ] {
        let refused = github.verify(rules(), Some(change)).await;
        assert_eq!(refused.unwrap_err(), Reason::NotTrusted);
    }
}

#[tokio::test]
async fn jobs_of_gitlab_are_trusted_by_the_values_of_their_claims() {
    let gitlab = documented!("gitlab");
    let protected = TrustPolicy::new("project_id", "20").and("ref_protected", "true");
    let rules = || gitlab.validation().with_trust_policies([protected.clone()]);

    gitlab.verify(rules(), None).await.unwrap();

    for change in [("/project_id", json!("21")), ("/ref_protected", json!("false"))] {
        let refused = gitlab.verify(rules(), Some(change)).await;
        assert_eq!(refused.unwrap_err(), Reason::NotTrusted);
    }
}

#[tokio::test]
async fn spiffe_workload_is_verified_with_the_key_of_its_bundle() {
    let spiffe = documented!("spiffe");
    let key = key_for(Algorithm::ES256).with_key_id("k");
    let bundle = |usage: &str| {
        let mut jwk = key.to_jwk();
        jwk["use"] = usage.into();
        jwk.as_object_mut().unwrap().remove("alg");
        json!({ "keys": [jwk], "spiffe_sequence": 1, "spiffe_refresh_hint": 60 }).to_string()
    };
    let rules = || spiffe.validation().with_preset(Preset::Spiffe);
    let keys = KeySet::from_jwks(bundle(spiffe.setting("key_use"))).unwrap();
    let verifier = Verifier::<Value>::new(keys, rules()).unwrap().with_clock(TestClock::at(NOW));

    let verified = verifier.verify(&spiffe.token(None, &key)).await.unwrap();

    assert_eq!(verified.principal().issuer(), spiffe.setting("issuer"));
    let other = Some(("/sub", json!("spiffe://other.example.com/ns/shop/sa/cart")));
    let refused = verifier.verify(&spiffe.token(other, &key)).await;
    assert_eq!(refused.unwrap_err().reason(), Reason::WrongIssuer);
    // The keys of X.509-SVIDs are in the same bundle.
    assert!(KeySet::from_jwks(bundle("x509-svid")).is_err());
}
