//! Keys from where an operator says, which is known only at run time.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::Value;
use tokio::net::TcpListener;
use tower_bearer::jose::Header;
use tower_bearer::keys::{
    BoxKeySource, CachedKeys, HttpFetch, KeySource, KeysUnavailable, Lookup, PublicKeys,
    VerifyingKey,
};
use tower_bearer::{
    Algorithm, BearerLayer, ConfigError, KeySet, Principal, Reason, SigningKey, TokenIssuer,
    Validation, Verifier,
};

use crate::calls::{challenge, challenges, get_as, parameter};
use crate::tokens::{self, AUDIENCE, ISSUER, SECRET};

/// Reads an operator's setting.
fn keys(setting: &str, vault: &Arc<Vault>) -> Result<BoxKeySource, ConfigError> {
    Ok(match setting.split_once('=') {
        Some(("secret", secret)) => VerifyingKey::from_secret(Algorithm::HS256, secret)?.boxed(),
        Some(("jwks", jwks)) => KeySet::from_jwks(jwks)?.boxed(),
        Some(("url", url)) => CachedKeys::new(HttpFetch::new(url)?).boxed(),
        _ => Arc::clone(vault).boxed(),
    })
}

/// Keeps the keys that were read last from somewhere that can be away.
struct Vault {
    published: Mutex<Option<String>>,
    keys: RwLock<KeySet>,
    epoch: AtomicU64,
    reads: AtomicUsize,
}

impl Vault {
    fn new(issuer: &TokenIssuer) -> Arc<Self> {
        let jwks = issuer.public_keys().to_json();
        Arc::new(Self {
            keys: RwLock::new(KeySet::from_jwks(&jwks).unwrap()),
            published: Mutex::new(Some(jwks)),
            epoch: AtomicU64::new(0),
            reads: AtomicUsize::new(0),
        })
    }

    fn publish(&self, keys: Option<PublicKeys>) {
        *self.published.lock().unwrap() = keys.map(|keys| keys.to_json());
    }

    fn read(&self) -> Result<(), KeysUnavailable> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let jwks = self.published.lock().unwrap().clone();
        let jwks = jwks.ok_or_else(|| {
            KeysUnavailable::new("the vault is sealed").with_retry_after(Duration::from_secs(7))
        })?;
        *self.keys.write().unwrap() = KeySet::from_jwks(jwks).map_err(KeysUnavailable::new)?;
        self.epoch.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

impl KeySource for Vault {
    fn lookup(&self, header: &Header) -> Lookup {
        match self.keys.read().unwrap().lookup(header) {
            Lookup::Unknown => Lookup::Refresh,
            answer => answer,
        }
    }

    fn epoch(&self) -> Option<u64> {
        Some(self.epoch.load(Ordering::Acquire))
    }

    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        tokio::task::yield_now().await;
        self.read()?;
        Ok(self.keys.read().unwrap().lookup(header))
    }
}

pub async fn check() {
    let issuer = signing("first");
    let jwks = issuer.public_keys().to_json();
    let vault = Vault::new(&issuer);
    let secret = format!("secret={}", str::from_utf8(SECRET).unwrap());
    for (setting, issuer) in [
        (secret.as_str(), &tokens::hs256()),
        (format!("jwks={jwks}").as_str(), &issuer),
        (format!("url={}", publish(&issuer).await).as_str(), &issuer),
        ("vault", &issuer),
    ] {
        let app = app(keys(setting, &vault).unwrap());
        let token = token(issuer);
        let response = get_as(&app, "/", &token).await;
        assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "alice"));
        for stranger in [self::token(&tokens::es256()), tokens::forged(&token)] {
            let response = get_as(&app, "/", &stranger).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{setting}");
            assert_eq!(parameter(challenge(&response), "error"), Some("invalid_token"));
        }
    }
    println!("stranger: keys: 200 with a key of each source, 401 with another key");

    assert!(matches!(keys("jwks=<html>", &vault), Err(ConfigError::UnreadableKeys { .. })));
    assert!(matches!(keys("jwks={}", &vault), Err(ConfigError::NoUsableKey { .. })));
    assert!(matches!(keys("url=http://id.example.com", &vault), Err(ConfigError::Address { .. })));
    assert!(keys("secret=short", &vault).is_err());
    println!("stranger: keys: a setting that cannot work is refused at the start");

    let fixed = keys(&format!("jwks={jwks}"), &vault).unwrap().keys_status().unwrap();
    assert!(fixed.is_ready() && fixed.keys() == 1);
    assert!(keys("vault", &vault).unwrap().keys_status().is_none());
    println!("stranger: keys: the status is seen through the box");

    rotated().await;
}

/// What a source of one's own says reaches the verifier through the box.
async fn rotated() {
    let (first, second) = (signing("first"), signing("second"));
    let (old, new) = (token(&first), token(&second));
    let vault = Vault::new(&first);
    let app = app(keys("vault", &vault).unwrap());
    let status = async |token: &str| get_as(&app, "/", token).await.status();
    assert_eq!(status(&old).await, StatusCode::OK);
    assert_eq!(status(&new).await, StatusCode::UNAUTHORIZED);
    assert_eq!(vault.reads(), 1);

    vault.publish(Some(first.public_keys().and(second.public_keys())));
    for _ in 0..3 {
        assert_eq!(status(&new).await, StatusCode::OK);
        assert_eq!(status(&old).await, StatusCode::OK);
    }
    assert_eq!(vault.reads(), 2);
    println!("stranger: keys: a new key is found by asking again, once");

    vault.publish(Some(second.public_keys()));
    assert_eq!(status(&old).await, StatusCode::OK, "the vault has not been read again");
    vault.read().unwrap();
    let response = get_as(&app, "/", &old).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.extensions().get(), Some(&Reason::UnknownKey));
    assert_eq!(status(&new).await, StatusCode::OK);
    println!("stranger: keys: 401 for a remembered token, once its key is gone");

    vault.publish(None);
    let response = get_as(&app, "/", &old).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[RETRY_AFTER], "7");
    assert!(challenges(&response).is_empty());
    assert_eq!(status(&new).await, StatusCode::OK);
    println!("stranger: keys: 503 while the keys are not known, and 200 for keys in memory");
}

fn signing(key_id: &str) -> TokenIssuer {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap().with_key_id(key_id).unwrap();
    TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap()
}

fn token(issuer: &TokenIssuer) -> String {
    format!("Bearer {}", issuer.token_for("alice").issue().unwrap().as_str())
}

async fn publish(issuer: &TokenIssuer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let app = Router::new().route_service("/jwks", issuer.jwks_service());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn app(keys: BoxKeySource) -> Router {
    let verifier = Verifier::<Value>::new(keys, Validation::new(ISSUER, AUDIENCE)).unwrap();
    Router::new()
        .route("/", get(|who: Principal| async move { who.subject().unwrap().to_owned() }))
        .route_layer(BearerLayer::new(verifier))
}
