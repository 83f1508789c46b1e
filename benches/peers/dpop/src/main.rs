//! What a request with a DPoP proof costs here, in `huskarl-resource-server`, and with the checks in Spring Security's order.
//!
//! Each lane gets the same token, and proofs of the same key. Requests that are accepted have a proof each, made before
//! the clock starts. `huskarl` remembers no tokens, so its lane verifies two signatures; "Spring's order" verifies none
//! for the token, and is the same work as here but for its order: key, signature, date, `jti` and only then what the
//! proof is for.

#![allow(
    clippy::disallowed_methods,
    reason = "a peer does as it would without the lints of this crate"
)]

mod lanes;

use std::time::Instant;

use http::{HeaderValue, Method};
use tower_bearer::Algorithm;
use tower_bearer::dpop::DpopKey;

use lanes::{Huskarl, Lane, Ours, SpringOrder, URL, token};

const ROUNDS: usize = 30;
const REQUESTS: usize = 200;

fn main() {
    let key = DpopKey::generate(Algorithm::ES256).expect("there is a back end");
    let token = token(&key);
    let lanes: [(&str, Box<dyn Lane>); 3] = [
        ("tower-bearer", Box::new(Ours::new(&token))),
        ("huskarl", Box::new(Huskarl::new(&token))),
        ("Spring's order", Box::new(SpringOrder::new(&token, key.thumbprint()))),
    ];
    let good = || proof(&key, &Method::GET, URL, &token);
    let other_uri = proof(&key, &Method::GET, "https://other.example.com/orders", &token);
    let other_token = proof(&key, &Method::GET, URL, "another");
    let other_key = DpopKey::generate(Algorithm::ES256).expect("there is a back end");
    let other_key = proof(&other_key, &Method::GET, URL, &token);
    measure("accepted", &lanes, true, || (0..REQUESTS).map(|_| good()).collect());
    for (name, proof) in
        [("other URI", other_uri), ("other token", other_token), ("other key", other_key)]
    {
        measure(name, &lanes, false, || vec![proof.clone(); REQUESTS]);
    }
}

/// Times the lanes in turns, and prints the median of each.
fn measure(
    name: &str,
    lanes: &[(&str, Box<dyn Lane>)],
    is_good: bool,
    batch: impl Fn() -> Vec<HeaderValue>,
) {
    let mut times = vec![Vec::new(); lanes.len()];
    for _ in 0..ROUNDS {
        for (times, (lane, check)) in times.iter_mut().zip(lanes) {
            check.forget();
            let requests: Vec<_> = batch().into_iter().map(|proof| check.request(proof)).collect();
            let began = Instant::now();
            for request in requests {
                assert_eq!(check.admits(request), is_good, "{lane}: {name}");
            }
            times.push(began.elapsed().as_nanos() / REQUESTS as u128);
        }
    }
    for (times, (lane, _)) in times.iter_mut().zip(lanes) {
        times.sort_unstable();
        println!("{name:12} {lane:15} {:>8} ns", times[ROUNDS / 2]);
    }
}

fn proof(key: &DpopKey, method: &Method, url: &str, token: &str) -> HeaderValue {
    key.proof(method, url).with_token(token).sign().expect("there is a back end")
}
