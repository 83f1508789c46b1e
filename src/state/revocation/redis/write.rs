//! Writes the revocations in the outbox. Only one task does, so that nothing is under way twice.

use std::time::Duration;

use redis::{Value, cmd};
use tokio::time::sleep;

use super::entry::{RevocationEntry, spelt};
use super::outbox::WriteAnswer;
use super::position::StreamId;
use super::reconcile::buckets;
use super::scripts;
use super::shared::SharedState;
use crate::observe::trace;
use crate::state::redis::{Link, RedisError, text, texts};
use crate::state::revocation::Revocable;

/// Writes all revocations as they come, until an error.
pub(super) async fn keep_writing(shared: &SharedState, link: &mut Link) -> RedisError {
    loop {
        if let Err(problem) = write_all(shared, link).await {
            return problem;
        }
        shared.wake.notified().await;
    }
}

/// Writes until nothing waits.
pub(super) async fn write_all(shared: &SharedState, link: &mut Link) -> Result<(), RedisError> {
    let mut was_refused = false;
    loop {
        let batch = shared.outbox().take();
        if batch.is_empty() {
            return Ok(());
        }
        match write(shared, link, &batch).await {
            Ok(answers) => {
                was_refused = false;
                shared.outbox().settle(&answers, shared.now());
            }
            // The server answers: a reason to try again, not to stop following it.
            Err(RedisError::Refused(problem)) => {
                shared.outbox().give_up(&problem);
                if !std::mem::replace(&mut was_refused, true) {
                    trace::revocations_not_written(&shared.settings.source(), &problem);
                }
                sleep(REFUSED_PAUSE).await;
            }
            Err(problem) => {
                shared.outbox().put_back();
                return Err(problem);
            }
        }
    }
}

async fn write(
    shared: &SharedState,
    link: &mut Link,
    batch: &[(RevocationEntry, String)],
) -> Result<Vec<WriteAnswer>, RedisError> {
    let settings = &shared.settings;
    let mut command = cmd("EVAL");
    command.arg(scripts::WRITE).arg(3 + batch.len());
    command.arg(settings.keys.stream()).arg(settings.keys.index()).arg(settings.keys.restored());
    for (entry, _) in batch {
        command.arg(settings.keys.bucket(entry.end));
    }
    command.arg(settings.stream_length).arg(settings.stream_idle()).arg(shared.view.now());
    for (entry, condition) in batch {
        command.arg(entry.end).arg(entry.moment()).arg(&entry.name).arg(condition);
    }
    let answer = link.ask(&command).await?;
    let answers: Option<Vec<_>> =
        texts(&answer).and_then(|answers| answers.into_iter().map(read).collect());
    answers
        .filter(|answers| answers.len() == batch.len())
        .ok_or_else(|| RedisError::unreadable("what Redis has written"))
}

fn read(answer: &str) -> Option<WriteAnswer> {
    match answer {
        "restored" => Some(WriteAnswer::TakenBack),
        answer => match answer.strip_prefix('=') {
            Some(end) => Some(WriteAnswer::Known(StreamId::read(end))),
            None => StreamId::read(answer).map(WriteAnswer::Written),
        },
    }
}

/// Checks from time to time that Redis still has the recent writes of this node. The stream does
/// not tell: single keys may be deleted or evicted, or may have expired when a clock was set.
pub(super) async fn keep_probing(shared: &SharedState, link: &mut Link) -> RedisError {
    loop {
        sleep(shared.settings.probed_every()).await;
        let probes = shared.outbox().probes();
        if probes.is_empty() {
            continue;
        }
        match missing(shared, link, &probes).await {
            Ok(0) | Err(RedisError::Refused(_)) => {}
            Ok(missing) => {
                trace::redis_lost(&shared.settings.source(), missing);
                shared.write_again();
            }
            Err(problem) => return problem,
        }
    }
}

async fn missing(
    shared: &SharedState,
    link: &mut Link,
    probes: &[(u64, String)],
) -> Result<u64, RedisError> {
    let keys = &shared.settings.keys;
    let mut command = cmd("EVAL");
    command.arg(scripts::PROBE).arg(1 + probes.len()).arg(keys.index());
    for (end, _) in probes {
        command.arg(keys.bucket(*end));
    }
    command.arg(shared.view.now());
    for (end, name) in probes {
        command.arg(end).arg(name);
    }
    let answer = link.ask(&command).await?;
    let missing = text(&answer).and_then(|missing| missing.parse().ok());
    missing.ok_or_else(|| RedisError::unreadable("what Redis has lost"))
}

/// Restores a name, here and in Redis. Returns whether it was revoked.
pub(super) async fn restore(
    shared: &SharedState,
    link: &mut Link,
    issuer: &str,
    name: Revocable<'_>,
) -> Result<bool, RedisError> {
    let (settings, name) = (&shared.settings, spelt(issuer, name));
    for _ in 0..RESTORE_ATTEMPTS {
        let buckets = buckets(shared, link).await?;
        let mut command = cmd("EVAL");
        command.arg(scripts::RESTORE).arg(3 + buckets.len());
        command.arg(settings.keys.stream()).arg(settings.keys.index());
        command.arg(settings.keys.restored());
        for end in buckets {
            command.arg(settings.keys.bucket(end));
        }
        command.arg(settings.stream_length).arg(settings.stream_idle());
        command.arg(&name).arg(settings.restored_kept());
        let answer = link.ask(&command).await?;
        let [id, count] = list_of(&answer)?[..] else { continue };
        let id =
            StreamId::read(id).ok_or_else(|| RedisError::unreadable("the number of an entry"))?;
        let was_here = shared.restore(&name, id);
        return Ok(was_here || count != "0");
    }
    Err(RedisError::broken("the buckets change too fast"))
}

fn list_of(answer: &Value) -> Result<Vec<&str>, RedisError> {
    match texts(answer) {
        Some(texts) => Ok(texts),
        None => Err(RedisError::unreadable(text(answer).unwrap_or("an answer"))),
    }
}

const REFUSED_PAUSE: Duration = Duration::from_secs(1);
const RESTORE_ATTEMPTS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_says_whether_it_was_written_or_known_or_taken_back() {
        let id = StreamId::read("5-1");
        for (answer, expected) in [
            ("5-1", id.map(WriteAnswer::Written)),
            ("=5-1", Some(WriteAnswer::Known(id))),
            ("=", Some(WriteAnswer::Known(None))),
            ("restored", Some(WriteAnswer::TakenBack)),
            ("other", None),
        ] {
            assert_eq!(read(answer), expected, "{answer}");
        }
    }

    #[test]
    fn list_that_is_none_is_told_by_its_text() {
        let list =
            Value::Array(vec![Value::BulkString(b"a".into()), Value::BulkString(b"".into())]);

        assert_eq!(list_of(&list), Ok(vec!["a", ""]));
        let error = list_of(&Value::SimpleString("odd".to_owned())).unwrap_err().to_string();
        assert!(error.starts_with("odd cannot be read"), "{error}");
    }
}
