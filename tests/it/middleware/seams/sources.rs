use axum::Router;
use axum::routing::get as on_get;
use http::request;
use tower_bearer::source::{AuthorizationHeader, Presented, TokenSource};
use tower_bearer::{Principal, Reason};

use crate::support::{PLAIN, WithBearer, challenge, get, good, layer, send};

/// The user's token, where a proxy puts one of its own into `Authorization`.
struct Forwarded;

impl TokenSource for Forwarded {
    fn find<'r>(&self, request: &'r request::Parts) -> Result<Option<Presented<'r>>, Reason> {
        let field = request.headers.get("x-forwarded-access-token");
        Ok(field.map(|field| Presented::bearer(field.as_bytes())))
    }

    fn strip(&self, request: &mut request::Parts) {
        request.headers.remove("x-forwarded-access-token");
    }
}

fn app() -> Router {
    let name = async |principal: Principal, parts: request::Parts| {
        assert!(!parts.headers.contains_key("x-forwarded-access-token"));
        principal.subject().unwrap().to_owned()
    };
    Router::new().route("/", on_get(name)).layer(layer().with_source_instead(Forwarded))
}

#[tokio::test]
async fn source_takes_the_place_of_the_authorization_field() {
    let request = get("/").bearer("of.the.proxy").field("x-forwarded-access-token", good());

    send(&app(), request).await.is_ok("alice");
}

#[tokio::test]
async fn token_in_the_authorization_field_counts_as_none_where_it_was_replaced() {
    let answer = send(&app(), get("/").bearer(good())).await;

    answer.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn replaced_field_can_be_added_again_beside_the_new_source() {
    let layer = layer().with_source_instead(Forwarded).with_source(AuthorizationHeader::new());
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    let app = Router::new().route("/", on_get(name)).layer(layer);

    send(&app, get("/").bearer(good())).await.is_ok("alice");
    send(&app, get("/").field("x-forwarded-access-token", good())).await.is_ok("alice");
    let both = get("/").bearer(good()).field("x-forwarded-access-token", good());
    send(&app, both).await.is_refused(
        400,
        Some(&challenge("invalid_request", "More than one token was sent")),
        Reason::SeveralTokens,
    );
}
