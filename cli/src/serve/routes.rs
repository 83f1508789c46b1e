//! Decides how a request is answered.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use zeroize::Zeroizing;

use super::address::{Foreign, Site};
use super::event::Event;
use super::fault::{self, Fault};
use super::provider::{Provider, USER_GRANT};
use super::reply::{self, JSON, Reply};
use super::reports::{Question, Reports};
use crate::page::Page;

/// Everything that requests are answered from.
pub(super) struct Server {
    pub(super) site: Site,
    pub(super) page: Page,
    /// `None` where the page is all there is.
    pub(super) provider: Option<Provider>,
    pub(super) reports: Arc<dyn Reports>,
    pub(super) events: UnboundedSender<Event>,
}

/// An answer, or `None` for the end of the connection, and a note for the terminal.
pub(super) struct Outcome {
    pub(super) reply: Option<Reply>,
    pub(super) note: Option<String>,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self { reply: Some(reply), note: None }
    }
}

impl Outcome {
    fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

impl Server {
    /// Decides about a request of any kind.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Outcome {
        let (head, body) = request.into_parts();
        if let Err(foreign) = self.site.check(&head) {
            return refuse(foreign);
        }
        let body = match read(body).await {
            Ok(body) => body,
            Err(refusal) => return refusal.into(),
        };
        let mut outcome = self.route(&head, &body).await;
        outcome.reply = outcome.reply.map(reply::finish);
        outcome
    }

    async fn route(&self, head: &Parts, body: &[u8]) -> Outcome {
        let is_get = head.method == Method::GET || head.method == Method::HEAD;
        let is_post = head.method == Method::POST;
        match (head.uri.path(), &self.provider) {
            ("/", _) if is_get => self.page.reply().into(),
            ("/api/page", _) if is_get => self.about().into(),
            ("/api/inspect", _) if is_post => self.inspect(body).into(),
            ("/api/explain", _) if is_post => self.explain(body).await.into(),
            (path, Some(provider)) if DOCUMENTS.contains(&path) && is_get => {
                let good = match path {
                    "/jwks" => provider.jwks(&head.method, &head.headers).await,
                    _ => provider.metadata(&head.method, &head.headers).await,
                };
                faulty(provider, good.into()).await
            }
            ("/token", Some(provider)) if is_post => {
                let (reply, subject) = provider.token(&head.headers, body);
                let good = Outcome::from(reply);
                let good = match subject {
                    Some(subject) => good.with_note(format!("a token for {subject}")),
                    None => good,
                };
                faulty(provider, good).await
            }
            ("/mint", Some(provider)) if is_post => provider.mint(body).await.into(),
            ("/rotate", Some(provider)) if is_post => self.rotate(provider).into(),
            ("/fault", Some(provider)) if is_post => self.set_fault(provider, body).into(),
            ("/heal", Some(provider)) if is_post => {
                self.change_fault(provider, None);
                reply::json(StatusCode::OK, &json!({ "fault": null })).into()
            }
            ("/" | "/api/page", _) => reply::not_allowed("GET, HEAD").into(),
            ("/api/inspect" | "/api/explain", _) => reply::not_allowed("POST").into(),
            (path, Some(_)) if DOCUMENTS.contains(&path) => reply::not_allowed("GET, HEAD").into(),
            ("/token" | "/mint" | "/rotate" | "/fault" | "/heal", Some(_)) => {
                reply::not_allowed("POST").into()
            }
            _ => reply::error(StatusCode::NOT_FOUND, "not_found", "there is nothing here").into(),
        }
    }

    /// Says to the page what it can do.
    fn about(&self) -> Reply {
        let provider = self.provider.as_ref().map(|provider| {
            let settings = provider.settings();
            json!({
                "issuer": settings.issuer,
                "audiences": settings.audiences,
                "users": settings.users,
                "grant": USER_GRANT,
                "faults": Fault::ALL.map(|fault| json!({ "name": fault, "sentence": fault.sentence() })),
                "fault": provider.fault(),
                // The requests that a fault holds back.
                "waiting": provider.faults.receiver_count(),
                "keys": provider.keys(),
            })
        });
        reply::json(StatusCode::OK, &json!({ "provider": provider }))
    }

    fn inspect(&self, body: &[u8]) -> Reply {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Order {
            token: Zeroizing<String>,
        }
        match reply::read::<Order>(body) {
            Ok(order) => reply::typed(StatusCode::OK, JSON, self.reports.inspect(&order.token)),
            Err(refusal) => *refusal,
        }
    }

    async fn explain(&self, body: &[u8]) -> Reply {
        let question: Question = match reply::read(body) {
            Ok(question) => question,
            Err(refusal) => return *refusal,
        };
        match self.reports.explain(question).await {
            Ok(report) => reply::typed(StatusCode::OK, JSON, report),
            Err(failure) => {
                let mut answer = json!({
                    "error": "unusable",
                    "error_description": failure.problem(),
                });
                answer["hint"] = failure.hint().map_or(Value::Null, Value::from);
                reply::json(StatusCode::UNPROCESSABLE_ENTITY, &answer)
            }
        }
    }

    fn rotate(&self, provider: &Provider) -> Reply {
        let rotated = provider.rotate();
        let reply = match &rotated {
            Ok(keys) => reply::json(StatusCode::OK, &json!({ "keys": keys })),
            Err(problem) => reply::error(StatusCode::CONFLICT, "not_rotated", problem),
        };
        self.tell(Event::Rotated(rotated));
        reply
    }

    fn set_fault(&self, provider: &Provider, body: &[u8]) -> Reply {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Order {
            fault: String,
        }
        let order: Order = match reply::read(body) {
            Ok(order) => order,
            Err(refusal) => return *refusal,
        };
        let Some(fault) = Fault::ALL.into_iter().find(|fault| fault.name() == order.fault) else {
            let names = Fault::ALL.map(Fault::name).join(", ");
            return reply::invalid(format!("there is no such fault; the faults are {names}"));
        };
        self.change_fault(provider, Some(fault));
        reply::json(StatusCode::OK, &json!({ "fault": fault, "sentence": fault.sentence() }))
    }

    pub(super) fn change_fault(&self, provider: &Provider, fault: Option<Fault>) {
        provider.set_fault(fault);
        self.tell(Event::Fault(fault));
    }

    /// The terminal may be gone while the last requests are answered.
    pub(super) fn tell(&self, event: Event) {
        drop(self.events.send(event));
    }
}

async fn faulty(provider: &Provider, good: Outcome) -> Outcome {
    let Outcome { reply, note } = good;
    let reply = match reply {
        Some(reply) => fault::interfere(&provider.faults, reply).await,
        None => None,
    };
    match provider.fault() {
        Some(fault) => Outcome { reply, note: Some(format!("fault {}", fault.name())) },
        None => Outcome { reply, note },
    }
}

fn refuse(foreign: Foreign) -> Outcome {
    let (error, description, note) = match foreign {
        Foreign::Host => (
            "wrong_host",
            "this server answers to 127.0.0.1, localhost and [::1] with its own port only, so that no web site can \
             reach it under a name of its own",
            "refused: the request names another host",
        ),
        Foreign::Origin => (
            "other_site",
            "another web site has sent this request; only the page of this server and programs may",
            "refused: another web site has sent it",
        ),
    };
    let reply = reply::error(StatusCode::FORBIDDEN, error, description);
    Outcome::from(reply::finish(reply)).with_note(note)
}

async fn read(body: Incoming) -> Result<Bytes, Reply> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| {
        let too_long = error.is::<LengthLimitError>();
        let reply = if too_long {
            let description = "the body is larger than 4 MiB";
            reply::error(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", description)
        } else {
            reply::invalid("the body has not arrived as a whole")
        };
        reply::finish(reply)
    })?;
    Ok(body.to_bytes())
}

const DOCUMENTS: [&str; 3] =
    ["/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
