//! Tokens in a field of their own, as proxies send them.

use axum::Router;
use axum::routing::get as on_get;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use tower_bearer::claims::PrincipalKind;
use tower_bearer::cookies::Cookies;
use tower_bearer::source::{AuthorizationHeader, HeaderToken};
use tower_bearer::{BearerLayer, Principal, Reason};

use crate::support::{PLAIN, User, challenge, good, invalid_token, key, layer, send, token};

const FIELD: HeaderName = HeaderName::from_static("x-assertion");

fn behind(layer: BearerLayer<User>) -> Router {
    let handler = async |principal: Principal, headers: http::HeaderMap| {
        let is_marked = headers.values().all(HeaderValue::is_sensitive);
        assert!(is_marked, "{headers:?}");
        principal.subject().unwrap_or_default().to_owned()
    };
    Router::new().route("/", on_get(handler)).layer(layer)
}

fn with(fields: &[(&HeaderName, &str)]) -> Request<axum::body::Body> {
    let mut request = Request::get("/");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(axum::body::Body::empty()).unwrap()
}

#[tokio::test]
async fn token_in_its_field_is_accepted_and_marked_as_sensitive() {
    let app = behind(layer().with_source_instead(HeaderToken::new(FIELD)));

    let answer = send(&app, with(&[(&FIELD, &good())])).await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, "alice");
}

#[tokio::test]
async fn authorization_field_is_no_source_where_another_stands_in_its_place() {
    let app = behind(layer().with_source_instead(HeaderToken::new(FIELD)));

    let bearer = format!("Bearer {}", good());
    let answer = send(&app, with(&[(&http::header::AUTHORIZATION, &bearer)])).await;

    answer.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn assertion_that_is_no_token_is_refused() {
    let app = behind(layer().with_source_instead(HeaderToken::new(FIELD)));

    // AWS pads its base64url.
    let padded = good().replace('.', "==.");
    for text in ["", "a b", "\"quoted\"", "Bearer x", &padded, "a.b"] {
        let answer = send(&app, with(&[(&FIELD, text)])).await;
        let challenge = invalid_token("The token cannot be verified");
        answer.is_refused(401, Some(&challenge), Reason::Malformed);
    }
}

#[tokio::test]
async fn two_fields_of_the_name_are_refused_and_one_is_not() {
    let app = behind(layer().with_source_instead(HeaderToken::new(FIELD)));
    let good = good();

    let two = send(&app, with(&[(&FIELD, &good), (&FIELD, &good)])).await;
    let one = send(&app, with(&[(&FIELD, &good)])).await;

    let several = challenge("invalid_request", "More than one token was sent");
    two.is_refused(400, Some(&several), Reason::SeveralTokens);
    assert_eq!(one.status, StatusCode::OK);
}

#[tokio::test]
async fn field_beside_the_authorization_field_may_not_come_with_it() {
    let app = behind(layer().with_source(HeaderToken::new(FIELD)));
    let (good, bearer) = (good(), format!("Bearer {}", good()));

    let both = send(&app, with(&[(&FIELD, &good), (&http::header::AUTHORIZATION, &bearer)])).await;
    let either = send(&app, with(&[(&FIELD, &good)])).await;
    let other = send(&app, with(&[(&http::header::AUTHORIZATION, &bearer)])).await;

    let several = challenge("invalid_request", "More than one token was sent");
    both.is_refused(400, Some(&several), Reason::SeveralTokens);
    assert_eq!((either.status, other.status), (StatusCode::OK, StatusCode::OK));
}

#[tokio::test]
async fn field_before_the_authorization_field_decides() {
    let source = HeaderToken::new(FIELD).or(AuthorizationHeader::new());
    let app = behind(layer().with_source_instead(source));
    let of_proxy = token().claim("sub", "proxy").sign(&key());
    let (good, bearer) = (good(), format!("Bearer {}", good()));
    let authorization = &http::header::AUTHORIZATION;

    let both = send(&app, with(&[(&FIELD, &of_proxy), (authorization, &bearer)])).await;
    let without = send(&app, with(&[(authorization, &bearer)])).await;
    let broken = send(&app, with(&[(&FIELD, "x"), (authorization, &bearer)])).await;
    let malformed = send(&app, with(&[(authorization, "Bearer")])).await;

    assert_eq!((both.status, both.body.as_str()), (StatusCode::OK, "proxy"));
    assert_eq!((without.status, without.body.as_str()), (StatusCode::OK, "alice"));
    assert_eq!((broken.status, broken.reason), (StatusCode::UNAUTHORIZED, Some(Reason::Malformed)));
    let reason = Some(Reason::MalformedAuthorization);
    assert_eq!((malformed.status, malformed.reason), (StatusCode::BAD_REQUEST, reason));
    assert_eq!(send(&app, with(&[(&FIELD, &good)])).await.status, StatusCode::OK);
}

#[tokio::test]
async fn fields_of_known_proxies_have_their_names() {
    for (source, name) in [
        (HeaderToken::cloudflare_access(), "cf-access-jwt-assertion"),
        (HeaderToken::google_iap(), "x-goog-iap-jwt-assertion"),
        (HeaderToken::pomerium(), "x-pomerium-jwt-assertion"),
    ] {
        let app = behind(layer().with_source_instead(source));
        let name = HeaderName::from_static(name);
        assert_eq!(send(&app, with(&[(&name, &good())])).await.status, StatusCode::OK, "{name}");
        assert_eq!(send(&app, with(&[(&FIELD, &good())])).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn service_token_with_an_empty_subject_is_a_client() {
    // Cloudflare Access writes `sub: ""` for service tokens, and the client's id into `common_name`.
    let kind = async |subject: &str| {
        let token = token().claim("sub", subject).claim("common_name", "x.access").sign(&key());
        crate::support::verify(&token).await.unwrap().principal().kind()
    };

    assert_eq!(kind("").await, PrincipalKind::Client);
    assert_eq!(kind("alice").await, PrincipalKind::User);
}

#[tokio::test]
async fn repeated_field_of_another_name_changes_nothing() {
    let app = behind(layer().with_source_instead(HeaderToken::new(FIELD)));
    let other = HeaderName::from_static("x-other");
    let mut request = with(&[(&FIELD, &good()), (&other, "1"), (&other, "2")]);
    for (_, value) in request.headers_mut() {
        value.set_sensitive(true);
    }

    send(&app, request).await.is_ok("alice");
}

#[tokio::test]
async fn source_behind_another_one_completes_the_response_to_its_own_token() {
    let cookies = Cookies::new([7; 32]).unwrap();
    let source = HeaderToken::new(FIELD).or(cookies.source());
    let layer = layer().with_source_instead(source);
    let app = Router::new().route("/", on_get(async || "in")).layer(layer);

    let request = with(&[(&http::header::COOKIE, &format!("__Host-access={}", good()))]);
    let answer = send(&app, request).await;

    answer.is_ok("in");
    assert_eq!(answer.headers["cache-control"], "private");
}

#[test]
fn source_shows_its_field() {
    assert!(format!("{:?}", HeaderToken::new(FIELD)).contains("x-assertion"));
}
