-- Ends a batch whose runs have all ended. ARGV: cap, batch, state, end time, packed events, state before.
-- Who removes the timer does it; another state by now (a cancellation) leaves the timer, so that it is decided again.
local facts = load_batch(ARGV[2])
local done = not facts or redis.call('HGET', batch_key(ARGV[2]), 'end') ~= '0'
if facts and not done and facts.state ~= tonumber(ARGV[6]) then return 0 end
local mine = redis.call('ZREM', P .. 'timers', 'close|' .. ARGV[2]) == 1
if done or not mine or facts.pending + facts.running + facts.awaiting_approval > 0 then return 0 end
redis.call('HSET', batch_key(ARGV[2]), 'state', ARGV[3], 'end', ARGV[4])
redis.call('ZADD', P .. 'ended', ARGV[4], ARGV[2])
for _, event in ipairs(cmsgpack.unpack(ARGV[5])) do log(ARGV[2], event, ARGV[1]) end
return 1
