//! The page that looks inside tokens: one document that asks nothing but its own origin.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};

/// The document with its content security policy.
pub(crate) struct Page {
    document: Bytes,
    policy: HeaderValue,
}

impl Page {
    pub(crate) fn new() -> Self {
        // The hashes are of the text as the browser reads it, and it reads every line break as `\n`.
        let text = |text: &str| text.replace("\r\n", "\n");
        let (style, script) = (text(STYLE), text(SCRIPT));
        let document = text(DOCUMENT).replace(STYLE_MARK, &style).replace(SCRIPT_MARK, &script);
        let policy = format!(
            "default-src 'none'; connect-src 'self'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
            hash(&style),
            hash(&script)
        );
        let policy = HeaderValue::try_from(policy).expect("base64 and words");
        Self { document: document.into(), policy }
    }

    pub(crate) fn reply(&self) -> Response<Full<Bytes>> {
        let mut reply = Response::new(Full::new(self.document.clone()));
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        reply
    }
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

const DOCUMENT: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

const STYLE_MARK: &str = "/* page.css */";
const SCRIPT_MARK: &str = "/* page.js */";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_holds_its_style_and_script_once_and_names_no_other_origin() {
        let document = String::from_utf8(Page::new().document.to_vec()).unwrap();

        for (mark, text) in [(STYLE_MARK, STYLE), (SCRIPT_MARK, SCRIPT)] {
            assert_eq!(DOCUMENT.matches(mark).count(), 1);
            assert!(!text.contains("</") && document.contains(text));
        }
        for word in ["src=", "style=", "http-equiv", " onclick", " onsubmit", " oninput"] {
            assert!(!DOCUMENT.contains(word), "{word}");
        }
        for word in ["innerHTML", "Storage", "cookie", "eval(", "document.write"] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
