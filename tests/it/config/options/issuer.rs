use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::Reason;
use tower_bearer::clock::Clock as _;
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::validation::Preset;

use super::{ask, ask_for, ask_with, config, is_refused, is_unverified, mistake, set, token};
use crate::keys::short_secrets::{SHORT, signer};
use crate::net::inner_networks::Documents;
use crate::support::{AUDIENCE, Answer, ISSUER, NOW, PLAIN, challenge, key_for};
use tower_bearer::Algorithm::{ES256, ES384, HS256};
use tower_bearer::test_util::{TestClock, TestToken};

/// The usual configuration with one option of its issuer set to this.
fn with(option: &str, value: Value) -> Value {
    set(config(), "/issuers/0", option, value)
}

fn sign(token: TestToken) -> String {
    token.sign(&key_for(ES256))
}

#[tokio::test]
pub async fn issuer_is_whose_tokens_are_accepted() {
    let other = "https://other.example.com";
    let theirs = sign(token().claim("iss", other));

    is_unverified(&ask(&config(), &theirs).await, Reason::WrongIssuer);
    let renamed = with("issuer", json!(other));
    ask(&renamed, &theirs).await.is_ok("alice");
    is_unverified(&ask(&renamed, &sign(token())).await, Reason::WrongIssuer);
    let mut both = config();
    both["issuers"].as_array_mut().unwrap().extend([renamed["issuers"][0].clone()]);
    for token in [sign(token()), theirs] {
        ask(&both, &token).await.is_ok("alice");
    }
}

#[tokio::test]
pub async fn audiences_are_those_that_tokens_must_name() {
    let config = with("audiences", json!(["first", "second", "third"]));

    for audience in ["first", "second", "third"] {
        ask(&config, &sign(token().claim("aud", audience))).await.is_ok("alice");
    }
    is_refused(&ask(&config, &sign(token())).await, Reason::WrongAudience);
}

#[tokio::test]
pub async fn tenants_are_those_whose_tokens_are_accepted() {
    let template = "https://login.example.com/{tenantid}/v2.0";
    let tenants =
        |names: Value| set(with("issuer", json!(template)), "/issuers/0", "tenants", names);
    let of = |tenant: &str| {
        sign(token().claim("iss", template.replace("{tenantid}", tenant)).claim("tid", tenant))
    };

    for tenant in ["first", "second"] {
        ask(&tenants(json!(["first", "second"])), &of(tenant)).await.is_ok("alice");
    }
    is_refused(&ask(&tenants(json!(["second"])), &of("first")).await, Reason::WrongIssuer);
    for (config, place, problem) in [
        (with("issuer", json!(template)), "issuer", "`tenants`"),
        (with("tenants", json!(["first"])), "issuer", "write `{tenantid}`"),
        (tenants(json!([])), "tenants", "list of tenants is empty"),
        (tenants(json!(["first", "a/b"])), "tenants", "ASCII letters"),
    ] {
        let error = mistake(&config);
        assert!(error.starts_with(&format!("issuers[0].{place}: ")), "{error}");
        assert!(error.contains(problem), "{error}");
    }
    let printed = super::read(&tenants(json!(["first"]))).effective().unwrap().to_toml();
    assert!(printed.contains("tenants = [\"first\"]"), "{printed}");
}

#[tokio::test]
pub async fn metadata_of_several_tenants_is_at_its_own_address() {
    let template = "https://login.example.com/{tenantid}/v2.0";
    let documents = Documents::start().await;
    let origin = format!("http://{}", documents.address);
    documents.set(template, &format!("{origin}/jwks"));
    let with = |keys: Value| {
        let issuer = json!({
            "issuer": template, "audiences": [AUDIENCE], "tenants": ["first"], "keys": keys,
        });
        json!({ "issuers": [issuer] })
    };
    let own = token().claim("iss", template.replace("{tenantid}", "first")).claim("tid", "first");

    let metadata_url = format!("{origin}/inner/openid-configuration");
    let config = with(json!({ "metadata_url": metadata_url }));

    ask(&config, &sign(own)).await.is_ok("alice");

    assert_eq!(documents.paths(), ["/inner/openid-configuration", "/jwks"]);
    let error = mistake(&with(json!({ "discover": true })));
    assert!(error.starts_with("issuers[0].issuer: ") && error.contains("metadata_url"), "{error}");
}

#[tokio::test]
pub async fn preset_is_that_of_the_provider() {
    for preset in Preset::ALL {
        if preset == Preset::Spiffe {
            let domain = "spiffe://shop.example.com";
            let svid =
                |claim: &str| sign(token().without("iss").claim(claim, format!("{domain}/cart")));
            let workloads =
                set(with("issuer", json!(domain)), "/issuers/0", "preset", json!("spiffe"));
            assert_eq!(ask(&workloads, &svid("sub")).await.status, 200);
            is_unverified(&ask(&config(), &svid("sub")).await, Reason::MissingClaim);
            continue;
        }
        if preset == Preset::Fapi2 {
            let fapi2 = with("preset", json!("fapi2"));
            let access = || token().header("typ", "at+jwt");
            is_refused(&ask(&fapi2, &sign(access())).await, Reason::UnboundToken);
            ask(&self::config(), &sign(access())).await.is_ok("alice");
            continue;
        }
        let config = with("preset", json!(preset.as_str()));
        // A claim that only access tokens of this provider have.
        let marked = match preset {
            Preset::Keycloak => token().claim("typ", "Bearer"),
            Preset::Auth0 => token().claim("client_id", "shop"),
            Preset::Entra => token().claim("appid", "shop"),
            Preset::Okta => token().claim("cid", "shop"),
            Preset::Cognito => token().claim("token_use", "access"),
            other => unimplemented!("{other} needs a token here"),
        };

        ask(&config, &sign(marked)).await.is_ok("alice");
        is_refused(&ask(&config, &sign(token())).await, Reason::WrongTokenType);
    }
    ask(&config(), &sign(token())).await.is_ok("alice");
}

#[tokio::test]
pub async fn token_type_is_the_only_one() {
    let strict = with("token_type", json!("at+jwt"));
    let typed =
        |typ: &str| sign(token().claim("client_id", "shop").claim("jti", "1").header("typ", typ));

    ask(&strict, &typed("at+jwt")).await.is_ok("alice");
    is_unverified(&ask(&strict, &typed("JWT")).await, Reason::WrongTokenType);
    ask(&config(), &typed("JWT")).await.is_ok("alice");
}

#[tokio::test]
pub async fn algorithms_are_the_only_ones() {
    let keys = json!({ "keys": [key_for(ES256).to_jwk(), key_for(ES384).to_jwk()] });
    let two_keys = with("keys", json!({ "jwks": keys }));
    let narrow = set(two_keys.clone(), "/issuers/0", "algorithms", json!(["ES384"]));
    let (usual, other) = (sign(token()), token().sign(&key_for(ES384)));

    ask(&two_keys, &usual).await.is_ok("alice");
    ask(&two_keys, &other).await.is_ok("alice");
    ask(&narrow, &other).await.is_ok("alice");
    is_unverified(&ask(&narrow, &usual).await, Reason::AlgorithmNotAllowed);
}

#[tokio::test]
pub async fn leeway_is_how_long_expired_tokens_are_accepted() {
    let expired = |ago: u64| sign(token().claim("exp", NOW - ago));
    for (config, leeway) in [(config(), 60), (with("leeway", json!("10s")), 10)] {
        ask(&config, &expired(leeway - 1)).await.is_ok("alice");
        is_refused(&ask(&config, &expired(leeway)).await, Reason::Expired);
    }
}

#[tokio::test]
pub async fn revocation_leeway_is_how_far_a_revocation_reaches() {
    let view = view();
    view.revoke(Revocation::subject(ISSUER, "alice", TestClock::at(NOW - 1000).now()));
    let made = |after: u64| sign(token().at(NOW - 1000 + after).claim("exp", NOW + 100));
    let ten = with("revocation_leeway", json!("10s"));
    // The revocation leeway counts, and not the leeway.
    let both = set(ten.clone(), "/issuers/0", "leeway", json!("100s"));

    for (config, leeway) in [(config(), 60), (ten, 10), (both, 10)] {
        is_refused(&ask_with(&config, &view, &made(leeway)).await, Reason::Revoked);
        ask_with(&config, &view, &made(leeway + 6)).await.is_ok("alice");
    }
}

#[tokio::test]
pub async fn tokens_older_than_max_age_are_refused() {
    let made = |ago: u64| sign(token().claim("iat", NOW - ago));
    let young = with("max_age", json!("10m"));

    ask(&young, &made(600 + 59)).await.is_ok("alice");
    is_refused(&ask(&young, &made(600 + 60)).await, Reason::TooOld);
    ask(&config(), &made(600 + 60)).await.is_ok("alice");
}

#[tokio::test]
pub async fn required_claims_must_be_there() {
    let config = with("required_claims", json!(["tenant", "sub"]));
    let full = || token().claim("tenant", "a");

    ask(&config, &sign(full())).await.is_ok("alice");
    for lacking in ["tenant", "sub"] {
        is_refused(&ask(&config, &sign(full().without(lacking))).await, Reason::MissingClaim);
    }
}

#[tokio::test]
pub async fn client_id_is_the_audience_where_it_is_to_be() {
    let token = sign(token().without("aud").claim("client_id", AUDIENCE));

    ask(&with("client_id_as_audience", json!(true)), &token).await.is_ok("alice");
    is_refused(&ask(&config(), &token).await, Reason::MissingClaim);
}

/// Checks that a token does not grant the permission of this path.
#[track_caller]
fn is_not_granted(path: &str, answer: &Answer) {
    if path == "/admin" {
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    } else {
        let needs = challenge("insufficient_scope", "The token lacks a scope") + ", scope=\"read\"";
        answer.is_refused(403, Some(&needs), Reason::InsufficientScope);
    }
}

#[tokio::test]
pub async fn roles_and_scopes_are_where_they_are_said_to_be() {
    for (option, path, usual) in [("roles_at", "/admin", "roles"), ("scopes_at", "/read", "scope")]
    {
        let granted = path.trim_start_matches('/');
        let nested = sign(token().claim("shop", json!({ "may": granted })));
        let plain = sign(token().claim("may", granted));
        let here = sign(token().claim(usual, granted));
        let there = with(option, json!(["/shop/may", "may"]));

        for good in [&nested, &plain] {
            ask_for(path, &there, good).await.is_ok(granted);
            is_not_granted(path, &ask_for(path, &config(), good).await);
        }
        ask_for(path, &config(), &here).await.is_ok(granted);
        is_not_granted(path, &ask_for(path, &there, &here).await);
    }
}

#[tokio::test]
pub async fn strings_are_separated_at_spaces_where_that_is_said() {
    for (option, path, granted) in
        [("roles_at", "/admin", "user admin"), ("scopes_at", "/read", "write read")]
    {
        let whole = with(option, json!(["first", "second", "third"]));
        let separated =
            set(whole.clone(), "/issuers/0", "separated_at", json!(["second", "third"]));
        let granting = |claim: &str| sign(token().claim(claim, granted));

        for claim in ["second", "third"] {
            let answer = ask_for(path, &separated, &granting(claim)).await;
            answer.is_ok(path.trim_start_matches('/'));
            is_not_granted(path, &ask_for(path, &whole, &granting(claim)).await);
        }
        is_not_granted(path, &ask_for(path, &separated, &granting("first")).await);
    }
}

#[tokio::test]
pub async fn names_of_members_are_roles_where_that_is_said() {
    let roles = || sign(token().claim("granted", json!({ "admin": { "2001": "shop" } })));

    ask_for("/admin", &with("role_keys_at", json!("granted")), &roles()).await.is_ok("admin");
    is_not_granted("/admin", &ask_for("/admin", &config(), &roles()).await);
}

#[tokio::test]
pub async fn claims_are_kept_for_policies_where_that_is_said() {
    let held = sign(token().claim("tenant", json!({ "id": "acme" })));
    let kept = async |config: &Value| {
        let verified = super::verifier_of(config).verify(&held).await.unwrap();
        verified.principal().kept_claim("/tenant/id").map(str::to_owned)
    };

    let config = with("kept_claims", json!(["/tenant/id"]));
    assert_eq!(kept(&config).await.as_deref(), Some("acme"));
    assert_eq!(kept(&super::config()).await, None);
}

#[tokio::test]
pub async fn names_imply_others_where_that_is_said() {
    for (option, path, claim, name) in [
        ("role_hierarchy", "/admin", "roles", "admin"),
        ("scope_hierarchy", "/read", "scope", "read"),
    ] {
        let held = sign(token().claim(claim, "top"));
        for written in [
            json!({ "top": ["middle", "other"], "middle": [name] }),
            json!(format!("top > middle\nmiddle > {name}")),
        ] {
            let app = with(option, written);
            ask_for(path, &app, &held).await.is_ok(name);
            is_not_granted(path, &ask_for(path, &app, &sign(token().claim(claim, "other"))).await);
            is_not_granted(path, &ask_for(path, &config(), &held).await);
        }
    }
}

#[tokio::test]
pub async fn tokens_of_other_parties_are_refused() {
    let allowed = with("allowed_parties", json!(["web", "app"]));
    let of = |party: &str| token().claim("azp", party);

    ask(&allowed, &sign(of("app"))).await.is_ok("alice");
    is_refused(&ask(&allowed, &sign(of("other"))).await, Reason::NotTrusted);
    is_refused(&ask(&allowed, &sign(of("app").without("aud"))).await, Reason::MissingClaim);
    ask(&config(), &sign(of("other"))).await.is_ok("alice");
    // In place of an audience.
    let mut alone = allowed;
    alone["issuers"][0].as_object_mut().unwrap().remove("audiences");
    ask(&alone, &sign(of("app").without("aud"))).await.is_ok("alice");
    is_refused(&ask(&alone, &sign(of("other").without("aud"))).await, Reason::NotTrusted);
    is_refused(&ask(&alone, &sign(of("app"))).await, Reason::WrongAudience);
}

#[tokio::test]
pub async fn tokens_that_fit_no_policy_are_refused() {
    let policies = json!([{ "project": "20", "/build/ref": "main" }, { "project": "21" }]);
    let trusting = with("trust", policies);
    let of = |project: &str, branch: &str| {
        sign(token().claim("project", project).claim("build", json!({ "ref": branch })))
    };

    for (project, branch) in [("20", "main"), ("21", "other")] {
        ask(&trusting, &of(project, branch)).await.is_ok("alice");
    }
    is_refused(&ask(&trusting, &of("20", "other")).await, Reason::NotTrusted);
    ask(&config(), &of("20", "other")).await.is_ok("alice");
}

/// For each switch that weakens a check of claims: the token that it accepts, and the refusal
/// without it.
type Weak = (&'static str, TestToken, fn(&Answer));

fn weak() -> [Weak; 6] {
    [
        ("accept_any_audience", token().claim("aud", "x"), |answer| {
            is_refused(answer, Reason::WrongAudience);
        }),
        ("accept_any_kind", token().claim("nonce", "n"), |answer| {
            is_refused(answer, Reason::WrongTokenType);
        }),
        ("accept_bound_tokens", token().claim("cnf", json!({})), |answer| {
            is_refused(answer, Reason::BoundToken);
        }),
        ("accept_missing_issuer", token().without("iss"), |answer| {
            is_unverified(answer, Reason::MissingClaim);
        }),
        ("accept_missing_expiry", token().without("exp"), |answer| {
            is_refused(answer, Reason::MissingClaim);
        }),
        ("accept_unrevocable_tokens", token().without("jti"), |answer| {
            is_refused(answer, Reason::MissingClaim);
        }),
    ]
}

fn view() -> MemoryRevocations {
    MemoryRevocations::new().with_clock(TestClock::at(NOW))
}

#[tokio::test]
pub async fn each_dangerous_switch_weakens_one_check() {
    for (switch, ..) in weak() {
        let config = with("dangerous", json!([switch]));
        for (name, token, is_refused) in weak() {
            let answer = ask_with(&config, &view(), &sign(token)).await;
            if name == switch {
                answer.is_ok("alice");
            } else {
                is_refused(&answer);
            }
        }
    }
    let all = with("dangerous", json!(weak().map(|(switch, ..)| switch)));
    for (_, token, _) in weak() {
        ask_with(&all, &view(), &sign(token)).await.is_ok("alice");
    }
}

#[tokio::test]
pub async fn accept_short_secret_weakens_nothing_but_the_secret() {
    let keys = json!({ "secret": URL_SAFE_NO_PAD.encode(SHORT) });
    let short = set(with("keys", keys), "/issuers/0", "algorithms", json!(["HS256"]));
    let switched =
        |switches: &[&str]| set(short.clone(), "/issuers/0", "dangerous", json!(switches));
    let sign = |token: TestToken| token.sign(&signer(HS256, SHORT));
    let open = switched(&["accept_short_secret"]);

    ask_with(&open, &view(), &sign(token())).await.is_ok("alice");
    is_short(&mistake(&switched(&[])));
    for (switch, token, is_refused) in weak() {
        is_refused(&ask_with(&open, &view(), &sign(token.clone())).await);
        is_short(&mistake(&switched(&[switch])));
        let both = switched(&[switch, "accept_short_secret"]);
        ask_with(&both, &view(), &sign(token)).await.is_ok("alice");
    }
}

#[track_caller]
fn is_short(mistake: &str) {
    let is_short = mistake.starts_with("issuers[0].keys.secret: ") && mistake.contains("72 bits");
    assert!(is_short, "{mistake}");
}
