-- Takes ready tasks, fairest first. ARGV: when the claims run out, packed limits, then packed groups: a number of free slots
-- and the kinds that they take. Limits: repository (*: all together, empty: each),
-- kind (0: any) and how many may still start, in turn.
-- What its batch does not allow now is parked and comes back when the batch frees something; what a limit does not allow
-- waits in a queue of the limit, which each claim looks at first.
-- Answers for each group with member, run and money of the batch (limit, spent, reserved; of US dollars and
-- tokens; leases) in turn.
local EXAMINED = 1000
local limits, heads = {}, {}

local PULL_REQUEST = '7'

local function limit_key(repository, kind) return repository .. '|' .. kind end

-- How many may still start under a limit: its own number, the one of each repository, or nil.
local function free_of(name)
  if limits[name] == nil and string.sub(name, -2) == '|0' then limits[name] = limits['|0'] end
  return limits[name]
end

-- Counts a task under its limits; answers with the first that is full. A dry run opens no pull request.
local function take_limit(facts, kind)
  local names = {limit_key(facts.repository, '0'), limit_key('*', kind)}
  if kind ~= PULL_REQUEST or facts.dry_run == 0 then names[3] = limit_key(facts.repository, kind) end
  for _, name in ipairs(names) do
    if free_of(name) and limits[name] <= 0 then return name end
  end
  for _, name in ipairs(names) do
    if limits[name] then limits[name] = limits[name] - 1 end
  end
  return nil
end

local function head_of(kind)
  if heads[kind] == nil then
    local found = redis.call('ZRANGE', P .. 'ready:' .. kind, 0, 0, 'WITHSCORES')
    heads[kind] = found[1] and {found[1], tonumber(found[2])} or false
  end
  return heads[kind]
end

-- Pops the fairest task of the kinds; of two alike the later step, so that issues are finished before others begin.
local function pop(kinds)
  local best
  for _, kind in ipairs(kinds) do
    local head = head_of(kind)
    if head and (not best or head[2] <= heads[best][2]) then best = kind end
  end
  if not best then return nil end
  local member, score = heads[best][1], heads[best][2]
  redis.call('ZREM', P .. 'ready:' .. best, member)
  heads[best] = nil
  return member, score, best
end

local function money(facts)
  local tokens = facts.spent_input_tokens + facts.spent_output_tokens + facts.spent_cache_write_tokens
    + facts.spent_cache_read_tokens
  return {facts.budget_usd, facts.spent_cost_usd_micros, facts.reserved, facts.budget_tokens, tokens,
    facts.reserved_tokens, facts.leased}
end

-- Claims a task, or parks it; what belongs to no batch any more is forgotten.
local function claim(member, facts, kind, found)
  local issue, needs = string.match(member, '^[^|]+|([^|]+)|[^|]+|%d+|([01])$')
  queue_slot(facts, member, -1)
  if needs == '1' and facts.running >= facts.concurrency then return park(facts, member, ':waiting') end
  if facts.state ~= RUNNING or facts.leased >= facts.max_parallel then return park(facts, member, ':held') end
  local full = take_limit(facts, kind)
  if full then
    redis.call('SADD', P .. 'limited', full)
    return redis.call('ZADD', P .. 'limited:' .. full, text(facts.vft), member)
  end
  local run = redis.call('HGET', batch_key(facts.id) .. ':runs', issue)
  if not run then return end
  redis.call('ZADD', P .. 'claims', ARGV[1], member)
  queue_slot(facts, member, 1)
  found[#found + 1] = member
  found[#found + 1] = run
  found[#found + 1] = money(facts)
  facts.leased = facts.leased + 1
  if needs == '1' then facts.running = facts.running + 1 end
end

local function serve(group)
  local found, kinds = {}, {}
  for index = 2, #group do kinds[#kinds + 1] = group[index] end
  for _ = 1, EXAMINED do
    if #found >= 3 * group[1] then break end
    local member, score, kind = pop(kinds)
    if not member then break end
    local facts = facts_of(batch_of(member))
    if facts then
      vtime = math.max(virtual_time(), score + facts.priority)
      claim(member, facts, kind, found)
    end
  end
  return found
end

-- Brings back what waits for a limit, as many as may start; where there is no such limit any more, all.
local function restore(name)
  local key, free = P .. 'limited:' .. name, free_of(name) or EXAMINED
  local waiting = free > 0 and redis.call('ZPOPMIN', key, free) or {}
  for index = 1, #waiting, 2 do
    local facts = facts_of(batch_of(waiting[index]))
    if facts then enqueue(facts, waiting[index], kind_of(waiting[index])) end
  end
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', P .. 'limited', name) end
end

local known = cmsgpack.unpack(ARGV[2])
for index = 1, #known, 3 do limits[limit_key(known[index], known[index + 1])] = known[index + 2] end
local names = redis.call('SMEMBERS', P .. 'limited')
table.sort(names)
for _, name in ipairs(names) do restore(name) end
flush()
local before, answers = vtime, {}
for index = 3, #ARGV do answers[#answers + 1] = serve(cmsgpack.unpack(ARGV[index])) end
if vtime and vtime ~= before then redis.call('SET', P .. 'vtime', text(vtime)) end
flush()
return answers
