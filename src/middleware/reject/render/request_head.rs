use std::fmt;

use http::{HeaderMap, Method, Request, Uri};

/// A request without its body, as a layer sees it.
///
/// A router may have removed a prefix from the path before (axum's `nest`).
#[derive(Clone, Copy)]
pub struct RequestHead<'r> {
    pub(super) method: &'r Method,
    pub(super) uri: &'r Uri,
    pub(super) headers: &'r HeaderMap,
}

impl<'r> RequestHead<'r> {
    /// Returns the head of this request.
    #[inline]
    pub fn of<B>(request: &'r Request<B>) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers() }
    }

    /// Returns the method.
    pub fn method(&self) -> &'r Method {
        self.method
    }

    /// Returns the URI. Its query may hold secrets.
    pub fn uri(&self) -> &'r Uri {
        self.uri
    }

    /// Returns the header fields, the token among them.
    pub fn headers(&self) -> &'r HeaderMap {
        self.headers
    }
}

// Headers and queries hold secrets.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", self.method)
            .field("path", &self.uri.path())
            .finish_non_exhaustive()
    }
}
