//! `aliri_tower`, with the keys of a JWK set that is there already.

use aliri::{Jwks, jwa, jwt};
use aliri_clock::UnixTime;
use aliri_oauth2::{Authority, HasScope, scope::Scope};
use aliri_tower::Oauth2Authorizer;
use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use harness::{AUDIENCE, Guard, ISSUER, User, run};
use serde::Deserialize;

/// The claims of the application, and those that the crate asks for.
#[derive(Clone, Debug, Deserialize)]
struct Claims {
    iss: jwt::Issuer,
    aud: jwt::Audiences,
    sub: jwt::Subject,
    exp: UnixTime,
    nbf: UnixTime,
    scope: Scope,
    email: String,
    name: String,
    roles: Vec<String>,
}

impl jwt::CoreClaims for Claims {
    fn nbf(&self) -> Option<UnixTime> {
        Some(self.nbf)
    }
    fn exp(&self) -> Option<UnixTime> {
        Some(self.exp)
    }
    fn aud(&self) -> &jwt::Audiences {
        &self.aud
    }
    fn iss(&self) -> Option<&jwt::IssuerRef> {
        Some(&self.iss)
    }
    fn sub(&self) -> Option<&jwt::SubjectRef> {
        Some(&self.sub)
    }
}

impl HasScope for Claims {
    fn scope(&self) -> &Scope {
        &self.scope
    }
}

fn main() {
    run::<Body, Router>(Guard::Verifies, async |subject, _| {
        let algorithm = match subject.algorithm.as_str() {
            "HS256" => jwa::Algorithm::HS256,
            "RS256" => jwa::Algorithm::RS256,
            "ES256" => jwa::Algorithm::ES256,
            _ => return None,
        };
        let keys: Jwks = serde_json::from_str(&subject.jwks()).expect("a key set");
        let rules = jwt::CoreValidator::default()
            .add_approved_algorithm(algorithm)
            .add_allowed_audience(jwt::Audience::from_static(AUDIENCE))
            .require_issuer(jwt::Issuer::from_static(ISSUER))
            .check_not_before();
        let authorizer =
            Oauth2Authorizer::new().with_claims::<Claims>().with_terse_error_handler::<Body>();
        let handler = async |Extension(claims): Extension<Claims>| {
            let Claims { sub, email, name, roles, .. } = claims;
            User { sub: sub.take(), email, name, roles }.look();
        };
        let route = Router::new().route("/", get(handler));
        Some(route.layer(authorizer.jwt_layer(Authority::new(keys, rules))).with_state(()))
    });
}
