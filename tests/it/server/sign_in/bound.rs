//! Tests sessions whose tokens are bound to the key of a DPoP proof.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::dpop::{Dpop, DpopKey, MemoryReplays, Nonces};
use tower_bearer::keys::VerifyingKey;

use super::*;

const ORIGIN: &str = "https://api.example.com";

fn dpop() -> Dpop {
    Dpop::new(ORIGIN).unwrap()
}

fn client() -> DpopKey {
    DpopKey::generate(Algorithm::ES256).unwrap()
}

async fn house(dpop: Dpop) -> House {
    House::with(|endpoints| endpoints.with_dpop(dpop)).await
}

fn prove(mut request: Request<Body>, key: &DpopKey, nonce: Option<&str>) -> Request<Body> {
    let uri = format!("{ORIGIN}{}", request.uri().path());
    let mut proof = key.proof(request.method(), &uri);
    if let Some(nonce) = nonce {
        proof = proof.with_nonce(nonce);
    }
    let proof = proof.sign().unwrap();
    request.headers_mut().insert("dpop", proof);
    request
}

async fn sign_in(house: &House, key: &DpopKey) -> Tokens {
    let request = prove(post("/login", credentials("alice", "correct horse")), key, None);
    let answer = send(&house.app, request).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    Tokens(serde_json::from_str(&answer.body).unwrap())
}

fn refresh(token: &str) -> Request<Body> {
    post("/refresh", json!({ "refresh_token": token }))
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn tokens_of_a_sign_in_with_a_proof_are_bound_to_its_key_and_so_are_their_successors() {
    // RFC 9449 §5: tokens of a sign-in with a proof are bound, refresh tokens too
    let (house, key, thief) = (house(dpop()).await, client(), client());
    let mut tokens = sign_in(&house, &key).await;
    for _ in 0..3 {
        assert_eq!(tokens.0["token_type"], "DPoP");
        assert_eq!(claims(tokens.access())["cnf"]["jkt"], key.thumbprint());

        // A thief with the token alone, or with a key of their own, gets nothing and ends nothing.
        let stolen = [refresh(tokens.refresh()), prove(refresh(tokens.refresh()), &thief, None)];
        let stolen = stolen.map(|request| send(&house.app, request));
        for (answer, (status, error)) in
            stolen.into_iter().zip([(400, "invalid_dpop_proof"), (400, "invalid_grant")])
        {
            let answer = answer.await;
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!((answer.status.as_u16(), &body["error"]), (status, &error.into()));
        }
        let answer = send(&house.app, prove(refresh(tokens.refresh()), &key, None)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        tokens = Tokens(serde_json::from_str(&answer.body).unwrap());
    }
}

#[tokio::test]
async fn bound_access_token_opens_the_api_with_a_proof_alone() {
    let (house, key) = (house(dpop()).await, client());
    let tokens = sign_in(&house, &key).await;
    let verifying = VerifyingKey::from_secret(Algorithm::HS256, [7; 32]).unwrap();
    let verifier = Verifier::<Value>::new(verifying, validation()).unwrap();
    let layer = BearerLayer::new(verifier.with_clock(Arc::clone(&house.clock))).with_dpop(dpop());
    let api = Router::new().route("/me", get(|| async { "me" })).route_layer(layer);
    let uri = format!("{ORIGIN}/me");
    let proof = key.proof(&Method::GET, &uri).with_token(tokens.access()).sign().unwrap();
    let request = |proof: Option<http::HeaderValue>| {
        let mut request = Request::get("/me").body(Body::empty()).unwrap();
        let field = format!("DPoP {}", tokens.access());
        request.headers_mut().insert(AUTHORIZATION, field.parse().unwrap());
        proof.map(|proof| request.headers_mut().insert("dpop", proof));
        request
    };

    assert_eq!(send(&api, request(Some(proof))).await.status, 200);
    let stolen = send(&api, request(None)).await;
    assert_eq!((stolen.status.as_u16(), stolen.reason), (401, Some(Reason::MissingProof)));
    assert_eq!(house.me(tokens.access()).await, 401);
}

#[tokio::test]
async fn sign_in_without_a_proof_is_refused_unless_bearer_tokens_are_allowed() {
    let request = || post("/login", credentials("alice", "correct horse"));
    let refused = send(&house(dpop()).await.app, request()).await;
    let body: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((refused.status.as_u16(), &body["error"]), (400, &"invalid_dpop_proof".into()));
    assert_eq!(refused.reason, Some(Reason::MissingProof));

    let house = house(dpop().with_bearer_allowed()).await;
    let tokens = house.sign_in().await;
    assert_eq!(tokens.0["token_type"], "Bearer");
    assert_eq!(house.me(tokens.access()).await, 200);
    // A client may begin to send proofs: from then on its tokens are bound.
    let key = client();
    let answer = send(&house.app, prove(refresh(tokens.refresh()), &key, None)).await;
    let bound = Tokens(serde_json::from_str(&answer.body).unwrap());
    assert_eq!(bound.0["token_type"], "DPoP");
    let stolen = send(&house.app, refresh(bound.refresh())).await;
    assert_eq!(stolen.status, 400);
    let next = send(&house.app, prove(refresh(bound.refresh()), &key, None)).await;
    assert_eq!(next.status, 200);
}

#[tokio::test]
async fn token_of_before_the_first_proof_is_the_sign_of_a_theft_afterwards() {
    for (other, second) in [(None, 401), (Some(client()), 401)] {
        let house = house(dpop().with_bearer_allowed()).await;
        let (tokens, key) = (house.sign_in().await, client());
        for _ in 0..2 {
            // The answer was lost, and the client asks again.
            let answer = send(&house.app, prove(refresh(tokens.refresh()), &key, None)).await;
            assert_eq!(answer.status, 200);
        }
        let thief = match &other {
            Some(key) => prove(refresh(tokens.refresh()), key, None),
            None => refresh(tokens.refresh()),
        };
        assert_eq!(send(&house.app, thief).await.status.as_u16(), second);
        let ended = send(&house.app, prove(refresh(tokens.refresh()), &key, None)).await;
        assert_eq!(ended.status, 401);
    }
}

#[tokio::test]
async fn strangers_use_up_no_proofs() {
    let house = house(dpop().with_replay_store(MemoryReplays::with_max_proofs(64))).await;
    for number in 0..200 {
        let wrong = if number % 2 == 0 {
            post("/login", credentials("alice", "wrong"))
        } else {
            refresh("rt_of_nobody")
        };
        let answer = send(&house.app, prove(wrong, &client(), None)).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    sign_in(&house, &client()).await;
}

#[tokio::test]
async fn second_sign_in_of_a_browser_ends_the_session_that_it_replaces_whatever_its_key() {
    let house = house(dpop()).await;
    let sign_in = || {
        let mut body = credentials("alice", "correct horse");
        body["keep"] = "refresh-cookie".into();
        prove(from_site(post("/login", body), "same-origin"), &client(), None)
    };
    let first = send(&house.app, sign_in()).await;
    let cookies = cookies_of(&first);
    let second = send(&house.app, with_cookies(sign_in(), &cookies)).await;
    assert_eq!(second.status, 200);

    let old = from_site(with_cookies(post("/refresh", json!({})), &cookies), "same-origin");
    let answer = send(&house.app, prove(old, &client(), None)).await;
    assert_eq!(answer.status, 400, "bound to another key");
    let sign_out = from_site(with_cookies(post("/logout", json!({})), &cookies), "same-origin");
    assert_eq!(send(&house.app, sign_out).await.status, 204);
}

#[tokio::test]
async fn bad_proof_is_a_bad_request_before_the_password_is_looked_at() {
    let house = house(dpop()).await;
    let key = client();
    let mut other = post("/login", credentials("alice", "correct horse"));
    let uri = "https://other.example.com/login";
    other.headers_mut().insert("dpop", key.proof(&Method::POST, uri).sign().unwrap());
    let asked = house.users.asked.load(Ordering::SeqCst);

    let answer = send(&house.app, other).await;

    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status.as_u16(), &body["error"]), (400, &"invalid_dpop_proof".into()));
    assert_eq!(answer.reason, Some(Reason::ProofForOtherRequest));
    assert_eq!(house.users.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn endpoints_ask_for_a_nonce_if_they_have_some() {
    let house = house(dpop().with_nonces(Nonces::generate().unwrap())).await;
    let key = client();
    let request = || post("/login", credentials("alice", "correct horse"));

    let answer = send(&house.app, prove(request(), &key, None)).await;

    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status.as_u16(), &body["error"]), (400, &"use_dpop_nonce".into()));
    let nonce = answer.headers["dpop-nonce"].to_str().unwrap();
    let answer = send(&house.app, prove(request(), &key, Some(nonce))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn sign_out_needs_the_token_alone() {
    let (house, key) = (house(dpop()).await, client());
    let tokens = sign_in(&house, &key).await;

    let sign_out = post("/logout", json!({ "refresh_token": tokens.refresh() }));
    assert_eq!(send(&house.app, sign_out).await.status, 204);

    let ended = send(&house.app, prove(refresh(tokens.refresh()), &key, None)).await;
    assert_eq!(ended.status, 401);
}

#[tokio::test]
async fn session_in_cookies_is_bound_to_no_key() {
    let sign_in = |keep: &str| {
        let mut body = credentials("alice", "correct horse");
        body["keep"] = keep.into();
        from_site(post("/login", body), "same-origin")
    };
    let key = client();
    for (dpop, keep, has_proof, status) in [
        (dpop(), "cookies", true, 401),
        (dpop(), "cookies", false, 401),
        (dpop().with_bearer_allowed(), "cookies", true, 200),
        (dpop().with_bearer_allowed(), "cookies", false, 200),
        (dpop(), "refresh-cookie", true, 200),
    ] {
        let house = house(dpop).await;
        let request = sign_in(keep);
        let request = if has_proof { prove(request, &key, None) } else { request };
        let answer = send(&house.app, request).await;
        assert_eq!(answer.status.as_u16(), status, "{keep} {has_proof}: {answer:?}");
    }
}
