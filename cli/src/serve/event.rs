//! Prints what the server does: a line for each request and for each change.

use std::io;

use http::{Method, StatusCode};
use jiff::ZonedDateTime;
use serde::Serialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::provider::KeyState;
use crate::dates;
use crate::output::{
    BAD, FAINT, GOOD, NAME, Output, STRONG, WARNING, json_escaped, printable, styled,
};

/// Something that the terminal shows.
pub(super) enum Event {
    Request(RequestEvent),
    Rotated(Result<Vec<KeyState>, String>),
    Fault(Option<Fault>),
}

/// A request that was answered, or broken off.
pub(super) struct RequestEvent {
    pub(super) method: Method,
    /// Without its query, which could hold anything.
    pub(super) path: String,
    /// `None` where the connection ended without an answer.
    pub(super) status: Option<StatusCode>,
    pub(super) milliseconds: u128,
    pub(super) note: Option<String>,
}

impl Event {
    pub(super) fn print(&self, output: &mut Output) -> io::Result<()> {
        if output.is_json() {
            return print_json(output, &self.to_json());
        }
        let time = styled(FAINT, ZonedDateTime::now().strftime("%H:%M:%S"));
        match self {
            Self::Request(request) => {
                let status = match request.status {
                    None => styled(BAD, "---"),
                    Some(status) if status.is_client_error() => styled(WARNING, status.as_u16()),
                    Some(status) if status.is_server_error() => styled(BAD, status.as_u16()),
                    Some(status) => styled(GOOD, status.as_u16()),
                };
                let method = format!("{:<4}", request.method.as_str());
                let path = short(&printable(&request.path));
                let length = styled(FAINT, format_args!("{} ms", request.milliseconds));
                let note = match &request.note {
                    Some(note) => format!("  {}", printable(note)),
                    None => String::new(),
                };
                output.line(format_args!("{time} {status} {method} {path}  {length}{note}"))
            }
            Self::Rotated(Ok(keys)) => {
                let key_id = keys.first().map(|key| printable(&key.key_id)).unwrap_or_default();
                let words = format!("{} {}", styled(STRONG, "rotated:"), styled(NAME, key_id));
                output.line(format_args!(
                    "{time} {words} signs now; {} keys are published",
                    keys.len()
                ))
            }
            Self::Rotated(Err(problem)) => {
                output.line(format_args!("{time} {} {problem}", styled(BAD, "not rotated:")))
            }
            Self::Fault(Some(fault)) => {
                let name = styled(WARNING, format_args!("fault {}:", fault.name()));
                output.line(format_args!("{time} {name} {}", fault.sentence()))
            }
            Self::Fault(None) => {
                output.line(format_args!("{time} {} there is no fault", styled(GOOD, "healed:")))
            }
        }
    }

    fn to_json(&self) -> Value {
        let mut event = match self {
            Self::Request(request) => json!({
                "event": "request",
                "method": request.method.as_str(),
                "path": request.path,
                "status": request.status.map(|status| status.as_u16()),
                "milliseconds": u64::try_from(request.milliseconds).unwrap_or(u64::MAX),
                "note": request.note,
            }),
            Self::Rotated(Ok(keys)) => json!({ "event": "rotated", "keys": keys }),
            Self::Rotated(Err(problem)) => json!({ "event": "not_rotated", "problem": problem }),
            Self::Fault(fault) => json!({ "event": "fault", "fault": fault }),
        };
        event["time"] = dates::now().into();
        event
    }
}

/// Prints a value on one line.
pub(super) fn print_json(output: &mut Output, value: &impl Serialize) -> io::Result<()> {
    output.raw(json_escaped(&serde_json::to_string(value)?) + "\n")
}

fn short(path: &str) -> String {
    match path.char_indices().nth(MAX_PATH) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

const MAX_PATH: usize = 80;
