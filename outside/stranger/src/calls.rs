//! Calls a router in this process, and reads challenges as a client does.

use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

pub async fn send(app: &Router, request: Request<Body>) -> Response<String> {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Response::from_parts(parts, String::from_utf8(body).unwrap())
}

/// Sends a `GET` with these header fields.
pub async fn get(app: &Router, path: &str, fields: &[(&str, &str)]) -> Response<String> {
    let mut request = Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    send(app, request.body(Body::empty()).unwrap()).await
}

/// Sends a `GET` with this `Authorization` field.
pub async fn get_as(app: &Router, path: &str, credentials: &str) -> Response<String> {
    get(app, path, &[(AUTHORIZATION.as_str(), credentials)]).await
}

pub fn challenges(response: &Response<String>) -> Vec<&str> {
    response.headers().get_all(WWW_AUTHENTICATE).iter().map(|one| one.to_str().unwrap()).collect()
}

/// Returns the only challenge.
pub fn challenge(response: &Response<String>) -> &str {
    let [challenge] = challenges(response)[..] else {
        panic!("not one challenge: {:?}", response.headers())
    };
    challenge
}

/// Returns the value of a parameter of a challenge. Values hold no quotes.
pub fn parameter<'c>(challenge: &'c str, name: &str) -> Option<&'c str> {
    let (_scheme, parameters) = challenge.split_once(' ')?;
    parameters.split("\", ").find_map(|parameter| {
        let (found, value) = parameter.split_once("=\"")?;
        (found == name).then(|| value.trim_end_matches('"'))
    })
}

/// Returns the `error` of each challenge.
pub fn errors(response: &Response<String>) -> Vec<Option<&str>> {
    challenges(response).into_iter().map(|challenge| parameter(challenge, "error")).collect()
}
