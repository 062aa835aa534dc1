-- Removes what was to be done for a whole batch, and has the batch closed where nothing of it is open.
-- ARGV: now, name, batch.
redis.call('ZREM', P .. 'timers', ARGV[2])
local facts = facts_of(ARGV[3])
if not facts or redis.call('HGET', batch_key(ARGV[3]), 'end') ~= '0' then return 0 end
if facts.pending + facts.running + facts.awaiting_approval > 0 then return 0 end
timers_set = {ARGV[1], 'close|' .. ARGV[3]}
flush()
return 1
