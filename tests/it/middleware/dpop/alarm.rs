use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_bearer::binding::{AlarmCounts, AlarmKind, DowngradeAlarm};
use tower_bearer::dpop::{ProofId, ProofUse, ReplayCheck, ReplayStore};
use tracing::Level;

use super::*;
use crate::support::log::Log;
use crate::support::{get, good, invalid_token, send};

fn app_with(alarm: &DowngradeAlarm) -> Router {
    let layer = layer().with_dpop(dpop().with_bearer_allowed());
    app(layer.with_downgrade_alarm(alarm.clone()))
}

async fn use_key(app: &Router, key: &SigningKey) -> Answer {
    let token = bound_to(key);
    send(app, with_proof(&token, Proof::new(key, &token).sign())).await
}

fn new_key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).unwrap()
}

fn counts(bearer_tokens: u64, too_many_keys: u64) -> (u64, u64) {
    (bearer_tokens, too_many_keys)
}

fn of(alarm: &DowngradeAlarm) -> (u64, u64) {
    let AlarmCounts { bearer_tokens, too_many_keys, .. } = alarm.counts();
    (bearer_tokens, too_many_keys)
}

#[tokio::test]
async fn bearer_token_of_a_user_that_has_used_a_bound_one_raises_an_alarm() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let alarm = DowngradeAlarm::new().on_alarm(move |alarm| {
        let user = alarm.principal().subject().unwrap().to_owned();
        noted.lock().unwrap().push((alarm.kind(), alarm.issuer().to_owned(), user));
    });
    let app = app_with(&alarm);
    let bob = token().claim("sub", "bob").sign(&key());

    for _ in 0..3 {
        send(&app, get("/").bearer(good())).await.is_ok("alice");
    }
    assert_eq!(of(&alarm), counts(0, 0));
    use_key(&app, &client()).await.is_ok("alice");
    send(&app, get("/").bearer(bob)).await.is_ok("bob");
    assert_eq!(of(&alarm), counts(0, 0));
    for _ in 0..2 {
        send(&app, get("/").bearer(good())).await.is_ok("alice");
    }

    assert_eq!(of(&alarm), counts(2, 0));
    let one = (AlarmKind::BearerToken, crate::support::ISSUER.to_owned(), "alice".to_owned());
    assert_eq!(*seen.lock().unwrap(), [one.clone(), one]);
}

#[tokio::test]
async fn alarm_refuses_if_it_is_told_to() {
    let alarm = DowngradeAlarm::new().with_refusal();
    let app = app_with(&alarm);
    send(&app, get("/").bearer(good())).await.is_ok("alice");
    use_key(&app, &client()).await.is_ok("alice");

    let answer = send(&app, get("/").bearer(good())).await;

    assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::DowngradedToken)));
    let bearer = invalid_token("A token that is bound to a key is needed");
    assert_eq!(challenges(&answer), [bearer, plain()]);
    use_key(&app, &client()).await.is_ok("alice");
    assert_eq!(of(&alarm), counts(1, 0));
}

#[tokio::test]
async fn clients_of_one_user_are_told_apart() {
    let alarm = DowngradeAlarm::new().with_refusal();
    let app = app_with(&alarm);
    let cnf = json!({"jkt": thumbprint(&client())});
    let mobile = token().claim("client_id", "mobile").claim("cnf", cnf).sign(&key());
    let web = token().claim("client_id", "web").sign(&key());
    let old_mobile = token().claim("client_id", "mobile").sign(&key());

    send(&app, with_proof(&mobile, Proof::new(&client(), &mobile).sign())).await.is_ok("alice");
    send(&app, get("/").bearer(web)).await.is_ok("alice");
    let answer = send(&app, get("/").bearer(old_mobile)).await;

    assert_eq!(answer.reason, Some(Reason::DowngradedToken));
}

#[tokio::test]
async fn honest_rotation_of_keys_raises_no_alarm_and_a_flood_of_keys_does() {
    let alarm = DowngradeAlarm::new().with_max_new_keys(10, Duration::from_secs(3600));
    let app = app_with(&alarm);
    let devices: Vec<_> = (0..8).map(|_| new_key()).collect();
    for _ in 0..20 {
        for device in &devices {
            use_key(&app, device).await.is_ok("alice");
        }
    }
    use_key(&app, &new_key()).await.is_ok("alice");
    use_key(&app, &new_key()).await.is_ok("alice");
    assert_eq!(of(&alarm), counts(0, 0));

    let one_too_many = new_key();
    for count in 1..4 {
        use_key(&app, &one_too_many).await.is_ok("alice");
        assert_eq!(of(&alarm), counts(0, count));
    }
    use_key(&app, &devices[0]).await.is_ok("alice");
    assert_eq!(of(&alarm), counts(0, 3));
}

#[tokio::test]
async fn proof_whose_store_refuses_it_is_not_taken_for_the_users() {
    struct Used;
    impl ReplayStore for Used {
        fn remember(&self, _: ProofId, _: Duration) -> ReplayCheck {
            ReplayCheck::Pending(Box::pin(async { Ok(ProofUse::Replayed) }))
        }
    }
    let alarm = DowngradeAlarm::new();
    let dpop = dpop().with_bearer_allowed().with_replay_store(Used);
    let app = app(layer().with_dpop(dpop).with_downgrade_alarm(alarm.clone()));

    assert_eq!(use_key(&app, &client()).await.reason, Some(Reason::ReplayedProof));
    send(&app, get("/").bearer(good())).await.is_ok("alice");

    assert_eq!(of(&alarm), counts(0, 0));
}

#[tokio::test(start_paused = true)]
async fn new_keys_count_within_their_time_and_users_are_forgotten_after_theirs() {
    let hour = Duration::from_secs(3600);
    let alarm = DowngradeAlarm::new().with_max_new_keys(1, hour).with_memory(3 * hour);
    let app = app_with(&alarm);
    for _ in 0..5 {
        use_key(&app, &new_key()).await.is_ok("alice");
        tokio::time::advance(hour).await;
    }
    assert_eq!(of(&alarm), counts(0, 0));
    tokio::time::advance(hour + hour / 2).await;
    send(&app, get("/").bearer(good())).await.is_ok("alice");
    assert_eq!(of(&alarm), counts(1, 0));
    tokio::time::advance(hour / 2).await;
    send(&app, get("/").bearer(good())).await.is_ok("alice");
    assert_eq!(of(&alarm), counts(1, 0));
}

#[tokio::test]
async fn number_of_users_is_bounded() {
    let alarm = DowngradeAlarm::new().with_max_clients(64);
    let app = app_with(&alarm);
    let cnf = json!({"jkt": thumbprint(&client())});
    for number in 0..500 {
        let sub = format!("user-{number}");
        let token = token().claim("sub", &*sub).claim("cnf", cnf.clone()).sign(&key());
        send(&app, with_proof(&token, Proof::new(&client(), &token).sign())).await.is_ok(&sub);
    }
    let mut known = 0;
    for number in 0..500 {
        let sub = format!("user-{number}");
        send(&app, get("/").bearer(token().claim("sub", &*sub).sign(&key()))).await.is_ok(&sub);
        known = of(&alarm).0;
    }
    assert!((16..=64).contains(&known), "{known}");
}

#[tokio::test]
async fn refused_proof_is_not_taken_for_the_users() {
    let alarm = DowngradeAlarm::new();
    let app = app_with(&alarm);
    let thief = Proof::new(&new_key(), &bound());
    assert_eq!(send(&app, with_proof(&bound(), thief.sign())).await.status, 401);

    send(&app, get("/").bearer(good())).await.is_ok("alice");

    assert_eq!(of(&alarm), counts(0, 0));
}

#[tokio::test]
async fn alarm_is_a_warning_once_and_names_no_user() {
    let (log, _guard) = Log::of_this_thread();
    let app = app_with(&DowngradeAlarm::new());
    use_key(&app, &client()).await.is_ok("alice");
    for _ in 0..3 {
        send(&app, get("/").bearer(good())).await.is_ok("alice");
    }

    let events = log.events();
    let warnings = events.iter().filter(|(level, _)| *level == Level::WARN).count();
    assert_eq!(warnings, 1, "{events:?}");
    assert!(!format!("{events:?}").contains("alice"), "{events:?}");
}
