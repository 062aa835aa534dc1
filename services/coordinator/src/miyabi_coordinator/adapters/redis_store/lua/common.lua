-- Helpers of every script. KEYS[1] is the shard's prefix, so that a cluster routes the call; all other keys share its slot.
-- A script collects what it changes and writes it with `flush`, one command a key: commands are what a transition costs.
local P = KEYS[1]
local RUNNING, PAUSED = 1, 2
local FIELDS = {'pending', 'running', 'awaiting_approval', 'succeeded', 'failed', 'skipped', 'cancelled', 'leased',
  'reserved', 'reserved_tokens', 'spent_input_tokens', 'spent_output_tokens', 'spent_cache_write_tokens',
  'spent_cache_read_tokens', 'spent_cost_usd_micros', 'spent_calls', 'state', 'concurrency', 'max_parallel',
  'budget_usd', 'budget_tokens', 'vft', 'weight', 'priority', 'seq', 'warned', 'queued', 'dry_run', 'repository'}
-- Events of one entry of a log: an entry costs 100 bytes and a command, and is read as a whole.
local ENTRY_EVENTS, ENTRY_BYTES = 64, 131072
-- Entries that the shard's stream of references keeps, roughly: some 80 bytes each.
local REFERENCES_KEPT = 100000

local batches, order = {}, {}
local ready, vtime = {}, nil
local leases_set, deadlines_set, leases_cleared = {}, {}, {}
local timers_set, timers_cleared = {}, {}

local function batch_key(batch) return P .. 'batch:' .. batch end
local function text(value) return string.format('%.17g', value) end
local function kind_of(member) return string.match(member, '|(%d+)|[01]$') end
local function batch_of(member) return string.match(member, '^[^|]+') end

-- What the scripts need of a batch, read once a call; false where there is no such batch.
local function facts_of(batch)
  local known = batches[batch]
  if known ~= nil then return known end
  local values = redis.call('HMGET', batch_key(batch), unpack(FIELDS))
  if not values[17] then
    batches[batch] = false
    return false
  end
  local facts = {id = batch, changed = {}, frames = {}, bytes = 0, logged = 0, fresh = 0, runs = {}, freed = false,
    paid = false}
  for index, name in ipairs(FIELDS) do facts[name] = tonumber(values[index]) or 0 end
  facts.repository = values[#FIELDS] or ''
  batches[batch] = facts
  order[#order + 1] = facts
  return facts
end

local function set(facts, name, value)
  facts[name] = value
  facts.changed[name] = true
end

local function virtual_time()
  vtime = vtime or tonumber(redis.call('GET', P .. 'vtime')) or 0
  return vtime
end

local function needs_slot(member) return string.sub(member, -1) == '1' end

-- Counts the tasks among ready and claims that will take one of the batch's slots: no more are queued than there are slots, or
-- the batch's virtual time would run ahead of what it gets.
local function queue_slot(facts, member, delta)
  if needs_slot(member) then set(facts, 'queued', facts.queued + delta) end
end

-- Weighted fair queueing: a batch's next task finishes 1/weight after its last one, or after the shard's virtual time.
-- Priority moves it forward by as many tasks, so that it helps and never starves.
local function enqueue(facts, member, kind)
  set(facts, 'vft', math.max(virtual_time(), facts.vft) + 1 / math.max(facts.weight, 1))
  ready[kind] = ready[kind] or {}
  local entries = ready[kind]
  entries[#entries + 1] = text(facts.vft - facts.priority)
  entries[#entries + 1] = member
  facts.fresh = facts.fresh + 1
  queue_slot(facts, member, 1)
end

-- Puts a ready task aside: ':waiting' for one of the batch's slots, ':held' for a free lease, ':unpaid' for money.
local function park(facts, member, queue)
  redis.call('ZADD', batch_key(facts.id) .. queue, text(facts.vft), member)
end

local function take_parked(facts, queue, count)
  local found = redis.call('ZPOPMIN', batch_key(facts.id) .. queue, count)
  for index = 1, #found, 2 do enqueue(facts, found[index], kind_of(found[index])) end
  return #found / 2
end

-- Moves parked tasks back to ready: as many as the batch may lease now, and where money came back all that wait for it, since
-- the first of them may need more than a later one.
local function refill(facts)
  if facts.state ~= RUNNING then return end
  if facts.paid then take_parked(facts, ':unpaid', 1000) end
  local free = facts.max_parallel - facts.leased
  if free > 0 then free = free - take_parked(facts, ':held', free) end
  local slots = math.min(free, facts.concurrency - facts.running - facts.queued)
  if slots > 0 then take_parked(facts, ':waiting', slots) end
end

-- Calls a variadic command, in pieces that Lua's stack holds.
local function write(command, key, values)
  for first = 1, #values, 4000 do
    redis.call(command, key, unpack(values, first, math.min(first + 3999, #values)))
  end
end

-- Which issues of a repository are in batches that have not ended: GitHub's names do not tell small letters from large.
local function open_key(facts) return P .. 'open:' .. string.lower(facts.repository) end

-- Answers with the batches of each issue in turn, as texts with blanks between; false where it is in none.
local function open_batches(facts, issues)
  local found = {}
  for first = 1, #issues, 4000 do
    local values = redis.call('HMGET', open_key(facts), unpack(issues, first, math.min(first + 3999, #issues)))
    for _, value in ipairs(values) do found[#found + 1] = value end
  end
  return found
end

-- Notes that a batch is open, or no longer; an issue that was overruled is in several. Without issues: all of the batch's.
local function note_open(facts, open, issues)
  issues = issues or redis.call('HKEYS', batch_key(facts.id) .. ':runs')
  local kept, gone = {}, {}
  for index, value in ipairs(open_batches(facts, issues)) do
    local names = {}
    for name in string.gmatch(value or '', '%S+') do
      if name ~= facts.id then names[#names + 1] = name end
    end
    if open then names[#names + 1] = facts.id end
    if #names > 0 then
      kept[#kept + 1] = issues[index]
      kept[#kept + 1] = table.concat(names, ' ')
    else
      gone[#gone + 1] = issues[index]
    end
  end
  write('HSET', open_key(facts), kept)
  write('HDEL', open_key(facts), gone)
end

local function varint(value)
  local out = ''
  while value > 127 do
    out = out .. string.char(value % 128 + 128)
    value = math.floor(value / 128)
  end
  return out .. string.char(value)
end

local function write_log(facts)
  if #facts.frames == 0 then return end
  redis.call('XADD', batch_key(facts.id) .. ':log', '0-' .. text(facts.seq), 'n', #facts.frames,
    'f', facts.final and '1' or '0', 'e', table.concat(facts.frames))
  facts.logged = facts.logged + #facts.frames
  facts.frames, facts.bytes, facts.final = {}, 0, false
end

-- Tells all replicas that a batch has new events, how many, and how many tasks became ready; the log has the events.
local function announce(facts)
  if facts.logged == 0 then return end
  redis.call('XADD', P .. 'events', 'MAXLEN', '~', REFERENCES_KEPT, '*', 'b', facts.id, 's', text(facts.seq),
    'n', facts.logged, 'r', facts.fresh)
end

-- Adds a serialised event with its sequence (field 2), framed as field 1 of the message that carries it: whoever reads
-- relays the bytes as they are.
local function log(facts, event, final)
  set(facts, 'seq', facts.seq + 1)
  local body = event .. '\16' .. varint(facts.seq)
  facts.frames[#facts.frames + 1] = '\10' .. varint(#body) .. body
  facts.bytes = facts.bytes + #body
  facts.final = facts.final or final
  if final or #facts.frames >= ENTRY_EVENTS or facts.bytes >= ENTRY_BYTES then write_log(facts) end
end

local function flush_batch(facts)
  if facts.freed or facts.paid then refill(facts) end
  write_log(facts)
  announce(facts)
  write('HSET', batch_key(facts.id) .. ':runs', facts.runs)
  local fields = {}
  for name in pairs(facts.changed) do
    fields[#fields + 1] = name
    fields[#fields + 1] = text(facts[name])
  end
  write('HSET', batch_key(facts.id), fields)
  facts.changed, facts.runs, facts.freed, facts.paid, facts.logged, facts.fresh = {}, {}, false, false, 0, 0
end

-- Writes everything that was collected.
local function flush()
  for _, facts in ipairs(order) do flush_batch(facts) end
  for kind, entries in pairs(ready) do write('ZADD', P .. 'ready:' .. kind, entries) end
  write('ZREM', P .. 'leases', leases_cleared)
  write('ZREM', P .. 'deadlines', leases_cleared)
  write('ZADD', P .. 'leases', leases_set)
  write('ZADD', P .. 'deadlines', deadlines_set)
  write('ZREM', P .. 'timers', timers_cleared)
  write('ZADD', P .. 'timers', timers_set)
  ready, leases_set, deadlines_set, leases_cleared, timers_set, timers_cleared = {}, {}, {}, {}, {}, {}
end
