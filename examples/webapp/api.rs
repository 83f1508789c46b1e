//! The routes behind the layer, and the health of the server.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tower_bearer::revocation::RedisRevocations;
use tower_bearer::session::Sessions;
use tower_bearer::{Claims, Principal};

use crate::database::Database;
use crate::register::refusal;
use crate::users::Users;

/// The claims of our access tokens.
#[derive(Clone, Serialize, Deserialize)]
pub struct User {
    sub: String,
    preferred_username: String,
    #[serde(default)]
    roles: Vec<String>,
    /// The rest, for the panel that shows all of them.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Answers with what the token says. A verified token has nothing to hide from its own user.
pub async fn me(Claims(user): Claims<User>, principal: Principal) -> Json<Value> {
    let header = principal.header();
    Json(json!({
        "sub": user.sub,
        "username": user.preferred_username,
        "roles": user.roles,
        "header": header.map(|header| json!({
            "alg": header.algorithm().to_string(),
            "typ": header.token_type(),
            "kid": header.key_id(),
        })),
        "claims": *user,
    }))
}

/// Lists the users. The guard of the route has checked the role.
pub async fn admin(State(users): State<Users>) -> Response {
    match users.list().await {
        Ok(users) => Json(json!({ "users": users })).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// Ends all sessions of a user. The user's access tokens are refused from now on.
pub async fn end_sessions(
    State(sessions): State<Sessions>,
    Path(subject): Path<String>,
) -> Response {
    match sessions.end_all(&subject).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &dyn std::error::Error) -> Response {
    tracing::error!("a request of an admin failed: {error}");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    refusal(status, "temporarily_unavailable", "This cannot be done right now")
}

/// The parts that the health of the server depends on.
#[derive(Clone)]
pub struct Health {
    pub database: Database,
    pub redis: Option<RedisRevocations>,
}

/// Answers 200 while users can sign in and no revocation may be missing, else 503.
pub async fn health(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    let database = health.database.is_ready().await;
    let revocations = health.redis.is_none_or(|redis| redis.status().is_ready());
    let is_ready = database && revocations;
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": is_ready, "database": database, "revocations": revocations })))
}
