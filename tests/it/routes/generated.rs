//! A crawler without a token finds exactly the open routes of an application of 200 routes.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use tower_bearer::policy::{role, scope};
use tower_bearer::routes::{
    Methods, RouteAccess, RouteKind, Routes, delete, get, patch, post, put,
};

use crate::support::mutants::Random;
use crate::support::{layer, send};

fn handlers(method: &Method) -> Methods {
    let answer = async || "found";
    match method.as_str() {
        "GET" => get(answer),
        "POST" => post(answer),
        "PUT" => put(answer),
        "PATCH" => patch(answer),
        _ => delete(answer),
    }
}

const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Makes an application of 200 routes, in three depths, and the set of its open routes.
fn generated(seed: u64) -> (Routes, BTreeSet<(String, String)>) {
    let mut random = Random(seed);
    let mut open = BTreeSet::new();
    let mut levels = [Routes::new(), Routes::new(), Routes::new()];
    let prefixes = ["", "/v1", "/v1/{tenant}"];
    for path in 0..100 {
        let level = random.below(3);
        let tail = *random.one(&["", "/{id}", "/{id}/{*rest}"]);
        let path = format!("/p{path}{tail}");
        let first = random.below(5);
        let mut two = [first, (first + 1 + random.below(4)) % 5].into_iter().map(|method| {
            let method = &METHODS[method];
            let handlers = handlers(method);
            match random.below(6) {
                0 => {
                    let full = format!("{}{path}", prefixes[level]);
                    open.insert((method.to_string(), full));
                    handlers.open()
                }
                1 => handlers.signed_in(),
                2 => handlers.requires(scope("a").or(role("b"))),
                3 => handlers.requires(scope("a")),
                4 => handlers.requires(role("b").and(scope("c"))),
                _ => handlers.into(),
            }
        });
        let both = two.next().unwrap().merge(two.next().unwrap());
        drop(two);
        levels[level] = std::mem::take(&mut levels[level]).route(&path, both);
    }
    let [top, middle, inner] = levels;
    (top.nest("/v1", middle.nest("/{tenant}", inner)), open)
}

/// Fills in the parameters by its own means, and not by those of the crate.
fn address(path: &str) -> String {
    path.replace("{tenant}", "acme").replace("{id}", "42").replace("{*rest}", "x/y")
}

#[tokio::test]
async fn crawler_without_a_token_finds_exactly_the_open_routes() {
    for seed in 0..5 {
        let (routes, open) = generated(seed);
        let map = routes.map();
        assert_eq!(map.entries().len(), 200);
        assert!((10..100).contains(&open.len()), "{}", open.len());
        let app = routes.into_router(layer());

        let mut found = BTreeSet::new();
        let paths: BTreeSet<_> =
            map.entries().iter().map(|entry| entry.path().to_owned()).collect();
        for path in &paths {
            for method in METHODS {
                let request = Request::builder().method(&method).uri(address(path));
                let answer = send(&app, request.body(Body::empty()).unwrap()).await;
                if answer.body == "found" {
                    found.insert((method.to_string(), path.clone()));
                } else {
                    let refused = [StatusCode::UNAUTHORIZED, StatusCode::METHOD_NOT_ALLOWED];
                    assert!(refused.contains(&answer.status), "{method} {path}: {answer:?}");
                }
            }
        }

        assert_eq!(found, open);
        let declared = map.entries().iter().filter(|entry| *entry.access() == RouteAccess::Open);
        let declared: BTreeSet<_> = declared
            .map(|entry| match entry.kind() {
                RouteKind::Method(method) => (method.to_string(), entry.path().to_owned()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(declared, open);
        assert_eq!(map.probe(&app).await, []);
    }
}
