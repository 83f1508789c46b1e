//! Keys that are elsewhere, and answer later.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, routing};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::{mpsc, oneshot};
use tower_bearer::issue::{IssueError, TokenRequest};
use tower_bearer::keys::{BoxSigner, SignError, Signer, SigningKey, VerifyingKey};
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, BearerLayer, ConfigError, KeySet, Principal, Reason, TokenIssuer};

use crate::support::{
    AUDIENCE, ISSUER, NOW, WithBearer as _, get, invalid_token, send, verifier_of,
};

/// Sends messages away, and waits for signatures.
struct Remote {
    public: VerifyingKey,
    requests: mpsc::UnboundedSender<Request>,
}

struct Request {
    message: Vec<u8>,
    answer: oneshot::Sender<Result<Vec<u8>, SignError>>,
}

impl Signer for Remote {
    fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { message: message.to_vec(), answer };
        self.requests.send(request).map_err(|_| SignError::new("the device is gone"))?;
        answered.await.map_err(SignError::new)?
    }
}

/// An issuer, and the other end of its signer.
fn remote(public: VerifyingKey) -> (TokenIssuer<Remote>, mpsc::UnboundedReceiver<Request>) {
    let (requests, device) = mpsc::unbounded_channel();
    (issuer(Remote { public, requests }), device)
}

fn issuer<K: Signer>(key: K) -> TokenIssuer<K> {
    TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap().with_clock(TestClock::at(NOW))
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap()
}

/// The error of a token to which the signer answers this.
async fn error_of(public: VerifyingKey, answer: Result<Vec<u8>, SignError>) -> IssueError {
    let (tokens, mut device) = remote(public);
    let device = async {
        let request = device.recv().await.unwrap();
        request.answer.send(answer).unwrap();
    };
    let (issued, ()) = futures::join!(tokens.token_for("alice").issue_async(), device);
    issued.unwrap_err()
}

#[tokio::test]
async fn token_of_a_signer_that_answers_later_is_let_in() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let (tokens, mut device) = remote(key.verifying_key().with_key_id("device/1"));
        let published = KeySet::from_jwks(tokens.public_keys().to_json()).unwrap();
        let app = Router::new()
            .route("/", routing::get(subject))
            .layer(BearerLayer::new(verifier_of(published)));

        let mut issuing = Box::pin(tokens.token_for("alice").with_roles(["user"]).issue_async());
        assert!(futures::poll!(&mut issuing).is_pending());
        let request = device.recv().await.unwrap();
        assert!(futures::poll!(&mut issuing).is_pending());
        request.answer.send(key.sign(&request.message)).unwrap();
        let token = issuing.await.unwrap();

        assert!(token.as_str().as_bytes().starts_with(&request.message));
        send(&app, get("/").bearer(token.as_str())).await.is_ok("alice");
        let stranger = SigningKey::generate(algorithm).unwrap().sign(&request.message).unwrap();
        let (message, _) = token.as_str().rsplit_once('.').unwrap();
        let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(stranger));
        let challenge = invalid_token("The token cannot be verified");
        let refused = send(&app, get("/").bearer(&forged)).await;
        refused.is_refused(401, Some(&challenge), Reason::InvalidSignature);
    }
}

async fn subject(principal: Principal) -> String {
    principal.subject().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn key_id_of_a_signer_is_its_own_or_the_thumbprint() {
    let key = key();
    let unnamed = VerifyingKey::from_pem(
        Algorithm::ES256,
        include_str!("../../fixtures/keys/p256_public.pem"),
    );
    let known =
        SigningKey::from_pem(Algorithm::ES256, include_str!("../../fixtures/keys/p256_pkcs8.pem"));

    let (named, _device) = remote(key.verifying_key().with_key_id("device/1"));
    let (thumbprint, _device) = remote(unnamed.unwrap());

    assert_eq!(named.verifying_key().key_id(), Some("device/1"));
    assert_eq!(thumbprint.verifying_key().key_id(), known.unwrap().key_id());
    let (requests, _device) = mpsc::unbounded_channel();
    let public = key.verifying_key().with_key_id("k".repeat(257));
    let error = TokenIssuer::new(ISSUER, AUDIENCE, Remote { public, requests }).unwrap_err();
    assert_eq!(error, ConfigError::KeyIdTooLong { bytes: 257 });
}

/// Has another key each time it is asked for one.
struct Restless;

impl Signer for Restless {
    fn verifying_key(&self) -> VerifyingKey {
        key().verifying_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        key().sign(message)
    }
}

/// Has another key each time as well, and says which is for one token.
struct Rotating;

impl Signer for Rotating {
    fn verifying_key(&self) -> VerifyingKey {
        Restless.verifying_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Signer::sign(&Restless, message).await
    }

    fn current(&self) -> Option<BoxSigner> {
        Some(BoxSigner::new(key()))
    }

    fn max_lifetime(&self) -> Option<Duration> {
        Some(Duration::from_secs(60))
    }
}

#[tokio::test]
async fn name_and_signature_of_one_token_are_of_one_key() {
    async fn is_issued<K: Signer>(signer: K) -> Result<(), IssueError> {
        let tokens = issuer(signer);
        let alice = || tokens.token_for("alice").with_lifetime(Duration::from_secs(60));
        alice().issue_async().await.map(drop)
    }

    assert_eq!(is_issued(Rotating).await, Ok(()));
    assert_eq!(is_issued(Arc::new(Rotating)).await, Ok(()));
    assert_eq!(is_issued(BoxSigner::new(Rotating)).await, Ok(()));
    assert_eq!(is_issued(Restless).await, Err(IssueError::InvalidSignature));
}

#[tokio::test]
async fn token_is_not_issued_for_longer_than_its_signer_keeps_the_key() {
    async fn is_issued<K: Signer>(signer: K, seconds: u64) -> Result<(), IssueError> {
        let tokens = issuer(signer);
        let token = tokens.token_for("alice").with_lifetime(Duration::from_secs(seconds));
        token.issue_async().await.map(drop)
    }
    let most = Duration::from_secs(60);

    assert_eq!(is_issued(Rotating, 60).await, Ok(()));
    for error in [
        is_issued(Rotating, 61).await,
        is_issued(Arc::new(Rotating), 61).await,
        is_issued(BoxSigner::new(Rotating), 61).await,
    ] {
        assert_eq!(error, Err(IssueError::LifetimeTooLong { most }));
    }
    assert_eq!(is_issued(key(), 61).await, Ok(()));
}

#[tokio::test]
async fn signer_that_fails_makes_no_token() {
    let failed = SignError::new(io::Error::other("the device is locked"));

    let error = error_of(key().verifying_key(), Err(failed.clone())).await;

    assert_eq!(error, IssueError::Signer(failed));
    assert_eq!(error.to_string(), "the signer made no signature");
    assert_eq!(error.source().unwrap().to_string(), "the device is locked");
    assert_ne!(error, IssueError::Signer(SignError::new("something else")));
}

#[tokio::test]
async fn signature_that_the_key_does_not_verify_makes_no_token() {
    let key = key();
    let of_another_message = key.sign(b"another message").unwrap();
    let answers: [Vec<u8>; 5] =
        [vec![], vec![0; 64], b"garbage".to_vec(), of_another_message, vec![0x30; 71]];
    for answer in answers {
        let error = error_of(key.verifying_key(), Ok(answer)).await;

        assert_eq!(error, IssueError::InvalidSignature);
    }
    assert!(IssueError::InvalidSignature.to_string().contains("ecdsa_from_der"));
}

#[tokio::test]
async fn signature_of_a_key_that_was_exchanged_makes_no_token() {
    let (old, new) = (key(), key());
    let (tokens, mut device) = remote(old.verifying_key());
    let device = async {
        let request = device.recv().await.unwrap();
        request.answer.send(new.sign(&request.message)).unwrap();
    };

    let (issued, ()) = futures::join!(tokens.token_for("alice").issue_async(), device);

    assert_eq!(issued.unwrap_err(), IssueError::InvalidSignature);
}

#[tokio::test]
async fn device_that_goes_away_makes_no_token() {
    let (tokens, device) = remote(key().verifying_key());
    drop(device);

    let error = tokens.token_for("alice").issue_async().await.unwrap_err();

    assert_eq!(error, IssueError::Signer(SignError::new("the device is gone")));
}

#[tokio::test]
async fn claims_that_cannot_be_issued_are_not_sent_to_the_signer() {
    let (tokens, mut device) = remote(key().verifying_key());

    let error = tokens.token_for("").issue_async().await.unwrap_err();

    assert_eq!(error, IssueError::EmptySubject);
    assert!(device.try_recv().is_err());
}

#[tokio::test]
async fn local_key_and_signer_chosen_at_run_time_sign_by_the_same_method() {
    async fn issue<K: Signer>(request: TokenRequest<'_, K>) -> String {
        request.issue_async().await.unwrap().into_string()
    }
    let key = key();
    let verifier = verifier_of(key.verifying_key());

    for token in [
        issue(issuer(key.clone()).token_for("alice")).await,
        issue(issuer(Arc::new(key.clone())).token_for("alice")).await,
        issue(issuer(BoxSigner::new(key.clone())).token_for("alice")).await,
        issuer(key.clone()).token_for("alice").issue().unwrap().into_string(),
    ] {
        assert!(verifier.verify(&token).await.is_ok());
    }
}
