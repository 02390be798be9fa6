-- ARGV: names. Those that are dead are ready again. Returns how many.
local count = 0
for _, name in ipairs(ARGV) do
  if redis.call('ZREM', dead, name) == 1 then
    enqueue_held(name, 0)
    count = count + 1
  end
end
return count
