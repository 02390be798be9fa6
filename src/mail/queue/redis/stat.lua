-- Returns how many are in the stream, taken, delayed, dead and sent, and the oldest entry that nobody took yet.
local taken, after = 0, '-'
local groups = redis.pcall('XINFO', 'GROUPS', stream)
for _, flat in ipairs(groups.err and {} or groups) do
  local about = {}
  for at = 1, #flat, 2 do
    about[flat[at]] = flat[at + 1]
  end
  if about.name == group then
    taken, after = about.pending, '(' .. about['last-delivered-id']
  end
end
local oldest = redis.call('XRANGE', stream, after, '+', 'COUNT', 1)[1]
return {
  redis.call('XLEN', stream), taken, redis.call('ZCARD', delayed), redis.call('ZCARD', dead),
  redis.call('XLEN', sent), oldest and oldest[1] or '',
}
