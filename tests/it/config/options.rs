//! Tests that every option of a configuration has an effect.
//!
//! The names are read from the error about an unknown name, so an option without a test fails here.

mod issuer;
mod keys;
mod whole;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::policy::{role, scope};
use tower_bearer::revocation::MemoryRevocations;
use tower_bearer::test_util::{TestClock, TestProvider, TestToken};
use tower_bearer::{Algorithm, Claims, Config, Principal, Reason, Verifier, require};

use crate::support::jumping_clock::leap;
use crate::support::{self, AUDIENCE, Answer, ISSUER, NOW, User, WithBearer, get, key_for, send};

/// Each option, with the test that fails when it has no effect.
const HEEDED: &[(&str, fn())] = &[
    ("realm", whole::realm_is_in_challenges),
    ("sources", whole::sources_are_where_tokens_are_looked_for),
    ("sources authorization", whole::sources_are_where_tokens_are_looked_for),
    ("sources websocket", whole::sources_are_where_tokens_are_looked_for),
    ("optional", whole::optional_lets_requests_without_a_token_pass),
    ("max_token_bytes", whole::longer_tokens_than_max_token_bytes_are_refused),
    ("decryption_keys_file", whole::decryption_keys_are_those_in_the_file),
    ("require_encryption", whole::require_encryption_refuses_plain_tokens),
    ("cache", whole::cache_holds_no_more_entries_and_bytes_than_are_given),
    ("cache entries", whole::cache_holds_no_more_entries_and_bytes_than_are_given),
    ("cache bytes", whole::cache_holds_no_more_entries_and_bytes_than_are_given),
    ("shared_budget", whole::shared_budget_bounds_what_unknown_keys_fetch),
    ("shared_budget", whole::shared_budget_is_one_of_all_issuers_together),
    ("shared_budget", keys::budgets_bound_how_often_unknown_keys_have_a_file_read),
    ("shared_budget fetches", whole::shared_budget_bounds_what_unknown_keys_fetch),
    ("shared_budget one_more_every", whole::shared_budget_bounds_what_unknown_keys_fetch),
    ("issuers", issuer::issuer_is_whose_tokens_are_accepted),
    ("issuer", issuer::issuer_is_whose_tokens_are_accepted),
    ("audiences", issuer::audiences_are_those_that_tokens_must_name),
    ("tenants", issuer::tenants_are_those_whose_tokens_are_accepted),
    ("preset", issuer::preset_is_that_of_the_provider),
    ("token_type", issuer::token_type_is_the_only_one),
    ("token_type at+jwt", issuer::token_type_is_the_only_one),
    ("algorithms", issuer::algorithms_are_the_only_ones),
    ("algorithms", keys::algorithms_are_those_of_rsa_keys_that_name_none),
    ("leeway", issuer::leeway_is_how_long_expired_tokens_are_accepted),
    ("revocation_leeway", issuer::revocation_leeway_is_how_far_a_revocation_reaches),
    ("max_age", issuer::tokens_older_than_max_age_are_refused),
    ("required_claims", issuer::required_claims_must_be_there),
    ("client_id_as_audience", issuer::client_id_is_the_audience_where_it_is_to_be),
    ("roles_at", issuer::roles_and_scopes_are_where_they_are_said_to_be),
    ("scopes_at", issuer::roles_and_scopes_are_where_they_are_said_to_be),
    ("separated_at", issuer::strings_are_separated_at_spaces_where_that_is_said),
    ("role_keys_at", issuer::names_of_members_are_roles_where_that_is_said),
    ("kept_claims", issuer::claims_are_kept_for_policies_where_that_is_said),
    ("role_hierarchy", issuer::names_imply_others_where_that_is_said),
    ("scope_hierarchy", issuer::names_imply_others_where_that_is_said),
    ("allowed_parties", issuer::tokens_of_other_parties_are_refused),
    ("trust", issuer::tokens_that_fit_no_policy_are_refused),
    ("dangerous", issuer::each_dangerous_switch_weakens_one_check),
    ("dangerous accept_any_audience", issuer::each_dangerous_switch_weakens_one_check),
    ("dangerous accept_any_kind", issuer::each_dangerous_switch_weakens_one_check),
    ("dangerous accept_bound_tokens", issuer::each_dangerous_switch_weakens_one_check),
    ("dangerous accept_missing_issuer", issuer::each_dangerous_switch_weakens_one_check),
    ("dangerous accept_missing_expiry", issuer::each_dangerous_switch_weakens_one_check),
    ("dangerous accept_unrevocable_tokens", issuer::each_dangerous_switch_weakens_one_check),
    ("dangerous accept_short_secret", issuer::accept_short_secret_weakens_nothing_but_the_secret),
    ("keys", keys::jwks_are_the_keys),
    ("keys discover", keys::discover_finds_the_keys_by_the_metadata),
    ("keys metadata_issuer", keys::metadata_issuer_is_the_one_that_the_metadata_names),
    ("keys metadata_url", keys::metadata_url_is_where_the_metadata_is),
    ("keys jwks_url", keys::jwks_url_is_where_the_keys_are),
    ("keys file", keys::file_is_where_the_keys_are),
    ("keys jwks", keys::jwks_are_the_keys),
    ("keys secret", keys::secret_is_the_key_in_place_or_in_a_file),
    ("keys secret_file", keys::secret_is_the_key_in_place_or_in_a_file),
    ("keys timeout", keys::fetch_of_a_document_takes_no_longer_than_timeout),
    ("keys redirects", keys::redirects_are_followed_as_often_as_is_said),
    ("keys same_origin_only", keys::same_origin_only_rules_out_other_origins),
    ("keys max_bytes", keys::documents_longer_than_max_bytes_are_refused),
    ("keys max_keys", keys::no_more_keys_are_used_than_max_keys),
    ("keys ca_file", keys::ca_file_names_the_authorities_that_are_trusted),
    ("keys proxy", keys::proxy_is_what_fetches_go_through),
    ("keys bearer_file", keys::bearer_file_holds_the_token_that_is_shown),
    ("keys dangerous", keys::each_dangerous_switch_allows_one_way_of_fetching),
    ("keys dangerous allow_plain_http", keys::each_dangerous_switch_allows_one_way_of_fetching),
    (
        "keys dangerous allow_private_networks",
        keys::each_dangerous_switch_allows_one_way_of_fetching,
    ),
    ("keys wait", keys::request_waits_for_keys_no_longer_than_wait),
    ("keys most_waiting", keys::no_more_requests_wait_than_most_waiting),
    ("keys budget", keys::budget_bounds_what_unknown_keys_fetch),
    ("keys budget", keys::budgets_bound_how_often_unknown_keys_have_a_file_read),
    ("keys budget fetches", keys::budget_bounds_what_unknown_keys_fetch),
    ("keys budget one_more_every", keys::budget_bounds_what_unknown_keys_fetch),
    ("keys fresh_at_least", keys::freshness_lies_between_least_and_most),
    ("keys fresh_at_most", keys::freshness_lies_between_least_and_most),
    ("keys fresh_by_default", keys::freshness_lies_between_least_and_most),
    ("keys stale_for", keys::stale_keys_are_used_for_stale_for),
    ("keys retry_at_least", keys::pauses_between_retries_lie_between_least_and_most),
    ("keys retry_at_most", keys::pauses_between_retries_lie_between_least_and_most),
    ("keys every", keys::every_is_how_often_a_file_is_read),
];

/// The places that hold names: the words before them in the table, and the usual configuration with
/// an unknown name there.
fn places() -> Vec<(&'static str, Value)> {
    let none = || json!({ "none": 1 });
    let whole = |option: &str, value: Value| set(config(), "", option, value);
    let issuer = |option: &str, value: Value| set(config(), "/issuers/0", option, value);
    vec![
        ("", whole("none", json!(1))),
        ("sources", whole("sources", json!(["none"]))),
        ("cache", whole("cache", none())),
        ("shared_budget", whole("shared_budget", none())),
        ("", issuer("none", json!(1))),
        ("token_type", issuer("token_type", json!("none"))),
        ("dangerous", issuer("dangerous", json!(["none"]))),
        ("keys", issuer("keys", none())),
        ("keys dangerous", issuer("keys", json!({ "discover": true, "dangerous": ["none"] }))),
        ("keys budget", issuer("keys", json!({ "discover": true, "budget": none() }))),
    ]
}

#[test]
fn every_option_is_in_the_table() {
    let mut options = BTreeSet::new();
    for (before, config) in places() {
        let error = Config::from_json(&config.to_string()).unwrap_err().to_string();
        let (_, names) = error.split_once("expected ").expect(&error);
        // `` `a`, `b` `` or `` `a` or `b` ``.
        let names = names.split('`').skip(1).step_by(2);
        options.extend(names.map(|name| format!("{before} {name}").trim().to_owned()));
    }
    let heeded: BTreeSet<_> = HEEDED.iter().map(|(option, _)| (*option).to_owned()).collect();

    assert_eq!(heeded, options);
}

/// One issuer with one key.
fn config() -> Value {
    json!({ "issuers": [{
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "keys": { "jwks": { "keys": [key_for(Algorithm::ES256).to_jwk()] } },
    }] })
}

/// One provider, whose keys are fetched by these settings and not again on their own for a while.
fn remote(provider: &TestProvider, settings: Value) -> Value {
    let mut keys = json!({ "jwks_url": provider.jwks_url(), "retry_at_least": "1m" });
    keys.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    of_issuer(provider.issuer(), keys)
}

fn of_issuer(issuer: &str, keys: Value) -> Value {
    json!({ "issuers": [{ "issuer": issuer, "audiences": [AUDIENCE], "keys": keys }] })
}

/// Sets one member of the object at a JSON Pointer.
fn set(mut config: Value, place: &str, member: &str, value: Value) -> Value {
    config.pointer_mut(place).unwrap()[member] = value;
    config
}

fn read(config: &Value) -> Config {
    Config::from_json(&config.to_string()).unwrap()
}

/// Returns the error of a configuration whose issuers cannot be built.
#[track_caller]
fn mistake(config: &Value) -> String {
    read(config).issuers().unwrap_err().to_string()
}

/// A valid token for the usual configuration.
fn token() -> TestToken {
    support::token()
}

fn verifier_of(config: &Value) -> Verifier<User> {
    let config = read(config);
    config.verifier(&config.issuers().unwrap()).unwrap().with_clock(TestClock::at(NOW))
}

fn app_of(config: &Value) -> Router {
    app(config, verifier_of(config))
}

/// For tokens of providers, which are issued now.
fn app_by_the_clock(config: &Value) -> Router {
    let read = read(config);
    app(config, read.verifier(&read.issuers().unwrap()).unwrap())
}

fn app(config: &Value, verifier: Verifier<User>) -> Router {
    Router::new()
        .route("/", on_get(|Claims(user): Claims<User>| async move { user.sub.clone().unwrap() }))
        .route("/open", on_get(|_: Option<Principal>| async { "open" }))
        .route("/admin", on_get(|| async { "admin" }).layer(require(role("admin"))))
        .route("/read", on_get(|| async { "read" }).layer(require(scope("read"))))
        .layer(read(config).layer_with(verifier).unwrap())
}

/// Returns the answer to a request with this token.
async fn ask(config: &Value, token: &str) -> Answer {
    ask_for("/", config, token).await
}

async fn ask_for(path: &str, config: &Value, token: &str) -> Answer {
    send(&app_of(config), get(path).bearer(token)).await
}

async fn ask_with(config: &Value, view: &MemoryRevocations, token: &str) -> Answer {
    let verifier = verifier_of(config).with_revocations(view.clone());
    send(&app(config, verifier), get("/").bearer(token)).await
}

/// Checks that a token with a valid signature is refused for this reason.
#[track_caller]
fn is_refused(answer: &Answer, reason: Reason) {
    let description = match reason {
        Reason::BoundToken => "The token is bound to a key, which bearer tokens are not",
        Reason::Expired => "The token has expired",
        Reason::MissingClaim => "The token lacks a claim",
        Reason::NotTrusted => "The token is not trusted by this service",
        Reason::Revoked => "The token was revoked",
        Reason::TooOld => "The token is too old",
        Reason::WrongAudience => "The token is for another audience",
        Reason::WrongIssuer => "The token is from another issuer",
        Reason::UnboundToken => "A token that is bound to a key is needed",
        Reason::WrongTokenType => "The token is not an access token",
        other => unimplemented!("{other}"),
    };
    answer.is_refused(401, Some(&support::invalid_token(description)), reason);
}

/// Checks that a token is refused for this reason before its signature is known to be valid.
#[track_caller]
fn is_unverified(answer: &Answer, reason: Reason) {
    let challenge = support::invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&challenge), reason);
}

/// Returns how many fetches many tokens of an unknown key cause, at once and again after this time.
async fn fetches_of_strangers(
    provider: &TestProvider,
    config: &Value,
    after: Duration,
) -> [usize; 2] {
    let app = app_by_the_clock(config);
    let at_once = fetches_of_five_strangers(provider, &app).await;
    leap(after).await;
    [at_once, fetches_of_five_strangers(provider, &app).await]
}

async fn fetches_of_five_strangers(provider: &TestProvider, app: &Router) -> usize {
    // Nothing is due on its own.
    provider.set_cache_control(Some("max-age=86400"));
    send(app, get("/").bearer(provider.mint(AUDIENCE))).await.is_ok("alice");
    let before = provider.requests().jwks;
    for _ in 0..5 {
        let answer = send(app, get("/").bearer(keys::strange(provider))).await;
        assert_ne!(answer.status, 200);
    }
    provider.requests().jwks - before
}
