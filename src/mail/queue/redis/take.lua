-- ARGV: consumer, count, after how many ms a mail is another's, attempts at most, why one is dead that nobody spoke of,
-- delayed mails to move at once. Returns the deliveries, the ms until there may be more (-1: not by itself), and the
-- last entry there is.
local consumer, count, claim_after = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local attempts_max, never_back, portion = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local rounds_max = 100
local now = now_ms()

if redis.pcall('XPENDING', stream, group).err then
  -- From 0: what was put in before the first worker came is to be had.
  redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
end

for _, name in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, portion)) do
  redis.call('ZREM', delayed, name)
  enqueue_held(name)
end

local taken = {}

local function give(entry, deliveries)
  local id, fields = entry[1], fields_of(entry)
  local name = fields.id or ('entry-' .. id)
  local attempt = (tonumber(fields.attempt) or 1) + deliveries - 1
  local state = redis.call('HGET', known, name)
  if state and state ~= 'queued ' .. id then
    -- A second one of this name, by hand: there is one already, or it is sent.
    redis.call('XACK', stream, group, id)
    redis.call('XDEL', stream, id)
  elseif attempt > attempts_max then
    hold(id, fields, name, attempts_max, never_back)
    bury(name, now)
  else
    if not state then
      redis.call('HSET', known, name, 'queued ' .. id)
    end
    taken[#taken + 1] = { name, id .. '/' .. deliveries, attempt, fields.mail or '' }
  end
end

local cursor = '0-0'
for _ = 1, rounds_max do
  if #taken >= count then break end
  local claimed =
    redis.call('XAUTOCLAIM', stream, group, consumer, claim_after, cursor, 'COUNT', count - #taken)
  cursor = claimed[1]
  for _, entry in ipairs(claimed[2]) do
    if entry then
      local pending = redis.call('XPENDING', stream, group, entry[1], entry[1], 1)
      give(entry, pending[1][4])
    end
  end
  if cursor == '0-0' then break end
end

for _ = 1, rounds_max do
  if #taken >= count then break end
  local read =
    redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count - #taken, 'STREAMS', stream, '>')
  if not read then break end
  for _, entry in ipairs(read[1][2]) do
    give(entry, 1)
  end
end

local wait = -1
local function look_after(ms)
  if wait < 0 or ms < wait then wait = math.max(ms, 1) end
end
local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
if first[2] then
  look_after(tonumber(first[2]) - now)
end
for _, pending in ipairs(redis.call('XPENDING', stream, group, '-', '+', 100)) do
  look_after(claim_after - pending[3])
end

local last = '0-0'
local about = redis.call('XINFO', 'STREAM', stream)
for at = 1, #about, 2 do
  if about[at] == 'last-generated-id' then last = about[at + 1] end
end
return { taken, wait, last }
