-- Creates a batch. ARGV: cap, request id, digest, batch id, packed fields, packed runs, packed ready tasks, event, time.
local cap, request, digest, batch = ARGV[1], P .. 'request:' .. ARGV[2], ARGV[3], ARGV[4]
local known = redis.call('GET', request)
if known then
  local old, same = string.match(known, '^(%S+) (%S+)$')
  return {old, 1, same == digest and 1 or 0}
end
redis.call('SET', request, batch .. ' ' .. digest)
redis.call('HSET', batch_key(batch), unpack(cmsgpack.unpack(ARGV[5])))
for _, run in ipairs(cmsgpack.unpack(ARGV[6])) do redis.call('HSET', batch_key(batch) .. ':runs', run[1], run[2]) end
local facts = load_batch(batch)
for index, entry in ipairs(cmsgpack.unpack(ARGV[7])) do
  if index <= facts.concurrency then
    enqueue(facts, entry[1], entry[2])
  else
    redis.call('ZADD', batch_key(batch) .. ':waiting', index, entry[1])
  end
end
save_vft(facts)
redis.call('ZADD', P .. 'batches', ARGV[9], batch)
log(batch, ARGV[8], cap)
return {batch, 0, 1}
