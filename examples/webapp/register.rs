//! Creates accounts, and signs their users in.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::ServiceExt as _;
use tower_bearer::cookies::Cookies;
use tower_bearer::password::{PasswordError, Passwords};
use tower_bearer::sign_in::SignInEndpoints;

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
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    username: String,
    password: String,
    keep: Option<String>,
    device: Option<String>,
}

pub async fn register(
    State(desk): State<Arc<Desk>>,
    parts: Parts,
    sent: Result<Json<Registration>, JsonRejection>,
) -> Response {
    desk.register(parts, sent).await.unwrap_or_else(|refused| refused)
}

impl Desk {
    async fn register(
        &self,
        mut parts: Parts,
        sent: Result<Json<Registration>, JsonRejection>,
    ) -> Result<Response, Response> {
        let Json(sent) = sent.map_err(|rejection| not_understood(&rejection))?;
        match sent.keep.as_deref() {
            None => {}
            // Another site could sign the browser in as a user of its own.
            Some("cookies") => self.cookies.check(&parts).map_err(|rejection| {
                refusal(rejection.status(), rejection.code(), rejection.description())
            })?,
            Some(_) => return Err(invalid_request("`keep` is not `cookies`")),
        }
        let name = Username::new(&sent.username).map_err(invalid_request)?;
        if let Some(throttle) = &self.throttle {
            // Apart from the attempt to sign in, below.
            let registration = format!("registration of {}", name.as_str());
            throttle.check(&registration).map_err(|wait| too_many(wait.as_secs() + 1))?;
        }
        let hash = self.passwords.hash(&sent.password).await.map_err(|error| unhashed(&error))?;
        match self.users.add(&name, &hash, "user").await {
            Ok(true) => {}
            Ok(false) => {
                let description = "Another user has this name";
                return Err(refusal(StatusCode::CONFLICT, "username_taken", description));
            }
            Err(error) => {
                tracing::error!("no user was added: {error}");
                return Err(unavailable());
            }
        }
        // The account is there: the same members sign its user in.
        let body = serde_json::to_vec(&sent).map_err(|_| unavailable())?;
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = Request::from_parts(parts, Body::from(body));
        match self.endpoints.sign_in().oneshot(request).await {
            Ok(response) => Ok(response.map(Body::new)),
            Err(never) => match never {},
        }
    }
}

fn not_understood(rejection: &JsonRejection) -> Response {
    // Its own text quotes the body.
    match rejection.status() {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
            invalid_request("The body is not an object with username and password")
        }
        StatusCode::PAYLOAD_TOO_LARGE => refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request",
            "The body is larger than 8 KiB",
        ),
        status => refusal(status, "invalid_request", "The body is not application/json"),
    }
}

fn unhashed(error: &PasswordError) -> Response {
    let invalid = |description| refusal(StatusCode::BAD_REQUEST, "invalid_password", description);
    match error {
        PasswordError::TooShort { .. } => invalid("The password is too short"),
        PasswordError::TooLong { .. } => invalid("The password is longer than 1 KiB"),
        PasswordError::Refused => invalid("The password is too easy to guess"),
        error => {
            tracing::warn!("no password was hashed: {error}");
            unavailable()
        }
    }
}

fn unavailable() -> Response {
    let description = "This cannot be done right now";
    let mut response =
        refusal(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
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
