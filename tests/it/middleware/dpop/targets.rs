use axum::extract::OriginalUri;
use tower_bearer::ConfigError;

use super::*;
use crate::support::log::Log;
use crate::support::{get, send};

/// Sends a request for a path with a proof for a URI.
async fn sent(dpop: Dpop, path: &str, htu: &str) -> Answer {
    let app = app(layer().with_dpop(dpop));
    let proof = Proof::good().claim("htu", htu).sign();
    let request =
        get(path).field("authorization", format!("DPoP {}", bound())).field("dpop", proof);
    send(&app, request).await
}

#[tokio::test]
async fn proof_is_for_one_method() {
    // RFC 9449 §4.3: htm is the method, with case
    for method in [Method::GET, Method::POST, Method::DELETE, Method::PATCH, Method::HEAD] {
        for (htm, accepted) in
            [(method.as_str(), true), ("PUT", false), ("get", false), ("", false)]
        {
            let proof = Proof::good().claim("htm", htm).sign();
            let request = request(method.clone(), "/");
            let request = request.field("authorization", format!("DPoP {}", bound()));
            let answer = send(&required(), request.field("dpop", proof)).await;
            match accepted {
                true => assert_eq!(answer.status, 200),
                false => assert_eq!(answer.reason, Some(Reason::ProofForOtherRequest), "{htm}"),
            }
        }
    }
    let own = Method::from_bytes(b"get").unwrap();
    for (htm, accepted) in [("get", true), ("GET", false)] {
        let proof = Proof::good().claim("htm", htm).sign();
        let request = request(own.clone(), "/").field("authorization", format!("DPoP {}", bound()));
        let answer = send(&required(), request.field("dpop", proof)).await;
        assert_eq!(answer.status == 200, accepted, "{htm}");
    }
}

#[tokio::test]
async fn proof_is_for_one_uri_without_query_and_fragment() {
    // RFC 9449 §4.3: htu is the URI without query and fragment
    // RFC 9449 §4.3: URIs are normalised on both sides
    for (path, htu) in [
        ("/", "https://api.example.com/"),
        ("/", "https://api.example.com"),
        ("/orders", "https://api.example.com/orders"),
        ("/orders?id=1", "https://api.example.com/orders"),
        ("/orders?id=1", "https://api.example.com/orders?id=2#x"),
        ("/orders", "https://api.example.com/orders#x"),
        ("/orders", "HTTPS://API.Example.COM/orders"),
        ("/orders", "https://api.example.com:443/orders"),
        ("/orders", "https://api.example.com:/orders"),
        ("/orders", "https://api.example.com/%6Frders"),
        ("/%6frders", "https://api.example.com/orders"),
        ("/a%2fb", "https://api.example.com/a%2Fb"),
        ("/a/b", "https://api.example.com/./a/x/../b"),
        ("/a/../b", "https://api.example.com/a/../b"),
        ("/a|b", "https://api.example.com/a%7Cb"),
        ("/a%7cb", "https://api.example.com:443/a|b"),
        ("/caf%C3%A9", "https://api.example.com/café"),
        ("/a[1]", "https://API.example.com/a%5B1%5D"),
        ("/%7Euser", "https://api.example.com/~user"),
        ("/a|b", "https://api.example.com/a|b"),
        ("/caf%C3%A9", "https://api.example.com/caf%c3%a9"),
        ("//", "https://api.example.com//"),
        ("/a;b=c", "https://api.example.com/a;b=c"),
    ] {
        let answer = sent(dpop(), path, htu).await;
        assert_eq!((answer.status.as_u16(), answer.reason), (200, None), "{path} {htu}");
    }
    let long = format!("https://api.example.com/{}b", "./".repeat(100));
    for (path, htu) in [
        ("/", ""),
        ("/", "/"),
        ("/", "api.example.com/"),
        ("/", "//api.example.com/"),
        ("/", "http://api.example.com/"),
        ("/", "https://api.example.com:8443/"),
        ("/", "https://api.example.com:80/"),
        ("/", "https://api.example.com.evil.com/"),
        ("/", "https://api.example.comevil/"),
        ("/", "https://evil.com/https://api.example.com/"),
        ("/", "https://api.example.com@evil.com/"),
        ("/", "https://user@api.example.com/"),
        ("/", "https://user:pw@api.example.com/"),
        ("/", "https://api.example.com./"),
        ("/", "https:\\\\api.example.com/"),
        ("/", "https://api.example.com\\"),
        ("/", " https://api.example.com/"),
        ("/", "https://api.example.com/ "),
        ("/orders", "https://api.example.com/orders/"),
        ("/orders/", "https://api.example.com/orders"),
        ("/orders", "https://api.example.com/Orders"),
        ("/orders", "https://api.example.com//orders"),
        ("/orders", "https://api.example.com/orders%00"),
        ("/a/b", "https://api.example.com/a%2Fb"),
        ("/a%2Fb", "https://api.example.com/a/b"),
        ("/a+b", "https://api.example.com/a%20b"),
        ("/a%2Bb", "https://api.example.com/a+b"),
        ("/a%2525", "https://api.example.com/a%25"),
        ("/a/../b", "https://api.example.com/b"),
        ("/a/%2e%2e/b", "https://api.example.com/b"),
        ("/a/%2E./b", "https://api.example.com/b"),
        ("/./b", "https://api.example.com/b"),
        ("/b/.", "https://api.example.com/b/"),
        ("/b", &long),
        ("/orders", "https://api.example.com"),
        ("/orders", "https://api.example.com/orders\u{0}"),
        ("/orders", "urn:https://api.example.com/orders"),
    ] {
        let answer = sent(dpop(), path, htu).await;
        assert_eq!(answer.reason, Some(Reason::ProofForOtherRequest), "{path} {htu}");
        is_refused(&answer, Reason::ProofForOtherRequest);
    }
}

#[tokio::test]
async fn neither_host_nor_forwarded_fields_nor_an_absolute_target_change_the_public_uri() {
    // RFC 9449 §4.3: the public URI is configured or from a trusted proxy, and never from Host
    let evil = "https://evil.com/";
    for (htu, accepted) in [(evil, false), ("https://api.example.com/", true)] {
        let proof = Proof::good().claim("htu", htu).sign();
        let request = request(Method::GET, evil)
            .field("authorization", format!("DPoP {}", bound()))
            .field("dpop", proof)
            .field("host", "evil.com")
            .field("forwarded", "host=evil.com;proto=https")
            .field("x-forwarded-host", "evil.com");
        let answer = send(&required(), request).await;
        match accepted {
            true => _ = answer.is_ok("alice"),
            false => is_refused(&answer, Reason::ProofForOtherRequest),
        }
    }
}

#[tokio::test]
async fn request_without_a_path_has_no_proof() {
    let app = app(layer().with_dpop(dpop()));
    for (method, target) in [(Method::OPTIONS, "*"), (Method::CONNECT, "api.example.com:443")] {
        for htu in
            ["https://api.example.com", "https://api.example.com/", "https://api.example.com*"]
        {
            let proof = Proof::good().claim("htm", method.as_str()).claim("htu", htu).sign();
            let request = request(method.clone(), target)
                .field("authorization", format!("DPoP {}", bound()))
                .field("dpop", proof);
            is_refused(&send(&app, request).await, Reason::ProofForOtherRequest);
        }
    }
}

#[tokio::test]
async fn api_may_have_several_public_urls_and_a_prefix() {
    let dpop = || {
        let dpop = Dpop::new("https://example.com:8443/orders-api/").unwrap();
        dpop.with_public_url("http://localhost").unwrap().with_clock(TestClock::at(NOW))
    };
    for (htu, accepted) in [
        ("https://example.com:8443/orders-api/x", true),
        ("http://localhost/x", true),
        ("http://localhost:80/x", true),
        ("https://example.com:8443/x", false),
        ("https://example.com/orders-api/x", false),
        ("http://localhost/orders-api/x", false),
        ("https://localhost/x", false),
    ] {
        assert_eq!(sent(dpop(), "/x", htu).await.status == 200, accepted, "{htu}");
    }
    // The prefix itself, which the proxy that takes it off sends as `/`.
    for (path, htu, accepted) in [
        ("/", "https://example.com:8443/orders-api", true),
        ("/", "https://example.com:8443/orders-api/", true),
        ("/x", "https://example.com:8443/orders-api", false),
        ("/", "https://example.com:8443/orders-ap", false),
    ] {
        assert_eq!(sent(dpop(), path, htu).await.status == 200, accepted, "{path} {htu}");
    }
}

#[tokio::test]
async fn uri_is_the_one_before_a_router_took_a_prefix_off() {
    // RFC 9449 §4.3: the URI is the one before routers took a prefix off
    for knows in [true, false] {
        let dpop = if knows { dpop().with_original_uri::<OriginalUri>() } else { dpop() };
        let inner = app(layer().with_dpop(dpop));
        let app = Router::new().nest("/v1", Router::new().nest("/api", inner));
        for (htu, is_whole) in
            [("https://api.example.com/v1/api/x", true), ("https://api.example.com/x", false)]
        {
            let proof = Proof::good().claim("htu", htu).sign();
            let request = get("/v1/api/x?y=z")
                .field("authorization", format!("DPoP {}", bound()))
                .field("dpop", proof);
            let answer = send(&app, request).await;
            match is_whole == knows {
                true => _ = answer.is_ok("alice"),
                false => is_refused(&answer, Reason::ProofForOtherRequest),
            }
        }
    }
}

#[tokio::test]
async fn log_says_which_uri_was_expected() {
    let (log, _guard) = Log::of_this_thread();

    sent(dpop(), "/orders", "https://other.example.com/orders").await;

    let uris = "`htu` is \\\"https://other.example.com/orders\\\", and the request is for \\\"https://api.example.com/orders\\\"";
    assert_eq!(log.about(uris).len(), 1, "{:?}", log.events());
}

#[test]
fn public_url_that_no_proof_can_have_is_a_mistake() {
    for (wrong, problem) in [
        ("", "is no URL"),
        ("api.example.com", "is no URL"),
        ("/v1", "is no URL"),
        ("https:", "has no host"),
        ("https://", "has no host"),
        ("https:///v1", "has no host"),
        ("ftp://example.com", "is neither https nor http"),
        ("https://me:secret@example.com", "has a user in it"),
        ("https://example.com?x=y", "has a query or a fragment"),
        ("https://example.com#x", "has a query or a fragment"),
        ("https://exa mple.com", "is no URL"),
    ] {
        let Err(ConfigError::Address { address, problem: found }) = Dpop::new(wrong) else {
            panic!("{wrong}");
        };
        assert!(found.starts_with(problem), "{wrong}: {found}");
        assert!(!address.contains("secret"), "{address}");
    }
    assert!(Dpop::new("https://example.com").unwrap().with_public_url("x").is_err());
}
