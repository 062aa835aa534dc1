-- Commits N transitions, each by itself. ARGV: now, then for each transition: what it changes (packed), the version that it
-- was decided on followed by the run, and its events one after the other.
local now = ARGV[1]
local stored, held = {}, {}
-- Where a refused task waits.
local REFUSED_TO = {state = ':held', slot = ':waiting', parallel = ':held', reserve = ':unpaid'}

local function stored_run(batch, issue)
  local key = batch .. '|' .. issue
  if stored[key] == nil then stored[key] = redis.call('HGET', batch_key(batch) .. ':runs', issue) end
  return stored[key]
end

local function is_held(lease)
  if held[lease] == nil then held[lease] = redis.call('ZSCORE', P .. 'leases', lease) ~= false end
  return held[lease]
end

local function spent_tokens(facts)
  return facts.spent_input_tokens + facts.spent_output_tokens + facts.spent_cache_write_tokens
    + facts.spent_cache_read_tokens
end

-- A growing reservation must fit beside what is spent and what others have reserved; one that shrinks always does.
local function fits(limit, spent, reserved, more)
  return limit == 0 or more <= 0 or spent + reserved + more <= limit
end

local function refusal(facts, guards)
  if guards[1] and facts.state ~= RUNNING then return 'state' end
  if guards[2] and facts.state > PAUSED then return 'state' end
  if guards[3] and facts.running >= facts.concurrency then return 'slot' end
  if guards[4] and facts.leased >= facts.max_parallel then return 'parallel' end
  if not fits(facts.budget_usd, facts.spent_cost_usd_micros, facts.reserved, guards[5])
    or not fits(facts.budget_tokens, spent_tokens(facts), facts.reserved_tokens, guards[6]) then return 'reserve' end
  return nil
end

local function dequeue(facts, members)
  for _, member in ipairs(members) do
    local queued = redis.call('ZREM', P .. 'claims', member)
    if queued == 0 then
      queued = redis.call('ZREM', P .. 'ready:' .. kind_of(member), member)
      for _, queue in ipairs({':held', ':waiting', ':unpaid'}) do
        redis.call('ZREM', batch_key(facts.id) .. queue, member)
      end
      for _, name in ipairs(redis.call('SMEMBERS', P .. 'limited')) do
        redis.call('ZREM', P .. 'limited:' .. name, member)
      end
    end
    queue_slot(facts, member, -queued)
  end
end

-- What its batch refuses waits until the batch frees something. Where no money can come back it is decided again at once: to
-- an issue that has begun only leases give some back, to one that has not also the end of another.
local function park_refused(facts, members, why)
  for _, member in ipairs(members) do
    if redis.call('ZREM', P .. 'claims', member) == 1 then
      queue_slot(facts, member, -1)
      local back = needs_slot(member) and facts.reserved + facts.reserved_tokens or facts.leased
      if why == 'reserve' and back == 0 then
        enqueue(facts, member, kind_of(member))
      else
        park(facts, member, REFUSED_TO[why])
      end
    end
  end
  -- Its claim had counted as a lease: another task may have been held for it.
  facts.freed = true
end

local function count(facts, counters)
  for index = 1, #counters, 2 do
    local name, delta = counters[index], counters[index + 1]
    set(facts, name, facts[name] + delta)
    if delta < 0 then
      facts.freed = facts.freed or name == 'running' or name == 'leased'
      facts.paid = facts.paid or name == 'reserved' or name == 'reserved_tokens'
    end
  end
end

local function near(limit, spent) return limit > 0 and spent * 5 >= limit * 4 end

local function warn(facts)
  if facts.warned == 0 and (near(facts.budget_usd, facts.spent_cost_usd_micros)
    or near(facts.budget_tokens, spent_tokens(facts))) then
    set(facts, 'warned', 1)
    timers_set[#timers_set + 1] = now
    timers_set[#timers_set + 1] = 'warn|' .. facts.id
    return true
  end
  return false
end

local function change_leases(granted, ended)
  for _, member in ipairs(ended) do
    held[member] = false
    leases_cleared[#leases_cleared + 1] = member
  end
  for index = 1, #granted, 3 do
    held[granted[index]] = true
    leases_set[#leases_set + 1] = granted[index + 1]
    leases_set[#leases_set + 1] = granted[index]
    deadlines_set[#deadlines_set + 1] = granted[index + 2]
    deadlines_set[#deadlines_set + 1] = granted[index]
  end
end

local function change_queues(facts, gone, fresh)
  dequeue(facts, gone)
  for index = 1, #fresh, 2 do
    if needs_slot(fresh[index]) and facts.running >= facts.concurrency then
      park(facts, fresh[index], ':waiting')
    else
      enqueue(facts, fresh[index], fresh[index + 1])
    end
  end
end

-- Answers whether something is to be done at once.
local function change_timers(facts, fresh, gone, ended)
  local due = false
  for index = 1, #fresh, 2 do
    due = due or tonumber(fresh[index + 1]) <= tonumber(now)
    timers_set[#timers_set + 1] = fresh[index + 1]
    timers_set[#timers_set + 1] = fresh[index]
  end
  for _, name in ipairs(gone) do timers_cleared[#timers_cleared + 1] = name end
  if ended and facts.pending + facts.running + facts.awaiting_approval == 0 then
    timers_set[#timers_set + 1] = now
    timers_set[#timers_set + 1] = 'close|' .. facts.id
    due = true
  end
  return due
end

local function apply(t, value, events)
  local batch, issue, lease, guards = t[1], t[2], t[3], t[4]
  local before, run = stored_run(batch, issue), string.sub(value, 9)
  -- A repeat after a lost answer: what it would write stands there already.
  if before == run then return 'ok' end
  if not before or string.sub(before, 1, 8) ~= string.sub(value, 1, 8) then return 'conflict' end
  if lease ~= '' and not is_held(lease) then return 'lease' end
  local facts = facts_of(batch)
  if not facts then return 'conflict' end
  local why = refusal(facts, guards)
  if why then
    park_refused(facts, t[7], why)
    return why
  end
  stored[batch .. '|' .. issue] = run
  facts.runs[#facts.runs + 1] = issue
  facts.runs[#facts.runs + 1] = run
  local first = 1
  for _, size in ipairs(t[5]) do
    log(facts, string.sub(events, first, first + size - 1), false)
    first = first + size
  end
  count(facts, t[6])
  facts.freed = facts.freed or (#t[7] > 0 and #t[9] == 0)
  change_leases(t[9], t[10])
  change_queues(facts, t[7], t[8])
  local due = change_timers(facts, t[11], t[12], t[13])
  return (warn(facts) or due) and 'due' or 'ok'
end

local answers = {}
for index = 2, #ARGV, 3 do
  answers[#answers + 1] = apply(cmsgpack.unpack(ARGV[index]), ARGV[index + 1], ARGV[index + 2])
end
flush()
return answers
