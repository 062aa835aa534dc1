-- Ends a batch whose runs have all ended. ARGV: batch, state, end time, state before, then its last events.
-- Who removes the timer does it; another state by now (a cancellation) leaves the timer, so that it is decided again.
local facts = facts_of(ARGV[1])
local done = not facts or redis.call('HGET', batch_key(ARGV[1]), 'end') ~= '0'
if facts and not done and facts.state ~= tonumber(ARGV[4]) then return 0 end
-- That most of the budget is spent is told before the end, which is the last event.
if facts and not done and facts.warned == 1 then return 0 end
local mine = redis.call('ZREM', P .. 'timers', 'close|' .. ARGV[1]) == 1
if done or not mine or facts.pending + facts.running + facts.awaiting_approval > 0 then return 0 end
set(facts, 'state', tonumber(ARGV[2]))
redis.call('HSET', batch_key(ARGV[1]), 'end', ARGV[3])
redis.call('ZADD', P .. 'ended', ARGV[3], ARGV[1])
note_open(facts, false)
for index = 5, #ARGV do log(facts, ARGV[index], index == #ARGV) end
flush()
return 1
