use std::cmp::Ordering;
use std::error::Error;
use std::fmt::{self, Write as _};

use http::Method;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::route_access::RouteAccess;
use crate::challenge::AuthScheme;
use crate::middleware::BearerLayer;

/// The routes of an application, each with the declaration of who may call it.
///
/// The entries are sorted by path and method. `Display` writes a table. Serialised, the map is a list
/// of objects with the members `path`, `method`, `access` and, if a permission is required,
/// `policy`; keep it beside the code, and a changed permission shows in a review.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct RouteMap {
    entries: Vec<RouteEntry>,
    /// The schemes that the layer offers.
    schemes: Vec<AuthScheme>,
}

/// One line of a [`RouteMap`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    path: String,
    kind: RouteKind,
    access: RouteAccess,
}

/// Tells what stands behind a line of a [`RouteMap`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteKind {
    /// A handler for this method. That of `GET` serves `HEAD` too, unless that has a line of its own.
    Method(Method),
    /// A handler for every method that has no line of its own.
    AnyMethod,
    /// A `Router` below the path, with this description. axum does not tell its routes.
    Router(String),
    /// The handler of all paths that no route has.
    Fallback,
}

/// Routes of an application that nothing is declared about.
///
/// `Display` and `Debug` name them and say how to declare them.
#[derive(Clone, PartialEq, Eq)]
pub struct UndeclaredRoutes {
    undeclared: Vec<RouteEntry>,
    nameless: Vec<RouteEntry>,
}

impl RouteMap {
    pub(super) fn new(mut entries: Vec<RouteEntry>) -> Self {
        entries.sort_by(RouteEntry::compare);
        Self { entries, schemes: vec![AuthScheme::BEARER] }
    }

    /// Adds what the layer asks of every token: its [policy](BearerLayer::with_policy), and the
    /// schemes for [`openapi`](Self::openapi).
    pub fn behind<C, R>(self, layer: &BearerLayer<C, R>) -> Self {
        let mut entries = self.entries;
        if let Some(policy) = layer.policy().map(|policy| policy.describe()) {
            for entry in &mut entries {
                let own = std::mem::replace(&mut entry.access, RouteAccess::Undeclared);
                entry.access = own.behind(&policy);
            }
        }
        Self { entries, schemes: layer.offered_schemes().collect() }
    }

    /// Returns the lines, sorted by path and method. Routers and the fallback come last.
    pub fn entries(&self) -> &[RouteEntry] {
        &self.entries
    }

    /// Returns the lines of routes without a declaration.
    pub fn undeclared(&self) -> impl Iterator<Item = &RouteEntry> {
        self.entries.iter().filter(|entry| entry.access == RouteAccess::Undeclared)
    }

    /// Returns the schemes that the layer offers.
    pub(super) fn schemes(&self) -> &[AuthScheme] {
        &self.schemes
    }

    /// Checks that every route has a declaration, and every merged router a description.
    ///
    /// ```
    /// use tower_bearer::routes::{Routes, get};
    ///
    /// # async fn me() {}
    /// let routes: Routes = Routes::new().route("/me", get(me));
    ///
    /// let error = routes.map().check().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "nothing is declared about `GET /me`: write `.requires(policy)`, `.signed_in()`, `.optional_token()` or \
    ///      `.open()` behind its handlers"
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// [`UndeclaredRoutes`], which names the others.
    pub fn check(&self) -> Result<(), UndeclaredRoutes> {
        let is_nameless = |entry: &&RouteEntry| matches!(&entry.kind, RouteKind::Router(description) if description.trim().is_empty());
        let nameless: Vec<_> = self.entries.iter().filter(is_nameless).cloned().collect();
        let undeclared: Vec<_> = self.undeclared().cloned().collect();
        if undeclared.is_empty() && nameless.is_empty() {
            return Ok(());
        }
        Err(UndeclaredRoutes { undeclared, nameless })
    }
}

impl RouteEntry {
    pub(super) fn new(path: &str, kind: RouteKind, access: RouteAccess) -> Self {
        Self { path: path.to_owned(), kind, access }
    }

    /// Returns the path as axum's `MatchedPath` has it: `/orders/{id}`. For a router it is the prefix
    /// of its paths, and for the fallback `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what stands behind the line: a handler, a router, or the fallback.
    pub fn kind(&self) -> &RouteKind {
        &self.kind
    }

    /// Returns the declaration.
    pub fn access(&self) -> &RouteAccess {
        &self.access
    }

    /// Returns the entry below a path, as axum joins the two.
    pub(super) fn nested_at(self, prefix: &str) -> Self {
        let path = if prefix.ends_with('/') {
            format!("{prefix}{}", self.path.trim_start_matches('/'))
        } else if self.path == "/" {
            prefix.to_owned()
        } else {
            format!("{prefix}{}", self.path)
        };
        Self { path, ..self }
    }

    fn method_name(&self) -> &str {
        match &self.kind {
            RouteKind::Method(method) => method.as_str(),
            _ => "any",
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let key = |entry: &Self| match entry.kind {
            RouteKind::Method(_) | RouteKind::AnyMethod => 0,
            RouteKind::Router(_) => 1,
            RouteKind::Fallback => 2,
        };
        (key(self), &self.path, self.method_name()).cmp(&(
            key(other),
            &other.path,
            other.method_name(),
        ))
    }

    /// Returns the path in words, if it stands for more than one.
    fn place(&self) -> String {
        match &self.kind {
            RouteKind::Method(_) | RouteKind::AnyMethod => self.path.clone(),
            RouteKind::Router(_) if self.path.ends_with('/') => format!("{}…", self.path),
            RouteKind::Router(_) => format!("{}/…", self.path),
            RouteKind::Fallback => "(other paths)".to_owned(),
        }
    }
}

impl fmt::Display for RouteEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method_name(), self.place())
    }
}

impl fmt::Display for RouteMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = || self.entries.iter().map(|entry| (entry.method_name(), entry.place(), entry));
        let width = |column: fn(&(&str, String, &RouteEntry)) -> usize, head: &str| {
            rows().map(|row| column(&row)).chain([head.len()]).max().unwrap_or_default()
        };
        let method = width(|row| row.0.len(), "METHOD");
        let path = width(|row| row.1.chars().count(), "PATH");
        writeln!(f, "{:method$}  {:path$}  ACCESS", "METHOD", "PATH")?;
        for (name, place, entry) in rows() {
            write!(f, "{name:method$}  {place:path$}  {}", entry.access)?;
            if let RouteKind::Router(description) = &entry.kind {
                write!(f, " ({description}; its routes are not listed)")?;
            }
            f.write_char('\n')?;
        }
        Ok(())
    }
}

impl Serialize for RouteMap {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.collect_seq(&self.entries)
    }
}

impl Serialize for RouteEntry {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &self.path)?;
        match &self.kind {
            RouteKind::Method(_) | RouteKind::AnyMethod => {
                map.serialize_entry("method", self.method_name())?;
            }
            RouteKind::Router(description) => map.serialize_entry("router", description)?,
            RouteKind::Fallback => map.serialize_entry("fallback", &true)?,
        }
        map.serialize_entry("access", self.access.name())?;
        if let Some(policy) = self.access.policy_in_words() {
            map.serialize_entry("policy", &policy)?;
        }
        map.end()
    }
}

impl UndeclaredRoutes {
    /// Returns the routes that nothing is declared about.
    pub fn undeclared(&self) -> &[RouteEntry] {
        &self.undeclared
    }

    /// Returns the routers that have an empty description.
    pub fn without_description(&self) -> &[RouteEntry] {
        &self.nameless
    }
}

impl fmt::Display for UndeclaredRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |entries: &[RouteEntry]| {
            let names: Vec<_> = entries.iter().map(|entry| format!("`{entry}`")).collect();
            names.join(", ")
        };
        if !self.undeclared.is_empty() {
            write!(
                f,
                "nothing is declared about {}: write `.requires(policy)`, `.signed_in()`, `.optional_token()` or \
                 `.open()` behind its handlers",
                names(&self.undeclared)
            )?;
        }
        if !self.nameless.is_empty() {
            let separator = if self.undeclared.is_empty() { "" } else { "; " };
            write!(f, "{separator}the router of {} has no description", names(&self.nameless))?;
        }
        Ok(())
    }
}

/// Writes the sentence too, for `check().unwrap()` in a test.
impl fmt::Debug for UndeclaredRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for UndeclaredRoutes {}
