//! The map in an OpenAPI document.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::challenge::AuthScheme;
use tower_bearer::dpop::Dpop;
use tower_bearer::policy::{Policy, acr, all_of, any_of, role, scope, signed_in_within, when};
use tower_bearer::routes::{Operation, Routes, any, get, post};

use crate::support::{WithBearer, get as ask_get, good, key, layer, send, token};

fn document(paths: Value) -> Value {
    json!({ "openapi": "3.1.0", "info": { "title": "Orders", "version": "1" }, "paths": paths })
}

fn operation() -> Value {
    json!({ "responses": { "200": { "description": "good" } } })
}

/// The operation of a route with this permission.
fn described(policy: impl Policy) -> Value {
    let routes: Routes = Routes::new().route("/a", get(async || "").requires(policy));
    let mut document = document(json!({ "/a": { "get": operation() } }));
    assert!(routes.map().openapi().add_to(&mut document).is_empty());
    document["paths"]["/a"]["get"].take()
}

#[test]
fn alternatives_are_requirements_and_scopes_that_are_all_needed_stand_in_one() {
    let security = |policy: Box<dyn Policy>| described(policy)["security"].take();

    for (policy, expected) in [
        (Box::new(scope("a")) as Box<dyn Policy>, json!([{ "bearer": ["a"] }])),
        (Box::new(scope("b a")), json!([{ "bearer": ["a", "b"] }])),
        (Box::new(scope("b").and(scope("a"))), json!([{ "bearer": ["a", "b"] }])),
        (Box::new(scope("a").or(scope("b"))), json!([{ "bearer": ["a"] }, { "bearer": ["b"] }])),
        (
            Box::new(scope("a").or(scope("b")).and(scope("c"))),
            json!([{ "bearer": ["a", "c"] }, { "bearer": ["b", "c"] }]),
        ),
        (
            Box::new(any_of([scope("a"), scope("b")]).and(any_of([scope("a"), scope("c")]))),
            json!([
                { "bearer": ["a"] }, { "bearer": ["a", "c"] }, { "bearer": ["a", "b"] }, { "bearer": ["b", "c"] }
            ]),
        ),
        (Box::new(scope("a").or(role("r"))), json!([{ "bearer": ["a"] }, { "bearer": [] }])),
        (Box::new(role("r").or(role("s"))), json!([{ "bearer": [] }])),
        (Box::new(scope("a").and(role("r"))), json!([{ "bearer": ["a"] }])),
        (Box::new(when(|_| true)), json!([{ "bearer": [] }])),
        (Box::new(all_of([scope("a"), scope("b")])), json!([{ "bearer": ["a", "b"] }])),
    ] {
        assert_eq!(security(policy), expected);
    }
}

#[test]
fn empty_list_that_allows_nothing_does_not_look_open() {
    let nothing: [tower_bearer::policy::Scope; 0] = [];

    assert_eq!(described(any_of(nothing.clone()))["security"], json!([{ "bearer": [] }]));
    assert_eq!(described(all_of(nothing))["security"], json!([{ "bearer": [] }]));
}

#[test]
fn policy_of_many_alternatives_stands_in_words_alone() {
    let pair = |n: usize| any_of([scope(format!("a{n}")), scope(format!("b{n}"))]);

    let many = described(all_of((0..20).map(pair)));
    let few = described(all_of((0..5).map(pair)));

    assert_eq!(many["security"], json!([{ "bearer": [] }]));
    assert!(many["x-policy"].as_str().unwrap().contains("scope `b19`"));
    assert_eq!(few["security"].as_array().unwrap().len(), 32);
}

#[test]
fn whole_permission_stands_in_words() {
    let operation = described(scope("a").and(role("r")));

    assert_eq!(operation["x-policy"], "scope `a` and role `r`");
    let refused = &operation["responses"]["403"];
    assert_eq!(
        refused["description"],
        "the token does not give the permission: scope `a` and role `r`"
    );
    for status in ["401", "403"] {
        let field = &operation["responses"][status]["headers"]["WWW-Authenticate"];
        assert_eq!(field["schema"]["type"], "string", "{status}");
    }
    assert_eq!(operation["responses"]["200"]["description"], "good");
}

#[test]
fn permission_that_asks_for_another_sign_in_says_so_at_the_401() {
    let at_401 = |policy: Box<dyn Policy>| {
        described(policy)["responses"]["401"]["description"].as_str().unwrap().to_owned()
    };
    let good = "the token is missing or not good";
    let asked = "the token is missing or not good, or another sign-in is needed";

    assert_eq!(at_401(Box::new(scope("pay"))), good);
    assert_eq!(at_401(Box::new(scope("pay").and(acr(["phr"])))), asked);
    assert_eq!(at_401(Box::new(signed_in_within(Duration::from_secs(300)))), asked);
    assert_eq!(at_401(Box::new(role("clerk").or(acr(["phr"])))), good);
}

#[test]
fn each_access_has_its_security() {
    let routes: Routes = Routes::new()
        .route("/open", get(async || "").open())
        .route("/optional", get(async || "").optional_token())
        .route("/signed-in", get(async || "").signed_in())
        .route("/undeclared", get(async || ""));
    let paths = ["/open", "/optional", "/signed-in", "/undeclared"];
    let mut operations = serde_json::Map::new();
    for path in paths {
        operations.insert(path.into(), json!({ "get": { "security": [{ "old": [] }] } }));
    }
    let mut document = document(operations.into());

    assert!(routes.map().openapi().add_to(&mut document).is_empty());

    let seen = paths.map(|path| {
        let operation = &document["paths"][path]["get"];
        let statuses: Vec<_> = operation["responses"].as_object().into_iter().flatten().collect();
        (operation["security"].clone(), statuses.len())
    });
    let token = json!([{ "bearer": [] }]);
    let expected =
        [(json!([]), 0), (json!([{}, { "bearer": [] }]), 1), (token.clone(), 1), (token, 1)];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn token_that_need_not_be_there_needs_the_permission_of_the_layer() {
    let routes: Routes = Routes::new().route("/a", get(async || "").optional_token());
    let layer = layer().with_policy(scope("api"));
    let mut document = document(json!({ "/a": { "get": operation() } }));

    assert!(routes.map().behind(&layer).openapi().add_to(&mut document).is_empty());

    let operation = &document["paths"]["/a"]["get"];
    assert_eq!(operation["security"], json!([{}, { "bearer": ["api"] }]));
    assert_eq!(operation["x-policy"], "scope `api`");
    assert!(operation["responses"]["403"].is_object());
    // The layer does what the document says.
    let app = routes.into_router(layer);
    let api = token().claim("scope", "api").sign(&key());
    for (request, status) in [
        (ask_get("/a"), 200),
        (ask_get("/a").bearer(good()), 403),
        (ask_get("/a").bearer(api), 200),
        (ask_get("/a").bearer("broken"), 401),
    ] {
        assert_eq!(send(&app, request).await.status, status);
    }
}

#[test]
fn more_than_32_sets_of_scopes_are_told_in_words_alone() {
    let any = |count: usize| {
        any_of((0..count).map(|number| Box::new(scope(format!("s{number}"))) as Box<dyn Policy>))
    };
    let each = |count: usize| {
        all_of([
            any_of([scope("a"), scope("b")]),
            any_of((0..count).map(|number| scope(format!("s{number}"))).collect::<Vec<_>>()),
        ])
    };
    for (described, expected) in [
        (described(any(32)), 32),
        (described(any(33)), 1),
        (described(each(16)), 32),
        (described(each(17)), 1),
    ] {
        let security = described["security"].as_array().unwrap();
        assert_eq!(security.len(), expected);
        assert_eq!(security[0] == json!({ "bearer": [] }), expected == 1);
    }
}

#[test]
fn what_the_document_says_already_stays() {
    let routes: Routes = Routes::new().route("/a", get(async || "").requires(scope("a")));
    let own = json!({ "$ref": "#/components/responses/Refused" });
    let mut document = document(json!({ "/a": { "get": { "responses": { "401": own } } } }));
    let scheme = json!({ "type": "http", "scheme": "bearer", "description": "of our own" });
    document["components"] = json!({ "securitySchemes": { "bearer": scheme }, "schemas": {} });

    _ = routes.map().openapi().add_to(&mut document);

    let operation = &document["paths"]["/a"]["get"];
    assert_eq!(operation["responses"]["401"], own);
    assert!(operation["responses"]["403"].is_object());
    assert_eq!(
        document["components"],
        json!({ "securitySchemes": { "bearer": scheme }, "schemas": {} })
    );
}

#[test]
fn route_that_became_open_loses_the_policy_of_the_run_before() {
    let mut document = document(json!({ "/a": { "get": described(role("admin")) } }));
    let routes: Routes = Routes::new().route("/a", get(async || "").open());

    assert!(routes.map().openapi().add_to(&mut document).is_empty());

    let operation = &document["paths"]["/a"]["get"];
    assert_eq!((operation.get("x-policy"), &operation["security"]), (None, &json!([])));
}

#[test]
fn schemes_are_those_of_the_layer() {
    let routes: Routes = Routes::new().route("/a", get(async || "").requires(scope("a")));
    let dpop = Dpop::new("https://api.example.com").unwrap();
    let both = layer().with_dpop(dpop.clone().with_bearer_allowed());
    let described = |map: tower_bearer::routes::RouteMap| {
        let mut document = document(json!({ "/a": { "get": operation() } }));
        _ = map.openapi().add_to(&mut document);
        let security = document["paths"]["/a"]["get"]["security"].take();
        (security, document["components"]["securitySchemes"].take())
    };
    let bearer = json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" });
    let dpop_scheme = json!({ "type": "http", "scheme": "DPoP" });

    assert_eq!(
        described(routes.map()),
        (json!([{ "bearer": ["a"] }]), json!({ "bearer": bearer.clone() }))
    );
    assert_eq!(
        described(routes.map().behind(&both)),
        (
            json!([{ "bearer": ["a"] }, { "dpop": ["a"] }]),
            json!({ "bearer": bearer, "dpop": dpop_scheme.clone() })
        )
    );
    assert_eq!(
        described(routes.map().behind(&layer().with_dpop(dpop))),
        (json!([{ "dpop": ["a"] }]), json!({ "dpop": dpop_scheme }))
    );
    let other = AuthScheme::new("Own").unwrap();
    assert_eq!(
        described(routes.map().behind(&layer().with_schemes([other.into()]))).1,
        json!({ "own": { "type": "http", "scheme": "Own" } })
    );
}

#[test]
fn address_of_the_provider_takes_the_place_of_bearer() {
    let url = "https://id.example.com/.well-known/openid-configuration";
    let routes: Routes = Routes::new().route("/a", get(async || "").requires(scope("a")));
    let dpop = Dpop::new("https://api.example.com").unwrap().with_bearer_allowed();
    let map = routes.map().behind(&layer().with_dpop(dpop));
    let mut document = document(json!({ "/a": { "get": operation() } }));

    assert!(map.openapi().with_open_id_connect(url).add_to(&mut document).is_empty());

    assert_eq!(
        document["paths"]["/a"]["get"]["security"],
        json!([{ "openIdConnect": ["a"] }, { "dpop": ["a"] }])
    );
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(
        schemes["openIdConnect"],
        json!({ "type": "openIdConnect", "openIdConnectUrl": url })
    );
    assert_eq!(schemes["bearer"], Value::Null);
}

#[test]
fn document_of_version_3_0_has_scopes_for_open_id_connect_only() {
    let routes: Routes =
        Routes::new().route("/a", get(async || "").requires(scope("a").or(scope("b"))));
    let security = |url: Option<&str>| {
        let mut document = document(json!({ "/a": { "get": operation() } }));
        document["openapi"] = json!("3.0.3");
        let map = routes.map();
        let openapi = map.openapi();
        let openapi =
            url.into_iter().fold(openapi, |openapi, url| openapi.with_open_id_connect(url));
        _ = openapi.add_to(&mut document);
        assert_eq!(document["paths"]["/a"]["get"]["x-policy"], "scope `a` or scope `b`");
        document["paths"]["/a"]["get"]["security"].take()
    };

    assert_eq!(security(None), json!([{ "bearer": [] }]));
    assert_eq!(
        security(Some("https://id.example.com")),
        json!([{ "openIdConnect": ["a"] }, { "openIdConnect": ["b"] }])
    );
}

#[test]
fn differences_of_document_and_map_are_reported() {
    let routes: Routes = Routes::new()
        .route("/orders/{id}", get(async || "").signed_in().merge(post(async || "").signed_in()))
        .route("/any", any(async || "").signed_in())
        .route("/hidden", get(async || "").open())
        .merge_open("pages", axum::Router::new())
        .fallback(any(async || "").open());
    let mut document = document(json!({
        "/orders/{orderId}": {
            "summary": "no operation", "parameters": [], "get": operation(), "delete": operation(),
        },
        "/any": { "put": operation(), "head": operation() },
        "/old": { "get": operation() },
    }));
    let before = document.clone();

    let report = routes.map().openapi().add_to(&mut document);

    let operations = [("DELETE", "/orders/{orderId}"), ("GET", "/old")];
    let mut unknown = report.unknown_operations.clone();
    unknown.sort_by(|a, b| a.method.cmp(&b.method));
    let expected =
        operations.map(|(method, path)| Operation { method: method.into(), path: path.into() });
    assert_eq!(unknown, expected);
    let missing: Vec<_> = report.undocumented_routes.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["GET /hidden", "POST /orders/{id}"]);
    assert!(!report.is_empty());
    assert_eq!(document["paths"]["/old"], before["paths"]["/old"]);
    for method in ["put", "head"] {
        assert_eq!(document["paths"]["/any"][method]["security"], json!([{ "bearer": [] }]));
    }
}

#[test]
fn report_with_one_kind_of_difference_is_not_empty() {
    let routes: Routes = Routes::new().route("/a", get(async || "").open());

    let mut without = document(json!({}));
    assert!(!routes.map().openapi().add_to(&mut without).is_empty());
    let mut with_more =
        document(json!({ "/a": { "get": operation() }, "/b": { "get": operation() } }));
    assert!(!routes.map().openapi().add_to(&mut with_more).is_empty());
}

#[test]
fn head_is_that_of_get_and_wildcards_are_parameters() {
    let routes: Routes = Routes::new()
        .route("/files/{*rest}", get(async || "").requires(scope("files")))
        .route("/{{a}}", get(async || "").open());
    let mut document = document(json!({
        "/files/{path}": { "get": operation(), "head": operation() },
    }));

    let report = routes.map().openapi().add_to(&mut document);

    assert_eq!(report.unknown_operations, []);
    assert_eq!(report.undocumented_routes.len(), 1);
    assert_eq!(
        document["paths"]["/files/{path}"]["head"]["security"],
        json!([{ "bearer": ["files"] }])
    );
}

#[test]
fn paths_of_the_document_are_below_the_base_path() {
    let routes: Routes = Routes::new().route("/api/v1/a", get(async || "").signed_in());
    for (base, is_found) in [("/api/v1", true), ("/api/v1/", true), ("/api", false)] {
        let mut document = document(json!({ "/a": { "get": operation() } }));

        let report = routes.map().openapi().with_base_path(base).add_to(&mut document);

        assert_eq!(report.is_empty(), is_found, "{base}");
    }
}

#[test]
fn document_that_is_none_is_left_as_it_is() {
    let routes: Routes = Routes::new().route("/a", get(async || "").signed_in());
    for mut document in [
        Value::Null,
        json!([1]),
        json!({ "paths": 1 }),
        json!({ "paths": { "/a": 1, "/b": { "get": 2, "x-own": {} } } }),
    ] {
        let before = document.clone();

        let report = routes.map().openapi().add_to(&mut document);

        assert_eq!(document, before);
        assert_eq!((report.unknown_operations.len(), report.undocumented_routes.len()), (0, 1));
    }
}

mod needs_openapi_validator {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// Returns the validator's verdicts about these documents.
    fn verdicts(documents: &[Value]) -> Vec<String> {
        let command = std::env::var("OPENAPI_CHECK").expect("run scripts/interop");
        let mut check = Command::new("sh")
            .args(["-c", &command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = check.stdin.take().unwrap();
        for document in documents {
            writeln!(input, "{document}").unwrap();
        }
        drop(input);
        let output = check.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    #[ignore = "needs openapi-spec-validator: scripts/interop"]
    fn documents_are_valid_for_another_reader() {
        let routes: Routes = Routes::new()
            .route("/a", get(async || "").requires(scope("a").or(scope("b").and(role("c")))))
            .route("/b", get(async || "").optional_token().merge(post(async || "").open()))
            .route("/c", any(async || "").signed_in());
        let dpop = Dpop::new("https://api.example.com").unwrap().with_bearer_allowed();
        let maps = [routes.map(), routes.map().behind(&layer().with_dpop(dpop))];
        let mut documents = Vec::new();
        for map in &maps {
            let url = "https://id.example.com/.well-known/openid-configuration";
            for openapi in [map.openapi(), map.openapi().with_open_id_connect(url)] {
                for version in ["3.0.3", "3.1.0"] {
                    let mut document = document(json!({
                        "/a": { "get": operation() },
                        "/b": { "get": operation(), "post": operation() },
                        "/c": { "delete": operation() },
                    }));
                    document["openapi"] = json!(version);
                    assert!(openapi.add_to(&mut document).is_empty());
                    documents.push(document);
                }
            }
        }
        assert_eq!(verdicts(&documents), ["ok"; 8]);

        for document in &mut documents {
            document["components"]["securitySchemes"]["broken"] = json!({ "type": "http" });
        }
        let verdicts = verdicts(&documents);
        assert!(verdicts.iter().all(|verdict| verdict.starts_with("no:")), "{verdicts:?}");
    }
}
