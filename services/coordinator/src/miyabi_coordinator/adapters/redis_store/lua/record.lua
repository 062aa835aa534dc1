-- Keeps calls of models of one run. ARGV: batch, issue, most bytes of bodies, most calls, then task, fence, index, head and body
-- of each call in turn. Answers how many are new; -1 where there is no such run.
-- The run's hash: `last` and `first` number of a call that is kept, `whole` the oldest with a body, `bytes` of all bodies,
-- `h<n>` and `b<n>` of each call, `i|task|fence` the last index that a lease has reported.
local stored = redis.call('HGET', batch_key(ARGV[1]) .. ':runs', ARGV[2])
if not stored then return -1 end
local newest = 0
for position = 9, 16 do newest = newest * 256 + string.byte(stored, position) end
local key = batch_key(ARGV[1]) .. ':calls:' .. ARGV[2]
local most_bytes, most_calls = tonumber(ARGV[3]), tonumber(ARGV[4])
local known = redis.call('HMGET', key, 'last', 'first', 'whole', 'bytes')
local last, first = tonumber(known[1] or 0), tonumber(known[2] or 1)
local whole, bytes, fresh = tonumber(known[3] or 1), tonumber(known[4] or 0), 0
for at = 5, #ARGV, 5 do
  local lease, fence, index = 'i|' .. ARGV[at] .. '|' .. ARGV[at + 1], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  if fence <= newest and index > tonumber(redis.call('HGET', key, lease) or 0) then
    last, fresh, bytes = last + 1, fresh + 1, bytes + #ARGV[at + 4]
    redis.call('HSET', key, lease, index, 'h' .. last, ARGV[at + 3], 'b' .. last, ARGV[at + 4])
  end
end
if fresh == 0 then return 0 end
while bytes > most_bytes and whole <= last do
  bytes = bytes - redis.call('HSTRLEN', key, 'b' .. whole)
  redis.call('HDEL', key, 'b' .. whole)
  whole = whole + 1
end
while last - first + 1 > most_calls do
  bytes = bytes - redis.call('HSTRLEN', key, 'b' .. first)
  redis.call('HDEL', key, 'h' .. first, 'b' .. first)
  first = first + 1
end
redis.call('HSET', key, 'last', last, 'first', first, 'whole', math.max(whole, first), 'bytes', bytes)
return fresh
