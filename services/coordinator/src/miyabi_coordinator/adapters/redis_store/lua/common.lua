-- Helpers of every script. KEYS[1] is the shard's prefix, so that a cluster routes the call; all other keys share its slot.
local P = KEYS[1]
local RUNNING, PAUSED = 1, 2

local function batch_key(batch) return P .. 'batch:' .. batch end

local function number(value) return tonumber(value) or 0 end

local function load_batch(batch)
  local names = {'state', 'pending', 'running', 'awaiting_approval', 'leased', 'reserved', 'concurrency',
    'max_parallel', 'budget_usd', 'budget_tokens', 'spent_cost_usd_micros', 'spent_input_tokens',
    'spent_output_tokens', 'spent_cache_write_tokens', 'spent_cache_read_tokens', 'vft', 'weight', 'priority'}
  local values = redis.call('HMGET', batch_key(batch), unpack(names))
  if not values[1] then return nil end
  local facts = {id = batch, dirty = false}
  for index, name in ipairs(names) do facts[name] = number(values[index]) end
  return facts
end

-- Weighted fair queueing: a batch's next task finishes 1/weight after its last one, or after the shard's virtual time.
-- Priority moves it forward by as many tasks, so that it helps and never starves.
local function enqueue(facts, member, kind)
  local virtual = number(redis.call('GET', P .. 'vtime'))
  facts.vft = math.max(virtual, facts.vft) + 1 / math.max(facts.weight, 1)
  facts.dirty = true
  redis.call('ZADD', P .. 'ready:' .. kind, string.format('%.17g', facts.vft - facts.priority), member)
end

local function save_vft(facts)
  if facts.dirty then
    redis.call('HSET', batch_key(facts.id), 'vft', string.format('%.17g', facts.vft))
    facts.dirty = false
  end
end

local function kind_of(member) return string.match(member, '|(%d+)|[01]$') end

local function park(facts, member, needs_slot)
  local queue = needs_slot and ':waiting' or ':held'
  redis.call('ZADD', batch_key(facts.id) .. queue, string.format('%.17g', facts.vft), member)
end

-- Moves parked tasks back to ready, as many as the batch may lease now.
local function refill(facts)
  if facts.state ~= RUNNING then return end
  local free = facts.max_parallel - facts.leased
  local slots = facts.concurrency - facts.running
  if free > 0 then
    local held = redis.call('ZPOPMIN', batch_key(facts.id) .. ':held', free)
    for index = 1, #held, 2 do
      enqueue(facts, held[index], kind_of(held[index]))
      free = free - 1
    end
  end
  if free > 0 and slots > 0 then
    local waiting = redis.call('ZPOPMIN', batch_key(facts.id) .. ':waiting', math.min(free, slots))
    for index = 1, #waiting, 2 do enqueue(facts, waiting[index], kind_of(waiting[index])) end
  end
end

local function log(batch, event, cap)
  local id = redis.call('XADD', batch_key(batch) .. ':log', '0-*', 'e', event)
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', cap, '*', 'b', batch, 's', string.sub(id, 3), 'e', event)
end
