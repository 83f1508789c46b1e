//! Tests pages that keep the access token in memory and the refresh token in a cookie.

use super::*;

const COOKIE: &str = "__Host-refresh-only";

fn keep(place: &str) -> Value {
    let mut body = credentials("alice", "correct horse");
    body["keep"] = place.into();
    body
}

/// A page that has signed in: its access token, and the cookies of its browser.
struct Page {
    access: String,
    cookies: HashMap<String, String>,
}

impl Page {
    async fn new(house: &House) -> Self {
        let request = from_site(post("/login", keep("refresh-cookie")), "same-origin");
        Self::of(&send(&house.app, request).await)
    }

    #[track_caller]
    fn of(answer: &Answer) -> Self {
        let tokens = tokens(answer);
        // No refresh token.
        assert_eq!(tokens.0.as_object().unwrap().len(), 3, "{answer:?}");
        assert_eq!(
            (&tokens.0["token_type"], &tokens.0["expires_in"]),
            (&"Bearer".into(), &900.into())
        );
        assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
        let mut cookies = cookies_of(answer);
        cookies.retain(|_, value| !value.is_empty());
        let mut names: Vec<_> = cookies.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["__Host-csrf", COOKIE]);
        assert!(!answer.body.contains(&cookies[COOKIE]));
        Self { access: tokens.access().to_owned(), cookies }
    }

    fn own(&self, path: &str) -> Request<Body> {
        self.from(path, "same-origin")
    }

    fn from(&self, path: &str, site: &'static str) -> Request<Body> {
        let request = Request::post(path).body(Body::empty()).unwrap();
        from_site(with_cookies(request, &self.cookies), site)
    }
}

#[tokio::test]
async fn access_token_is_in_the_answer_and_no_script_sees_the_refresh_token() {
    let house = House::new().await;

    let request = from_site(post("/login", keep("refresh-cookie")), "same-origin");
    let answer = send(&house.app, request).await;

    let page = Page::of(&answer);
    assert_eq!(house.me(&page.access).await, 200);
    let fields = answer.headers.get_all(SET_COOKIE).iter().map(|field| field.to_str().unwrap());
    let fields: Vec<_> = fields.filter(|field| field.starts_with(COOKIE)).collect();
    let [field] = *fields else { panic!("{answer:?}") };
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(field.contains(attribute), "{attribute}: {field}");
    }
    // The cookie alone is no access token.
    let get = Request::get("/me").body(Body::empty()).unwrap();
    let me = send(&house.app, with_cookies(get, &page.cookies)).await;
    assert_eq!((me.status.as_u16(), me.reason), (401, Some(Reason::MissingToken)));
}

#[tokio::test]
async fn refresh_by_this_cookie_rotates_it_and_answers_with_an_access_token() {
    let house = House::new().await;
    let begun = Page::new(&house).await;

    let next = Page::of(&send(&house.app, begun.own("/refresh")).await);
    let other_tab = Page::of(&send(&house.app, begun.own("/refresh")).await);
    let last = Page::of(&send(&house.app, next.own("/refresh")).await);
    let stolen = send(&house.app, begun.own("/refresh")).await;

    assert_ne!(next.cookies[COOKIE], begun.cookies[COOKIE]);
    assert_eq!(next.cookies[COOKIE], other_tab.cookies[COOKIE]);
    is_refused(&stolen, 401, "invalid_grant");
    // The browser forgets what is not good any more.
    assert!(cookies_of(&stolen).values().all(String::is_empty), "{stolen:?}");
    assert_eq!(cookies_of(&stolen).len(), 4);
    assert_eq!(house.me(&last.access).await, 401);
}

#[tokio::test]
async fn form_of_the_answer_is_that_of_the_cookie_whatever_the_request_asks_for() {
    let house = House::new().await;
    let cookies = browser(&house).await;
    let page = Page::new(&house).await;
    let refresh = async |cookies: &HashMap<String, String>, body: Value| {
        let request = from_site(with_cookies(post("/refresh", body), cookies), "same-origin");
        send(&house.app, request).await
    };

    // A script in a page whose tokens are both in cookies asks for what it may not read.
    for word in ["refresh-cookie", "cookies"] {
        is_refused(&refresh(&cookies, json!({ "keep": word })).await, 400, "invalid_request");
        is_refused(&refresh(&page.cookies, json!({ "keep": word })).await, 400, "invalid_request");
    }
    let in_cookies = refresh(&cookies, json!({ "grant_type": "refresh_token" })).await;
    let in_memory = refresh(&page.cookies, json!({ "grant_type": "refresh_token" })).await;

    assert_eq!((in_cookies.status.as_u16(), &*in_cookies.body), (200, r#"{"expires_in":900}"#));
    assert!(cookies_of(&in_cookies)[COOKIE].is_empty());
    Page::of(&in_memory);
}

#[tokio::test]
async fn other_sites_cannot_use_the_refresh_cookie_or_sign_a_browser_in() {
    let house = House::new().await;
    let page = Page::new(&house).await;

    for site in ["cross-site", "same-site"] {
        let login = from_site(post("/login", keep("refresh-cookie")), site);
        is_refused(&send(&house.app, login).await, 403, "cross_site");
        for path in ["/refresh", "/logout"] {
            let answer = send(&house.app, page.from(path, site)).await;
            assert_eq!((answer.status.as_u16(), answer.reason), (403, Some(Reason::CrossSite)));
            is_refused(&answer, 403, "cross_site");
        }
    }
    // An old browser says nothing about the site, so its page repeats the CSRF token.
    let mut silent = page.own("/refresh");
    silent.headers_mut().remove("sec-fetch-site");
    let answer = send(&house.app, silent).await;
    is_refused(&answer, 403, "cross_site");
    assert_eq!(answer.reason, Some(Reason::MissingCsrfToken));

    let mut silent = page.own("/refresh");
    silent.headers_mut().remove("sec-fetch-site");
    silent.headers_mut().insert("x-csrf-token", page.cookies["__Host-csrf"].parse().unwrap());
    Page::of(&send(&house.app, silent).await);
}

#[tokio::test]
async fn signing_out_ends_the_session_of_the_refresh_cookie_and_removes_it() {
    let house = House::new().await;
    let (here, there) = (Page::new(&house).await, Page::new(&house).await);

    let out = send(&house.app, here.own("/logout")).await;
    let everywhere = bearer(Method::POST, "/logout-everywhere", &there.access);
    let everywhere =
        send(&house.app, from_site(with_cookies(everywhere, &there.cookies), "same-origin")).await;

    for answer in [&out, &everywhere] {
        assert_eq!((answer.status.as_u16(), &*answer.body), (204, ""), "{answer:?}");
        assert!(cookies_of(answer)[COOKIE].is_empty());
        assert_eq!(cookies_of(answer).len(), 4);
    }
    for page in [here, there] {
        assert_eq!(house.me(&page.access).await, 401);
        is_refused(&send(&house.app, page.own("/refresh")).await, 401, "invalid_grant");
    }
}

#[tokio::test]
async fn refresh_tokens_in_two_places_are_refused_and_in_one_of_them_accepted() {
    let house = House::new().await;
    let page = Page::new(&house).await;
    let mut both = browser(&house).await;
    both.insert(COOKIE.into(), page.cookies[COOKIE].clone());
    let begun = house.sign_in().await;
    let in_body = |path: &str, cookies: &HashMap<String, String>| {
        let request = post(path, json!({ "refresh_token": begun.refresh() }));
        from_site(with_cookies(request, cookies), "same-origin")
    };

    let request = Request::post("/refresh").body(Body::empty()).unwrap();
    let two_cookies = from_site(with_cookies(request, &both), "same-origin");
    is_refused(&send(&house.app, two_cookies).await, 400, "invalid_request");
    for path in ["/refresh", "/logout"] {
        let answer = send(&house.app, in_body(path, &both)).await;
        is_refused(&answer, 400, "invalid_request");
        let answer = send(&house.app, in_body(path, &page.cookies)).await;
        is_refused(&answer, 400, "invalid_request");
        assert!(!answer.headers.contains_key(SET_COOKIE));
    }

    // Nothing was exchanged or ended.
    Page::of(&send(&house.app, page.own("/refresh")).await);
    tokens(&house.refresh(begun.refresh()).await);
    // A sign-in leaves one of the two.
    let again = from_site(with_cookies(post("/login", keep("cookies")), &both), "same-origin");
    let again = send(&house.app, again).await;
    assert!(cookies_of(&again)[COOKIE].is_empty(), "{again:?}");
    is_refused(&send(&house.app, page.own("/refresh")).await, 401, "invalid_grant");
}

#[tokio::test]
async fn signing_out_with_a_cookie_of_each_way_ends_both_sessions() {
    let house = House::new().await;
    let page = Page::new(&house).await;
    let mut both = browser(&house).await;
    both.insert(COOKIE.into(), page.cookies[COOKIE].clone());

    // A page may have set one of the two, so that the user stays signed in.
    let request = Request::post("/logout").body(Body::empty()).unwrap();
    let of_another_site = from_site(with_cookies(request, &both), "cross-site");
    let refused = send(&house.app, of_another_site).await;
    let request = Request::post("/logout").body(Body::empty()).unwrap();
    let out = send(&house.app, from_site(with_cookies(request, &both), "same-origin")).await;

    assert_eq!(refused.status, 403);
    assert_eq!(out.status, 204, "{out:?}");
    for name in [COOKIE, "__Host-refresh", "__Host-access"] {
        assert!(cookies_of(&out)[name].is_empty(), "{out:?}");
    }
    is_refused(&send(&house.app, page.own("/refresh")).await, 401, "invalid_grant");
    assert_eq!(house.me(&page.access).await, 401);
}

#[tokio::test]
async fn signing_in_the_other_way_ends_the_session_that_the_browser_had() {
    let house = House::new().await;
    let cookies = browser(&house).await;

    let request = with_cookies(post("/login", keep("refresh-cookie")), &cookies);
    let answer = send(&house.app, from_site(request, "same-origin")).await;

    Page::of(&answer);
    for name in ["__Host-access", "__Host-refresh"] {
        assert!(cookies_of(&answer)[name].is_empty(), "{answer:?}");
    }
    let get = Request::get("/me").body(Body::empty()).unwrap();
    let me = send(&house.app, with_cookies(get, &cookies)).await;
    assert_eq!((me.status.as_u16(), me.reason), (401, Some(Reason::Revoked)));
}

#[tokio::test]
async fn request_without_any_refresh_token_is_refused_as_before() {
    let house = House::new().await;
    let mut page = Page::new(&house).await;
    page.cookies.remove(COOKIE);

    for path in ["/refresh", "/logout"] {
        is_refused(&send(&house.app, page.own(path)).await, 400, "invalid_request");
    }
}

#[tokio::test]
async fn cookies_are_refused_where_there_are_none() {
    let endpoints = House::without_cookies().await;

    for place in ["refresh-cookie", "cookies"] {
        let answer = send(&endpoints, post("/login", keep(place))).await;
        is_refused(&answer, 400, "invalid_request");
    }
    tokens(&send(&endpoints, post("/login", credentials("alice", "correct horse"))).await);
}
