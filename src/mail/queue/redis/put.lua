-- ARGV: name, kind, address and JSON of each mail. Returns how many are new.
local count = 0
for at = 1, #ARGV, 4 do
  if redis.call('HEXISTS', known, ARGV[at]) == 0 then
    enqueue(ARGV[at], ARGV[at + 1], ARGV[at + 2], 1, ARGV[at + 3])
    count = count + 1
  end
end
return count
