//! Tests what a registration uses: a sign-in without a password, and the answers to errors.

use http::request::Parts;
use tower_bearer::password::PasswordError;
use tower_bearer::sign_in::Keep;

use super::*;

fn head(site: &'static str) -> Parts {
    let request = Request::post("/register").header("host", "api.example.com");
    let request = request.header("user-agent", "Firefox/140").body(Body::empty()).unwrap();
    from_site(request, site).into_parts().0
}

async fn house() -> (House, SignInEndpoints) {
    let mut endpoints = None;
    let house = House::with(|own| {
        endpoints = Some(own.clone());
        own
    })
    .await;
    (house, endpoints.unwrap())
}

async fn signed_in(
    endpoints: &SignInEndpoints,
    subject: &str,
    keep: Keep,
    request: &Parts,
) -> Answer {
    let Ok(response) = endpoints.sign_in_as(subject, keep, None, request).await;
    Answer::of(response.map(Body::new)).await
}

#[tokio::test]
async fn user_is_signed_in_without_a_password_and_answered_as_by_a_sign_in() {
    let (house, endpoints) = house().await;

    let in_body = signed_in(&endpoints, "u2", Keep::Client, &head("cross-site")).await;
    let in_memory = signed_in(&endpoints, "u2", Keep::RefreshCookie, &head("same-origin")).await;
    let in_cookies = signed_in(&endpoints, "u2", Keep::Cookies, &head("same-origin")).await;

    let begun = tokens(&in_body);
    assert_eq!(begun.0.as_object().unwrap().len(), 4);
    assert_eq!(send(&house.app, bearer(Method::GET, "/admin", begun.access())).await.status, 200);
    tokens(&house.refresh(begun.refresh()).await);
    assert_eq!(house.me(tokens(&in_memory).access()).await, 200);
    assert!(!cookies_of(&in_memory)["__Host-refresh-only"].is_empty());
    assert_eq!(in_cookies.body, r#"{"expires_in":900}"#);
    let list = send(&house.app, bearer(Method::GET, "/sessions", begun.access())).await;
    let list: Value = serde_json::from_str(&list.body).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 3);
    assert_eq!(list[0]["device"], "Firefox/140");
}

#[tokio::test]
async fn request_of_another_site_and_user_who_is_not_there_are_refused() {
    let (house, endpoints) = house().await;

    for keep in [Keep::RefreshCookie, Keep::Cookies] {
        let foreign = signed_in(&endpoints, "u1", keep, &head("cross-site")).await;
        is_refused(&foreign, 403, "cross_site");
        assert_eq!(foreign.reason, Some(Reason::CrossSite));
        assert!(!foreign.headers.contains_key(SET_COOKIE));
    }
    let unknown = signed_in(&endpoints, "alice", Keep::Client, &head("same-origin")).await;
    is_refused(&unknown, 401, "invalid_grant");
    house.users.is_away.store(true, Ordering::SeqCst);
    let away = signed_in(&endpoints, "u1", Keep::Client, &head("same-origin")).await;
    is_refused(&away, 503, "temporarily_unavailable");
    house.users.is_away.store(false, Ordering::SeqCst);
    tokens(&signed_in(&endpoints, "u1", Keep::Client, &head("same-origin")).await);
}

#[tokio::test]
async fn errors_of_a_registration_have_the_answers_of_the_services() {
    let (_house, endpoints) = house().await;
    let answered = async |error: PasswordError| {
        Answer::of(endpoints.password_error(error).map(Body::new)).await
    };

    let short = answered(passwords().hash("short").await.unwrap_err()).await;
    is_refused(&short, 400, "invalid_password");
    let long = answered(passwords().hash(&"x".repeat(1025)).await.unwrap_err()).await;
    is_refused(&long, 400, "invalid_password");
    let busy = PasswordError::Busy { retry_after: Duration::from_millis(1500) };
    let busy = answered(busy).await;
    is_refused(&busy, 503, "temporarily_unavailable");
    assert_eq!(busy.headers["retry-after"], "2");
    let away = endpoints.accounts_unavailable(AccountsUnavailable::new("the database is away"));
    let away = Answer::of(away.map(Body::new)).await;
    is_refused(&away, 503, "temporarily_unavailable");
    assert_eq!(away.headers["retry-after"], "5");
}

#[test]
fn places_are_read_as_requests_name_them() {
    let read = |word: &str| serde_json::from_value::<Keep>(word.into()).ok();

    assert_eq!(read("cookies"), Some(Keep::Cookies));
    assert_eq!(read("refresh-cookie"), Some(Keep::RefreshCookie));
    for word in ["client", "Client", "Cookies", "refresh_cookie", ""] {
        assert_eq!(read(word), None, "{word}");
    }
}
