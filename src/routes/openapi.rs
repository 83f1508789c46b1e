//! Writes what a map knows into an OpenAPI document. The document is plain JSON, so it may come from
//! any crate: utoipa, aide, or a file.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::map::{RouteEntry, RouteKind, RouteMap};
use super::route_access::RouteAccess;
use crate::challenge::AuthScheme;
use crate::claims::policy::PolicyDescription;

/// Adds the declarations of a [`RouteMap`] to an OpenAPI document. [`RouteMap::openapi`] creates it.
#[derive(Clone, Debug)]
#[must_use]
pub struct OpenApi<'m> {
    map: &'m RouteMap,
    open_id_connect: Option<String>,
    base_path: String,
}

/// Lists where an OpenAPI document and a [`RouteMap`] differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct OpenApiReport {
    /// Operations of the document that the map lacks. Nothing was added to them.
    pub unknown_operations: Vec<Operation>,
    /// Routes of the map that the document lacks.
    pub undocumented_routes: Vec<RouteEntry>,
}

/// One operation of an OpenAPI document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The method in upper case.
    pub method: String,
    /// The path as the document has it.
    pub path: String,
}

impl RouteMap {
    /// Adds the declarations to an OpenAPI document.
    ///
    /// ```
    /// use serde_json::json;
    /// use tower_bearer::policy::scope;
    /// use tower_bearer::routes::{Routes, get};
    ///
    /// # async fn list() {}
    /// let routes: Routes = Routes::new().route("/orders", get(list).requires(scope("orders:read")));
    /// let mut document = json!({
    ///     "openapi": "3.1.0",
    ///     "info": { "title": "Orders", "version": "1" },
    ///     "paths": { "/orders": { "get": { "responses": { "200": { "description": "orders" } } } } },
    /// });
    ///
    /// let report = routes.map().openapi().add_to(&mut document);
    ///
    /// assert!(report.is_empty());
    /// let security = &document["paths"]["/orders"]["get"]["security"];
    /// assert_eq!(*security, json!([{ "bearer": ["orders:read"] }]));
    /// ```
    pub fn openapi(&self) -> OpenApi<'_> {
        OpenApi { map: self, open_id_connect: None, base_path: String::new() }
    }
}

impl OpenApi<'_> {
    /// Names the address of the provider's discovery document, by which tools find out how to sign in. The
    /// scheme is then `openIdConnect` in place of `Bearer`.
    pub fn with_open_id_connect(mut self, url: impl Into<String>) -> Self {
        self.open_id_connect = Some(url.into());
        self
    }

    /// Sets the path that the addresses under `servers` in the document have: the paths of the document are
    /// relative to it. The default is none.
    pub fn with_base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = path.into();
        self
    }

    /// Adds to every operation that the map has:
    ///
    /// - `security`, which replaces any that is there: one requirement for each set of scopes that the
    ///   policy accepts and for each scheme; none (`[]`) for an open route;
    /// - `x-policy` with the whole permission in words, because roles and other conditions are no scopes;
    /// - the responses 401 and 403 with `WWW-Authenticate`, unless they are there.
    ///
    /// `components.securitySchemes` gets the schemes of the layer ([`RouteMap::behind`]); one of the same
    /// name stays. OpenAPI 3.0 allows scopes for `openIdConnect` only, so for other schemes they are in
    /// `x-policy` alone there.
    ///
    /// The document then names the roles and conditions of the application: publish it to those who may know
    /// them. A document that is no object with `paths` is left as it is.
    pub fn add_to(&self, document: &mut Value) -> OpenApiReport {
        let schemes = self.schemes();
        let allows_scopes =
            !document["openapi"].as_str().is_some_and(|version| version.starts_with("3.0"));
        let mut documented = BTreeSet::new();
        let mut report = OpenApiReport::default();
        let paths = document.get_mut("paths").and_then(Value::as_object_mut);
        for (path, item) in paths.into_iter().flatten() {
            let Some(item) = item.as_object_mut() else { continue };
            for (method, operation) in item.iter_mut() {
                let Some(operation) = operation.as_object_mut().filter(|_| is_method(method))
                else {
                    continue;
                };
                let method = method.to_ascii_uppercase();
                let Some((index, entry)) = self.entry_of(&method, path) else {
                    report.unknown_operations.push(Operation { method, path: path.clone() });
                    continue;
                };
                documented.insert(index);
                describe(operation, entry.access(), &schemes, allows_scopes);
            }
        }
        let is_documented = |index: &usize, entry: &RouteEntry| {
            documented.contains(index)
                || matches!(entry.kind(), RouteKind::Router(_) | RouteKind::Fallback)
        };
        let missing = self.map.entries().iter().enumerate();
        let missing = missing.filter(|(index, entry)| !is_documented(index, entry));
        report.undocumented_routes = missing.map(|(_, entry)| entry.clone()).collect();
        if !documented.is_empty() {
            add_schemes(document, schemes);
        }
        report
    }

    /// Returns the schemes with their names in the document.
    fn schemes(&self) -> Vec<Scheme> {
        let mut schemes: Vec<_> =
            self.map.schemes().iter().map(|scheme| Scheme::of(*scheme)).collect();
        if let Some(url) = &self.open_id_connect {
            let open_id_connect = Scheme {
                name: "openIdConnect".to_owned(),
                object: json!({ "type": "openIdConnect", "openIdConnectUrl": url }),
                is_open_id_connect: true,
            };
            schemes.retain(|scheme| scheme.name != "bearer");
            schemes.insert(0, open_id_connect);
        }
        schemes
    }

    /// Returns the line of the map for an operation. A handler for its method comes before one for all.
    fn entry_of(&self, method: &str, path: &str) -> Option<(usize, &RouteEntry)> {
        let path = template(&format!("{}{path}", self.base_path.trim_end_matches('/')));
        let on_path = || {
            let entries = self.map.entries().iter().enumerate();
            entries.filter(|(_, entry)| template(entry.path()) == path)
        };
        let of = |method: &str| {
            on_path().find(
                |(_, entry)| matches!(entry.kind(), RouteKind::Method(own) if own.as_str() == method),
            )
        };
        let of_get = || if method == "HEAD" { of("GET") } else { None };
        let of_any = || on_path().find(|(_, entry)| *entry.kind() == RouteKind::AnyMethod);
        of(method).or_else(of_get).or_else(of_any)
    }
}

impl OpenApiReport {
    /// Returns whether the document and the map have the same routes.
    pub fn is_empty(&self) -> bool {
        self.unknown_operations.is_empty() && self.undocumented_routes.is_empty()
    }
}

struct Scheme {
    name: String,
    object: Value,
    is_open_id_connect: bool,
}

impl Scheme {
    fn of(scheme: AuthScheme) -> Self {
        let mut object = json!({ "type": "http", "scheme": scheme.as_str() });
        if scheme == AuthScheme::BEARER {
            object = json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" });
        }
        Self { name: scheme.as_str().to_ascii_lowercase(), object, is_open_id_connect: false }
    }
}

fn is_method(name: &str) -> bool {
    ["get", "put", "post", "delete", "options", "head", "patch", "trace"].contains(&name)
}

/// Returns a path without the names of its parameters, which may differ: `/orders/{}`.
fn template(path: &str) -> String {
    let mut template = String::with_capacity(path.len());
    let mut characters = path.chars().peekable();
    while let Some(c) = characters.next() {
        template.push(c);
        if c == '{' && characters.peek() == Some(&'{') {
            template.extend(characters.next());
        } else if c == '{' {
            for _ in characters.by_ref().take_while(|c| *c != '}') {}
            template.push('}');
        }
    }
    template
}

fn describe(
    operation: &mut Map<String, Value>,
    access: &RouteAccess,
    schemes: &[Scheme],
    allows_scopes: bool,
) {
    let alternatives = access.policy().map_or_else(|| vec![Vec::new()], alternatives);
    let mut security = Vec::new();
    if matches!(access, RouteAccess::OptionalToken(_)) {
        security.push(json!({}));
    }
    if *access != RouteAccess::Open {
        for scheme in schemes {
            for scopes in &alternatives {
                let scopes: &[String] =
                    if allows_scopes || scheme.is_open_id_connect { scopes } else { &[] };
                let requirement = json!({ (scheme.name.as_str()): scopes });
                if !security.contains(&requirement) {
                    security.push(requirement);
                }
            }
        }
    }
    operation.insert("security".to_owned(), Value::Array(security));
    let policy = access.policy_in_words();
    match &policy {
        Some(policy) => {
            operation.insert("x-policy".to_owned(), Value::String(policy.clone()));
        }
        // Of a run before the route was changed.
        None => {
            operation.remove("x-policy");
        }
    }
    if *access == RouteAccess::Open {
        return;
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    let mut add = |status: &str, description: String| {
        responses.entry(status).or_insert_with(|| {
            json!({
                "description": description,
                "headers": {
                    "WWW-Authenticate": {
                        "description": "the challenge (RFC 6750 §3)",
                        "schema": { "type": "string" },
                    },
                },
            })
        });
    };
    let asks_for_sign_in = access.policy().is_some_and(|policy| policy.sign_in().is_some());
    let or_sign_in = if asks_for_sign_in { ", or another sign-in is needed" } else { "" };
    add("401", format!("the token is missing or not good{or_sign_in}"));
    if let Some(policy) = policy {
        add("403", format!("the token does not give the permission: {policy}"));
    }
}

fn add_schemes(document: &mut Value, schemes: Vec<Scheme>) {
    let Some(document) = document.as_object_mut() else { return };
    let components = document.entry("components").or_insert_with(|| json!({}));
    let Some(components) = components.as_object_mut() else { return };
    let known = components.entry("securitySchemes").or_insert_with(|| json!({}));
    let Some(known) = known.as_object_mut() else { return };
    for Scheme { name, object, .. } in schemes {
        known.entry(name).or_insert(object);
    }
}

/// Returns the sets of scopes of which the policy accepts each. Roles and other conditions are no
/// scopes. There is always one set: an empty list of requirements would mean "open".
fn alternatives(policy: &PolicyDescription) -> Vec<Vec<String>> {
    let mut sets = scope_sets(policy);
    for set in &mut sets {
        set.sort_unstable();
        set.dedup();
    }
    let mut seen = BTreeSet::new();
    sets.retain(|set| seen.insert(set.clone()));
    if sets.is_empty() || sets.len() > MANY { vec![Vec::new()] } else { sets }
}

/// More sets than a reader wants to see. `x-policy` has them in fewer words.
const MANY: usize = 32;

fn scope_sets(policy: &PolicyDescription) -> Vec<Vec<String>> {
    match policy {
        PolicyDescription::Scope(names) => {
            vec![names.split_whitespace().map(str::to_owned).collect()]
        }
        PolicyDescription::AnyOf(parts) => {
            parts.iter().flat_map(scope_sets).take(MANY + 1).collect()
        }
        PolicyDescription::AllOf(parts) => parts.iter().fold(vec![Vec::new()], |sets, part| {
            let further = scope_sets(part);
            let pairs = sets
                .iter()
                .flat_map(|one| further.iter().map(move |other| [&one[..], other].concat()));
            pairs.take(MANY + 1).collect()
        }),
        _ => vec![Vec::new()],
    }
}
