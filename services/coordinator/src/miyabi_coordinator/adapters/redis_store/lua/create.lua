-- Creates a batch. ARGV: request id, digest, batch id, packed fields, spec, event, time, packed members of ready tasks, then
-- issue and run in turn. Answers with the batch of the request, whether it was there before, and whether the body is the same.
local request, digest, batch = P .. 'request:' .. ARGV[1], ARGV[2], ARGV[3]
local known = redis.call('GET', request)
if known then
  local old, same = string.match(known, '^(%S+) (%S+)$')
  return {old, 1, same == digest and 1 or 0}
end
redis.call('SET', request, batch .. ' ' .. digest)
write('HSET', batch_key(batch), cmsgpack.unpack(ARGV[4]))
redis.call('HSET', batch_key(batch), 'spec', ARGV[5])
local facts = facts_of(batch)
for index = 9, #ARGV do facts.runs[#facts.runs + 1] = ARGV[index] end
for index, member in ipairs(cmsgpack.unpack(ARGV[8])) do
  if index <= facts.concurrency then
    enqueue(facts, member, kind_of(member))
  else
    redis.call('ZADD', batch_key(batch) .. ':waiting', index, member)
  end
end
redis.call('ZADD', P .. 'batches', ARGV[7], batch)
log(facts, ARGV[6], false)
flush()
return {batch, 0, 1}
