use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::HeaderName;
use http::{HeaderValue, Request};
use tokio::sync::watch;

use super::fault::{Faults, ProviderDocument};
use super::introspection::OpaqueTokens;
use super::key_ring::KeyRing;
use super::places::{ProviderUrls, Target};
use crate::clock::{Clock as _, SystemClock};

/// The state that the provider and its connections share.
pub(super) struct SharedProvider {
    pub(super) places: ProviderUrls,
    /// Connections watch it.
    faults: watch::Sender<Faults>,
    state: Mutex<ProviderState>,
}

/// The state that changes while the provider runs.
pub(super) struct ProviderState {
    pub(super) keys: KeyRing,
    pub(super) opaque: OpaqueTokens,
    pub(super) jwks_uri: Option<String>,
    /// Header fields of all answers; `None` for those that are left out.
    pub(super) fields: HashMap<HeaderName, Option<HeaderValue>>,
    pub(super) requests: Requests,
    pub(super) received: Vec<Request<()>>,
    pub(super) modified: SystemTime,
}

/// Counts the requests that a [`TestProvider`](super::TestProvider) received, each when it arrives.
///
/// Refused connections are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requests {
    /// Requests for the metadata, in all its places.
    pub metadata: usize,
    /// Requests for the keys.
    pub jwks: usize,
    /// Requests to the introspection endpoint.
    pub introspection: usize,
    /// Those of the above that were answered with 304.
    pub not_modified: usize,
    /// Requests for a document in the place that [`Fault::Redirect`](super::Fault::Redirect) leads
    /// to; not counted above.
    pub redirected: usize,
    /// Requests for anything else: for metadata in a place where there is none, for example.
    pub not_found: usize,
}

impl SharedProvider {
    pub(super) fn new(
        places: ProviderUrls,
        keys: KeyRing,
        client: Option<(String, String)>,
    ) -> Self {
        let state = ProviderState {
            keys,
            opaque: OpaqueTokens::new(client),
            jwks_uri: None,
            fields: HashMap::new(),
            requests: Requests::default(),
            received: Vec::new(),
            modified: SystemClock.now() - ONE_DAY,
        };
        let faults = watch::Sender::new(Faults::default());
        Self { places, faults, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ProviderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the documents.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut ProviderState) -> T) -> T {
        let mut state = self.state();
        // `Last-Modified` counts seconds and tests are quicker, so it has seconds of its own; those
        // of the past, as none may lie in the future.
        state.modified += Duration::from_secs(1);
        change(&mut state)
    }

    pub(super) fn faults(&self) -> Faults {
        *self.faults.borrow()
    }

    pub(super) fn watch_faults(&self) -> watch::Receiver<Faults> {
        self.faults.subscribe()
    }

    /// Sets the faults. They take effect after the listener has been opened or closed.
    pub(super) fn set_faults(&self, faults: Faults, door: impl FnOnce(bool)) {
        self.faults.send_modify(|now| {
            *now = faults;
            door(faults.is_down());
        });
    }
}

impl ProviderState {
    pub(super) fn set_field(&mut self, name: &str, value: Option<HeaderValue>) {
        let name = name.parse().expect("a name that can stand in a header");
        self.fields.insert(name, value);
    }

    pub(super) fn record<B>(&mut self, target: Target, request: &Request<B>) {
        let count = match target {
            Target::ProviderDocument(ProviderDocument::Metadata) => &mut self.requests.metadata,
            Target::ProviderDocument(ProviderDocument::Jwks) => &mut self.requests.jwks,
            Target::ProviderDocument(ProviderDocument::Introspection) => {
                &mut self.requests.introspection
            }
            Target::Moved(_) => &mut self.requests.redirected,
            Target::Nothing => &mut self.requests.not_found,
        };
        *count += 1;
        let mut copy = Request::new(());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        self.received.push(copy);
    }
}

const ONE_DAY: Duration = Duration::from_secs(24 * 60 * 60);
