use bytes::Bytes;
use http::response::Parts;
use serde::Serialize;

use super::{Render, RequestHead, json_body};
use crate::middleware::reject::rejection::Rejection;

/// Answers with a problem document (RFC 9457): `title`, `status`, `detail`, and as extension
/// members `error` and, where scopes are missing, `scope`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProblemJson;

impl ProblemJson {
    /// Adds `instance`, the path of the request, and `request_id`, its `x-request-id` if it has
    /// one.
    ///
    /// The query is left out, because it may hold secrets.
    pub fn with_instance(self) -> ProblemJsonWithInstance {
        ProblemJsonWithInstance { instance: None, request_id: None }
    }
}

/// The renderer that [`ProblemJson::with_instance`] returns.
#[derive(Clone, Debug)]
pub struct ProblemJsonWithInstance {
    instance: Option<String>,
    request_id: Option<String>,
}

#[diagnostic::do_not_recommend]
impl<B: From<Bytes>> Render<B> for ProblemJson {
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B {
        problem(rejection, parts, None, None)
    }
}

#[diagnostic::do_not_recommend]
impl<B: From<Bytes>> Render<B> for ProblemJsonWithInstance {
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B {
        problem(rejection, parts, self.instance.as_deref(), self.request_id.as_deref())
    }

    fn see(&mut self, request: RequestHead<'_>) {
        let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
        self.instance = Some(request.uri().path().to_owned());
        self.request_id = id.map(str::to_owned);
    }
}

fn problem<B: From<Bytes>>(
    rejection: &Rejection,
    parts: &mut Parts,
    instance: Option<&str>,
    request_id: Option<&str>,
) -> B {
    // `type` is left out, which means `about:blank`; then `title` is the status phrase.
    #[derive(Serialize)]
    struct Body<'r> {
        title: Option<&'static str>,
        status: u16,
        detail: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        instance: Option<&'r str>,
        error: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        scope: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'r str>,
    }
    let body = Body {
        title: rejection.status().canonical_reason(),
        status: rejection.status().as_u16(),
        detail: rejection.description(),
        instance,
        error: rejection.code(),
        scope: rejection.needed_scopes(),
        request_id,
    };
    json_body(parts, "application/problem+json", &body)
}
