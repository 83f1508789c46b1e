//! Reads all revocations in Redis: at the start, when the stream no longer reaches back to the
//! position of this node, and from time to time.

use std::collections::{HashMap, HashSet};

use redis::{Value, cmd, pipe};

use super::entry::RevocationEntry;
use super::follow::last;
use super::position::{Position, StreamEntry, StreamId};
use super::scripts;
use super::shared::SharedState;
use crate::state::redis::{Link, RedisError, list, text, texts};

/// Reads all revocations while the stream is not followed, and returns the position from which to
/// follow it.
pub(super) async fn catch_up(
    shared: &SharedState,
    link: &mut Link,
) -> Result<Position, RedisError> {
    let began = shared.now();
    let position = mark(shared, link).await?;
    // The names restored after our position. An entry that has expired from the list was restored,
    // too.
    let read_up_to = shared.position();
    let mut taken_back = restored(shared, link).await?;
    taken_back.retain(|_, place| read_up_to.as_ref().is_some_and(|read| *place > read.id()));
    scan(shared, link, |entry| _ = taken_back.remove(&entry.name)).await?;
    // Not before: a name that was restored and revoked again must not be forgotten even for a
    // moment.
    for (name, place) in taken_back {
        shared.restore(&name, place);
    }
    shared.set_position(position.clone());
    shared.complete(began);
    shared.set_reconciled();
    Ok(position)
}

/// Reads all revocations while the stream, which reports restorations, is followed. Redis removes
/// expired entries.
pub(super) async fn reconcile(shared: &SharedState, link: &mut Link) -> Result<(), RedisError> {
    mark(shared, link).await?;
    scan(shared, link, |_| {}).await?;
    shared.set_reconciled();
    Ok(())
}

/// Marks the end of the stream, and has Redis remove expired entries.
async fn mark(shared: &SharedState, link: &mut Link) -> Result<Position, RedisError> {
    let settings = &shared.settings;
    // No other node writes the same text, so this node can recognise the entry.
    let text = format!(
        "{:016x}{:016x}",
        getrandom::u64().map_err(RedisError::broken)?,
        getrandom::u64().map_err(RedisError::broken)?
    );
    let mut command = cmd("EVAL");
    command.arg(scripts::MARK).arg(2).arg(settings.keys.stream()).arg(settings.keys.index());
    command.arg(settings.stream_length).arg(settings.stream_idle());
    command.arg(&text).arg(settings.stream_kept());
    match link.ask(&command).await {
        Ok(id) => {
            let id = self::text(&id).and_then(StreamId::read);
            let id = id.ok_or_else(|| RedisError::unreadable("the number of an entry"))?;
            Ok(Position(StreamEntry { id, word: "mark".to_owned(), text }))
        }
        // A Redis that is full can still be read.
        Err(RedisError::Refused(problem)) => {
            last(shared, link).await?.ok_or(RedisError::Refused(problem))
        }
        Err(problem) => Err(problem),
    }
}

/// Returns the restored names, each with its position in the stream.
async fn restored(
    shared: &SharedState,
    link: &mut Link,
) -> Result<HashMap<String, StreamId>, RedisError> {
    let answer = link.ask(cmd("HGETALL").arg(shared.settings.keys.restored())).await?;
    pairs(&answer)
        .and_then(|pairs| {
            pairs
                .into_iter()
                .map(|(name, id)| Some((name.to_owned(), StreamId::read(id)?)))
                .collect()
        })
        .ok_or_else(|| RedisError::unreadable("what was taken back"))
}

/// Returns the ends of all buckets.
pub(super) async fn buckets(shared: &SharedState, link: &mut Link) -> Result<Vec<u64>, RedisError> {
    let answer = link.ask(cmd("ZRANGE").arg(shared.settings.keys.index()).arg(0).arg(-1)).await?;
    texts(&answer)
        .and_then(|ends| ends.into_iter().map(|end| end.parse().ok()).collect())
        .ok_or_else(|| RedisError::unreadable("the list of buckets"))
}

/// Inserts all entries of all buckets.
async fn scan(
    shared: &SharedState,
    link: &mut Link,
    mut each: impl FnMut(&RevocationEntry),
) -> Result<(), RedisError> {
    let mut waiting = buckets(shared, link).await?;
    let mut open: Vec<(u64, String)> = Vec::new();
    let mut unreadable = HashSet::new();
    loop {
        while open.len() < BUCKETS_AT_ONCE
            && let Some(end) = waiting.pop()
        {
            open.push((end, "0".to_owned()));
        }
        if open.is_empty() {
            break;
        }
        let mut commands = pipe();
        for (end, cursor) in &open {
            commands.cmd("HSCAN").arg(shared.settings.keys.bucket(*end)).arg(cursor);
            commands.arg("COUNT").arg(FIELDS_AT_ONCE);
        }
        let restorations = shared.restorations();
        let answers = link.ask_all(&commands).await?;
        // A name that was restored since Redis answered must not come in again.
        if restorations != shared.restorations() {
            continue;
        }
        for ((end, cursor), answer) in open.iter_mut().zip(&answers) {
            let page = page(answer).ok_or_else(|| RedisError::unreadable("a bucket"))?;
            page.0.clone_into(cursor);
            for (name, moment) in page.1 {
                match RevocationEntry::read(*end, moment, name) {
                    Some(entry) => {
                        each(&entry);
                        shared.insert(&entry)?;
                    }
                    None => _ = unreadable.insert(*end),
                }
            }
        }
        open.retain(|(_, cursor)| cursor != "0");
        tokio::task::yield_now().await;
    }
    match unreadable.iter().next() {
        // Reported after all others have been inserted.
        Some(end) => Err(RedisError::unreadable(&format!("a revocation in the bucket {end}"))),
        None => Ok(()),
    }
}

fn page(answer: &Value) -> Option<(&str, Vec<(&str, &str)>)> {
    let [cursor, fields] = list(answer)? else { return None };
    Some((text(cursor)?, pairs(fields)?))
}

fn pairs(answer: &Value) -> Option<Vec<(&str, &str)>> {
    let texts = texts(answer)?;
    Some(texts.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

const BUCKETS_AT_ONCE: usize = 16;
const FIELDS_AT_ONCE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_a_cursor_and_pairs() {
        let bulk = |text: &str| Value::BulkString(text.into());
        let fields = Value::Array(["a", "1", "b", ""].map(bulk).into());
        let whole = Value::Array(vec![bulk("7"), fields.clone()]);

        assert_eq!(page(&whole), Some(("7", vec![("a", "1"), ("b", "")])));
        assert_eq!(pairs(&Value::Nil), Some(Vec::new()));
        for odd in [bulk("7"), fields, Value::Array(vec![bulk("7"), bulk("8")])] {
            assert_eq!(page(&odd), None, "{odd:?}");
        }
    }
}
