-- Removes a batch that ended before a moment, unless it runs again. ARGV: batch, moment, request id. Answers 1 where it did.
local batch = ARGV[1]
local ended = redis.call('ZSCORE', P .. 'ended', batch)
if not ended or tonumber(ended) >= tonumber(ARGV[2]) then return 0 end
local facts = facts_of(batch)
if facts and (facts.state <= PAUSED or facts.pending + facts.running + facts.awaiting_approval > 0) then return 0 end
local key = batch_key(batch)
local issues, calls = redis.call('HKEYS', key .. ':runs'), {}
for index, issue in ipairs(issues) do
  calls[#calls + 1] = key .. ':calls:' .. issue
  -- Lua passes some thousands of arguments at most.
  if #calls == 1000 or index == #issues then
    redis.call('UNLINK', unpack(calls))
    calls = {}
  end
end
redis.call('UNLINK', key, key .. ':runs', key .. ':log', key .. ':waiting', key .. ':held', key .. ':unpaid',
  P .. 'request:' .. ARGV[3])
redis.call('ZREM', P .. 'batches', batch)
redis.call('ZREM', P .. 'ended', batch)
redis.call('ZREM', P .. 'timers', 'close|' .. batch, 'warn|' .. batch)
return 1
