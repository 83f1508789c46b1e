use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;

use axum_core::body::Body;
use http::header::WWW_AUTHENTICATE;
use http::{Method, Request, Response, StatusCode, Uri};
use tower_service::Service;

use super::RouteAccess;
use super::map::{RouteEntry, RouteKind, RouteMap};
use crate::error::Reason;

/// An answer of an application that does not fit its [`RouteMap`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeFinding {
    method: Method,
    path: String,
    status: Option<StatusCode>,
    expected: &'static str,
}

impl RouteMap {
    /// Asks every listed route of the application without a token, and returns the answers that do
    /// not fit: a route that needs a token and does not answer 401, one that needs none and is refused by this
    /// crate. A path that no route has is asked for too, unless the map has a fallback.
    ///
    /// It is meant for tests, and calls the open handlers: with an empty body, and `1` for each parameter
    /// of a path. Routers without listed routes are not asked.
    ///
    /// ```
    /// # use tower_bearer::BearerLayer;
    /// # use tower_bearer::routes::{Routes, get};
    /// # async fn me() {}
    /// # async fn check(layer: BearerLayer<serde_json::Value>) {
    /// let routes: Routes = Routes::new().route("/me", get(me).signed_in());
    /// let map = routes.map();
    ///
    /// assert_eq!(map.probe(&routes.into_router(layer)).await, []);
    /// # }
    /// ```
    pub async fn probe<A, B>(&self, app: &A) -> Vec<ProbeFinding>
    where
        A: Service<Request<Body>, Response = Response<B>> + Clone,
    {
        let mut findings = Vec::new();
        for entry in self.entries() {
            let Some((method, path)) = self.question(entry) else { continue };
            let expectation = Expectation::of(entry.access());
            findings.extend(ask(app, method, path, expectation).await);
        }
        if self.entries().iter().all(|entry| *entry.kind() != RouteKind::Fallback) {
            findings.extend(ask(app, Method::GET, self.unknown_path(), Expectation::Unknown).await);
        }
        findings
    }

    /// Returns the method and the path to ask an entry with.
    fn question(&self, entry: &RouteEntry) -> Option<(Method, String)> {
        let path = match entry.kind() {
            RouteKind::Method(_) | RouteKind::AnyMethod => filled(entry.path()),
            RouteKind::Fallback => self.unknown_path(),
            RouteKind::Router(_) => return None,
        };
        let method = match entry.kind() {
            RouteKind::Method(method) => method.clone(),
            _ => self.method_without_line(entry.path())?,
        };
        Some((method, path))
    }

    /// Returns a method that the handler for any method of this path serves.
    fn method_without_line(&self, path: &str) -> Option<Method> {
        let listed = |method: &Method| {
            let kind = RouteKind::Method(method.clone());
            self.entries().iter().any(|entry| entry.path() == path && *entry.kind() == kind)
        };
        let methods =
            [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE];
        methods.into_iter().find(|method| !listed(method))
    }

    /// Returns a path that begins as no path of the map.
    fn unknown_path(&self) -> String {
        let known: BTreeSet<_> = self.entries().iter().map(RouteEntry::path).collect();
        let mut path = "/no-such-path".to_owned();
        while known.iter().any(|known| known.starts_with(&path)) {
            path.push('-');
        }
        path
    }
}

/// Fills in the parameters of a path: `/orders/{id}` becomes `/orders/1`.
fn filled(path: &str) -> String {
    let mut filled = String::with_capacity(path.len());
    let mut characters = path.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            // Doubled, they stand for themselves. axum compares them with a path that is not decoded.
            '{' | '}' if characters.peek() == Some(&c) => {
                characters.next();
                filled.push(c);
            }
            '{' => {
                for _ in characters.by_ref().take_while(|c| *c != '}') {}
                filled.push('1');
            }
            _ => filled.push(c),
        }
    }
    filled
}

#[derive(Clone, Copy)]
enum Expectation {
    Refused,
    Accepted,
    Unknown,
}

impl Expectation {
    fn of(access: &RouteAccess) -> Self {
        if access.needs_token() { Self::Refused } else { Self::Accepted }
    }

    fn is_met_by<B>(self, response: &Response<B>) -> bool {
        let status = response.status();
        let reason = response.extensions().get::<Reason>();
        let is_challenged = response.headers().contains_key(WWW_AUTHENTICATE);
        match self {
            Self::Refused => status == StatusCode::UNAUTHORIZED && is_challenged,
            // The status does not tell: a sign-in is open, and answers 401 to a wrong password.
            Self::Accepted => !matches!(reason, Some(Reason::MissingToken | Reason::LayerMissing)),
            Self::Unknown => status == StatusCode::NOT_FOUND || status == StatusCode::UNAUTHORIZED,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Refused => "401 with a challenge",
            Self::Accepted => "an answer of the handler, without a token",
            Self::Unknown => "404, because no route has this path",
        }
    }
}

async fn ask<A, B>(
    app: &A,
    method: Method,
    path: String,
    expectation: Expectation,
) -> Option<ProbeFinding>
where
    A: Service<Request<Body>, Response = Response<B>> + Clone,
{
    let response = match path.parse::<Uri>() {
        Ok(uri) => {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri;
            answer(app.clone(), request).await
        }
        Err(_) => None,
    };
    if response.as_ref().is_some_and(|response| expectation.is_met_by(response)) {
        return None;
    }
    let status = response.map(|response| response.status());
    Some(ProbeFinding { method, path, status, expected: expectation.in_words() })
}

async fn answer<A, B>(mut app: A, request: Request<Body>) -> Option<Response<B>>
where
    A: Service<Request<Body>, Response = Response<B>>,
{
    poll_fn(|cx| app.poll_ready(cx)).await.ok()?;
    app.call(request).await.ok()
}

impl ProbeFinding {
    /// Returns the method of the request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the path of the request, with its parameters filled in.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the status of the answer. `None` when the application has failed instead of answering, or
    /// when the path cannot be asked for.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }
}

impl fmt::Display for ProbeFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} was answered ", self.method, self.path)?;
        match self.status {
            Some(status) => write!(f, "{}", status.as_u16())?,
            None => f.write_str("with an error")?,
        }
        write!(f, "; expected: {}", self.expected)
    }
}

impl Error for ProbeFinding {}
