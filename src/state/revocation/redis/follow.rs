//! Follows the stream of changes.
//!
//! Each read is followed, in the same pipeline, by a look at the entry that it started from. While that entry
//! stands there, nothing behind it was trimmed. The whole entry is compared: a Redis that lost its tail and
//! runs with an older clock gives the same number to another entry. Numbers come from Redis and are never
//! compared with a clock of ours.
//!
//! An entry that cannot be read ends the session with an error: it may revoke something.

use redis::pipe;

use super::entry::StreamEvent;
use super::position::{Position, StreamEntry};
use super::shared::SharedState;
use super::stream::{entries, news};
use crate::state::redis::{Link, RedisError};

/// The reason why a node cannot follow the stream any more.
#[derive(Debug)]
pub(super) enum FollowError {
    /// The stream no longer holds the position of this node.
    Gap,
    Redis(RedisError),
}

impl From<RedisError> for FollowError {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

/// Follows the stream from the position of this node, until an error.
pub(super) async fn follow(shared: &SharedState, link: &mut Link) -> FollowError {
    let Some(mut position) = shared.position() else { return FollowError::Gap };
    loop {
        // Counted from the question: the answer may have waited while this program was suspended.
        let asked = shared.now();
        let read = match read(shared, link, &position).await {
            Ok(read) => read,
            Err(problem) => return problem,
        };
        let is_up_to_date = is_last(&read);
        for read in &read {
            if let Err(problem) = apply(shared, read) {
                return problem.into();
            }
        }
        if let Some(last) = read.into_iter().next_back() {
            position = Position(last);
            shared.set_position(position.clone());
        }
        if is_up_to_date {
            shared.complete(asked);
        }
        // With a backlog of a million entries, other tasks must run too.
        tokio::task::yield_now().await;
    }
}

/// Returns whether nothing more stands behind the entries of an answer.
fn is_last(read: &[StreamEntry]) -> bool {
    read.len() < AT_ONCE
}

fn apply(shared: &SharedState, read: &StreamEntry) -> Result<(), RedisError> {
    let event = StreamEvent::read(&read.word, &read.text);
    let event = event.ok_or_else(|| RedisError::unreadable("an entry of the stream"))?;
    shared.follow(&event, read.id)
}

/// Waits for entries, and checks that none before them is missing.
async fn read(
    shared: &SharedState,
    link: &mut Link,
    from: &Position,
) -> Result<Vec<StreamEntry>, FollowError> {
    let (stream, id) = (shared.settings.keys.stream(), from.id().to_string());
    let block = u64::try_from(shared.settings.block().as_millis()).unwrap_or(u64::MAX);
    let mut commands = pipe();
    commands.cmd("XREAD").arg("COUNT").arg(AT_ONCE).arg("BLOCK").arg(block);
    commands.arg("STREAMS").arg(&stream).arg(&id);
    // After the read: if the entry at this position is still there, no entry after it was trimmed
    // before.
    commands.cmd("XRANGE").arg(&stream).arg(&id).arg(&id);
    let answers = link.ask_all(&commands).await?;
    let [read, own] = answers.as_slice() else {
        return Err(RedisError::unreadable("an answer").into());
    };
    let entry = || RedisError::unreadable("an entry of the stream");
    let (read, own) = (news(read).ok_or_else(entry)?, entries(own).ok_or_else(entry)?);
    if !from.is_held_by(own.first()) {
        return Err(FollowError::Gap);
    }
    Ok(read)
}

/// Returns whether the stream still holds all entries after this position.
pub(super) async fn holds(
    shared: &SharedState,
    link: &mut Link,
    position: &Position,
) -> Result<bool, RedisError> {
    let (stream, id) = (shared.settings.keys.stream(), position.id().to_string());
    let found = link.ask(redis::cmd("XRANGE").arg(&stream).arg(&id).arg(&id)).await?;
    let found = entries(&found).ok_or_else(|| RedisError::unreadable("an entry of the stream"))?;
    Ok(position.is_held_by(found.first()))
}

/// Returns the last entry of the stream.
pub(super) async fn last(
    shared: &SharedState,
    link: &mut Link,
) -> Result<Option<Position>, RedisError> {
    let mut command = redis::cmd("XREVRANGE");
    command.arg(shared.settings.keys.stream()).arg("+").arg("-").arg("COUNT").arg(1);
    let found = link.ask(&command).await?;
    let found = entries(&found).ok_or_else(|| RedisError::unreadable("an entry of the stream"))?;
    Ok(found.into_iter().next().map(Position))
}

/// A hundred thousand entries come in a hundred answers, and none occupies Redis for long.
const AT_ONCE: usize = 1000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redis::RedisConnectionInfo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::super::position::StreamId;
    use super::*;

    /// Returns a connection to a server that answers one command, and the command in small letters.
    async fn answering(answer: &'static [u8]) -> (Link, impl Future<Output = String>) {
        let (here, mut there) = duplex(1024);
        let info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let link = Link::new(here, &info, Duration::from_secs(10)).await.unwrap();
        let server = tokio::spawn(async move {
            let mut command = vec![0; 1024];
            let length = there.read(&mut command).await.unwrap();
            there.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&command[..length]).to_lowercase()
        });
        (link, async { server.await.unwrap() })
    }

    #[tokio::test]
    async fn last_entry_of_the_stream_is_the_position_from_which_to_follow() {
        let (mut link, asked) =
            answering(b"*1\r\n*2\r\n$3\r\n7-2\r\n*2\r\n$4\r\nmark\r\n$1\r\na\r\n").await;

        let found = last(&SharedState::unconnected(), &mut link).await.unwrap();

        let id = StreamId::read("7-2").unwrap();
        let entry = StreamEntry { id, word: "mark".to_owned(), text: "a".to_owned() };
        assert_eq!(found, Some(Position(entry)));
        let asked = asked.await;
        assert!(asked.contains("xrevrange") && asked.ends_with("count\r\n$1\r\n1\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn empty_stream_has_no_last_entry_and_an_unreadable_one_is_an_error() {
        for (answer, expected) in [(&b"*0\r\n"[..], true), (b"*1\r\n$3\r\n7-2\r\n", false)] {
            let (mut link, _asked) = answering(answer).await;

            let found = last(&SharedState::unconnected(), &mut link).await;

            assert_eq!(matches!(found, Ok(None)), expected, "{found:?}");
            assert_eq!(found.is_err(), !expected, "{found:?}");
        }
    }

    #[test]
    fn answer_of_as_many_entries_as_were_asked_for_may_not_be_the_last() {
        let id = StreamId::read("1-0").unwrap();
        let entry = StreamEntry { id, word: "mark".to_owned(), text: String::new() };

        for (entries, expected) in [(0, true), (AT_ONCE - 1, true), (AT_ONCE, false)] {
            assert_eq!(is_last(&vec![entry.clone(); entries]), expected, "{entries}");
        }
    }
}
