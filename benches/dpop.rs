//! Measures what a request with a DPoP proof costs beside its signature, and what used proofs cost.
//!
//! `cargo bench --bench dpop`. `-- --quick` shows that it runs, and measures nothing. Ratios are those of
//! times that were taken in turns.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::cast_precision_loss, reason = "numbers for people")]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Method, Request, Response};
use serde_json::{Value, json};
use tower::Service;
use tower_bearer::dpop::{Dpop, DpopKey, MemoryReplays, ProofId, ReplayCheck, ReplayStore as _};
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, BearerLayer, SigningKey, Validation, Verifier};
use tower_layer::Layer as _;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, proofs) = if is_quick { (2, 5) } else { (40, 500) };
    for algorithm in [Algorithm::ES256, Algorithm::Ed25519] {
        proof(algorithm, rounds, proofs);
    }
    refused(if is_quick { 10 } else { 200_000 });
    replays(if is_quick { 1_000 } else { 10_000_000 });
}

/// Times a request with a remembered token and a new proof, beside its bare signature.
fn proof(algorithm: Algorithm, rounds: usize, proofs: usize) {
    let key = SigningKey::generate(algorithm).expect("there is a back end");
    let client = DpopKey::new(key.clone()).expect("the key is public");
    let token = bound_token(&client);
    let bare = bare(&key);
    let mut known = service(Dpop::new(AUDIENCE).expect("a good URL"));
    let mut unknown = service(Dpop::new(AUDIENCE).expect("a good URL").with_max_keys(0));
    let mut ratios = [const { Vec::new() }; 2];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        let batch: Vec<_> = (0..2 * proofs).map(|_| sign(&client, &token)).collect();
        let (first, second) = batch.split_at(proofs);
        let signature_time = time(proofs, first, |proof| black_box(bare.verify(proof)));
        let [known_time, unknown_time] =
            [(first, &mut known), (second, &mut unknown)].map(|(batch, service)| {
                let requests: Vec<_> =
                    batch.iter().map(|proof| request(&token, proof.clone())).collect();
                let began = Instant::now();
                for request in requests {
                    assert_eq!(call(service, request), 200);
                }
                began.elapsed().as_nanos() as f64 / proofs as f64
            });
        for (place, time) in [signature_time, known_time, unknown_time].into_iter().enumerate() {
            times[place].push(time);
        }
        ratios[0].push(known_time / signature_time);
        ratios[1].push(unknown_time / signature_time);
    }
    let [bare, known, unknown] = times.map(median);
    let [known_ratio, unknown_ratio] = ratios.map(median);
    println!("{algorithm}: bare signature   {bare:>8.0} ns");
    println!("{algorithm}: known key        {known:>8.0} ns  {known_ratio:.3}");
    println!("{algorithm}: key is parsed    {unknown:>8.0} ns  {unknown_ratio:.3}");
}

/// Times proofs that are refused before their signature is looked at.
fn refused(count: usize) {
    let client = DpopKey::generate(Algorithm::ES256).expect("there is a back end");
    let token = bound_token(&client);
    let mut service = service(Dpop::new(AUDIENCE).expect("a good URL"));
    assert_eq!(call(&mut service, request(&token, sign(&client, &token))), 200);
    let stranger = DpopKey::generate(Algorithm::ES256).expect("there is a back end");
    let other_key = stranger.proof(&Method::GET, "https://api.example.com/orders");
    let other_key = other_key.with_token(&token);
    let other_uri =
        client.proof(&Method::GET, "https://other.example.com/orders").with_token(&token);
    let other_method =
        client.proof(&Method::PUT, "https://api.example.com/orders").with_token(&token);
    let other_token = client.proof(&Method::GET, "https://api.example.com/orders").with_token("x");
    let old = client.proof(&Method::GET, "https://api.example.com/orders").with_token(&token);
    let old = old.with_issued_at(std::time::UNIX_EPOCH);
    for (name, proof) in [
        ("no JWT", HeaderValue::from_static("x.y.z")),
        ("other URI", other_uri.sign().expect("a back end")),
        ("other method", other_method.sign().expect("a back end")),
        ("other token", other_token.sign().expect("a back end")),
        ("other key", other_key.sign().expect("a back end")),
        ("old", old.sign().expect("a back end")),
    ] {
        let (mut elapsed, at_once) = (Duration::ZERO, 1000.min(count));
        for _ in 0..count / at_once {
            let requests: Vec<_> = (0..at_once).map(|_| request(&token, proof.clone())).collect();
            let began = Instant::now();
            for request in requests {
                assert_eq!(call(&mut service, request), 401);
            }
            elapsed += began.elapsed();
        }
        let request_time = elapsed.as_nanos() as f64 / count as f64;
        println!("refused, {name:13}{request_time:>8.0} ns");
    }
}

/// Times the store of used proofs in memory, when it has this number of proofs.
fn replays(count: u64) {
    let store = MemoryReplays::with_max_proofs(usize::try_from(2 * count).expect("64 bits"));
    let lifetime = Duration::from_secs(3600);
    let remember = |number: u64| match store.remember(id(number), lifetime) {
        ReplayCheck::Done(answer) => answer.expect("there is room"),
        ReplayCheck::Pending(_) => unreachable!("memory answers at once"),
    };
    let before = resident();
    (0..count).for_each(|number| _ = black_box(remember(number)));
    let bytes = (resident() - before) as f64 / count as f64;
    let more = count / 20;
    let began = Instant::now();
    (count..count + more).for_each(|number| _ = black_box(remember(number)));
    let each = began.elapsed().as_nanos() as f64 / more as f64;
    println!("used proofs: {count}, {bytes:.0} bytes each, {each:.0} ns to look up and insert");
    let places = usize::try_from(count).expect("64 bits").next_power_of_two();
    let mut plain = vec![0; places];
    let began = Instant::now();
    for number in 0..more {
        let random = u128::from_be_bytes(*id(number).as_bytes()) % places as u128;
        plain[usize::try_from(random).expect("it is a place")] += number;
    }
    let write = began.elapsed().as_nanos() as f64 / more as f64;
    println!("one number of as many: {write:.0} ns to change ({})", black_box(plain).len());
}

/// A name that is as random as a hash.
fn id(number: u64) -> ProofId {
    let mix = |mut x: u64| {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let (high, low) = (mix(number), mix(!number));
    ProofId::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.unwrap_or_default() * 1024
}

/// The arithmetic alone, with a parsed key.
struct Bare(ParsedPublicKey);

impl Bare {
    fn verify(&self, proof: &HeaderValue) -> bool {
        let text = proof.to_str().expect("base64url");
        let (message, signature) = text.rsplit_once('.').expect("a JWT");
        let mut bytes = [0; 64];
        URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes).expect("base64url");
        self.0.verify_sig(message.as_bytes(), &bytes).is_ok()
    }
}

fn bare(key: &SigningKey) -> Bare {
    let set = serde_json::to_value(key.public_keys()).expect("strings");
    let member = |name: &str| {
        let text = set["keys"][0][name].as_str().unwrap_or_default();
        URL_SAFE_NO_PAD.decode(text).expect("base64url")
    };
    let parsed = match key.algorithm() {
        Algorithm::ES256 => {
            let point = [vec![4], member("x"), member("y")].concat();
            ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
        }
        _ => ParsedPublicKey::new(&signature::ED25519, member("x")),
    };
    Bare(parsed.expect("a good key"))
}

fn bound_token(client: &DpopKey) -> String {
    let token = TestToken::new(ISSUER, AUDIENCE).claim("cnf", json!({"jkt": client.thumbprint()}));
    token
        .claim("scope", "orders:read orders:write")
        .claim("email", "alice@example.com")
        .sign(&issuer())
}

fn issuer() -> TestKey {
    use std::sync::OnceLock;
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(|| TestKey::generate(Algorithm::ES256)).clone()
}

fn sign(client: &DpopKey, token: &str) -> HeaderValue {
    let proof = client.proof(&Method::GET, "https://api.example.com/orders").with_token(token);
    proof.sign().expect("there is a back end")
}

fn request(token: &str, proof: HeaderValue) -> Request<()> {
    let request = Request::get("/orders").header("authorization", format!("DPoP {token}"));
    request.header("dpop", proof).body(()).expect("a request")
}

fn service(
    dpop: Dpop,
) -> impl Service<Request<()>, Response = Response<String>, Error = Infallible> {
    let validation = Validation::new(ISSUER, AUDIENCE);
    let verifier =
        Verifier::<Value>::new(issuer().verifying_key(), validation).expect("good rules");
    BearerLayer::new(verifier).with_dpop(dpop).layer(Inner)
}

#[derive(Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}

fn call<S>(service: &mut S, request: Request<()>) -> u16
where
    S: Service<Request<()>, Response = Response<String>, Error = Infallible>,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    match pin!(service.call(request)).poll(&mut context) {
        Poll::Ready(Ok(response)) => response.status().as_u16(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => unreachable!("nothing waits"),
    }
}

fn time<T>(count: usize, batch: &[HeaderValue], mut call: impl FnMut(&HeaderValue) -> T) -> f64 {
    let began = Instant::now();
    for proof in batch {
        black_box(call(proof));
    }
    began.elapsed().as_nanos() as f64 / count as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
