//! Holds the scripts that run in Redis, one for each call of the store. A script is atomic and is one round trip.
//!
//! Moments come from the nodes, and keys expire by the clock of Redis: what is left of a session by the clock of
//! the node that writes it. So a clock of Redis that is wrong by a constant does no harm.
//!
//! The sessions of a subject are found through its index, so scripts touch keys that are not among their `KEYS`.
//! All keys have one hash tag, which is what a cluster asks for.

use crate::state::redis::Script;

/// One of the scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionScript {
    Create,
    Rotate,
    OfSubject,
    End,
    EndAll,
    Remove,
    Sweep,
}

impl SessionScript {
    /// The texts of all scripts, in the order of their numbers.
    pub(super) const TEXTS: [&'static str; 7] =
        [CREATE, ROTATE, OF_SUBJECT, END, END_ALL, REMOVE, SWEEP];

    /// All scripts, in the order of their numbers.
    #[cfg(test)]
    pub(super) const ALL: [Self; 7] = [
        Self::Create,
        Self::Rotate,
        Self::OfSubject,
        Self::End,
        Self::EndAll,
        Self::Remove,
        Self::Sweep,
    ];

    /// Returns the script with its number.
    pub(super) const fn script(self) -> Script {
        Script { number: self as usize, text: self.text() }
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Create => CREATE,
            Self::Rotate => ROTATE,
            Self::OfSubject => OF_SUBJECT,
            Self::End => END,
            Self::EndAll => END_ALL,
            Self::Remove => REMOVE,
            Self::Sweep => SWEEP,
        }
    }
}

/// Puts what all scripts share before a script. Positions in a record are those of [`record`](super::record).
macro_rules! script {
    ($body:literal) => {
        concat!(
            r"
local sub = string.sub
local function number(record, first) return tonumber(sub(record, first, first + 14)) end
local function created(record) return number(record, 67) end
local function expires(record) return number(record, 112) end
local function due(record) return math.min(number(record, 97), expires(record)) end
local function has_ended(record) return sub(record, 1, 1) == 'E' end
local function is_live(record, now) return not has_ended(record) and now < due(record) end
local function texts(record)
  local subject, client, from = string.match(record, '^(%d+) (%d+) ()', 127)
  local behind = from + subject
  return sub(record, from, behind - 1), sub(record, behind, behind + client - 1)
end
local function store(key, record, left)
  redis.call('SET', key, record, 'PX', string.format('%.0f', math.max(left, 1)))
end
local function outlast(key, left)
  if redis.call('PTTL', key) < left then redis.call('PEXPIRE', key, string.format('%.0f', left)) end
end
-- An ended session stays until it has expired in any case: its access tokens may live that long.
local function finish(key, id, record, ended)
  local left = redis.call('PTTL', key)
  if not has_ended(record) then
    left = left + expires(record) - due(record)
    record = 'E' .. sub(record, 2)
    store(key, record, left)
  end
  redis.call('SADD', ended, id)
  outlast(ended, math.max(left, 1))
  return record
end
-- The names and records of a subject's sessions, oldest first. Those that have expired leave the index.
local function sessions_of(index, prefix)
  local found = {}
  for _, id in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local record = redis.call('GET', prefix .. id)
    if record then found[#found + 1] = {id, record} else redis.call('ZREM', index, id) end
  end
  return found
end
",
            $body
        )
    };
}

/// Stores a session.
///
/// Keys: the session, the index of its subject, the moment up to which all have ended, the set of ended ones.
/// Arguments: the beginning of the keys of sessions, the name, the record, the moment of the sign-in, and how many
/// live sessions there may be, or 0. Answers `superseded`, or `created` and the sessions that gave way.
const CREATE: &str = script!(
    r"
local prefix, id, record, signed_in, most = unpack(ARGV)
local ended_at = redis.call('GET', KEYS[3])
if ended_at and tonumber(signed_in) <= tonumber(ended_at) then return {'superseded'} end
local answer, now = {'created'}, created(record)
if most ~= '0' then
  local live = {}
  for _, other in ipairs(sessions_of(KEYS[2], prefix)) do
    -- The new one is there already when an answer was lost.
    if other[1] ~= id and is_live(other[2], now) then live[#live + 1] = other end
  end
  for i = 1, #live + 1 - tonumber(most) do
    answer[#answer + 1] = live[i][1]
    answer[#answer + 1] = finish(prefix .. live[i][1], live[i][1], live[i][2], KEYS[4])
  end
else
  -- Each sign-in adds one to the index and may remove some, so those that have expired do not gather.
  for _, other in ipairs(redis.call('ZRANGE', KEYS[2], 0, 15)) do
    if redis.call('EXISTS', prefix .. other) == 0 then redis.call('ZREM', KEYS[2], other) end
  end
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  store(KEYS[1], record, due(record) - now)
  redis.call('ZADD', KEYS[2], string.format('%.0f', now), id)
  outlast(KEYS[2], math.max(expires(record) - now, 1))
end
return answer
"
);

/// Exchanges a refresh token, as [`Rotation::apply`](crate::state::session::Rotation::apply) does.
///
/// Keys: the session, the set of ended ones. Arguments: the name, the token, its successor, the client, the
/// present moment, and that until which the session may be idle. Answers the verdict, and the session unless it
/// has expired, does not exist or belongs to another client.
const ROTATE: &str = script!(
    r"
local record = redis.call('GET', KEYS[1])
if not record then return {'unknown'} end
local id, presented, following, client, now, idle_until = unpack(ARGV)
if has_ended(record) then return {'ended', id, record} end
if tonumber(now) >= due(record) then return {'expired'} end
local _, bound_to = texts(record)
if bound_to ~= client then return {'wrong client'} end
local current, verdict = sub(record, 3, 34), nil
local tokens = sub(record, 3, 66)
if presented == current then
  verdict, tokens = 'rotated', following .. presented
elseif sub(record, 2, 2) == 'P' and presented == sub(record, 35, 66) and current == following then
  verdict = 'repeated'
else
  return {'reused', id, finish(KEYS[1], id, record, KEYS[2])}
end
local function later(one, other) return tonumber(one) < tonumber(other) and other or one end
record = 'LP' .. tokens .. sub(record, 67, 81) .. later(sub(record, 82, 96), now)
  .. later(sub(record, 97, 111), idle_until) .. sub(record, 112)
store(KEYS[1], record, due(record) - tonumber(now))
return {verdict, id, record}
"
);

/// Finds the live sessions of a subject.
///
/// Keys: the index of the subject. Arguments: the beginning of the keys of sessions, the present moment. Answers
/// `found` and the sessions.
const OF_SUBJECT: &str = script!(
    r"
local answer, now = {'found'}, tonumber(ARGV[2])
for _, found in ipairs(sessions_of(KEYS[1], ARGV[1])) do
  if is_live(found[2], now) then
    answer[#answer + 1] = found[1]
    answer[#answer + 1] = found[2]
  end
end
return answer
"
);

/// Marks a session as ended.
///
/// Keys: the session, the set of ended ones. Arguments: the name; the subject that it must be of, if there is a
/// second one. Answers `none`, or `ended` and the session.
const END: &str = script!(
    r"
local record = redis.call('GET', KEYS[1])
if not record then return {'none'} end
if ARGV[2] and texts(record) ~= ARGV[2] then return {'none'} end
return {'ended', ARGV[1], finish(KEYS[1], ARGV[1], record, KEYS[2])}
"
);

/// Marks all sessions of a subject but one as ended, and refuses sign-ins that have begun.
///
/// Keys: the index of the subject, the moment up to which all have ended, the set of ended ones. Arguments: the
/// beginning of the keys of sessions, the present moment, for how many milliseconds it is kept, and the session
/// that stays, if there is a fourth one. Answers `ended` and the sessions.
const END_ALL: &str = script!(
    r"
local prefix, now, kept, except = unpack(ARGV)
local last = redis.call('GET', KEYS[2])
if last and tonumber(last) > tonumber(now) then now = last end
redis.call('SET', KEYS[2], now, 'PX', kept)
local answer = {'ended'}
for _, found in ipairs(sessions_of(KEYS[1], prefix)) do
  local id, record = found[1], found[2]
  if id ~= except then
    answer[#answer + 1] = id
    answer[#answer + 1] = finish(prefix .. id, id, record, KEYS[3])
  end
end
return answer
"
);

/// Removes sessions that have ended.
///
/// Keys: the set of ended ones. Arguments: the beginnings of the keys of sessions and of indexes, and the names.
/// Answers `removed`.
const REMOVE: &str = script!(
    r"
for i = 3, #ARGV do
  local id = ARGV[i]
  local record = redis.call('GET', ARGV[1] .. id)
  if record and has_ended(record) then
    redis.call('ZREM', ARGV[2] .. texts(record), id)
    redis.call('DEL', ARGV[1] .. id)
  end
  if not record or has_ended(record) then redis.call('SREM', KEYS[1], id) end
end
return {'removed'}
"
);

/// Finds some sessions that have ended and were not removed. Redis itself removes those that have expired.
///
/// Keys: the set of ended ones. Arguments: the beginning of the keys of sessions, and how many. Answers `found`,
/// or `more` if these were not all, and the sessions.
const SWEEP: &str = script!(
    r"
local answer = {'found'}
for _, id in ipairs(redis.call('SRANDMEMBER', KEYS[1], ARGV[2])) do
  local record = redis.call('GET', ARGV[1] .. id)
  if record and has_ended(record) then
    answer[#answer + 1] = id
    answer[#answer + 1] = record
  else
    redis.call('SREM', KEYS[1], id)
  end
end
if redis.call('SCARD', KEYS[1]) > (#answer - 1) / 2 then answer[1] = 'more' end
return answer
"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_has_a_number_and_a_text_of_its_own() {
        for (number, script) in SessionScript::ALL.into_iter().enumerate() {
            assert_eq!(script as usize, number);
            let same = SessionScript::ALL.iter().filter(|other| other.text() == script.text());
            assert_eq!(same.count(), 1, "{script:?}");
        }
    }
}
