//! The scripts that Redis runs, each in one step. All writes are scripts: a revocation is in its
//! bucket and in the stream, or in neither.
//!
//! Dates in revocations come from nodes, and keys expire by the clock of Redis. Each node sends its
//! time: an entry expires only when it has expired by both clocks, and if the clock of Redis is
//! ahead, keys live longer by the difference. Times in the stream are those of Redis alone.

/// Writes revocations.
///
/// Keys: the stream, the index, the restored names, a bucket for each revocation. Arguments: the
/// largest number of entries in the stream, the seconds for which it is kept, the time of the node,
/// and for each revocation its end, moment, name, and a condition: `*`, or the position in the
/// stream after which the name must not have been restored. Answers for each its position in the
/// stream, or `=` and the end of the stream if it was there already, or `restored` if the name was
/// restored.
pub(super) const WRITE: &str = r"
local now = tonumber(redis.call('TIME')[1])
local theirs = tonumber(ARGV[3])
local ahead = now - theirs
ahead = ahead > 1 and math.ceil(ahead / 60) * 60 or 0
-- `TTL` is rounded, so a second less is the same.
local function outlast(key, at)
  local left = redis.call('TTL', key)
  if left < 0 or left < at - now - 1 then redis.call('EXPIREAT', key, string.format('%.0f', at)) end
end
local function later(one, other)
  local first, second = string.match(one, '(%d+)-(%d+)')
  local third, fourth = string.match(other, '(%d+)-(%d+)')
  first, third = tonumber(first), tonumber(third)
  return first > third or (first == third and tonumber(second) > tonumber(fourth))
end
local answers, has_written = {}, false
for i = 4, #KEYS do
  local at = 4 + (i - 4) * 4
  local ending, moment, name, known = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local restored = known ~= '*' and redis.call('HGET', KEYS[3], name)
  if restored and later(restored, known) then
    answers[#answers + 1] = 'restored'
  else
    local is_news = false
    if tonumber(ending) > math.min(now, theirs) then
      local old = redis.call('HGET', KEYS[i], name)
      is_news = not old or (moment ~= '' and tonumber(moment) > (tonumber(old) or -1))
      if is_news then redis.call('HSET', KEYS[i], name, moment) end
      local expires = tonumber(ending) + ahead
      outlast(KEYS[i], expires)
      if expires > tonumber(redis.call('ZSCORE', KEYS[2], ending) or 0) then
        redis.call('ZADD', KEYS[2], string.format('%.0f', expires), ending)
      end
      outlast(KEYS[2], expires)
    end
    if is_news then
      has_written = true
      local shown = moment == '' and '-' or moment
      answers[#answers + 1] = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',
        'revoke', ending .. ' ' .. shown .. ' ' .. name)
    else
      local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
      answers[#answers + 1] = '=' .. (last and last[1] or '')
    end
  end
end
if has_written then outlast(KEYS[1], now + tonumber(ARGV[2])) end
return answers
";

/// Counts the buckets that lack a revocation of this node, or that the index does not name.
///
/// Keys: the index, buckets. Arguments: the time of the node, and for each bucket its end and a
/// name in it.
pub(super) const PROBE: &str = r"
local now = math.min(tonumber(redis.call('TIME')[1]), tonumber(ARGV[1]))
local missing = 0
for i = 2, #KEYS do
  local ending, name = ARGV[i * 2 - 2], ARGV[i * 2 - 1]
  if tonumber(ending) > now + 1 then
    local is_there = redis.call('HEXISTS', KEYS[i], name) == 1 and redis.call('ZSCORE', KEYS[1], ending)
    if not is_there then missing = missing + 1 end
  end
end
return tostring(missing)
";

/// Restores a name: removes it from every bucket.
///
/// Writes even if it was restored before: a node that is cut off may have revoked it since.
///
/// Keys: as for writing, with all buckets. Arguments: the first two as there, the name, and the
/// seconds within which a node that missed it may come back. Answers the position in the stream and
/// the number of removed entries, or an empty list if these are not all buckets any more.
pub(super) const RESTORE: &str = r"
if redis.call('ZCARD', KEYS[2]) ~= #KEYS - 3 then return {} end
local count = 0
for i = 4, #KEYS do count = count + redis.call('HDEL', KEYS[i], ARGV[3]) end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'restore', ARGV[3])
redis.call('HSET', KEYS[3], ARGV[3], id)
redis.call('EXPIRE', KEYS[3], ARGV[4])
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {id, tostring(count)}
";

/// Marks a position in the stream to continue from, and removes expired entries.
///
/// Keys: the stream, the index. Arguments: the first two as for writing, the mark, and the seconds
/// for which entries of the stream are kept. Answers the position.
pub(super) const MARK: &str = r"
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'mark', ARGV[3])
local oldest = string.format('%.0f', (now - tonumber(ARGV[4])) * 1000)
redis.pcall('XTRIM', KEYS[1], 'MINID', '~', oldest)
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return id
";
