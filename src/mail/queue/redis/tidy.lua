-- ARGV: ms. Removes workers that have nothing and said nothing for so long; their names never come again.
local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
for _, flat in ipairs(consumers.err and {} or consumers) do
  local about = {}
  for at = 1, #flat, 2 do
    about[flat[at]] = flat[at + 1]
  end
  if about.pending == 0 and about.idle > tonumber(ARGV[1]) then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, about.name)
  end
end
return 0
