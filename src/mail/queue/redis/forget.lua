-- ARGV: names. Those that are sent are not known any more.
for _, name in ipairs(ARGV) do
  local state = redis.call('HGET', known, name)
  local id = state and string.match(state, '^sent (.+)$')
  if id then
    redis.call('XDEL', sent, id)
    redis.call('HDEL', known, name)
  end
end
return #ARGV
