-- Creates a batch. ARGV: request id, digest, batch id, packed fields, spec, event, time, packed members of ready tasks, whether
-- its issues may be in no other open batch of the shard, then issue and run in turn.
-- Answers with the batch of the request, whether it was there before, and whether the body is the same; where issues are taken,
-- behind that with each of them and its batches in turn, and nothing is written.
local request, digest, batch = P .. 'request:' .. ARGV[1], ARGV[2], ARGV[3]
local known = redis.call('GET', request)
if known then
  local old, same = string.match(known, '^(%S+) (%S+)$')
  return {old, 1, same == digest and 1 or 0}
end
local fields, issues = cmsgpack.unpack(ARGV[4]), {}
for index = 10, #ARGV, 2 do issues[#issues + 1] = ARGV[index] end
if ARGV[9] == '1' then
  local repository, taken = '', {'', 0, 1}
  for index = 1, #fields, 2 do
    if fields[index] == 'repository' then repository = fields[index + 1] end
  end
  for index, names in ipairs(open_batches({repository = repository}, issues)) do
    if names then
      taken[#taken + 1] = issues[index]
      taken[#taken + 1] = names
    end
  end
  if #taken > 3 then return taken end
end
redis.call('SET', request, batch .. ' ' .. digest)
write('HSET', batch_key(batch), fields)
redis.call('HSET', batch_key(batch), 'spec', ARGV[5])
local facts = facts_of(batch)
for index = 10, #ARGV do facts.runs[#facts.runs + 1] = ARGV[index] end
for index, member in ipairs(cmsgpack.unpack(ARGV[8])) do
  if index <= facts.concurrency then
    enqueue(facts, member, kind_of(member))
  else
    redis.call('ZADD', batch_key(batch) .. ':waiting', index, member)
  end
end
redis.call('ZADD', P .. 'batches', ARGV[7], batch)
note_open(facts, true, issues)
log(facts, ARGV[6], false)
flush()
return {batch, 0, 1}
