//! Writes log events. No other module depends on the feature `tracing`.
//!
//! Each refused request writes one event, and an accepted one writes none. Events that any client
//! can cause have the level `DEBUG`, so that an attack does not fill a disk. Events that an
//! operator must act on have `WARN` or `ERROR`; those that requests can cause at any rate are
//! written once a minute ([`Pace`]). No event holds a token.

mod pace;

pub(crate) use pace::Pace;

use crate::config_error::{KeyProblem, SkippedKey};
#[cfg(feature = "endpoints")]
use crate::error::ClientsUnavailable;
use crate::error::{AuthError, Severity};

/// Reports a refused request. If an operator or a programmer has to act on it, the first event is
/// loud, and then one a minute for each reason and issuer, because clients can send requests at any
/// rate.
pub(crate) fn refused(error: &AuthError, pace: &Pace) {
    let severity = error.reason().severity();
    if matches!(severity, Severity::Client) || error.was_reported() {
        return quiet(error);
    }
    let about = error.issuer().unwrap_or_default();
    match (pace.ask(error.reason().as_str(), about), severity) {
        (None, _) => quiet(error),
        (Some(suppressed), Severity::Programmer) => programmer(error, suppressed),
        (Some(suppressed), _) => operator(error, suppressed),
    }
}

/// Reports a key that was left out of its set.
pub(crate) fn skipped_key(key: &SkippedKey) {
    #[cfg(feature = "tracing")]
    match key.problem {
        // A key that must be kept private was published.
        KeyProblem::Private | KeyProblem::PublishedSecret => {
            tracing::error!(target: "tower_bearer", key = %key, "key skipped");
        }
        _ => tracing::warn!(target: "tower_bearer", key = %key, "key skipped"),
    }
    #[cfg(not(feature = "tracing"))]
    let _ = key;
}

/// Reports the number of further keys of the same set that were left out.
pub(crate) fn skipped_keys(more: usize) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "tower_bearer", more, "more keys of this set skipped");
    #[cfg(not(feature = "tracing"))]
    let _ = more;
}

/// Reports that tokens name an issuer that is nearly a configured one. The name in the token is not
/// reported, because it may be unauthenticated.
pub(crate) fn near_miss(issuer: &str, differs_by: &str, suppressed: u64) {
    #[cfg(feature = "tracing")]
    {
        let message = "tokens are refused whose `iss` is nearly the configured issuer; configure it to the \
                       letter as they say it";
        tracing::warn!(target: "tower_bearer", issuer, differs_by, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (issuer, differs_by, suppressed);
}

/// Reports a secret that is used although it can be guessed, with its issuer if that is known.
pub(crate) fn short_secret(algorithm: &str, problem: &KeyProblem, issuer: &str) {
    #[cfg(feature = "tracing")]
    {
        let issuer = (!issuer.is_empty()).then_some(issuer);
        let message = "tokens are verified with a secret that can be guessed; replace it";
        tracing::warn!(target: "tower_bearer", issuer, algorithm, %problem, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (algorithm, problem, issuer);
}

/// Reports that a trusted hop has sent a field with a certificate that cannot be read.
#[cfg(feature = "mtls")]
pub(crate) fn unreadable_client_certificate(field: &str, problem: &'static str, pace: &Pace) {
    #[cfg(feature = "tracing")]
    {
        let message = "a trusted hop has sent a client certificate that cannot be read; the request counts as one \
                       without a certificate";
        if let Some(suppressed) = pace.ask("unreadable_client_certificate", problem) {
            tracing::warn!(target: "tower_bearer", field, problem, suppressed, "{message}");
        } else {
            tracing::debug!(target: "tower_bearer", field, problem, "{message}");
        }
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (field, problem, pace);
}

/// Reports that the certificate of a connection cannot be read.
#[cfg(feature = "mtls")]
pub(crate) fn unreadable_connection_certificate(problem: &'static str, pace: &Pace) {
    #[cfg(feature = "tracing")]
    {
        let message = "the client certificate of a connection cannot be read; its requests count as ones without a \
                       certificate";
        if let Some(suppressed) = pace.ask("unreadable_connection_certificate", problem) {
            tracing::warn!(target: "tower_bearer", problem, suppressed, "{message}");
        } else {
            tracing::debug!(target: "tower_bearer", problem, "{message}");
        }
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (problem, pace);
}

/// Reports a connection whose TLS handshake failed. Any client can cause it.
#[cfg(feature = "mtls")]
pub(crate) fn handshake_failed(problem: &dyn std::fmt::Display) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "tower_bearer", %problem, "TLS handshake failed");
    #[cfg(not(feature = "tracing"))]
    let _ = problem;
}

/// Reports that no connection can be accepted for now: the process has too many open files, for example.
#[cfg(feature = "mtls")]
pub(crate) fn no_connection(error: &std::io::Error, pace: &Pace) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = pace.ask("no_connection", "") {
        tracing::warn!(target: "tower_bearer", %error, suppressed, "no connection can be accepted for now");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (error, pace);
}

/// Reports cookies that can be read in the network.
#[cfg(feature = "cookies")]
pub(crate) fn plain_cookies() {
    #[cfg(feature = "tracing")]
    {
        let message = "tokens are kept in cookies without `Secure`, for development on this machine; \
                       use `Cookies::new` in production";
        tracing::warn!(target: "tower_bearer", "{message}");
    }
}

/// Reports a request that an endpoint refused for another reason than a token.
#[cfg(feature = "endpoints")]
pub(crate) fn route_refused(error: &str, problem: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "tower_bearer", error, problem, "request refused by an endpoint");
    #[cfg(not(feature = "tracing"))]
    let _ = (error, problem);
}

/// Reports that the identity of a client could not be checked.
#[cfg(feature = "endpoints")]
pub(crate) fn clients_unavailable(error: &ClientsUnavailable, pace: &Pace) {
    #[cfg(feature = "tracing")]
    {
        let cause = std::error::Error::source(error);
        if let Some(suppressed) = pace.ask("clients_unavailable", "") {
            tracing::warn!(target: "tower_bearer", error = cause, suppressed, "{error}");
        } else {
            tracing::debug!(target: "tower_bearer", error = cause, "{error}");
        }
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (error, pace);
}

/// Reports that an endpoint answered an error because of a partner, or that a session was refused.
#[cfg(any(feature = "api-keys", feature = "sign-in"))]
pub(crate) fn endpoint_failed(
    error: &(dyn std::error::Error + 'static),
    is_loud: bool,
    pace: &Pace,
) {
    #[cfg(feature = "tracing")]
    {
        let cause = error.source();
        let suppressed = if is_loud { pace.ask("endpoint_failed", "") } else { None };
        if let Some(suppressed) = suppressed {
            tracing::warn!(target: "tower_bearer", error = cause, suppressed, "{error}");
        } else {
            tracing::debug!(target: "tower_bearer", error = cause, "{error}");
        }
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (error, is_loud, pace);
}

/// Reports that a better hash of a password could not be stored.
#[cfg(feature = "sign-in")]
pub(crate) fn accounts_unavailable(error: &crate::error::AccountsUnavailable, pace: &Pace) {
    endpoint_failed(error, true, pace);
}

/// Reports that the stored hash of a password cannot be verified, so that its user cannot sign in.
#[cfg(feature = "sign-in")]
pub(crate) fn unreadable_password_hash(problem: &str, pace: &Pace) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = pace.ask("unreadable_password_hash", problem) {
        let message =
            "the stored hash of a password cannot be verified, so its user cannot sign in";
        tracing::warn!(target: "tower_bearer", problem, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (problem, pace);
}

/// Reports that a user signed in and got no token, because the application's claims do not allow it.
#[cfg(feature = "sign-in")]
pub(crate) fn no_token_issued(error: &(dyn std::error::Error + 'static), pace: &Pace) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = pace.ask("no_token_issued", "") {
        let problem = error.to_string();
        tracing::error!(target: "tower_bearer", problem, suppressed, "no token could be made for a user");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (error, pace);
}

/// Reports that a refresh token was used again after its successor. The session has ended.
#[cfg(feature = "sessions")]
pub(crate) fn refresh_token_reused(subject: &str, session: &str) {
    #[cfg(feature = "tracing")]
    {
        let message = "a refresh token was used again after its successor; the session was ended, as one of the \
                       two users of the token may be a thief";
        tracing::warn!(target: "tower_bearer", subject, session, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (subject, session);
}

/// Reports that the access tokens of ended sessions could not be revoked yet.
#[cfg(feature = "sessions")]
pub(crate) fn sessions_not_revoked(error: &dyn std::error::Error, pace: &Pace) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = pace.ask("sessions_not_revoked", "") {
        let cause = error.source();
        let message =
            "access tokens of ended sessions are not revoked yet; the next sweep tries again";
        tracing::warn!(target: "tower_bearer", error = cause, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (error, pace);
}

/// Reports that sessions that have ended or expired are still in their store.
#[cfg(feature = "sessions")]
pub(crate) fn sessions_not_swept(error: &dyn std::error::Error, pace: &Pace) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = pace.ask("sessions_not_swept", "") {
        let cause = error.source();
        let message =
            "sessions that have ended or expired could not be removed; the next sweep tries again";
        tracing::warn!(target: "tower_bearer", error = cause, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (error, pace);
}

/// Reports that the last uses of API keys are not recorded.
#[cfg(feature = "api-keys")]
pub(crate) fn api_key_uses_not_recorded(error: &dyn std::error::Error, pace: &Pace) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = pace.ask("api_key_uses_not_recorded", "") {
        let cause = error.source();
        let message = "the last uses of API keys could not be recorded; the next uses are";
        tracing::warn!(target: "tower_bearer", error = cause, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (error, pace);
}

/// Reports that API keys that have ended or expired are still in their store.
#[cfg(feature = "api-keys")]
pub(crate) fn api_keys_not_swept(error: &dyn std::error::Error, pace: &Pace) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = pace.ask("api_keys_not_swept", "") {
        let cause = error.source();
        let message =
            "API keys that have ended or expired could not be removed; the next sweep tries again";
        tracing::warn!(target: "tower_bearer", error = cause, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (error, pace);
}

/// Reports that a revocation was taken back.
pub(crate) fn restored(kind: &str, issuer: &str, name: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "tower_bearer", kind, issuer, name, "revocation taken back");
    #[cfg(not(feature = "tracing"))]
    let _ = (kind, issuer, name);
}

/// Reports that the active check does not answer.
#[cfg(feature = "active-check")]
pub(crate) fn active_check_failed(problem: &str, lets_in: bool, suppressed: u64) {
    #[cfg(feature = "tracing")]
    if lets_in {
        let message = "active check failed; requests are accepted without it";
        tracing::error!(target: "tower_bearer", problem, suppressed, "{message}");
    } else {
        let message = "active check failed; requests that need it are answered 503";
        tracing::warn!(target: "tower_bearer", problem, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (problem, lets_in, suppressed);
}

/// Reports that the check answers again.
#[cfg(feature = "active-check")]
pub(crate) fn active_check_answers_again() {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "tower_bearer", "active check answers again");
}

/// Reports that an introspection endpoint gives no answer that can be used.
#[cfg(feature = "introspection")]
pub(crate) fn introspection_failed(endpoint: &str, problem: &str, suppressed: u64) {
    #[cfg(feature = "tracing")]
    {
        let message = "introspection failed; requests that need it are answered 503";
        tracing::warn!(target: "tower_bearer", endpoint, problem, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (endpoint, problem, suppressed);
}

/// Reports that an introspection endpoint answers again.
#[cfg(feature = "introspection")]
pub(crate) fn introspection_works_again(endpoint: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "tower_bearer", endpoint, "introspection works again");
    #[cfg(not(feature = "tracing"))]
    let _ = endpoint;
}

/// Reports that more unknown tokens came than may be asked about.
#[cfg(feature = "introspection")]
pub(crate) fn introspection_spent(endpoint: &str, problem: &str, suppressed: u64) {
    #[cfg(feature = "tracing")]
    {
        let message = "more unknown tokens come than may be introspected; some are answered 503";
        tracing::warn!(target: "tower_bearer", endpoint, problem, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (endpoint, problem, suppressed);
}

/// Reports that an issuer's metadata could not be fetched, and that the previous metadata stays in
/// use.
#[cfg(feature = "jwks")]
pub(crate) fn metadata_not_fetched(issuer: &str, problem: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "tower_bearer", issuer, problem, "metadata not fetched");
    #[cfg(not(feature = "tracing"))]
    let _ = (issuer, problem);
}

/// Reports that an issuer signs with another key from now on.
#[cfg(feature = "issue")]
pub(crate) fn issuer_key_replaced(source: &str, key_id: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "tower_bearer", source, key_id, "tokens are signed with another key");
    #[cfg(not(feature = "tracing"))]
    let _ = (source, key_id);
}

/// Reports that the keys of an issuer could not be read or replaced.
#[cfg(feature = "issue")]
pub(crate) fn issuer_keys_not_kept(source: &str, problem: &str, suppressed: u64) {
    #[cfg(feature = "tracing")]
    {
        let message = "keys to sign with not read or replaced; those that are here stay in use";
        tracing::warn!(target: "tower_bearer", source, problem, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, problem, suppressed);
}

/// Reports that a file of keys was replaced, and that its new name may not be on the disk yet.
#[cfg(feature = "issue")]
pub(crate) fn issuer_keys_not_synced(source: &str, problem: &str) {
    #[cfg(feature = "tracing")]
    {
        let message = "keys to sign with replaced; a power failure may bring the former ones back";
        tracing::warn!(target: "tower_bearer", source, problem, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, problem);
}

/// Reports that keys were fetched. The event is louder after an outage.
#[cfg(feature = "refresh")]
pub(crate) fn keys_fetched(source: &str, keys: usize, again: bool) {
    #[cfg(feature = "tracing")]
    if again {
        tracing::info!(target: "tower_bearer", source, keys, "keys can be fetched again");
    } else {
        tracing::debug!(target: "tower_bearer", source, keys, "keys fetched");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, keys, again);
}

/// Reports that keys could not be fetched.
#[cfg(feature = "refresh")]
pub(crate) fn keys_not_fetched(source: &str, problem: &str, state: &str, usable: bool) {
    #[cfg(feature = "tracing")]
    if usable {
        let message = "keys not fetched; the current keys stay in use";
        tracing::warn!(target: "tower_bearer", source, problem, keys = state, "{message}");
    } else {
        let message = "keys not fetched; requests are answered 503";
        tracing::error!(target: "tower_bearer", source, problem, keys = state, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, problem, state, usable);
}

/// Reports that tokens named more unknown keys than the budget allows to look for.
#[cfg(feature = "refresh")]
pub(crate) fn fetches_spent(source: &str, suppressed: u64) {
    #[cfg(feature = "tracing")]
    {
        let message =
            "many unknown keys are asked for; tokens that name another one are answered 503";
        tracing::warn!(target: "tower_bearer", source, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, suppressed);
}

/// Reports that a document was loaded. The event is louder after an outage.
#[cfg(feature = "refresh")]
pub(crate) fn document_loaded(source: &str, is_back: bool) {
    #[cfg(feature = "tracing")]
    if is_back {
        tracing::info!(target: "tower_bearer", source, "document can be loaded again");
    } else {
        tracing::debug!(target: "tower_bearer", source, "document loaded");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, is_back);
}

/// Reports that a document could not be loaded.
#[cfg(feature = "refresh")]
pub(crate) fn document_not_loaded(source: &str, problem: &str, state: &str, is_usable: bool) {
    #[cfg(feature = "tracing")]
    if is_usable {
        let message = "document not loaded; the current one stays in use";
        tracing::warn!(target: "tower_bearer", source, problem, document = state, "{message}");
    } else {
        let message = "document not loaded; there is no document to use";
        tracing::error!(target: "tower_bearer", source, problem, document = state, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, problem, state, is_usable);
}

/// Reports that more loads of a document were wanted than the budget allows.
#[cfg(feature = "refresh")]
pub(crate) fn loads_spent(source: &str, suppressed: u64) {
    #[cfg(feature = "tracing")]
    {
        let message = "the budget for loads of a document is spent; it is not loaded on demand";
        tracing::warn!(target: "tower_bearer", source, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, suppressed);
}

/// Reports that a stand-in for the layer admits every request. Without a subscriber for events, the
/// report is a line on the standard error stream.
#[cfg(feature = "test-util")]
pub(crate) fn unverified() {
    const REPORT: &str = "every request is accepted without any verification: for tests only";
    #[cfg(feature = "tracing")]
    if tracing::enabled!(target: "tower_bearer", tracing::Level::ERROR) {
        tracing::error!(target: "tower_bearer", "{REPORT}");
        return;
    }
    eprintln!("tower_bearer: {REPORT}");
}

/// Reports that the revocations are complete again.
#[cfg(feature = "redis")]
pub(crate) fn revocations_whole(source: &str, revocations: usize) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "tower_bearer", source, revocations, "revocations are complete");
    #[cfg(not(feature = "tracing"))]
    let _ = (source, revocations);
}

/// Reports that revocations may be missing, and how requests are answered meanwhile.
#[cfg(feature = "redis")]
pub(crate) fn revocations_not_whole(source: &str, problem: &str, carries_on: bool) {
    #[cfg(feature = "tracing")]
    if carries_on {
        let message = "revocations may be missing; tokens are accepted all the same";
        tracing::error!(target: "tower_bearer", source, problem, "{message}");
    } else {
        let message = "revocations may be missing; requests are answered 503";
        tracing::error!(target: "tower_bearer", source, problem, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, problem, carries_on);
}

/// Reports that the connection to Redis was lost or could not be made.
#[cfg(feature = "redis")]
pub(crate) fn redis_not_reached(source: &str, problem: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "tower_bearer", source, problem, "Redis cannot be reached");
    #[cfg(not(feature = "tracing"))]
    let _ = (source, problem);
}

/// Reports that Redis can be reached again.
#[cfg(feature = "redis")]
pub(crate) fn redis_reached(source: &str, server: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "tower_bearer", source, server, "Redis is reached again");
    #[cfg(not(feature = "tracing"))]
    let _ = (source, server);
}

/// Reports that Redis stores no revocation, although it can be reached.
#[cfg(feature = "redis")]
pub(crate) fn revocations_not_written(source: &str, problem: &str) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "tower_bearer", source, problem, "Redis refuses to write revocations");
    #[cfg(not(feature = "tracing"))]
    let _ = (source, problem);
}

/// Reports that the stream in Redis was emptied, or trimmed before this node had read it.
#[cfg(feature = "redis")]
pub(crate) fn gap(source: &str) {
    #[cfg(feature = "tracing")]
    {
        let message = "the stream in Redis was emptied or trimmed; all revocations are read, and those of \
                       the last 10 minutes written again";
        tracing::warn!(target: "tower_bearer", source, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = source;
}

/// Reports that Redis lacks revocations that this node stored recently.
#[cfg(feature = "redis")]
pub(crate) fn redis_lost(source: &str, buckets: u64) {
    #[cfg(feature = "tracing")]
    {
        let message = "Redis has lost revocations; those of the last 10 minutes are written again";
        tracing::error!(target: "tower_bearer", source, buckets, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, buckets);
}

/// Reports a Redis that may evict revocations.
#[cfg(feature = "redis")]
pub(crate) fn evicts(source: &str, policy: &str) {
    #[cfg(feature = "tracing")]
    {
        let message = "Redis deletes revocations when its memory is full; set `maxmemory-policy` \
                       to `noeviction`";
        tracing::error!(target: "tower_bearer", source, policy, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, policy);
}

/// Reports a Redis that may evict sessions.
#[cfg(all(feature = "redis", any(feature = "dpop", feature = "sessions")))]
pub(crate) fn redis_evicts(source: &str, kept: &str, policy: &str) {
    #[cfg(feature = "tracing")]
    {
        tracing::error!(
            target: "tower_bearer",
            source,
            policy,
            "Redis deletes {kept} when its memory is full; set `maxmemory-policy` to `noeviction`"
        );
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (source, kept, policy);
}

/// Reports a user whose tokens were bound to a key before, or who uses many keys. Text of the token is not reported, but
/// for the client.
#[cfg(any(feature = "dpop", feature = "mtls"))]
pub(crate) fn downgrade(pace: &Pace, kind: &'static str, issuer: &str, client_id: Option<&str>) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = pace.ask(kind, "") {
        tracing::warn!(target: "tower_bearer", issuer, client_id, suppressed, "{kind}");
    } else {
        tracing::debug!(target: "tower_bearer", issuer, client_id, "{kind}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (pace, kind, issuer, client_id);
}

/// Reports that clients without a token cannot read the metadata of the resource, because the layer is around it.
#[cfg(feature = "metadata")]
pub(crate) fn resource_metadata_guarded(path: &str, pace: &Pace) {
    #[cfg(feature = "tracing")]
    if let Some(suppressed) = pace.ask("resource_metadata", "") {
        let message = "the metadata of the resource was asked for, and the layer is around it: no client can read it \
                       before it has a token; mount it outside of the layer, with axum by `route_service` after \
                       `route_layer`";
        tracing::warn!(target: "tower_bearer", path, suppressed, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (path, pace);
}

/// Reports that an application does not answer with the metadata of its resource.
#[cfg(feature = "metadata")]
pub(crate) fn resource_metadata_not_served(target: &str, problem: &str) {
    #[cfg(feature = "tracing")]
    {
        let message = "the metadata of the resource cannot be read without a token; mount it at this path, outside of \
                       the layer";
        tracing::warn!(target: "tower_bearer", path = target, problem, "{message}");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (target, problem);
}

#[cfg(feature = "tracing")]
macro_rules! event {
    ($level:ident, $error:expr $(, $field:ident)*) => {
        tracing::$level!(
            target: "tower_bearer",
            reason = $error.reason().as_str(),
            issuer = $error.issuer(),
            detail = $error.detail(),
            error = std::error::Error::source($error),
            $($field,)*
            "{}", $error
        )
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($level:ident, $error:expr $(, $field:ident)*) => {{
        let _ = ($error $(, $field)*);
    }};
}

fn quiet(error: &AuthError) {
    event!(debug, error);
}

fn operator(error: &AuthError, suppressed: u64) {
    event!(warn, error, suppressed);
}

fn programmer(error: &AuthError, suppressed: u64) {
    event!(error, error, suppressed);
}
