//! Creates accounts, and signs their users in.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;
use tower_bearer::cookies::Cookies;
use tower_bearer::password::Passwords;
use tower_bearer::sign_in::{Keep, SignInEndpoints};

use crate::throttle::{PerAccount, too_many};
use crate::users::{Username, Users};

/// The parts that a registration needs.
pub struct Desk {
    pub users: Users,
    pub passwords: Passwords,
    pub cookies: Cookies,
    pub throttle: Option<PerAccount>,
    pub endpoints: SignInEndpoints,
}

/// The members of a registration: those of a sign-in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    username: String,
    password: String,
    keep: Option<Keep>,
    device: Option<String>,
}

pub async fn register(
    State(desk): State<Arc<Desk>>,
    parts: Parts,
    sent: Result<Json<Registration>, JsonRejection>,
) -> Response {
    desk.register(&parts, sent).await.unwrap_or_else(|refused| refused)
}

impl Desk {
    async fn register(
        &self,
        parts: &Parts,
        sent: Result<Json<Registration>, JsonRejection>,
    ) -> Result<Response, Response> {
        let Json(sent) = sent.map_err(|rejection| not_understood(&rejection))?;
        let keep = sent.keep.unwrap_or_default();
        if keep != Keep::Client {
            // Another site could sign the browser in as a user of its own.
            self.cookies.check(parts).map_err(|rejection| {
                refusal(rejection.status(), rejection.code(), rejection.description())
            })?;
        }
        let name = Username::new(&sent.username).map_err(invalid_request)?;
        if let Some(throttle) = &self.throttle {
            // Apart from the attempts to sign in.
            let registration = format!("registration of {}", name.as_str());
            throttle.check(&registration).map_err(|wait| too_many(wait.as_secs() + 1))?;
        }
        let hash = self.passwords.hash(&sent.password).await;
        let hash = hash.map_err(|error| self.endpoints.password_error(error).map(Body::new))?;
        let id = self.users.add(&name, &hash, "user").await;
        let id = id.map_err(|error| self.endpoints.accounts_unavailable(error).map(Body::new))?;
        let id = id.ok_or_else(|| {
            refusal(StatusCode::CONFLICT, "username_taken", "Another user has this name")
        })?;
        let device = sent.device.as_deref();
        let Ok(signed_in) = self.endpoints.sign_in_as(&id, keep, device, parts).await;
        Ok(signed_in.map(Body::new))
    }
}

fn not_understood(rejection: &JsonRejection) -> Response {
    // Its own text quotes the body.
    match rejection.status() {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => invalid_request(
            "The body is not an object with username and password, or `keep` is not known",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request",
            "The body is larger than 8 KiB",
        ),
        status => refusal(status, "invalid_request", "The body is not application/json"),
    }
}

fn invalid_request(description: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, "invalid_request", description)
}

/// Answers as the services of `tower_bearer` do, with a line in the log.
pub fn refusal(status: StatusCode, error: &str, description: &str) -> Response {
    tracing::debug!(status = status.as_u16(), error, "refused: {description}");
    let body = json!({ "error": error, "error_description": description });
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
