//! Tests which cookie holds the token, and the answers to broken ones.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use http::HeaderMap;
use tower_bearer::binding::{Binding, BindingVerdict};
use tower_bearer::cookies::Cookies;
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::source::{Presented, TokenSource, WebSocketProtocol};
use tower_bearer::{AuthError, Principal, Reason};

use super::{OWN, SECRET, app, app_behind, app_with, cookies, head, to_api, with_access};
use crate::support::{
    PLAIN, WithBearer, challenge, get, good, invalid_token, key, layer, send, token, validation,
};

#[tokio::test]
async fn token_in_the_cookie_is_accepted_and_none_is_missing() {
    send(&app(), with_access("GET", good())).await.is_ok("alice");
    send(&app(), to_api("GET")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn bad_token_in_the_cookie_is_refused_as_one_in_the_header() {
    let expired = token().claim("exp", 1).sign(&key());
    let good = good();
    for (value, description, reason) in [
        (expired, "The token has expired", Reason::Expired),
        ("x".into(), "The token cannot be verified", Reason::Malformed),
        (format!("\"{good}\""), "The token cannot be verified", Reason::Malformed),
        (good.replace('.', "%2E"), "The token cannot be verified", Reason::Malformed),
        (good.replacen('.', " .", 1), "The token cannot be verified", Reason::Malformed),
        (format!("Bearer {good}"), "The token cannot be verified", Reason::Malformed),
    ] {
        let answer = send(&app(), with_access("GET", value)).await;
        answer.is_refused(401, Some(&invalid_token(description)), reason);
    }
}

#[tokio::test]
async fn cookie_is_found_among_others_and_in_several_fields() {
    // RFC 6265 §5.4: cookies of one request in several fields
    let token = good();
    for fields in [
        &["theme=dark; __Host-access=TOKEN; _ga=GA1.1.1; __Host-csrf=x"][..],
        &["theme=dark;__Host-access=TOKEN ;_ga=GA1.1.1"],
        &["theme=dark", "__Host-access=TOKEN", "_ga=GA1.1.1"],
        &["__host-access=evil; __Host-access=TOKEN; __HOST-ACCESS=evil"],
        &["__Host%2Daccess=evil; __Host-access=TOKEN; =__Host-access=evil"],
        &["__Host-access =evil; __Host-access=TOKEN; access=evil"],
    ] {
        let request = fields.iter().fold(to_api("GET"), |request, field| {
            request.field("cookie", field.replace("TOKEN", &token))
        });
        send(&app(), request).await.is_ok("alice");
    }
}

#[tokio::test]
async fn other_spelling_of_the_name_is_no_token() {
    // RFC 6265bis §4.1.3.2: another spelling of the prefix is another cookie
    for name in ["__host-access", "__HOST-ACCESS", "access", "__Secure-access", "__Host%2Daccess"] {
        let request = to_api("GET").field("cookie", format!("{name}={}", good()));
        let answer = send(&app(), request).await;
        answer.is_refused(401, Some(PLAIN), Reason::MissingToken);
    }
}

#[tokio::test]
async fn two_cookies_of_the_name_are_a_bad_request_even_when_both_are_good() {
    // RFC 6265 §8.6: a cookie that a sibling domain has set is refused
    let expected = challenge("invalid_request", "There is more than one cookie of this name");
    let token = good();
    for second in [&*token, "evil", ""] {
        let one = format!("__Host-access={token}; x=1; __Host-access={second}");
        let in_one = to_api("GET").field("cookie", one);
        let in_two = with_access("GET", &token).field("cookie", format!("__Host-access={second}"));

        for request in [in_one, in_two] {
            let answer = send(&app(), request).await;
            answer.is_refused(400, Some(&expected), Reason::RepeatedCookie);
        }
    }
}

#[tokio::test]
async fn tokens_in_cookie_and_header_are_a_bad_request() {
    // RFC 6750 §2: one method for each request
    let expected = challenge("invalid_request", "More than one token was sent");

    let both = send(&app(), with_access("GET", good()).bearer(good())).await;
    let other_scheme = with_access("GET", good()).field("authorization", "Basic eDp5");

    both.is_refused(400, Some(&expected), Reason::SeveralTokens);
    send(&app(), other_scheme).await.is_ok("alice");
    send(&app(), to_api("GET").bearer(good())).await.is_ok("alice");
}

#[tokio::test]
async fn cookie_alone_is_read_where_the_source_replaces_the_header() {
    let app = app_behind(layer().with_source_instead(cookies().source()));

    send(&app, with_access("GET", good()).bearer("of.the.proxy")).await.is_ok("alice");
    let header = send(&app, to_api("GET").bearer(good())).await;
    header.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn removed_cookie_counts_as_none_and_a_bad_one_is_refused_where_tokens_are_optional() {
    let app = app_behind(layer().with_source(cookies().source()).with_optional_token());

    send(&app, with_access("GET", "")).await.is_ok("nobody");
    send(&app, to_api("POST").field("sec-fetch-site", "cross-site")).await.is_ok("nobody");
    let bad = send(&app, with_access("GET", "x")).await;
    bad.is_refused(401, Some(&invalid_token("The token cannot be verified")), Reason::Malformed);
}

#[tokio::test]
async fn first_request_and_a_hit_get_the_same_answers() {
    let app = app();
    let forged = || with_access("POST", good()).field("sec-fetch-site", "cross-site");

    for _ in 0..3 {
        send(&app, with_access("GET", good())).await.is_ok("alice");
        send(&app, forged()).await.is_refused(403, Some(PLAIN), Reason::CrossSite);
    }
}

struct Nothing;

impl Binding for Nothing {
    fn check(&self, _: &http::request::Parts, _: Presented<'_>, _: &Principal) -> BindingVerdict {
        BindingVerdict::NotApplicable
    }
}

#[tokio::test]
async fn other_sources_and_bindings_beside_change_nothing() {
    let source = || cookies().source();
    for layer in [
        layer().with_source(source()).with_binding(Nothing),
        layer().with_source(source()).with_source(WebSocketProtocol),
        layer().with_source(WebSocketProtocol).with_source(source()),
        layer().with_source(source()).with_principal_in_responses(),
    ] {
        let app = app_behind(layer);
        for _ in 0..2 {
            let answer = send(&app, with_access("GET", good())).await;
            answer.is_ok("alice");
            assert_eq!(answer.headers["cache-control"], "private");
        }
        let forged = with_access("POST", good()).field("sec-fetch-site", "cross-site");
        send(&app, forged).await.is_refused(403, Some(PLAIN), Reason::CrossSite);
        let both = send(&app, with_access("GET", good()).bearer(good())).await;
        assert_eq!((both.status.as_u16(), both.reason), (400, Some(Reason::SeveralTokens)));
    }
}

#[tokio::test]
async fn principal_is_in_the_response_on_demand() {
    let layer = layer().with_source(cookies().source());

    let without = send(&app_behind(layer.clone()), with_access("GET", good())).await;
    let with = with_access("GET", good());
    let with = send(&app_behind(layer.with_principal_in_responses()), with).await;

    assert_eq!((without.subject, with.subject), (None, Some("alice".to_owned())));
}

#[tokio::test]
async fn cookies_stay_for_the_handler_and_are_marked_as_sensitive() {
    let all = async |headers: HeaderMap| {
        let fields = headers.get_all("cookie");
        assert!(fields.iter().all(http::HeaderValue::is_sensitive));
        fields.iter().map(|field| field.to_str().unwrap().len()).sum::<usize>().to_string()
    };
    let app = Router::new().route("/", any(all)).layer(layer().with_source(cookies().source()));
    let token = good();
    let length = "__Host-access=".len() + token.len();

    let one = send(&app, with_access("GET", &token)).await;
    let two = send(&app, with_access("GET", &token).field("cookie", "x=1")).await;

    one.is_ok(&length.to_string());
    two.is_ok(&(length + 3).to_string());
}

#[tokio::test]
async fn response_is_private_unless_the_handler_says_otherwise() {
    // RFC 9111 §3.5: responses to cookies are not stored by shared caches either
    let app = Router::new()
        .route("/", any(async || "x"))
        .route("/public", any(async || [("cache-control", "public, max-age=60")]))
        .layer(layer().with_source(cookies().source()));
    let from = |path: &str| {
        get(path)
            .field("host", "api.example.com")
            .field("cookie", format!("__Host-access={}", good()))
    };

    let silent = send(&app, from("/")).await;
    let public = send(&app, from("/public")).await;
    let header = send(&app, get("/").bearer(good())).await;

    assert_eq!(silent.headers["cache-control"], "private");
    assert_eq!(public.headers["cache-control"], "public, max-age=60");
    assert!(!header.headers.contains_key("cache-control"));
}

#[tokio::test]
async fn names_are_heeded() {
    let named = cookies().with_names("__Host-a", "__Host-r", "__Host-c").unwrap();
    let app = app_with(named.source());

    let request = to_api("GET").field("cookie", format!("__Host-a={}", good()));
    send(&app, request).await.is_ok("alice");
    let default = send(&app, with_access("GET", good())).await;
    default.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn cookies_for_loopback_have_plain_names_and_origins() {
    let cookies = Cookies::dangerously_for_loopback(SECRET).unwrap();
    let app = app_with(cookies.source());
    let request = |method: &str, origin: &str| {
        let request = to_api(method).field("origin", origin);
        request.field("cookie", format!("access={}", good()))
    };

    send(&app, request("POST", "http://api.example.com")).await.is_ok("alice");
    let secure = send(&app, request("POST", OWN)).await;
    secure.is_refused(403, Some(PLAIN), Reason::CrossSite);
    let prefixed = send(&app, with_access("GET", good())).await;
    prefixed.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[test]
fn source_finds_the_token_outside_of_a_layer_too() {
    let request = head(with_access("GET", "a.b.c"));
    let source: Arc<dyn TokenSource> = Arc::new(cookies().source());

    let found = source.find(&request).unwrap().unwrap();

    assert_eq!(source.read(found.token()), Ok("a.b.c"));
}

#[tokio::test]
async fn binding_decides_about_tokens_in_cookies_too() {
    struct Never;
    impl Binding for Never {
        fn check(
            &self,
            _: &http::request::Parts,
            _: Presented<'_>,
            _: &Principal,
        ) -> BindingVerdict {
            BindingVerdict::Refused(Reason::BoundToken.into())
        }
    }
    let with_cookies = || layer().with_source(cookies().source());
    let app = app_behind(with_cookies().with_binding(Never));

    for _ in 0..2 {
        let answer = send(&app, with_access("GET", good())).await;
        let challenge = invalid_token("The token is bound to a key, which bearer tokens are not");
        answer.is_refused(401, Some(&challenge), Reason::BoundToken);
    }
    send(&app_behind(with_cookies()), with_access("GET", good())).await.is_ok("alice");
}

#[tokio::test]
async fn authenticators_decide_about_tokens_in_cookies_too() {
    struct Everybody;
    impl Authenticator for Everybody {
        fn accepts(&self, _: Presented<'_>) -> bool {
            true
        }

        async fn authenticate(&self, _: &str) -> Result<Authenticated, AuthError> {
            Ok(Authenticated::subject("bob"))
        }
    }
    let with_cookies = || layer().with_source(cookies().source());
    let first = app_behind(with_cookies().with_authenticator(Everybody, validation()).unwrap());
    let layer = with_cookies().with_fallback_authenticator(Everybody, validation()).unwrap();
    let fallback = app_behind(layer);

    send(&first, with_access("GET", good())).await.is_ok("bob");
    send(&fallback, with_access("GET", good())).await.is_ok("alice");
    send(&fallback, with_access("GET", "opaque")).await.is_ok("bob");
    let answer = send(&app_behind(with_cookies()), with_access("GET", "opaque")).await;
    let challenge = invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&challenge), Reason::Malformed);
}
