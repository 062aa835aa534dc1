-- Shared by the governor's scripts. Keys: 1 state, 2 leases, 3 minute of core, 4 minute of graphql, 5 content, 6 tickets.
-- Every time is a whole number of milliseconds of GitHub's clock. ARGV[1] is the time, empty for the server's own;
-- ARGV[2] is how fast GitHub's clock runs; ARGV[3] is how long the keys are kept, in real milliseconds.
local STATE, LEASES, CONTENT, TICKETS = KEYS[1], KEYS[2], KEYS[5], KEYS[6]
local MINUTES = {core = KEYS[3], graphql = KEYS[4]}
local MINUTE, HOUR, TOLERANCE, RECENT = 60000, 3600000, 10, 5
-- As in service/governor/model.py: the longest time of an answer that counts, and what one takes before the first.
local LONGEST_BUSY, FIRST_BUSY = 10000, 500
local SCALE, TTL = tonumber(ARGV[2]), ARGV[3]

local function text(number)
  return string.format('%.0f', number)
end

local function clock()
  if ARGV[1] ~= '' then
    return tonumber(ARGV[1])
  end
  local time = redis.call('TIME')
  return math.floor((tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000) * SCALE)
end

local NOW = clock()
local state, changed = {}, {}

local function load_state()
  local flat = redis.call('HGETALL', STATE)
  for index = 1, #flat, 2 do
    state[flat[index]] = flat[index + 1]
  end
end

local function get(field)
  return tonumber(state[field] or '0')
end

local function set(field, value)
  state[field] = type(value) == 'number' and text(value) or value
  changed[field] = true
end

local function save()
  local flat = {}
  for field in pairs(changed) do
    flat[#flat + 1] = field
    flat[#flat + 1] = state[field]
  end
  if #flat > 0 then
    redis.call('HSET', STATE, unpack(flat))
  end
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, TTL)
  end
end

-- An hour that was never heard of has the documented number of points.
local function begin_hour(resource, limit)
  if not state[resource .. '.limit'] then
    set(resource .. '.limit', limit)
    set(resource .. '.remaining', limit)
  end
end

local function roll(resource)
  local reset = get(resource .. '.reset')
  if reset > 0 and NOW >= reset then
    set(resource .. '.remaining', get(resource .. '.limit') - get(resource .. '.in_flight'))
    set(resource .. '.ended', math.max(get(resource .. '.ended'), get(resource .. '.window')))
    set(resource .. '.window', 0)
    set(resource .. '.reset', 0)
  end
end

-- A member of a minute is `id:points:milliseconds`.
local function parts_of(member)
  local points, busy = string.match(member, ':(%d+):(%d+)$')
  return tonumber(points), tonumber(busy)
end

local function mean_busy(resource)
  return tonumber(state[resource .. '.mean'] or FIRST_BUSY)
end

-- How long GitHub is expected to be busy with a request: twice the mean of the last answers, so that most take less.
local function expected_busy(resource)
  return math.min(LONGEST_BUSY, 2 * mean_busy(resource))
end

-- Forgets what no longer counts, and the leases whose replicas are gone.
local function prune(limit)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(NOW))) do
    local _, resource, primary = string.match(member, '^(.-):(.-):(%d+)$')
    set(resource .. '.in_flight', get(resource .. '.in_flight') - tonumber(primary))
  end
  redis.call('ZREMRANGEBYSCORE', LEASES, '-inf', text(NOW))
  for resource, key in pairs(MINUTES) do
    local old = redis.call('ZRANGEBYSCORE', key, '-inf', text(NOW - MINUTE))
    if #old > 0 then
      local gone, gone_busy = 0, 0
      for _, member in ipairs(old) do
        local points, busy = parts_of(member)
        gone, gone_busy = gone + points, gone_busy + busy
      end
      set(resource .. '.minute', get(resource .. '.minute') - gone)
      set(resource .. '.busy', get(resource .. '.busy') - gone_busy)
      redis.call('ZREMRANGEBYSCORE', key, '-inf', text(NOW - MINUTE))
    end
    begin_hour(resource, limit)
    roll(resource)
  end
  redis.call('ZREMRANGEBYSCORE', CONTENT, '-inf', text(NOW - HOUR))
  if get('content_until') > 0 and redis.call('EXISTS', CONTENT) == 0 then
    set('content_until', 0)
  end
end

local function content_in(length)
  return redis.call('ZCOUNT', CONTENT, '(' .. text(NOW - length), '+inf')
end

local function add_minute(resource, moment, id, points, busy)
  if redis.call('ZADD', MINUTES[resource], text(moment), id .. ':' .. text(points) .. ':' .. text(busy)) == 1 then
    set(resource .. '.minute', get(resource .. '.minute') + points)
    set(resource .. '.busy', get(resource .. '.busy') + busy)
  end
end

-- Removes a request from its minute as it was added; tells whether it was still there.
local function take_minute(resource, id, points, busy)
  if redis.call('ZREM', MINUTES[resource], id .. ':' .. points .. ':' .. busy) == 0 then
    return false
  end
  set(resource .. '.minute', get(resource .. '.minute') - tonumber(points))
  set(resource .. '.busy', get(resource .. '.busy') - tonumber(busy))
  return true
end

-- Ends a write, where the one that is under way is this request's.
local function end_write(id, cost)
  if redis.call('EXISTS', CONTENT) == 0 then
    set('content_until', 0)
  end
  if state.write_id ~= id then
    return
  end
  set('write_id', '')
  set('write_until', 0)
  set('write_done', NOW)
  if cost == 2 then
    set('notify_done', NOW)
  end
end

-- Takes what GitHub says of an hour; answers that come late cannot revive a window that is over.
local function hear(resource, limit, remaining, window, resets_in, exact)
  local ended, known = get(resource .. '.ended'), get(resource .. '.window')
  if (ended > 0 and window <= ended + TOLERANCE) or (known > 0 and window < known - TOLERANCE) then
    return
  end
  set(resource .. '.remaining', get(resource .. '.remaining') + limit - get(resource .. '.limit'))
  set(resource .. '.limit', limit)
  set(resource .. '.heard', NOW)
  local reset = NOW + resets_in
  if known > 0 and window > known + TOLERANCE then
    set(resource .. '.remaining', limit - get(resource .. '.in_flight'))
    set(resource .. '.window', window)
    set(resource .. '.reset', reset)
  elseif known == 0 then
    set(resource .. '.window', window)
    set(resource .. '.reset', reset)
  else
    set(resource .. '.reset', math.min(get(resource .. '.reset'), reset))
  end
  set(resource .. '.remaining', exact and remaining or math.min(get(resource .. '.remaining'), remaining))
end

-- Tells whether the server has forgotten part of what it was told: keys here may be evicted.
local function is_whole()
  if not state.epoch then
    return false
  end
  for resource, key in pairs(MINUTES) do
    if get(resource .. '.minute') > 0 and redis.call('EXISTS', key) == 0 then
      return false
    end
  end
  return get('content_until') == 0 or redis.call('EXISTS', CONTENT) == 1
end
