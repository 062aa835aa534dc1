-- Changes a batch's state. ARGV: cap, batch, new state, state before, event, outbox entry, now. Answers 1 where it did.
local facts = load_batch(ARGV[2])
if not facts or facts.state ~= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', batch_key(ARGV[2]), 'state', ARGV[3])
facts.state = tonumber(ARGV[3])
if facts.state == RUNNING then
  redis.call('HSET', batch_key(ARGV[2]), 'end', '0')
  redis.call('ZREM', P .. 'ended', ARGV[2])
end
if ARGV[6] ~= '' then redis.call('ZADD', P .. 'timers', ARGV[7], ARGV[6]) end
log(ARGV[2], ARGV[5], ARGV[1])
refill(facts)
save_vft(facts)
return 1
