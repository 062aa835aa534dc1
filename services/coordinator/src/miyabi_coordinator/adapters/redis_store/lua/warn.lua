-- Logs that most of a budget is spent, once. ARGV: batch, event.
redis.call('ZREM', P .. 'timers', 'warn|' .. ARGV[1])
local facts = facts_of(ARGV[1])
if not facts or facts.warned ~= 1 then return 0 end
set(facts, 'warned', 2)
log(facts, ARGV[2], false)
flush()
return 1
