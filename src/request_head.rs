use std::fmt;

use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Uri};

/// A request without its body, as a layer or a guard sees it.
///
/// A router may have removed a prefix from the path before (axum's `nest`).
#[derive(Clone, Copy)]
pub struct RequestHead<'r> {
    method: &'r Method,
    uri: &'r Uri,
    headers: &'r HeaderMap,
    extensions: &'r Extensions,
}

impl<'r> RequestHead<'r> {
    /// Returns the head of this request.
    #[inline]
    pub fn of<B>(request: &'r Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// Returns the head of a request that was taken apart.
    #[inline]
    pub fn of_parts(parts: &'r Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        }
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

    /// Returns the extensions: the values that servers, routers and other layers have left. A
    /// [`Principal`](crate::Principal) in them is to be believed only if a guard has found it there.
    pub fn extensions(&self) -> &'r Extensions {
        self.extensions
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
