//! Opaque tokens beside JWTs in one layer. A prefix tells which, so no JWT waits for a network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::{Deserialize, Serialize};
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::policy::scope;
use tower_bearer::source::Presented;
use tower_bearer::{
    AuthError, BearerLayer, Claims, Principal, Reason, Validation, Verifier, require,
};

use crate::calls::{challenge, get_as, parameter};
use crate::tokens::{self, AUDIENCE, ISSUER};

/// The issuer's answers about opaque tokens (RFC 7662), which can be out of reach.
#[derive(Default)]
struct Introspection {
    is_away: AtomicBool,
    asked: AtomicUsize,
}

#[derive(Deserialize)]
struct Answer {
    active: bool,
}

impl Authenticator for Introspection {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(b"opq_")
    }

    async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        if self.is_away.load(Ordering::Relaxed) {
            return Err(AuthError::authenticator_failed("no route to the issuer"));
        }
        let answer = self.answer(token);
        let Answer { active } =
            serde_json::from_str(&answer).map_err(AuthError::authenticator_failed)?;
        if active { Authenticated::from_json(&answer) } else { Err(Reason::Inactive.into()) }
    }
}

impl Introspection {
    fn answer(&self, token: &str) -> String {
        let member = match token {
            "opq_reader" => r#""scope":"orders:read","exp":4102444800"#.to_owned(),
            "opq_plain" => r#""exp":4102444800.5"#.to_owned(),
            "opq_full" => format!(r#""scope":"orders:read","iss":"{ISSUER}","aud":["{AUDIENCE}"]"#),
            "opq_old" => r#""exp":1"#.to_owned(),
            "opq_elsewhere" => r#""aud":"https://files.example.com""#.to_owned(),
            "opq_broken" => return "<html>".to_owned(),
            _ => return r#"{"active":false}"#.to_owned(),
        };
        format!(r#"{{"active":true,"sub":"bob","name":"Bob",{member}}}"#)
    }
}

#[derive(Deserialize, Serialize)]
struct User {
    name: String,
}

pub async fn check() {
    let issuer = Arc::new(Introspection::default());
    let app = app(Arc::clone(&issuer));
    let asked = || issuer.asked.load(Ordering::Relaxed);
    let jwt = tokens::hs256()
        .token_for("alice")
        .with_claims(&User { name: "Alice".to_owned() })
        .with_scopes(["orders:read"])
        .issue()
        .unwrap()
        .into_string();
    let bearer = |token: &str| format!("Bearer {token}");

    for (path, body) in [("/me", "Alice"), ("/orders", "alice")] {
        let response = get_as(&app, path, &bearer(&jwt)).await;
        assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, body));
    }
    let response = get_as(&app, "/me", &bearer(&tokens::forged(&jwt))).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(asked(), 0);
    println!("stranger: opaque: JWTs, good and bad, are decided without the issuer");

    for token in ["opq_reader", "opq_full"] {
        for (path, body) in [("/me", "Bob"), ("/orders", "bob")] {
            let response = get_as(&app, path, &bearer(token)).await;
            assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, body));
        }
    }
    assert_eq!(asked(), 4);
    println!("stranger: opaque: the issuer's claims reach guards and handlers, asked each time");

    assert_eq!(get_as(&app, "/me", &bearer("opq_plain")).await.status(), StatusCode::OK);
    let response = get_as(&app, "/orders", &bearer("opq_plain")).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(parameter(challenge(&response), "error"), Some("insufficient_scope"));
    assert_eq!(parameter(challenge(&response), "scope"), Some("orders:read"));
    println!("stranger: opaque: 403 insufficient_scope without the scope");

    for (token, reason) in [
        ("opq_unknown", Reason::Inactive),
        ("opq_old", Reason::Expired),
        ("opq_elsewhere", Reason::WrongAudience),
    ] {
        let response = get_as(&app, "/me", &bearer(token)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token}");
        assert_eq!(parameter(challenge(&response), "error"), Some("invalid_token"), "{token}");
        assert_eq!(response.extensions().get(), Some(&reason), "{token}");
    }
    println!("stranger: opaque: 401 for tokens that are inactive, expired or for another API");

    let unavailable = |response: &http::Response<String>| {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(crate::calls::challenges(response).is_empty());
        assert!(response.headers()[RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() > 0);
        assert!(!response.body().contains("route"), "{}", response.body());
    };
    unavailable(&get_as(&app, "/me", &bearer("opq_broken")).await);
    issuer.is_away.store(true, Ordering::Relaxed);
    unavailable(&get_as(&app, "/me", &bearer("opq_reader")).await);
    assert_eq!(get_as(&app, "/me", &bearer(&jwt)).await.status(), StatusCode::OK);
    issuer.is_away.store(false, Ordering::Relaxed);
    assert_eq!(get_as(&app, "/me", &bearer("opq_reader")).await.status(), StatusCode::OK);
    println!("stranger: opaque: 503 while the issuer is away, and 200 for JWTs");
}

fn app(issuer: Arc<Introspection>) -> Router {
    let rules = Validation::new(ISSUER, AUDIENCE);
    let verifier = Verifier::<User>::new(tokens::hs256().verifying_key(), rules.clone()).unwrap();
    let layer = BearerLayer::new(verifier).with_authenticator(issuer, rules).unwrap();
    let subject = |who: Principal| async move { who.subject().unwrap().to_owned() };
    Router::new()
        .route("/me", get(|Claims(user): Claims<User>| async move { user.name.clone() }))
        .route("/orders", get(subject).layer(require(scope("orders:read"))))
        .route_layer(layer.with_rejection(tower_bearer::render::Json))
}
