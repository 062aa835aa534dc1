-- Takes ready tasks, fairest first. ARGV: when the claims run out, then kind and count in turn.
-- What its batch does not allow now is parked and comes back when the batch frees something.
local most = 1000
local seen, found = {}, {}

local function view(batch)
  if seen[batch] == nil then seen[batch] = load_batch(batch) or false end
  return seen[batch]
end

local function try(member)
  local batch, issue, needs = string.match(member, '^([^|]+)|([^|]+)|[^|]+|%d+|([01])$')
  local facts = view(batch)
  if not facts then return false end
  if needs == '1' and facts.running >= facts.concurrency then
    park(facts, member, true)
    return false
  end
  if facts.state ~= RUNNING or facts.leased >= facts.max_parallel then
    park(facts, member, false)
    return false
  end
  local run = redis.call('HGET', batch_key(batch) .. ':runs', issue)
  if not run then return false end
  facts.leased = facts.leased + 1
  if needs == '1' then facts.running = facts.running + 1 end
  redis.call('ZADD', P .. 'claims', ARGV[1], member)
  found[#found + 1] = {member, run}
  return true
end

local function take(kind, wanted)
  for _ = 1, most do
    if wanted == 0 then return end
    local head = redis.call('ZPOPMIN', P .. 'ready:' .. kind)
    if not head[1] then return end
    local facts = view(string.match(head[1], '^[^|]+'))
    local virtual = tonumber(head[2]) + (facts and facts.priority or 0)
    if virtual > number(redis.call('GET', P .. 'vtime')) then
      redis.call('SET', P .. 'vtime', string.format('%.17g', virtual))
    end
    if try(head[1]) then wanted = wanted - 1 end
  end
end

for index = 2, #ARGV, 2 do take(ARGV[index], tonumber(ARGV[index + 1])) end
return found
