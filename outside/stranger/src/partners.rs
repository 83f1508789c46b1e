//! A table of partners and their keys, which changes somewhere else and is kept fresh.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::RETRY_AFTER;
use tokio::time::{sleep, timeout};
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::refresh::{Load, Loaded, Refreshed, State};
use tower_bearer::source::Presented;
use tower_bearer::{AuthError, BearerLayer, Principal, Reason, Validation};

use crate::calls::{challenge, get_as, parameter};
use crate::tokens::{self, AUDIENCE, ISSUER};

/// Which key is whose.
type Table = BTreeMap<String, String>;

/// Where the table is kept.
#[derive(Default)]
struct Registry {
    table: Mutex<Table>,
    is_away: AtomicBool,
    loads: AtomicUsize,
}

impl Registry {
    fn with(key: &str, partner: &str) -> Arc<Self> {
        let registry = Self::default();
        registry.add(key, partner);
        Arc::new(registry)
    }

    fn add(&self, key: &str, partner: &str) {
        self.table.lock().unwrap().insert(key.to_owned(), partner.to_owned());
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }

    fn goes_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }
}

impl Load for Registry {
    type Document = Table;
    type Error = io::Error;

    async fn load(&self) -> io::Result<Loaded<Table>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        if self.is_away.load(Ordering::Relaxed) {
            return Err(io::Error::other("the registry is away"));
        }
        let table = self.table.lock().unwrap().clone();
        Ok(Loaded::from(table).with_fresh_for(Duration::from_secs(300)))
    }

    fn describe(&self) -> String {
        "the table of partners".to_owned()
    }
}

/// The same table for a layer and for those who watch it.
type Partners = Arc<Refreshed<Arc<Registry>>>;

struct PartnerKeys(Partners);

impl Authenticator for PartnerKeys {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(b"key_")
    }

    async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        let mut partners = self.0.get().await.map_err(AuthError::authenticator_failed)?;
        if !partners.contains_key(token) {
            // Perhaps a partner of today. Strangers get here too, hence the budget.
            partners = self.0.refresh().await.unwrap_or(partners);
        }
        let partner = partners.get(token).ok_or(Reason::UnknownKey)?;
        Ok(Authenticated::subject(partner))
    }
}

pub async fn check() {
    loaded_once().await;
    kept_while_away().await;
    missing().await;
    within_a_budget().await;
    expired().await;
}

async fn loaded_once() {
    let registry = Registry::with("key_1", "acme");
    let app = app(&Arc::new(Refreshed::new(Arc::clone(&registry))));
    assert_eq!(registry.loads(), 0);

    let first: [_; 8] = std::array::from_fn(|_| {
        let app = app.clone();
        tokio::spawn(async move { get_as(&app, "/", "Bearer key_1").await })
    });
    for response in first {
        let response = response.await.unwrap();
        assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "acme"));
    }
    assert_eq!(registry.loads(), 1);
    println!("stranger: partners: eight first requests wait for one load");
}

async fn kept_while_away() {
    let registry = Registry::with("key_1", "acme");
    let partners = Arc::new(Refreshed::new(Arc::clone(&registry)));
    let app = app(&partners);
    assert_eq!(get_as(&app, "/", "Bearer key_1").await.status(), StatusCode::OK);

    registry.add("key_2", "globex");
    registry.goes_away(true);
    assert!(partners.refresh().await.is_err());
    assert_eq!(get_as(&app, "/", "Bearer key_1").await.status(), StatusCode::OK);
    let status = partners.status();
    assert_eq!((status.loads(), status.failures(), status.is_ready()), (2, 1, true));
    assert_eq!(status.source(), "the table of partners");
    assert!(status.last_error().unwrap().message().contains("the registry is away"));
    println!("stranger: partners: a failed load changes nothing but the status");

    registry.goes_away(false);
    let table = partners.refresh().await.unwrap();
    assert!(table.contains_key("key_2"));
    let response = get_as(&app, "/", "Bearer key_2").await;
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "globex"));
    println!("stranger: partners: a new partner is there after the next one");
}

async fn missing() {
    let registry = Registry::with("key_1", "acme");
    registry.goes_away(true);
    let pauses = Duration::from_millis(10)..=Duration::from_millis(10);
    let partners = Arc::new(Refreshed::new(Arc::clone(&registry)).with_backoff(pauses));
    let app = app(&partners);

    let response = get_as(&app, "/", "Bearer key_1").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(RETRY_AFTER));
    assert_eq!(partners.status().state(), State::Missing);
    assert!(partners.current().is_none());
    registry.goes_away(false);
    partners.await_ready(Duration::from_secs(5)).await.unwrap();
    assert_eq!(partners.status().state(), State::Fresh);
    assert_eq!(get_as(&app, "/", "Bearer key_1").await.status(), StatusCode::OK);
    println!("stranger: partners: 503 before the first table, 200 with it");

    let registry = Registry::with("key_1", "acme");
    registry.goes_away(true);
    let shipped = Table::from([("key_0".to_owned(), "initech".to_owned())]);
    let partners = Arc::new(Refreshed::new(registry).with_initial(shipped));
    let app = self::app(&partners);
    let response = get_as(&app, "/", "Bearer key_0").await;
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "initech"));
    assert_eq!(partners.status().state(), State::Stale);
    println!("stranger: partners: 200 with the table that was shipped");
}

async fn within_a_budget() {
    let registry = Registry::with("key_1", "acme");
    let partners =
        Refreshed::new(Arc::clone(&registry)).with_fetch_budget(2, Duration::from_secs(3600));
    let app = app(&Arc::new(partners));
    assert_eq!(get_as(&app, "/", "Bearer key_1").await.status(), StatusCode::OK);

    registry.add("key_2", "globex");
    assert_eq!(get_as(&app, "/", "Bearer key_2").await.status(), StatusCode::OK);
    assert_eq!(registry.loads(), 2);
    for guess in 3..23 {
        let response = get_as(&app, "/", &format!("Bearer key_{guess}")).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(parameter(challenge(&response), "error"), Some("invalid_token"));
    }
    assert_eq!(registry.loads(), 3);
    println!("stranger: partners: strangers cause as many loads as the budget has");
}

async fn expired() {
    let registry = Registry::with("key_1", "acme");
    let moment = Duration::from_millis(200);
    let partners = Refreshed::new(Arc::clone(&registry))
        .with_freshness_between(moment..=moment)
        .with_stale_if_error(moment);
    let partners = Arc::new(partners);
    let app = app(&partners);
    assert_eq!(get_as(&app, "/", "Bearer key_1").await.status(), StatusCode::OK);

    registry.goes_away(true);
    let expiry = async {
        while partners.status().state() != State::Expired {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), expiry).await.unwrap();
    assert!(partners.current().is_none());
    let response = get_as(&app, "/", "Bearer key_1").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    println!("stranger: partners: 503 once the table is too old");
}

fn app(partners: &Partners) -> Router {
    let layer = BearerLayer::new(tokens::verifier())
        .with_authenticator(PartnerKeys(Arc::clone(partners)), Validation::new(ISSUER, AUDIENCE))
        .unwrap();
    Router::new()
        .route("/", get(|who: Principal| async move { who.subject().unwrap().to_owned() }))
        .route_layer(layer)
}
