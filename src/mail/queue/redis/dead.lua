-- ARGV: count. Returns name, since when, attempts, why and JSON of the first dead mails.
local found = {}
local names = redis.call('ZRANGE', dead, 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
for at = 1, #names, 2 do
  local json = redis.call('HGET', held, names[at])
  local it = json and cjson.decode(json) or { attempts = 0, why = 'somebody deleted it by hand', mail = '' }
  found[#found + 1] = { names[at], tonumber(names[at + 1]), it.attempts, it.why, it.mail }
end
return found
