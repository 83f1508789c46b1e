//! Tests tokens in cookies, and the check that keeps other sites from using them.

mod tokens;
mod cross_site;
mod csrf_token;
mod set_cookie;
mod endpoints;
mod sockets;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::header::{HeaderMap, SET_COOKIE};
use http::{Request, request};
use tower_bearer::cookies::Cookies;
use tower_bearer::source::TokenSource;
use tower_bearer::{BearerLayer, Principal};

use crate::support::{User, WithBearer, layer};

const SECRET: [u8; 32] = *b"thirty-two bytes, known to tests";
const MINUTE: Duration = Duration::from_secs(60);
const OWN: &str = "https://api.example.com";

fn cookies() -> Cookies {
    Cookies::new(SECRET).unwrap()
}

/// Answers with the subject of the token.
fn app_with(source: impl TokenSource) -> Router {
    app_behind(layer().with_source(source))
}

fn app_behind(layer: BearerLayer<User>) -> Router {
    let name = async |principal: Option<axum::Extension<Principal>>| {
        principal.map_or("nobody".to_owned(), |one| one.subject().unwrap().to_owned())
    };
    Router::new().route("/", any(name)).layer(layer)
}

fn app() -> Router {
    app_with(cookies().source())
}

/// A request to the API's host.
fn to_api(method: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri("/").header("host", "api.example.com");
    request.body(Body::empty()).unwrap()
}

fn with_access(method: &str, token: impl AsRef<str>) -> Request<Body> {
    to_api(method).field("cookie", format!("__Host-access={}", token.as_ref()))
}

fn head(request: Request<Body>) -> request::Parts {
    request.into_parts().0
}

/// The cookies of a response, as a browser keeps them: name and value.
fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let fields = headers.get_all(SET_COOKIE).iter().map(|field| field.to_str().unwrap());
    let pairs = fields.map(|field| field.split(';').next().unwrap().split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The CSRF token of a session with this access token.
fn csrf_for(cookies: &Cookies, access: &str) -> String {
    let mut headers = HeaderMap::new();
    cookies.set(&mut headers, (access, MINUTE), None).unwrap();
    kept(&headers).pop().unwrap().1
}
