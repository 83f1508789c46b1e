use axum::routing::get as on_get;
use serde_json::json;
use tower_bearer::claims::ConfirmationMethod;
use tower_bearer::policy;
use tower_bearer::{Principal, require};

use super::*;
use crate::support::{get, good, send};

async fn refused(proof: &Proof) -> Reason {
    let app = required();
    let answer = send(&app, with_proof(&bound(), proof.sign())).await;
    let reason =
        answer.reason.unwrap_or_else(|| panic!("accepted: {} {}", proof.header, proof.claims));
    is_refused(&answer, reason);
    // The next request is not harmed.
    send(&app, with_proof(&bound(), Proof::good().sign())).await.is_ok("alice");
    reason
}

async fn is_accepted(proof: &Proof) {
    send(&required(), with_proof(&bound(), proof.sign())).await.is_ok("alice");
}

#[tokio::test]
async fn bound_token_is_accepted_with_a_new_proof_for_each_request_and_refused_without() {
    // RFC 9449 §7: access needs the scheme DPoP and a proof that passes all checks
    // RFC 6750 §3.1: the codes invalid_dpop_proof and use_dpop_nonce mean what they are registered for
    // RFC 9700 §2.2.1: tokens can be bound to their sender
    // RFC 9449 §6.1: jkt is read from cnf
    let app = required();
    for _ in 0..3 {
        send(&app, with_proof(&bound(), Proof::good().sign())).await.is_ok("alice");

        let without = get("/").field("authorization", format!("DPoP {}", bound()));
        is_refused(&send(&app, without).await, Reason::MissingProof);
    }
}

#[tokio::test]
async fn there_is_one_proof_and_no_more() {
    // RFC 9449 §4.3: there is one DPoP field
    let (app, proof) = (required(), Proof::good().sign());
    for second in [proof.clone(), Proof::good().sign(), String::new(), "x".to_owned()] {
        let request = with_proof(&bound(), &proof).field("dpop", second);
        is_refused(&send(&app, request).await, Reason::InvalidProof);
    }
    let joined = format!("{proof}, {}", Proof::good().sign());
    is_refused(&send(&app, with_proof(&bound(), joined)).await, Reason::InvalidProof);
    send(&app, with_proof(&bound(), &proof)).await.is_ok("alice");
}

#[tokio::test]
async fn field_that_is_no_jwt_is_refused() {
    // RFC 9449 §4.3: it holds one well-formed JWT
    let good = Proof::good().sign();
    let parts: Vec<_> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!() };
    let (key, h, c) =
        (client(), Proof::good().header.to_string(), Proof::good().claims.to_string());
    for wrong in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{good}.{signature}"),
        format!("{good}.."),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}=.{signature}"),
        format!("{header}.{claims}.{signature}="),
        format!(" {good}x"),
        format!("DPoP {good}"),
        format!("é{good}"),
        format!("{claims}.{header}.{signature}"),
        sign(&key, "[]", &c),
        sign(&key, "null", &c),
        sign(&key, &h, "[]"),
        sign(&key, &h, "\"text\""),
        sign(&key, &h, &format!("{c}x")),
        sign(&key, &h, &c[..c.len() - 1]),
        sign(&key, &format!("{h}{h}"), &c),
        sign(&key, &h.replace('{', "{ \"x\": \u{7} ,"), &c),
    ] {
        let answer = send(&required(), with_proof(&bound(), &wrong)).await;
        is_refused(&answer, Reason::InvalidProof);
    }
    send(&required(), with_proof(&bound(), &good)).await.is_ok("alice");
}

#[tokio::test]
async fn member_that_comes_twice_is_refused_and_one_that_is_unknown_is_ignored() {
    let (header, claims) = (Proof::good().header.to_string(), Proof::good().claims.to_string());
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    for (header, claims) in [
        (twice(&header, r#""typ":"dpop+jwt""#), claims.clone()),
        (twice(&header, r#""alg":"ES256""#), claims.clone()),
        (twice(&header, r#""x":1,"x":1"#), claims.clone()),
        // RFC 7515 §4: member names inside of jwk are unique
        (header.replacen(r#""jwk":{"#, r#""jwk":{"x1":1,"x1":1,"#, 1), claims.clone()),
        (header.clone(), twice(&claims, r#""htm":"GET""#)),
        (header.clone(), twice(&claims, r#""jti":"a""#)),
        (header.clone(), twice(&claims, r#""x":1,"\u0078":1"#)),
    ] {
        let proof = sign(&client(), &header, &claims);
        is_refused(&send(&required(), with_proof(&bound(), proof)).await, Reason::InvalidProof);
    }
    is_accepted(&Proof::good().member("kid", "k1").claim("foo", json!({"bar": []}))).await;
}

#[tokio::test]
async fn member_that_is_missing_or_of_the_wrong_type_is_refused() {
    // RFC 9449 §4.3: the required header parameters and claims are there
    for name in ["typ", "alg", "jwk"] {
        assert_eq!(
            refused(&Proof::good().without_member(name)).await,
            Reason::InvalidProof,
            "{name}"
        );
        for wrong in [json!(null), json!(1), json!([]), json!({}), json!(true)] {
            let proof = Proof::good().member(name, wrong);
            assert_eq!(refused(&proof).await, Reason::InvalidProof, "{name}");
        }
    }
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        assert_eq!(
            refused(&Proof::good().without_claim(name)).await,
            Reason::InvalidProof,
            "{name}"
        );
        for wrong in [json!(null), json!([]), json!({}), json!(true)] {
            let proof = Proof::good().claim(name, wrong);
            assert_eq!(refused(&proof).await, Reason::InvalidProof, "{name}");
        }
    }
    assert_eq!(refused(&Proof::good().claim("iat", NOW.to_string())).await, Reason::InvalidProof);
    assert_eq!(refused(&Proof::good().claim("jti", "")).await, Reason::InvalidProof);
    assert_eq!(refused(&Proof::good().claim("nonce", 1)).await, Reason::InvalidProof);
    is_accepted(&Proof::good().claim("nonce", "of no meaning here")).await;
    // RFC 9449 §11.1: a long jti is refused or hashed
    is_accepted(&Proof::good().claim("jti", "j".repeat(2000))).await;
}

#[tokio::test]
async fn other_jwt_is_no_proof() {
    // RFC 9449 §4.3: typ is dpop+jwt
    // RFC 9449 §11.5: type and algorithm of proofs are checked, so that no other JWT is one
    for typ in ["JWT", "at+jwt", "DPOP+JWT", "dpop", "application/dpop+jwt", "dpop+jwt "] {
        assert_eq!(refused(&Proof::good().member("typ", typ)).await, Reason::InvalidProof, "{typ}");
    }
    let answer = send(&required(), with_proof(&bound(), bound())).await;
    is_refused(&answer, Reason::InvalidProof);
    for extension in ["crit", "b64"] {
        let proof = Proof::good().member(extension, json!(["exp"]));
        assert_eq!(refused(&proof).await, Reason::InvalidProof, "{extension}");
    }
}

#[tokio::test]
async fn proof_that_is_too_long_is_refused() {
    // RFC 9449 §11.6: proof and jwk are limited in size
    let proof = |length: usize| Proof::good().claim("x", "y".repeat(length));
    is_accepted(&proof(5000)).await;
    assert_eq!(refused(&proof(6500)).await, Reason::InvalidProof);
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    assert_eq!(refused(&Proof::good().claim("x", deep)).await, Reason::InvalidProof);
}

#[tokio::test]
async fn signature_of_another_key_or_of_other_parts_is_refused() {
    // RFC 9449 §4.3: the signature verifies with the key in jwk
    let good = Proof::good().sign();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let thief = SigningKey::generate(Algorithm::ES256).unwrap();
    let mut stolen = Proof::good();
    stolen.key = thief;
    let other = Proof::good().sign();
    for wrong in [
        stolen.sign(),
        format!("{input}.{}", other.rsplit_once('.').unwrap().1),
        format!("{input}.{}A", &signature[..signature.len() - 1]),
        format!("{input}.AA"),
        format!("{input}.{signature}AAAA"),
    ] {
        if wrong == good {
            continue;
        }
        // Before and after the key is known.
        let app = required();
        is_refused(&send(&app, with_proof(&bound(), &wrong)).await, Reason::InvalidProof);
        send(&app, with_proof(&bound(), Proof::good().sign())).await.is_ok("alice");
        is_refused(&send(&app, with_proof(&bound(), &wrong)).await, Reason::InvalidProof);
    }
}

#[tokio::test]
async fn proof_of_another_key_than_the_tokens_is_refused() {
    // RFC 9449 §4.3: ath is the hash of the token, and its jkt the proof's key
    let thief = SigningKey::generate(Algorithm::ES256).unwrap();
    let app = required();
    for _ in 0..2 {
        let answer = send(&app, with_proof(&bound(), Proof::new(&thief, &bound()).sign())).await;
        is_refused(&answer, Reason::WrongBinding);
        // The thief's own token, with the thief's proof.
        let own = bound_to(&thief);
        send(&app, with_proof(&own, Proof::new(&thief, &own).sign())).await.is_ok("alice");
    }
}

#[tokio::test]
async fn proof_for_another_token_is_refused() {
    let other = token()
        .claim("sub", "bob")
        .claim("cnf", json!({"jkt": thumbprint(&client())}))
        .sign(&key());
    let app = required();

    let wrong = send(&app, with_proof(&other, Proof::new(&client(), &bound()).sign())).await;
    let right = send(&app, with_proof(&other, Proof::new(&client(), &other).sign())).await;

    is_refused(&wrong, Reason::InvalidProof);
    right.is_ok("bob");
    for wrong in ["", "a", &"A".repeat(43), &"A".repeat(44)] {
        assert_eq!(
            refused(&Proof::good().claim("ath", wrong)).await,
            Reason::InvalidProof,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn proof_is_accepted_within_its_window_and_not_outside() {
    // RFC 9449 §4.3: iat lies in its window
    // RFC 9449 §11.1: proofs live for seconds to minutes
    for (offset, accepted) in [(-60, false), (-59, true), (0, true), (10, true), (11, false)] {
        let iat = NOW.checked_add_signed(offset).unwrap();
        let proof = Proof::good().claim("iat", iat);
        match accepted {
            true => is_accepted(&proof).await,
            false => assert_eq!(refused(&proof).await, Reason::StaleProof, "{offset}"),
        }
    }
    let now = i64::try_from(NOW).unwrap();
    for wrong in [
        json!(-1),
        json!(0),
        json!(1e300),
        json!(-1e300),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(now * 1000),
    ] {
        assert_eq!(refused(&Proof::good().claim("iat", wrong)).await, Reason::StaleProof);
    }
    is_accepted(&Proof::good().claim("iat", json!(1_799_999_999.5))).await;
}

#[tokio::test]
async fn dates_that_a_proof_need_not_have_count_if_it_has_them() {
    for (name, value, accepted) in [
        ("exp", NOW + 60, true),
        ("exp", NOW - 9, true),
        ("exp", NOW - 10, false),
        ("nbf", NOW, true),
        ("nbf", NOW + 10, true),
        ("nbf", NOW + 11, false),
    ] {
        let proof = Proof::good().claim(name, value);
        match accepted {
            true => is_accepted(&proof).await,
            false => assert_eq!(refused(&proof).await, Reason::StaleProof, "{name} {value}"),
        }
    }
}

#[tokio::test]
async fn window_of_proofs_is_heeded() {
    let short = dpop().with_lifetime(std::time::Duration::from_secs(5)).unwrap();
    let exact = short.with_max_ahead(std::time::Duration::ZERO).unwrap();
    let app = app(layer().with_dpop(exact));
    for (offset, accepted) in [(-5, false), (-4, true), (0, true), (1, false)] {
        let iat = NOW.checked_add_signed(offset).unwrap();
        let answer = send(&app, with_proof(&bound(), Proof::good().claim("iat", iat).sign())).await;
        match accepted {
            true => _ = answer.is_ok("alice"),
            false => is_refused(&answer, Reason::StaleProof),
        }
    }
}

#[tokio::test]
async fn guard_allows_bound_tokens_alone_and_tells_others_what_they_need() {
    let name = async |principal: Principal| format!("{}", principal.is_bound());
    let router = Router::new()
        .route("/any", on_get(name))
        .route("/bound", on_get(name).layer(require(policy::bound())))
        .route("/dpop", on_get(name).layer(require(policy::bound_by(ConfirmationMethod::Dpop))))
        .route(
            "/mtls",
            on_get(name).layer(require(policy::bound_by(ConfirmationMethod::Certificate))),
        );
    let app = router.layer(layer().with_dpop(dpop().with_bearer_allowed()));
    let dpop = |path: &str| {
        let proof = Proof::good().claim("htu", format!("{ORIGIN}{path}")).sign();
        get(path).field("authorization", format!("DPoP {}", bound())).field("dpop", proof)
    };

    send(&app, dpop("/any")).await.is_ok("true");
    send(&app, dpop("/bound")).await.is_ok("true");
    send(&app, dpop("/dpop")).await.is_ok("true");
    send(&app, get("/any").bearer(good())).await.is_ok("false");

    let refused = format!(
        "DPoP realm=\"api\", error=\"invalid_token\", error_description=\"A token that is bound to a key is needed\", algs=\"{ALGS}\""
    );
    let answer = send(&app, dpop("/mtls")).await;
    assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::UnboundToken)));
    assert_eq!(challenges(&answer), [&refused, "Bearer realm=\"api\""]);
    for path in ["/bound", "/dpop"] {
        let answer = send(&app, get(path).bearer(good())).await;
        let bearer = crate::support::invalid_token("A token that is bound to a key is needed");
        assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::UnboundToken)));
        assert_eq!(challenges(&answer), [bearer, plain()]);
    }
}

#[tokio::test]
async fn no_binding_is_vouched_for_behind_a_layer_that_asks_for_no_proof() {
    let validation = crate::support::validation().dangerous().accept_bound_tokens();
    let verifier = crate::support::verifier_with(key().verifying_key(), validation);
    let name = async |principal: Principal| format!("{}", principal.is_bound());
    let router = Router::new()
        .route("/any", on_get(name))
        .route("/bound", on_get(name).layer(require(policy::bound())));
    let app = router.layer(BearerLayer::new(verifier));

    send(&app, get("/any").bearer(bound())).await.is_ok("false");
    let answer = send(&app, get("/bound").bearer(bound())).await;

    let challenge = crate::support::invalid_token("A token that is bound to a key is needed");
    answer.is_refused(401, Some(&challenge), Reason::UnboundToken);
}
