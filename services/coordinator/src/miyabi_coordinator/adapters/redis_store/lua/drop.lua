-- Forgets claims of tasks that are not ready any more. ARGV: members. Each had counted as a lease in its claim.
for _, member in ipairs(ARGV) do
  local facts = redis.call('ZREM', P .. 'claims', member) == 1 and facts_of(batch_of(member))
  if facts then
    facts.freed = true
    queue_slot(facts, member, -1)
  end
end
flush()
return 1
