-- Commits N transitions, each by itself. ARGV: cap of the events stream, now, then one packed transition each.
local cap, now = ARGV[1], ARGV[2]

local function refusal(facts, guards)
  if guards[1] and facts.state ~= RUNNING then return 'state' end
  if guards[5] and facts.state > PAUSED then return 'state' end
  if guards[2] and facts.running >= facts.concurrency then return 'slot' end
  if guards[3] and facts.leased >= facts.max_parallel then return 'parallel' end
  if guards[1] and facts.budget_tokens > 0 then
    local tokens = facts.spent_input_tokens + facts.spent_output_tokens + facts.spent_cache_write_tokens
      + facts.spent_cache_read_tokens
    if tokens >= facts.budget_tokens then return 'budget' end
  end
  if guards[1] and facts.budget_usd > 0 then
    local spent = facts.spent_cost_usd_micros
    if spent >= facts.budget_usd or spent + guards[4] > facts.budget_usd then return 'budget' end
    if spent + facts.reserved + guards[4] > facts.budget_usd then return 'reserve' end
  end
  return nil
end

local function dequeue(batch, members)
  for _, member in ipairs(members) do
    if redis.call('ZREM', P .. 'claims', member) == 0 then
      redis.call('ZREM', P .. 'ready:' .. kind_of(member), member)
      redis.call('ZREM', batch_key(batch) .. ':held', member)
      redis.call('ZREM', batch_key(batch) .. ':waiting', member)
    end
  end
end

local function park_refused(facts, members, why)
  if why == 'budget' then return end
  for _, member in ipairs(members) do
    if redis.call('ZREM', P .. 'claims', member) == 1 then park(facts, member, why == 'slot') end
  end
end

local function count(facts, counters)
  local freed = false
  for index = 1, #counters, 2 do
    local name, delta = counters[index], counters[index + 1]
    redis.call('HINCRBY', batch_key(facts.id), name, string.format('%d', delta))
    if facts[name] then facts[name] = facts[name] + delta end
    if delta < 0 and (name == 'running' or name == 'leased' or name == 'reserved') then freed = true end
  end
  return freed
end

local function apply(t)
  local batch, issue, version, value, lease, guards = t[1], t[2], t[3], t[4], t[5], t[6]
  local runs = batch_key(batch) .. ':runs'
  local stored = redis.call('HGET', runs, issue)
  -- A repeat after a lost answer: what it would write stands there already.
  if stored == value then return 'ok' end
  if not stored or string.sub(stored, 1, 8) ~= version then return 'conflict' end
  if lease ~= '' and not redis.call('ZSCORE', P .. 'leases', lease) then return 'lease' end
  local facts = load_batch(batch)
  if not facts then return 'conflict' end
  local why = refusal(facts, guards)
  if why then
    park_refused(facts, t[10], why)
    return why
  end
  redis.call('HSET', runs, issue, value)
  for _, event in ipairs(t[8]) do log(batch, event, cap) end
  local freed = count(facts, t[7])
  dequeue(batch, t[10])
  for _, entry in ipairs(t[11]) do
    redis.call('ZADD', P .. 'leases', entry[2], entry[1])
    redis.call('ZADD', P .. 'deadlines', entry[3], entry[1])
  end
  for _, member in ipairs(t[12]) do
    redis.call('ZREM', P .. 'leases', member)
    redis.call('ZREM', P .. 'deadlines', member)
  end
  for _, entry in ipairs(t[9]) do
    if entry[3] and facts.running >= facts.concurrency then
      park(facts, entry[1], true)
    else
      enqueue(facts, entry[1], entry[2])
    end
  end
  for _, entry in ipairs(t[13]) do redis.call('ZADD', P .. 'timers', entry[2], entry[1]) end
  for _, name in ipairs(t[14]) do redis.call('ZREM', P .. 'timers', name) end
  if t[15] and facts.pending + facts.running + facts.awaiting_approval == 0 then
    redis.call('ZADD', P .. 'timers', now, 'close|' .. batch)
  end
  if freed then refill(facts) end
  save_vft(facts)
  return 'ok'
end

local answers = {}
for index = 3, #ARGV do answers[#answers + 1] = apply(cmsgpack.unpack(ARGV[index])) end
return answers
