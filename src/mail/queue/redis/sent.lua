-- ARGV: names. Whatever was known of them, they are sent now.
for _, name in ipairs(ARGV) do
  local state = redis.call('HGET', known, name)
  local entry = state and string.match(state, '^queued (.+)$')
  if not (state and string.find(state, '^sent ')) then
    if entry then
      redis.call('XACK', stream, group, entry)
      redis.call('XDEL', stream, entry)
    elseif state then
      redis.call('ZREM', delayed, name)
      redis.call('ZREM', dead, name)
      redis.call('HDEL', held, name)
    end
    local id = redis.call('XADD', sent, '*', 'id', name)
    redis.call('HSET', known, name, 'sent ' .. id)
  end
end
return #ARGV
