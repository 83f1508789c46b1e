//! Every algorithm in pure Rust: `CC=false cargo run`.

use serde_json::Value;
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, Reason, Validation, Verifier};

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for algorithm in Algorithm::ALL {
        let key = TestKey::generate(algorithm);
        let rules = Validation::new(ISSUER, AUDIENCE);
        let verifier = Verifier::<Value>::new(key.verifying_key(), rules).unwrap();

        let token = TestToken::new(ISSUER, AUDIENCE).sign(&key);
        let other = TestToken::new(ISSUER, AUDIENCE).claim("sub", "mallory").sign(&key);
        let (_, signature) = token.rsplit_once('.').unwrap();
        let (input, _) = other.rsplit_once('.').unwrap();
        let forged = format!("{input}.{signature}");

        assert!(verifier.verify(&token).await.is_ok(), "{algorithm}");
        let reason = verifier.verify(&forged).await.unwrap_err().reason();
        assert_eq!(reason, Reason::InvalidSignature, "{algorithm}");
        println!("no_c_compiler: {algorithm} is signed and verified, and a forgery refused");
    }
}
