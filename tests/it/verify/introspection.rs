//! Tests introspection through the layer, with an authorization server behind real sockets.

mod server;
mod answers;
mod chaos;
mod clients;
mod discovery;
mod floods;
mod kept_answers;
mod set_up;
mod signed_answers;

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
use tower_bearer::policy::scope;
use tower_bearer::{Claims, Principal, require};

use self::server::Server;
use crate::support::{AUDIENCE, ISSUER, NOW, User, layer, validation};

const CLIENT: &str = "orders-api";
const SECRET: &str = "hunter2 & co";

fn basic() -> ClientAuthentication {
    ClientAuthentication::client_secret_basic(CLIENT, SECRET)
}

/// Introspection of the tokens that are no JWTs, at this server.
fn introspection(server: &Server) -> Introspection {
    Introspection::new(&server.url("/introspect"), basic(), OpaqueTokens::by_shape()).unwrap()
}

fn app(introspection: Introspection) -> Router {
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    let email = async |Claims(user): Claims<User>| user.email.clone().unwrap_or_default();
    Router::new()
        .route("/", on_get(name))
        .route("/email", on_get(email))
        .route("/read", on_get(name).layer(require(scope("orders:read"))))
        .layer(layer().with_authenticator(introspection, validation()).unwrap())
}

/// The answer about a good token, with these members besides.
fn active(more: &Value) -> Value {
    let mut answer = json!({
        "active": true, "sub": "alice", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 600,
        "iat": NOW - 60, "scope": "orders:read", "client_id": "shop", "token_type": "Bearer",
    });
    for (name, value) in more.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}
