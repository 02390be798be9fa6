-- ARGV: name, entry, delivery, attempts at most, why, ms until the next attempt (-1: none). Returns 1 if the mail was the
-- caller's still, else 0.
local name, entry, delivery = ARGV[1], ARGV[2], tonumber(ARGV[3])
local attempts_max, why, delay = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
if redis.call('HGET', known, name) ~= 'queued ' .. entry then
  return 0
end
local pending = redis.pcall('XPENDING', stream, group, entry, entry, 1)
if pending.err or not pending[1] or pending[1][4] ~= delivery then
  return 0
end
local found = redis.call('XRANGE', stream, entry, entry)[1]
if not found then
  return 0
end
local fields, now = fields_of(found), now_ms()
local attempts = (tonumber(fields.attempt) or 1) + delivery - 1
hold(entry, fields, name, attempts, why)
if delay < 0 or attempts >= attempts_max then
  bury(name, now)
else
  redis.call('ZADD', delayed, now + delay, name)
  redis.call('HSET', known, name, 'delayed')
end
return 1
