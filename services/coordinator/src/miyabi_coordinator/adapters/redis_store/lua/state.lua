-- Changes a batch's state. ARGV: batch, new state, state before, event, outbox entry, now. Answers 1 where it did.
local facts = facts_of(ARGV[1])
if not facts or facts.state ~= tonumber(ARGV[3]) then return 0 end
set(facts, 'state', tonumber(ARGV[2]))
-- A batch that is cancelled holds its issues no longer, one that is retried takes them again.
if facts.state > PAUSED then note_open(facts, false) end
if facts.state == RUNNING and tonumber(ARGV[3]) > PAUSED then note_open(facts, true) end
if facts.state == RUNNING then
  redis.call('HSET', batch_key(ARGV[1]), 'end', '0')
  redis.call('ZREM', P .. 'ended', ARGV[1])
end
if ARGV[5] ~= '' then timers_set = {ARGV[6], ARGV[5]} end
log(facts, ARGV[4], false)
facts.freed, facts.paid = true, true
flush()
return 1
