use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tower_bearer::dpop::{
    MemoryReplays, ProofId, ProofUse, ReplayCheck, ReplayStore, ReplaysUnavailable,
};

use super::*;
use crate::support::send;

#[tokio::test]
async fn proof_is_accepted_once() {
    // RFC 9449 §11.1: a jti is used once, for one key and URI, and noted after all other checks
    let app = required();
    let proof = Proof::good().sign();
    send(&app, with_proof(&bound(), &proof)).await.is_ok("alice");
    for _ in 0..3 {
        is_refused(&send(&app, with_proof(&bound(), &proof)).await, Reason::ReplayedProof);
    }
    // Signed again, it is still the same `jti`.
    let again = Proof::good().claim("jti", "one");
    send(&app, with_proof(&bound(), again.sign())).await.is_ok("alice");
    is_refused(
        &send(&app, with_proof(&bound(), again.claim("iat", NOW - 1).sign())).await,
        Reason::ReplayedProof,
    );
}

#[tokio::test]
async fn jti_of_one_client_or_uri_is_not_used_up_by_another() {
    let app = required();
    let thief = SigningKey::generate(Algorithm::ES256).unwrap();
    let own = bound_to(&thief);
    send(&app, with_proof(&own, Proof::new(&thief, &own).claim("jti", "1").sign()))
        .await
        .is_ok("alice");
    send(&app, with_proof(&bound(), Proof::good().claim("jti", "1").sign())).await.is_ok("alice");

    let proof = Proof::good().claim("jti", "1").claim("htu", format!("{ORIGIN}/x")).sign();
    let other = request(Method::GET, "/x");
    let other = other.field("authorization", format!("DPoP {}", bound())).field("dpop", proof);
    send(&app, other).await.is_ok("alice");
}

#[tokio::test]
async fn proof_that_is_refused_is_not_used_up() {
    let app = required();
    let jti = "not used up";
    let other = token()
        .claim("sub", "bob")
        .claim("cnf", json!({"jkt": thumbprint(&client())}))
        .sign(&key());
    for wrong in [
        Proof::good().claim("jti", jti).claim("htm", "PUT"),
        Proof::good().claim("jti", jti).claim("iat", 0),
        Proof::new(&client(), &other).claim("jti", jti),
    ] {
        assert_eq!(send(&app, with_proof(&bound(), wrong.sign())).await.status, 401);
    }
    let mut stolen = Proof::good().claim("jti", jti);
    stolen.key = SigningKey::generate(Algorithm::ES256).unwrap();
    assert_eq!(send(&app, with_proof(&bound(), stolen.sign())).await.status, 401);

    send(&app, with_proof(&bound(), Proof::good().claim("jti", jti).sign())).await.is_ok("alice");
}

#[tokio::test]
async fn layers_of_one_store_and_clones_of_one_layer_share_the_used_proofs() {
    let replays = MemoryReplays::new();
    let one = app(layer().with_dpop(dpop().with_replay_store(replays.clone())));
    let two = app(layer().with_dpop(dpop().with_replay_store(replays)));
    let alone = required();
    let proof = Proof::good().sign();

    send(&one, with_proof(&bound(), &proof)).await.is_ok("alice");
    is_refused(&send(&two, with_proof(&bound(), &proof)).await, Reason::ReplayedProof);
    send(&alone, with_proof(&bound(), &proof)).await.is_ok("alice");
}

/// A store elsewhere, which is away or slow.
#[derive(Clone, Default)]
struct Elsewhere {
    memory: MemoryReplays,
    is_away: bool,
    asked: Arc<AtomicUsize>,
}

impl ReplayStore for Elsewhere {
    fn remember(&self, proof: ProofId, lifetime: Duration) -> ReplayCheck {
        // 60 seconds, 10 for clocks that are fast, and 30 for stores that are slow.
        assert_eq!(lifetime, Duration::from_secs(100));
        let this = self.clone();
        ReplayCheck::Pending(Box::pin(async move {
            this.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            match this.memory.remember(proof, lifetime) {
                _ if this.is_away => Err(ReplaysUnavailable::new("connection refused")),
                ReplayCheck::Done(answer) => answer,
                ReplayCheck::Pending(_) => unreachable!(),
            }
        }))
    }
}

#[tokio::test]
async fn store_that_answers_later_is_waited_for_and_asked_once() {
    let store = Elsewhere::default();
    for verifier in [crate::support::verifier(), crate::support::verifier().without_cache()] {
        let app =
            app(BearerLayer::new(verifier).with_dpop(dpop().with_replay_store(store.clone())));
        let before = store.asked.load(Ordering::SeqCst);
        let proof = Proof::good().sign();
        send(&app, with_proof(&bound(), &proof)).await.is_ok("alice");
        is_refused(&send(&app, with_proof(&bound(), &proof)).await, Reason::ReplayedProof);
        send(&app, with_proof(&bound(), Proof::good().sign())).await.is_ok("alice");
        assert_eq!(store.asked.load(Ordering::SeqCst) - before, 3);
    }
}

#[tokio::test]
async fn store_that_is_away_is_503_and_no_proof_is_believed() {
    let store = Elsewhere { is_away: true, ..Elsewhere::default() };
    let app = app(layer().with_dpop(dpop().with_replay_store(store)));

    let answer = send(&app, with_proof(&bound(), Proof::good().sign())).await;

    answer.is_refused(503, None, Reason::ReplaysUnavailable);
    assert_eq!(answer.headers["retry-after"], "5");
    let wrong = Proof::good().claim("htm", "PUT").sign();
    is_refused(&send(&app, with_proof(&bound(), wrong)).await, Reason::ProofForOtherRequest);
}

#[tokio::test]
async fn full_store_is_503_and_the_log_says_so() {
    let app = app(layer().with_dpop(dpop().with_replay_store(MemoryReplays::with_max_proofs(1))));
    let mut answers = Vec::new();
    for _ in 0..500 {
        answers.push(send(&app, with_proof(&bound(), Proof::good().sign())).await);
    }
    let full = answers.iter().find(|answer| answer.status == 503).unwrap();
    full.is_refused(503, None, Reason::ReplaysUnavailable);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 64);
}

#[tokio::test]
async fn of_many_requests_with_one_proof_one_is_admitted() {
    let app = required();
    let proof = Proof::good().sign();
    let requests = (0..64).map(|_| {
        let (app, proof) = (app.clone(), proof.clone());
        tokio::spawn(async move { send(&app, with_proof(&bound(), &proof)).await.status })
    });
    let requests: Vec<_> = requests.collect();
    let mut admitted = 0;
    for request in requests {
        admitted += usize::from(request.await.unwrap() == 200);
    }
    assert_eq!(admitted, 1);
    assert_eq!(format!("{:?}", ProofUse::First), "First");
}

#[tokio::test(start_paused = true)]
async fn answer_that_comes_too_late_counts_no_more() {
    #[derive(Clone)]
    struct Slow(Duration);
    impl ReplayStore for Slow {
        fn remember(&self, _: ProofId, _: Duration) -> ReplayCheck {
            let time = self.0;
            ReplayCheck::Pending(Box::pin(async move {
                tokio::time::sleep(time).await;
                Ok(ProofUse::First)
            }))
        }
    }
    for (seconds, accepted) in [(29, true), (31, false)] {
        let store = Slow(Duration::from_secs(seconds));
        let app = app(layer().with_dpop(dpop().with_replay_store(store)));
        let answer = send(&app, with_proof(&bound(), Proof::good().sign())).await;
        match accepted {
            true => _ = answer.is_ok("alice"),
            false => is_refused(&answer, Reason::StaleProof),
        }
    }
}
