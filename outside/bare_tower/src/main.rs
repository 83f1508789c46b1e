//! A plain tower stack behind the layer: no framework, no runtime, no feature but a back end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::clock::Clock;
use tower_bearer::keys::VerifyingKey;
use tower_bearer::policy::scope;
use tower_bearer::{Algorithm, BearerLayer, Principal, Validation, Verifier, require};

#[derive(Deserialize)]
struct User {
    sub: String,
}

fn main() {
    let layer = BearerLayer::new(verifier());
    let open = layer.layer(service_fn(greet));
    let guarded = layer.layer(require(scope("orders:write")).layer(service_fn(greet)));

    let response = answer(open.clone(), Some(TOKEN));
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body(), "alice alice");
    println!("bare_tower: a good token reaches the service with claims and principal");

    let response = answer(open.clone(), None);
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="api""#);
    println!("bare_tower: no token is answered 401 with a bare challenge");

    let response = answer(open, Some(&TOKEN.replace("eyJpc3", "eyJpc4")));
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    println!("bare_tower: a token that was changed is answered 401");

    let response = answer(guarded, Some(TOKEN));
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains(r#"scope="orders:write""#), "{challenge}");
    println!("bare_tower: a missing scope is answered 403 and named");
}

fn verifier() -> Verifier<User> {
    let secret = "at least 32 bytes of randomness, please";
    let key = VerifyingKey::from_secret(Algorithm::HS256, secret).unwrap();
    let rules = Validation::new("https://id.example.com", "https://api.example.com");
    Verifier::new(key, rules).unwrap().with_clock(Standing)
}

async fn greet(request: Request<()>) -> Result<Response<String>, Infallible> {
    let principal = request.extensions().get::<Principal>().unwrap();
    let user = principal.claims::<User>().unwrap();
    let names = format!("{} {}", user.sub, principal.subject().unwrap());
    Ok(Response::new(names))
}

fn answer<S>(service: S, token: Option<&str>) -> Response<String>
where
    S: Service<Request<()>, Response = Response<String>, Error = Infallible>,
{
    let mut request = Request::new(());
    if let Some(token) = token {
        let field = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert(AUTHORIZATION, field);
    }
    at_once(service.oneshot(request)).unwrap()
}

/// A request does not wait for keys that are in memory, so one poll is enough.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("something waited"),
    }
}

struct Standing;

impl Clock for Standing {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }
}

// {"iss":"https://id.example.com","aud":"https://api.example.com","sub":"alice","exp":1800000900},
// signed with the secret above by Python's hmac: nothing here can make tokens.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.\
eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwiYXVkIjoiaHR0cHM6Ly9hcGkuZXhhbXBsZS5jb20iLCJzdWIiOiJh\
bGljZSIsImV4cCI6MTgwMDAwMDkwMH0.\
PdsneGA6fsktfH0FGNfsWCfBBcnbYtVzBxVnf8nCd4g";
