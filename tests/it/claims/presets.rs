//! Tests the presets against the providers' documented tokens (`tests/fixtures/providers`).

use serde_json::{Map, Value};
use tower_bearer::claims::PrincipalKind;
use tower_bearer::test_util::{TestClock, TestKey};
use tower_bearer::validation::Preset;
use tower_bearer::{Algorithm, Reason, Validation, Verified, Verifier};

use crate::support::key_for;

/// The middle of the hour in which the documented tokens are valid.
const NOW: u64 = 1_790_000_100;

struct Provider {
    preset: Preset,
    documented: Value,
}

impl Provider {
    fn all() -> Vec<Self> {
        [
            (Preset::Keycloak, include_str!("../../fixtures/providers/keycloak.json")),
            (Preset::Auth0, include_str!("../../fixtures/providers/auth0.json")),
            (Preset::Entra, include_str!("../../fixtures/providers/entra.json")),
            (Preset::Okta, include_str!("../../fixtures/providers/okta.json")),
            (Preset::Cognito, include_str!("../../fixtures/providers/cognito.json")),
        ]
        .map(|(preset, text)| Self { preset, documented: serde_json::from_str(text).unwrap() })
        .into()
    }

    /// The names of the tokens whose name starts so.
    fn tokens(&self, start: &str) -> Vec<&str> {
        let names = self.documented.as_object().unwrap().iter();
        names
            .filter(|(name, value)| name.starts_with(start) && value.get("claims").is_some())
            .map(|(name, _)| name.as_str())
            .collect()
    }

    fn claims(&self, name: &str) -> Map<String, Value> {
        self.documented[name]["claims"].as_object().unwrap().clone()
    }

    fn setting(&self, name: &str, token: &str) -> String {
        let suffix = ["v1", "resource_binding"].into_iter().find(|suffix| token.ends_with(suffix));
        let special = suffix.map(|suffix| &self.documented[format!("{name}_{suffix}")]);
        let value = special.filter(|value| value.is_string()).unwrap_or(&self.documented[name]);
        value.as_str().unwrap().to_owned()
    }

    fn validation(&self, token: &str) -> Validation {
        Validation::new(self.setting("issuer", token), self.setting("audience", token))
    }

    fn sign(&self, token: &str, claims: &Map<String, Value>, key: &TestKey) -> String {
        let mut header = self.documented[token]["header"].clone();
        header["alg"] = key.algorithm().as_str().into();
        header["kid"] = "k".into();
        tower_bearer::test_util::TestToken::new("", "")
            .raw_header(header.to_string())
            .raw_payload(Value::Object(claims.clone()).to_string())
            .sign(key)
    }

    async fn verify(
        &self,
        validation: Validation,
        token: &str,
        claims: &Map<String, Value>,
    ) -> Result<Verified<Value>, Reason> {
        let key = key_for(Algorithm::HS256);
        let verifier = Verifier::<Value>::new(key.verifying_key(), validation).unwrap();
        let verifier = verifier.with_clock(TestClock::at(NOW));
        let signed = self.sign(token, claims, &key);
        verifier.verify(&signed).await.map_err(|error| error.reason())
    }

    async fn with_preset(&self, token: &str) -> Result<Verified<Value>, Reason> {
        let validation = self.validation(token).with_preset(self.preset);
        self.verify(validation, token, &self.claims(token)).await
    }
}

fn list(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

#[tokio::test]
async fn documented_access_tokens_are_accepted_with_their_roles_and_scopes() {
    for provider in Provider::all() {
        let names = [provider.tokens("access"), provider.tokens("client_credentials")].concat();
        assert!(names.len() >= 2);
        for name in names.iter().filter(|name| !name.ends_with("dpop")) {
            let verified = provider.with_preset(name).await;
            let verified =
                verified.unwrap_or_else(|reason| panic!("{} {name}: {reason}", provider.preset));
            let grants = verified.principal().grants();
            let expected = match (&provider.documented[format!("expect_{name}")], *name) {
                (Value::Null, "access") => &provider.documented["expect"],
                (expected, _) => expected,
            };
            let has_own_place = provider.preset == Preset::Okta && *name == "access_groups";
            if !expected.is_null() && !has_own_place {
                let (roles, scopes) =
                    (grants.roles().collect::<Vec<_>>(), grants.scopes().collect::<Vec<_>>());
                assert_eq!(roles, list(&expected["roles"]), "{} {name}", provider.preset);
                assert_eq!(scopes, list(&expected["scopes"]), "{} {name}", provider.preset);
            }
        }
    }
}

#[tokio::test]
async fn documented_id_tokens_are_refused_even_if_they_were_for_this_audience() {
    for provider in Provider::all() {
        for name in provider.tokens("id") {
            let validation = || provider.validation(name).with_preset(provider.preset);
            let documented = provider.claims(name);
            let mut for_us = documented.clone();
            for_us.insert("aud".into(), provider.setting("audience", name).into());
            // A marker that a provider may leave out some day must not be needed to refuse.
            let mut without_marks = for_us.clone();
            without_marks.retain(|name, _| !["nonce", "at_hash", "c_hash"].contains(&&**name));

            for claims in [documented, for_us, without_marks] {
                let refused = provider.verify(validation(), name, &claims).await;
                assert_eq!(
                    refused.err(),
                    Some(Reason::WrongTokenType),
                    "{} {name}",
                    provider.preset
                );
            }
        }
    }
}

#[tokio::test]
async fn documented_id_tokens_are_refused_without_a_preset_too() {
    for provider in Provider::all() {
        let refused =
            provider.verify(provider.validation("id"), "id", &provider.claims("id")).await;
        assert_eq!(refused.err(), Some(Reason::WrongTokenType), "{}", provider.preset);
    }
}

#[tokio::test]
async fn documented_bound_tokens_are_no_bearer_tokens() {
    for provider in Provider::all() {
        for name in provider.tokens("access_dpop") {
            let validation = provider.validation(name).with_preset(provider.preset);
            let accepting = validation.dangerous().accept_bound_tokens();

            assert_eq!(provider.with_preset(name).await.err(), Some(Reason::BoundToken));
            assert!(provider.verify(accepting, name, &provider.claims(name)).await.is_ok());
        }
    }
}

#[tokio::test]
async fn clients_of_their_own_are_told_apart_where_the_provider_says_so() {
    for (preset, expected) in [
        (Preset::Auth0, PrincipalKind::Client),
        (Preset::Okta, PrincipalKind::Client),
        (Preset::Cognito, PrincipalKind::Client),
        // A service account has a subject of its own, and no standard claim to know it by.
        (Preset::Keycloak, PrincipalKind::User),
    ] {
        let provider = Provider::all().into_iter().find(|one| one.preset == preset).unwrap();
        let client = provider.with_preset("client_credentials").await.unwrap();
        let user = provider.with_preset("access").await.unwrap();

        assert_eq!(client.principal().kind(), expected, "{preset}");
        assert_eq!(user.principal().kind(), PrincipalKind::User, "{preset}");
    }
}

#[tokio::test]
async fn entra_says_app_in_idtyp() {
    let provider = Provider::all().into_iter().find(|one| one.preset == Preset::Entra).unwrap();
    let validation = || provider.validation("client_credentials").with_preset(Preset::Entra);
    let mut claims = provider.claims("client_credentials");
    claims.insert("idtyp".into(), "app".into());

    let verified = provider.verify(validation(), "client_credentials", &claims).await.unwrap();

    assert_eq!(verified.principal().kind(), PrincipalKind::Client);
    assert!(verified.principal().registered().client_id().is_some());
}

#[tokio::test]
async fn keycloak_roles_are_those_of_the_realm_and_of_the_audience_and_of_no_other_client() {
    let provider = Provider::all().into_iter().find(|one| one.preset == Preset::Keycloak).unwrap();

    let verified = provider.with_preset("access").await.unwrap();

    assert!(provider.claims("access")["resource_access"]["account"]["roles"].is_array());
    assert!(!verified.principal().has_role("manage-account"));
}

#[tokio::test]
async fn places_that_are_set_replace_the_presets_in_any_order() {
    let provider = Provider::all().into_iter().find(|one| one.preset == Preset::Okta).unwrap();
    let name = "access_groups";
    for validation in [
        provider.validation(name).with_preset(Preset::Okta).with_roles_at(["groups"]),
        provider.validation(name).with_roles_at(["groups"]).with_preset(Preset::Okta),
    ] {
        let verified = provider.verify(validation, name, &provider.claims(name)).await.unwrap();
        assert!(verified.principal().has_role("IT"));
    }
}

#[tokio::test]
async fn auth0_permissions_count_only_where_they_are_named() {
    let provider = Provider::all().into_iter().find(|one| one.preset == Preset::Auth0).unwrap();
    let name = "access_permissions";
    let named =
        provider.validation(name).with_preset(Preset::Auth0).with_scopes_at(["permissions"]);

    let usual = provider.with_preset(name).await.unwrap();
    let named = provider.verify(named, name, &provider.claims(name)).await.unwrap();

    assert!(!usual.principal().has_scope("read:stuff"));
    assert!(named.principal().has_scope("read:stuff"));
}

#[test]
fn presets_are_found_by_name() {
    for preset in Preset::ALL {
        assert_eq!(preset.as_str().parse(), Ok(preset));
        assert_eq!(preset.as_str().to_uppercase().parse(), Ok(preset));
    }
    assert!("okto".parse::<Preset>().unwrap_err().to_string().contains("okta"));
}
