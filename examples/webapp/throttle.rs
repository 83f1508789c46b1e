//! Limits attempts to sign in: for each account against guessing, and for each address against trying many accounts.
//!
//! Both count attempts, as it is known only later which of them fail. Each instance counts for itself.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::RETRY_AFTER;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::{DefaultKeyedRateLimiter, Quota};
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use crate::register::refusal;
use crate::users::compared;

/// A limit for each account.
#[derive(Clone)]
pub struct PerAccount {
    limiter: Arc<DefaultKeyedRateLimiter<u64>>,
    /// Hashes names, which are of any length. Random, so that no name can be made to collide with another.
    hasher: RandomState,
}

impl PerAccount {
    /// Allows this number of attempts at once, and again after a minute.
    pub fn new(attempts: NonZeroU32) -> Self {
        let limiter = Arc::new(DefaultKeyedRateLimiter::keyed(Quota::per_minute(attempts)));
        forget_now_and_then({
            let limiter = Arc::clone(&limiter);
            move || limiter.retain_recent()
        });
        Self { limiter, hasher: RandomState::new() }
    }

    /// Counts an attempt. Returns the time to wait if it is one too many.
    pub fn check(&self, username: &str) -> Result<(), Duration> {
        let account = self.hasher.hash_one(compared(username));
        let checked = self.limiter.check_key(&account);
        checked.map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

/// Returns a layer with a limit for each address.
pub fn per_address(attempts: NonZeroU32) -> GovernorLayer<Address, NoOpMiddleware, Body> {
    let config = GovernorConfigBuilder::default()
        .period(Duration::from_secs(60) / attempts.get())
        .burst_size(attempts.get())
        .key_extractor(Address)
        .finish()
        .expect("neither the period nor the burst is zero");
    let limiter = Arc::clone(config.limiter());
    forget_now_and_then(move || limiter.retain_recent());
    GovernorLayer::new(config).error_handler(|error| answer(&error))
}

/// The address of the client: one IPv4 address, or the network of 64 bits that one client has of IPv6.
///
/// Behind a reverse proxy this is the address of the proxy: take `SmartIpKeyExtractor` there, if the proxy replaces
/// `X-Forwarded-For` and does not only add to it.
#[derive(Clone, Copy, Debug)]
pub struct Address;

impl KeyExtractor for Address {
    type Key = IpAddr;

    fn extract<B>(&self, request: &Request<B>) -> Result<IpAddr, GovernorError> {
        let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
        match client.ok_or(GovernorError::UnableToExtractKey)?.0.ip().to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Ok(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
            address @ IpAddr::V4(_) => Ok(address),
        }
    }
}

fn answer(error: &GovernorError) -> Response<Body> {
    let GovernorError::TooManyRequests { wait_time, .. } = error else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    too_many(*wait_time)
}

pub fn too_many(seconds: u64) -> Response<Body> {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = refusal(status, "slow_down", "There were too many attempts");
    response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
    response
}

/// Names and addresses that were not seen for a while need no memory.
fn forget_now_and_then(forget: impl Fn() + Send + 'static) {
    tokio::spawn(async move {
        let mut every_minute = tokio::time::interval(Duration::from_secs(60));
        loop {
            every_minute.tick().await;
            forget();
        }
    });
}
