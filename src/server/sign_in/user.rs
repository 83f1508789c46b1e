use std::time::SystemTime;

use http::StatusCode;
use http::request::Parts;
use serde::Serialize;

use crate::claims::Principal;
use crate::server::endpoints::answer::Refusal;
use crate::server::endpoints::request::own_subject;
use crate::state::session::Session;

/// The user of a request, as the layer has found out.
pub(super) struct User<'r> {
    pub(super) subject: &'r str,
    pub(super) session: Option<&'r str>,
}

impl<'r> User<'r> {
    /// Finds the user of a request.
    pub(super) fn of(request: &'r Parts, issuer: &str) -> Result<Self, Refusal> {
        let principal = Principal::from_extensions(&request.extensions)?;
        let subject = own_subject(principal, issuer).ok_or_else(|| {
            let description = "The token speaks for no user of this server";
            Refusal::new(StatusCode::FORBIDDEN, "forbidden", description)
        })?;
        Ok(Self { subject, session: principal.registered().session_id() })
    }
}

/// A session as the user sees it.
#[derive(Serialize)]
pub(super) struct Listed<'s> {
    id: &'s str,
    device: Option<&'s str>,
    created_at: String,
    last_seen: String,
    current: bool,
}

impl<'s> Listed<'s> {
    pub(super) fn new(session: &'s Session, current: Option<&str>) -> Self {
        let date = |moment: SystemTime| humantime::format_rfc3339_seconds(moment).to_string();
        Self {
            id: &session.id,
            device: session.device.as_deref(),
            created_at: date(session.created_at),
            last_seen: date(session.last_seen),
            current: current == Some(session.id.as_str()),
        }
    }
}
