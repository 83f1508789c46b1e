//! A key that never leaves its device, which answers later.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tower_bearer::issue::IssueError;
use tower_bearer::keys::{BoxSigner, SignError, Signer, VerifyingKey, ecdsa_from_der};
use tower_bearer::{Algorithm, KeySet, SigningKey, TokenIssuer, Validation, Verifier};

use crate::tokens::{AUDIENCE, ISSUER};

/// Signs one message after the other, in DER, until it is told to fail.
struct Device {
    questions: mpsc::Sender<(Vec<u8>, oneshot::Sender<Option<Vec<u8>>>)>,
    public: VerifyingKey,
    converts: bool,
}

impl Device {
    fn start(works: bool, converts: bool) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let public = VerifyingKey::from_der(Algorithm::ES256, spki(key.public_key().as_ref()));
        let (questions, mut asked) = mpsc::channel::<(Vec<u8>, oneshot::Sender<_>)>(1);
        tokio::spawn(async move {
            while let Some((message, answer)) = asked.recv().await {
                let signature = key.sign(&SystemRandom::new(), &message).unwrap();
                _ = answer.send(works.then(|| signature.as_ref().to_vec()));
            }
        });
        Self { questions, public: public.unwrap().with_key_id("slot-7"), converts }
    }
}

impl Signer for Device {
    fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let (answer, answered) = oneshot::channel();
        self.questions.send((message.to_vec(), answer)).await.map_err(SignError::new)?;
        let der = answered.await.map_err(SignError::new)?;
        let der = der.ok_or_else(|| SignError::new("the device is locked"))?;
        if self.converts { ecdsa_from_der(Algorithm::ES256, &der) } else { Ok(der) }
    }
}

pub async fn check() {
    let tokens = TokenIssuer::new(ISSUER, AUDIENCE, Device::start(true, true)).unwrap();
    let published = KeySet::from_jwks(tokens.public_keys().to_json()).unwrap();
    let verifier = Verifier::<Value>::new(published, Validation::new(ISSUER, AUDIENCE)).unwrap();
    let token = tokens.token_for("alice").issue_async().await.unwrap();
    let verified = verifier.verify(token.as_str()).await.unwrap();
    assert_eq!(verified.principal().header().unwrap().key_id(), Some("slot-7"));
    println!("stranger: signer: a token of a device is accepted");

    let broken = TokenIssuer::new(ISSUER, AUDIENCE, Device::start(false, true)).unwrap();
    let error = broken.token_for("alice").issue_async().await.unwrap_err();
    assert!(matches!(error, IssueError::Signer(_)), "{error}");
    let in_der = TokenIssuer::new(ISSUER, AUDIENCE, Device::start(true, false)).unwrap();
    let error = in_der.token_for("alice").issue_async().await.unwrap_err();
    assert_eq!(error, IssueError::InvalidSignature);
    println!("stranger: signer: no token if it fails, or answers in DER");

    for is_local in [true, false] {
        let signer = if is_local {
            BoxSigner::new(SigningKey::generate(Algorithm::Ed25519).unwrap())
        } else {
            BoxSigner::new(Device::start(true, true))
        };
        let tokens = TokenIssuer::new(ISSUER, AUDIENCE, signer).unwrap();
        assert!(tokens.token_for("alice").issue_async().await.is_ok());
    }
    println!("stranger: signer: chosen at run time");
}

/// A `SubjectPublicKeyInfo` of a point on P-256, as services give public keys out.
fn spki(point: &[u8]) -> Vec<u8> {
    let heading = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    [&heading[..], point].concat()
}
