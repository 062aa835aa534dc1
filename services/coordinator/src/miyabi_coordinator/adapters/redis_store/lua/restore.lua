-- Puts claims back to ready. ARGV: now, then members to put back at once; without any, those that ran out.
local members = {}
for index = 2, #ARGV do members[#members + 1] = ARGV[index] end
if #members == 0 then members = redis.call('ZRANGEBYSCORE', P .. 'claims', '-inf', ARGV[1], 'LIMIT', 0, 1000) end
local restored = 0
for _, member in ipairs(members) do
  if redis.call('ZREM', P .. 'claims', member) == 1 then
    local facts = facts_of(batch_of(member))
    if facts then
      queue_slot(facts, member, -1)
      enqueue(facts, member, kind_of(member))
      restored = restored + 1
    end
  end
end
flush()
return restored
