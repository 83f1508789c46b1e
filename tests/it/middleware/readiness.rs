//! Tests inner services whose readiness is a resource: a permit, a place in a queue. Requests that
//! are refused or that wait must not keep it, even if the caller keeps the service.

mod permits;
mod sockets;

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use http::{Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::active_check::ActiveCheck;
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup, VerifyingKey};
use tower_bearer::policy::role;
use tower_bearer::{BearerLayer, Principal, Verifier, require};

use crate::support::{User, WithBearer, good, key, token, verifier_of};

pub type Call = Request<String>;
pub type Answer = Response<String>;
pub type Inner = BoxCloneService<Call, Answer, tower::BoxError>;

/// Keys that come when the test says so.
pub struct LateKeys {
    key: VerifyingKey,
    loaded: AtomicBool,
    waiting: AtomicUsize,
    gate: Semaphore,
}

impl LateKeys {
    pub fn new() -> Arc<Self> {
        let (loaded, waiting) = (AtomicBool::new(false), AtomicUsize::new(0));
        Arc::new(Self { key: key().verifying_key(), loaded, waiting, gate: Semaphore::new(0) })
    }

    pub fn come(&self) {
        self.gate.add_permits(1000);
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

impl KeySource for LateKeys {
    fn lookup(&self, header: &Header) -> Lookup {
        if self.loaded.load(Ordering::SeqCst) { self.key.lookup(header) } else { Lookup::Refresh }
    }

    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.map_err(KeysUnavailable::new)?.forget();
        self.loaded.store(true, Ordering::SeqCst);
        Ok(self.lookup(header))
    }
}

/// The reason why a request does not go straight on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    /// It has no token.
    Refused,
    /// Its keys come late.
    WaitsForKeys,
    /// Its keys come late, and then it is refused.
    WaitsInVain,
    /// The active check is asked about its subject.
    WaitsForAnswer,
    /// The active check answers that its subject is inactive.
    WaitsForRefusal,
    /// A guard refuses it.
    Forbidden,
}

const CAUSES: [Cause; 6] = [
    Cause::Refused,
    Cause::WaitsForKeys,
    Cause::WaitsInVain,
    Cause::WaitsForAnswer,
    Cause::WaitsForRefusal,
    Cause::Forbidden,
];

impl Cause {
    fn verifier(self) -> Verifier<User> {
        let asks = |is_active| {
            let check = move |_: Principal| async move {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(is_active)
            };
            verifier_of(key().verifying_key()).with_active_check(ActiveCheck::new(check))
        };
        match self {
            Self::Refused | Self::Forbidden => verifier_of(key().verifying_key()),
            Self::WaitsForKeys | Self::WaitsInVain => {
                let keys = LateKeys::new();
                keys.come();
                verifier_of(keys)
            }
            Self::WaitsForAnswer => asks(true),
            Self::WaitsForRefusal => asks(false),
        }
    }

    fn request(self) -> Call {
        match self {
            Self::Refused => Call::default(),
            Self::WaitsInVain => Call::default().bearer(token().claim("exp", 1).sign(&key())),
            _ => Call::default().bearer(good()),
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Refused | Self::WaitsInVain | Self::WaitsForRefusal => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::WaitsForKeys | Self::WaitsForAnswer => StatusCode::OK,
        }
    }

    /// Puts the layer, and for [`Self::Forbidden`] a guard, around the inner service.
    fn around(self, inner: Inner) -> Inner {
        let layer = BearerLayer::new(self.verifier());
        if self == Self::Forbidden {
            let guarded = require(role("admin")).layer(inner);
            return BoxCloneService::new(layer.layer(guarded));
        }
        BoxCloneService::new(layer.layer(inner))
    }
}

/// Answers after a moment, so that calls overlap.
fn handler() -> Inner {
    BoxCloneService::new(service_fn(|_: Call| async {
        tokio::task::yield_now().await;
        Ok::<_, tower::BoxError>(Response::new(String::from("in")))
    }))
}

/// Makes an inner service whose readiness is a resource.
type Make = fn() -> Inner;

/// Inner services of which few can be ready at once.
const INNER: [(&str, Make); 5] = [
    ("concurrency limit 1", || {
        BoxCloneService::new(ServiceBuilder::new().concurrency_limit(1).service(handler()))
    }),
    ("concurrency limit 4", || {
        BoxCloneService::new(ServiceBuilder::new().concurrency_limit(4).service(handler()))
    }),
    ("global concurrency limit 1", || {
        let limit = GlobalConcurrencyLimitLayer::new(1);
        BoxCloneService::new(ServiceBuilder::new().layer(limit).service(handler()))
    }),
    ("buffer of 1 before a concurrency limit", || {
        let limit = GlobalConcurrencyLimitLayer::new(1);
        let inner = ServiceBuilder::new().layer(limit).service(handler());
        BoxCloneService::new(ServiceBuilder::new().buffer(1).service(inner))
    }),
    ("buffer of 4", || BoxCloneService::new(ServiceBuilder::new().buffer(4).service(handler()))),
];

/// Calls as a connection does that keeps its service, also after the call.
fn ask_and_keep(mut service: Inner, call: Call) -> BoxFuture<'static, (StatusCode, Inner)> {
    Box::pin(async move {
        let response = service.ready().await.unwrap().call(call).await.unwrap();
        (response.status(), service)
    })
}

async fn in_time<T>(what: &impl Debug, future: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(Duration::from_secs(20), future).await;
    answer.unwrap_or_else(|_| panic!("never answered: {what:?}"))
}

#[tokio::test]
async fn requests_that_wait_or_are_refused_are_all_answered_and_shut_no_other_out() {
    for cause in CAUSES {
        for (inner, make) in INNER {
            let service = cause.around(make());

            let many = (0..20).map(|_| ask_and_keep(service.clone(), cause.request()));
            let answers = in_time(&(cause, inner), join_all(many)).await;
            // The kept services hold nothing that the next request needs.
            let next = in_time(&(cause, inner), ask_and_keep(service, cause.request())).await;

            assert!(answers.iter().all(|(status, _)| *status == cause.status()), "{cause:?}");
            assert_eq!(next.0, cause.status(), "{cause:?} {inner}");
        }
    }
}

#[tokio::test]
async fn good_request_behind_refused_ones_on_kept_services_is_let_in() {
    for (inner, make) in INNER {
        let service = Cause::Refused.around(make());
        let strangers = (0..20).map(|_| ask_and_keep(service.clone(), Cause::Refused.request()));
        let kept = in_time(&inner, join_all(strangers)).await;

        let good = ask_and_keep(service, Call::default().bearer(good()));

        assert_eq!(in_time(&inner, good).await.0, StatusCode::OK, "{inner}");
        drop(kept);
    }
}

#[tokio::test]
async fn one_service_that_is_kept_serves_one_request_after_the_other() {
    for cause in CAUSES {
        for (inner, make) in INNER {
            let mut service = cause.around(make());
            for _ in 0..5 {
                let (status, kept) =
                    in_time(&(cause, inner), ask_and_keep(service, cause.request())).await;
                assert_eq!(status, cause.status(), "{cause:?} {inner}");
                service = kept;
            }
        }
    }
}
