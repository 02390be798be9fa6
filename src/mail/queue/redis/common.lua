-- What the scripts of the mail queue share. Every script is given the same keys in this order.
local stream, known, delayed, dead, held, sent = unpack(KEYS)
local group = 'workers'

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The fields of a stream entry by their names.
local function fields_of(entry)
  local fields = {}
  for at = 1, #entry[2], 2 do
    fields[entry[2][at]] = entry[2][at + 1]
  end
  return fields
end

-- Makes a mail ready, for this attempt.
local function enqueue(name, kind, to, attempt, mail)
  local id = redis.call('XADD', stream, '*', 'id', name, 'kind', kind, 'to', to, 'attempt', attempt, 'mail', mail)
  redis.call('HSET', known, name, 'queued ' .. id)
end

-- Makes a mail that is delayed or dead ready again, after so many attempts, or as many as there were.
local function enqueue_held(name, attempts)
  local json = redis.call('HGET', held, name)
  redis.call('HDEL', held, name)
  if not json then
    -- Somebody deleted it by hand. Unknown, it can be put in again.
    redis.call('HDEL', known, name)
    return
  end
  local it = cjson.decode(json)
  enqueue(name, it.kind, it.to, (attempts or it.attempts) + 1, it.mail)
end

-- Takes an entry out of the stream, and keeps its mail for later. Deletes before it adds: a script that began to write is
-- not refused for lack of memory, and this makes room.
local function hold(entry, fields, name, attempts, why)
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
  redis.call('HSET', held, name, cjson.encode({
    kind = fields.kind or '', to = fields.to or '', attempts = attempts, why = why, mail = fields.mail or '',
  }))
end

local function bury(name, now)
  redis.call('ZADD', dead, now, name)
  redis.call('HSET', known, name, 'dead')
end
