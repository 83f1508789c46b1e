//! Carries out the operations of the services.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, StatusCode};

use super::error::ApiKeyError;
use super::input::{Sent, Wanted, expect_no_body, read_wanted};
use super::manager::ApiKeyManager;
use super::request::ApiKeyRequest;
use super::shown::{Shown, ShownOnce};
use crate::claims::Principal;
use crate::claims::policy::{Access, Policy, RequestHead};
use crate::observe::trace::Pace;
use crate::server::endpoints::answer::{Answer, Refusal, answer, json_answer};
use crate::server::endpoints::request::{own_subject, segment};

/// The parts that all services share.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) manager: ApiKeyManager,
    /// The issuer of the tokens of owners.
    pub(super) issuer: String,
    pub(super) administrators: Option<Arc<dyn Policy>>,
    pub(super) allows_api_keys: bool,
    pub(super) max_lifetime: Option<Duration>,
    /// Limits how often the log repeats itself.
    pub(super) pace: Arc<Pace>,
}

/// The operation of one service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    ListOrCreate,
    End,
    Rotate,
}

impl Operation {
    /// Returns the methods of the operation, and their list for `Allow`.
    pub(super) fn methods(self) -> (&'static [Method], &'static str) {
        match self {
            Self::ListOrCreate => (&[Method::GET, Method::HEAD, Method::POST], "GET, HEAD, POST"),
            Self::End => (&[Method::DELETE], "DELETE"),
            Self::Rotate => (&[Method::POST], "POST"),
        }
    }
}

/// The caller of a service, as the layer has found out.
struct Caller<'r> {
    access: Access<'r>,
    subject: &'r str,
}

impl Desk {
    pub(super) async fn answer(&self, operation: Operation, request: &Parts, sent: Sent) -> Answer {
        let (methods, allow) = operation.methods();
        if !methods.contains(&request.method) {
            return Err(Refusal::method_not_allowed(allow));
        }
        let caller = self.caller(request)?;
        match operation {
            Operation::ListOrCreate if request.method == Method::POST => {
                self.create(&caller, read_wanted(request, sent)?).await
            }
            Operation::ListOrCreate => self.list(&caller).await,
            Operation::End => self.end(&caller, request).await,
            Operation::Rotate => {
                expect_no_body(sent)?;
                self.rotate(&caller, request).await
            }
        }
    }

    /// Finds the caller of a request.
    fn caller<'r>(&self, request: &'r Parts) -> Result<Caller<'r>, Refusal> {
        let principal = Principal::from_extensions(&request.extensions)?;
        if principal.is_api_key() && !self.allows_api_keys {
            return Err(forbidden("An API key cannot make or end API keys"));
        }
        let subject = own_subject(principal, &self.issuer);
        let subject =
            subject.ok_or_else(|| forbidden("The token speaks for no subject of this server"))?;
        let access = Access::new(principal).with_request(RequestHead::of_parts(request));
        Ok(Caller { access, subject })
    }

    async fn create(&self, caller: &Caller<'_>, wanted: Wanted) -> Answer {
        let Wanted { label, roles, scopes, expires_in, owner } = wanted;
        let owner = owner.unwrap_or_else(|| caller.subject.to_owned());
        if owner != caller.subject && !self.is_administrator(caller) {
            return Err(forbidden("The caller cannot make keys for another owner"));
        }
        let mut request = ApiKeyRequest::for_owner(owner)
            .with_label(label.unwrap_or_default())
            .with_roles(roles.unwrap_or_default())
            .with_scopes(scopes.unwrap_or_default());
        // First, so that a scope with a space in it is called what it is.
        request.check()?;
        check_grants(caller, &request.roles, &request.scopes)?;
        let lifetime = expires_in.map(Duration::from_secs).or(self.max_lifetime);
        if self.max_lifetime.is_some_and(|max| lifetime.is_some_and(|lifetime| lifetime > max)) {
            return Err(Refusal::invalid_request("`expires_in` is longer than keys are good here"));
        }
        if let Some(lifetime) = lifetime {
            request = request.with_lifetime(lifetime);
        }
        let issued = self.manager.create(request).await?;
        Ok(json_answer(StatusCode::CREATED, &ShownOnce::new(&issued, self.manager.now())))
    }

    async fn list(&self, caller: &Caller<'_>) -> Answer {
        let now = self.manager.now();
        let keys = self.manager.list(caller.subject).await?;
        let keys: Vec<_> = keys.iter().map(|record| Shown::new(record, now)).collect();
        Ok(json_answer(StatusCode::OK, &keys))
    }

    async fn end(&self, caller: &Caller<'_>, request: &Parts) -> Answer {
        let id = segment(request, 0);
        let owner = if self.is_administrator(caller) { None } else { Some(caller.subject) };
        self.manager.end(id, owner).await?;
        Ok(answer(StatusCode::NO_CONTENT))
    }

    async fn rotate(&self, caller: &Caller<'_>, request: &Parts) -> Answer {
        let id = segment(request, 1);
        let old = self.manager.find_of(id, caller.subject).await?;
        check_grants(caller, &old.roles, &old.scopes)?;
        let issued = self.manager.replace(old, self.max_lifetime).await?;
        Ok(json_answer(StatusCode::CREATED, &ShownOnce::new(&issued, self.manager.now())))
    }

    fn is_administrator(&self, caller: &Caller<'_>) -> bool {
        self.administrators.as_ref().is_some_and(|policy| policy.allows(&caller.access))
    }
}

/// Refuses grants that the caller does not have itself.
fn check_grants(caller: &Caller<'_>, roles: &[String], scopes: &[String]) -> Result<(), Refusal> {
    let principal = caller.access.principal();
    let has_all = roles.iter().all(|role| principal.has_role(role))
        && scopes.iter().all(|scope| principal.has_scope(scope));
    if has_all {
        return Ok(());
    }
    Err(forbidden("The key would have a role or scope that the caller does not have"))
}

fn forbidden(description: &'static str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "forbidden", description)
}

impl From<ApiKeyError> for Refusal {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Unknown => {
                let description = "The owner has no such API key, or it is not good any more";
                Self::new(StatusCode::NOT_FOUND, "not_found", description)
            }
            ApiKeyError::TooMany => {
                let description = "The owner has as many API keys as it may have";
                Self::new(StatusCode::CONFLICT, "too_many_keys", description)
            }
            ApiKeyError::Invalid(problem) => Self::invalid_request(problem),
            error => match error.retry_after() {
                Some(after) => Self::unavailable(after).caused_by(error),
                None => Self::internal().caused_by(error),
            },
        }
    }
}
