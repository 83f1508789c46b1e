//! Tests permissions that the claim `authorization_details` holds (RFC 9396).

use axum::Router;
use axum::routing::get as on_get;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::policy::{Policy, PolicyDescription, details, role};
use tower_bearer::source::Presented;
use tower_bearer::{AuthError, Principal, Reason, require};

use crate::support::{Answer, PLAIN, WithBearer, get, key, layer, send, token, validation, verify};

#[derive(Deserialize)]
struct Payment {
    #[serde(rename = "instructedAmount")]
    amount: Amount,
}

#[derive(Deserialize)]
struct Amount {
    currency: String,
}

fn in_euros() -> impl Policy {
    details("payment_initiation", |payment: &Payment| payment.amount.currency == "EUR")
}

fn payment(currency: &str) -> Value {
    json!({
        "type": "payment_initiation",
        "instructedAmount": { "currency": currency, "amount": "123.50" },
    })
}

/// Repeats what the token says, as an introspection endpoint.
struct Introspector;

impl Authenticator for Introspector {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(b"opaque")
    }

    async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        let currency = token.strip_prefix("opaque_").unwrap_or_default();
        let details = json!([payment(currency)]);
        let answer = json!({ "active": true, "sub": "alice", "authorization_details": details });
        Authenticated::from_json(&answer.to_string())
    }
}

fn app(policy: impl Policy) -> Router {
    Router::new()
        .route("/", on_get(async || "in").layer(require(policy)))
        .layer(layer().with_authenticator(Introspector, validation()).unwrap())
}

async fn ask(details: Value) -> Answer {
    let token = token().claim("authorization_details", details).sign(&key());
    send(&app(in_euros()), get("/").bearer(token)).await
}

#[tokio::test]
async fn entry_of_the_type_for_which_the_function_is_true_is_enough() {
    // RFC 9396 §9.1: authorization_details in a JWT access token
    for details in [
        json!([payment("EUR")]),
        json!([payment("USD"), payment("EUR")]),
        json!([{ "type": "payment_initiation" }, payment("EUR")]),
        json!([1, payment("EUR")]),
    ] {
        ask(details).await.is_ok("in");
    }
}

#[tokio::test]
async fn without_such_an_entry_the_request_is_forbidden() {
    let other = |kind: Value| {
        let mut other = payment("EUR");
        other["type"] = kind;
        json!([other])
    };
    for details in [
        json!([]),
        json!(null),
        json!("payment_initiation"),
        payment("EUR"),
        json!([[payment("EUR")]]),
        json!([payment("USD")]),
        other(json!("account_information")),
        other(json!("Payment_initiation")),
        other(json!(["payment_initiation"])),
        other(json!(null)),
        json!([{ "type": "payment_initiation", "instructedAmount": "EUR" }]),
        json!([{ "type": "payment_initiation", "instructedAmount": { "currency": 1 } }]),
    ] {
        let answer = ask(details).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    }
    let answer = send(&app(in_euros()), get("/").bearer(token().sign(&key()))).await;
    answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[tokio::test]
async fn details_are_read_from_an_introspection_answer() {
    // RFC 9396 §9.2: authorization_details in the introspection response
    let app = app(in_euros());

    send(&app, get("/").bearer("opaque_EUR")).await.is_ok("in");
    let answer = send(&app, get("/").bearer("opaque_USD")).await;
    answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[tokio::test]
async fn handlers_read_the_entries_of_a_type() {
    let entries = json!([payment("EUR"), { "type": "other" }, 7, payment("USD")]);
    let verified = verify(&token().claim("authorization_details", entries).sign(&key())).await;

    let who: &Principal = &verified.as_ref().unwrap().principal().clone();
    let payments = who.authorization_details::<Payment>("payment_initiation");

    let currencies: Vec<_> = payments.iter().map(|one| &*one.amount.currency).collect();
    assert_eq!(currencies, ["EUR", "USD"]);
    assert_eq!(who.authorization_details::<Value>("other").len(), 1);
    assert!(who.authorization_details::<Value>("none").is_empty());
}

#[tokio::test]
async fn refusal_is_described_in_the_log_and_names_no_value() {
    let entries = json!([payment("USD")]);
    let verified = verify(&token().claim("authorization_details", entries).sign(&key())).await;

    let refused = verified.unwrap().principal().check(in_euros().or(role("admin"))).unwrap_err();

    let expected = "needs (an entry of type `payment_initiation` in `authorization_details` that allows it \
                    or role `admin`)";
    assert_eq!(refused.error().detail(), Some(expected));
    let described = PolicyDescription::AuthorizationDetails("payment_initiation".into());
    assert_eq!(in_euros().describe(), described);
}
