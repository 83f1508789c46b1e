//! Limits attempts to sign in: for each account against guessing, and for each address against trying many accounts.
//!
//! Both count attempts before they are tried, as many at once would all be tried otherwise. A correct password takes the
//! attempts on its account back. Each instance counts for itself.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{HeaderMap, RETRY_AFTER};
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use governor::middleware::NoOpMiddleware;
use tower_bearer::sign_in::{SignInAttempt, SignInEndpoints};
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use crate::register::refusal;
use crate::users::compared;

/// A limit for each account.
#[derive(Clone)]
pub struct PerAccount {
    most: u32,
    counts: Arc<Mutex<HashMap<u64, Count>>>,
    /// Hashes names, which are of any length. Random, so that no name can be made to collide with another.
    hasher: RandomState,
}

struct Count {
    attempts: u32,
    ends: Instant,
}

impl PerAccount {
    /// Allows this number of attempts in a minute.
    pub fn new(attempts: NonZeroU32) -> Self {
        let counts = Arc::new(Mutex::new(HashMap::<u64, Count>::new()));
        forget_now_and_then({
            let counts = Arc::clone(&counts);
            move || {
                let now = Instant::now();
                let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                counts.retain(|_, count| count.ends > now);
            }
        });
        Self { most: attempts.get(), counts, hasher: RandomState::new() }
    }

    /// Limits the attempts at these endpoints.
    pub fn limit(&self, endpoints: SignInEndpoints) -> SignInEndpoints {
        let (before, after) = (self.clone(), self.clone());
        endpoints.with_throttle(move |attempt| before.check(&name_of(attempt))).on_outcome(
            move |attempt, is_correct| {
                if is_correct {
                    after.forget(&name_of(attempt));
                }
            },
        )
    }

    /// Counts an attempt. Returns the time to wait if it is one too many.
    pub fn check(&self, name: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(self.key(name)).or_insert(Count { attempts: 0, ends: now });
        if count.ends <= now {
            *count = Count { attempts: 0, ends: now + MINUTE };
        }
        if count.attempts >= self.most {
            return Err(count.ends - now);
        }
        count.attempts += 1;
        Ok(())
    }

    fn forget(&self, name: &str) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key(name));
    }

    fn key(&self, name: &str) -> u64 {
        self.hasher.hash_one(compared(name))
    }
}

/// Returns the name under which an attempt is counted. The subject of one user may be the name of another.
fn name_of(attempt: SignInAttempt<'_>) -> String {
    let of = if attempt.is_password_change { "password of" } else { "sign-in of" };
    // Without the blanks around it.
    format!("{of} {}", compared(attempt.username))
}

/// Returns a layer with a limit for each address.
pub fn per_address(
    attempts: NonZeroU32,
    trusted_proxies: &[IpAddr],
) -> GovernorLayer<Address, NoOpMiddleware, Body> {
    let config = GovernorConfigBuilder::default()
        .period(MINUTE / attempts.get())
        .burst_size(attempts.get())
        .key_extractor(Address { trusted_proxies: trusted_proxies.into() })
        .finish()
        .expect("neither the period nor the burst is zero");
    let limiter = Arc::clone(config.limiter());
    forget_now_and_then(move || limiter.retain_recent());
    GovernorLayer::new(config).error_handler(|error| answer(&error))
}

/// Finds the address of the client: one IPv4 address, or the network of 64 bits that one client has of IPv6.
#[derive(Clone, Debug)]
pub struct Address {
    trusted_proxies: Arc<[IpAddr]>,
}

impl Address {
    /// Each proxy adds the address from which it got the request at the end of `X-Forwarded-For`. From the connection
    /// backwards, an address is that of a proxy if it is trusted; the first other one is the client's. What stands
    /// before it was written by the client, and could be anything.
    fn of_client(&self, connection: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = connection.to_canonical();
        let fields: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let parts =
            fields.into_iter().rev().flat_map(|field| field.as_bytes().rsplit(|&b| b == b','));
        for part in parts {
            // Some proxies write the port too.
            let before = str::from_utf8(part.trim_ascii()).ok().and_then(|text| {
                let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
                text.parse::<IpAddr>().ok().or_else(with_port)
            });
            let Some(before) = before else { break };
            if !self.trusted_proxies.contains(&address) {
                break;
            }
            address = before.to_canonical();
        }
        address
    }
}

impl KeyExtractor for Address {
    type Key = IpAddr;

    fn extract<B>(&self, request: &Request<B>) -> Result<IpAddr, GovernorError> {
        let connection = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let connection = connection.ok_or(GovernorError::UnableToExtractKey)?.0.ip();
        match self.of_client(connection, request.headers()) {
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
        let mut every_minute = tokio::time::interval(MINUTE);
        loop {
            every_minute.tick().await;
            forget();
        }
    });
}

const MINUTE: Duration = Duration::from_secs(60);
