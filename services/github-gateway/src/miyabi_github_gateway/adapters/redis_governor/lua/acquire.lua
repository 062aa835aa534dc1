-- Lets one request through, or says when to come back.
-- ARGV: 4 known epoch, 5 fresh epoch, 6 ticket, 7 resource, 8 cost (0 read, 1 write, 2 notify), 9 lane, 10 primary points,
-- 11 minute points, 12 kept of 1000, 13 primary limit, 14 minute limit, 15 concurrency, 16 content a minute, 17 content an
-- hour, 18 write gap, 19 notify gap, 20 lease, 21 retry, 22 grace, 23 longest wait before asking again, 24 patience,
-- 25 milliseconds a minute, 26 milliseconds a minute of GraphQL, 27 id.
local resource, cost, lane = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local primary, points, kept = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local lease, retry, grace = tonumber(ARGV[20]), tonumber(ARGV[21]), tonumber(ARGV[22])
local ticket = ARGV[6]

load_state()
if not is_whole() then
  redis.call('DEL', STATE, LEASES, MINUTES.core, MINUTES.graphql, CONTENT)
  state, changed = {}, {}
  set('epoch', ARGV[5])
  prune(tonumber(ARGV[13]))
  save()
  return {'epoch', ARGV[5]}
end
if state.epoch ~= ARGV[4] then
  return {'epoch', state.epoch}
end
prune(tonumber(ARGV[13]))

-- The places before mine: more urgent ones first, then by arrival.
local arrival, places, ahead = NOW, {}, {n = 0, points = 0, primary = 0}
local flat = redis.call('HGETALL', TICKETS)
for index = 1, #flat, 2 do
  local l, a, e, p, h = string.match(flat[index + 1], '^(%d+):(%d+):(%d+):(%d+):(%d+)$')
  if tonumber(e) <= NOW then
    redis.call('HDEL', TICKETS, flat[index])
  elseif flat[index] == ticket then
    arrival = tonumber(a)
  else
    places[#places + 1] = {tonumber(l), tonumber(a), flat[index], tonumber(p), tonumber(h)}
  end
end
for _, place in ipairs(places) do
  if place[1] < lane or (place[1] == lane and (place[2] < arrival or (place[2] == arrival and place[3] < ticket))) then
    ahead.n, ahead.points, ahead.primary = ahead.n + 1, ahead.points + place[4], ahead.primary + place[5]
  end
end

local moment, limit = NOW, ''
local function at(when, name)
  if when > moment then
    moment, limit = when, name
  end
end

local function allowed(number)
  if cost > 0 then
    return number
  end
  return number - math.floor(number * kept / 1000)
end

at(get('blocked'), 'blocked')

local hour, reset = get(resource .. '.limit'), get(resource .. '.reset')
if reset > 0 and get(resource .. '.remaining') - ahead.primary - primary < hour - allowed(hour) then
  at(reset, 'hour')
end

-- Waits until what these minutes hold, points (1) or milliseconds (2), leaves room for as much as is wanted.
local function within(resources, part, wanted, limit, name)
  local entries, over = {}, wanted - math.max(allowed(limit), wanted)
  for _, each in ipairs(resources) do
    over = over + get(each .. (part == 1 and '.minute' or '.busy'))
  end
  if over <= 0 then
    return
  end
  for _, each in ipairs(resources) do
    local flat = redis.call('ZRANGE', MINUTES[each], 0, -1, 'WITHSCORES')
    for index = 1, #flat, 2 do
      local found = {parts_of(flat[index])}
      entries[#entries + 1] = {tonumber(flat[index + 1]), found[part]}
    end
  end
  table.sort(entries, function(one, other) return one[1] < other[1] end)
  for _, entry in ipairs(entries) do
    if over <= 0 then
      return
    end
    over = over - entry[2]
    at(entry[1] + MINUTE, name)
  end
end

local expected = expected_busy(resource)
within({resource}, 1, points + ahead.points, tonumber(ARGV[14]), 'minute')
within({'core', 'graphql'}, 2, expected * (1 + ahead.n), tonumber(ARGV[25]), 'busy')
if resource == 'graphql' then
  within({resource}, 2, expected * (1 + ahead.n), tonumber(ARGV[26]), 'busy')
end

local at_once = tonumber(ARGV[15])
if cost == 0 and lane > 0 and at_once > 2 then
  at_once = at_once - 1
end
if redis.call('ZCARD', LEASES) >= at_once then
  at(NOW + retry, 'concurrent')
end

if cost > 0 then
  if get('write_until') > NOW then
    at(NOW + retry, 'write-gap')
  else
    at(get('write_done') + tonumber(ARGV[18]), 'write-gap')
    if cost == 2 then
      at(get('notify_done') + tonumber(ARGV[19]), 'write-gap')
    end
  end
end
if cost == 2 then
  for _, window in ipairs({{MINUTE, tonumber(ARGV[16]), 'content-minute'}, {HOUR, tonumber(ARGV[17]), 'content-hour'}}) do
    if content_in(window[1]) + 1 > window[2] then
      local found = redis.call('ZREVRANGE', CONTENT, window[2] - 1, window[2] - 1, 'WITHSCORES')
      at(tonumber(found[2]) + window[1], window[3])
    end
  end
end

local wait = moment - NOW
if wait <= 0 and ahead.n > 0 and cost > 0 then
  wait, limit = math.max(retry, tonumber(ARGV[17 + cost]) * ahead.n), 'turn'
end
if wait > tonumber(ARGV[24]) then
  redis.call('HDEL', TICKETS, ticket)
  save()
  return {'wait', text(wait), limit}
end
if wait > 0 then
  local expiry = NOW + math.min(wait, tonumber(ARGV[23])) + grace
  redis.call('HSET', TICKETS, ticket, table.concat({ARGV[9], text(arrival), text(expiry), ARGV[11], ARGV[10]}, ':'))
  save()
  return {'wait', text(wait), limit}
end

redis.call('HDEL', TICKETS, ticket)
local id, lease_end = ARGV[27], NOW + lease
local alone = get(resource .. '.in_flight') == 0 and 1 or 0
redis.call('ZADD', LEASES, text(lease_end), id .. ':' .. resource .. ':' .. ARGV[10])
set(resource .. '.remaining', get(resource .. '.remaining') - primary)
set(resource .. '.in_flight', get(resource .. '.in_flight') + primary)
set(resource .. '.sequence', get(resource .. '.sequence') + 1)
if reset == 0 then
  set(resource .. '.reset', NOW + HOUR)
end
add_minute(resource, lease_end, id, points, expected)
local bucket = math.floor(NOW / MINUTE)
local spent = resource .. '.spent.' .. (bucket % RECENT)
if get(spent .. '.at') ~= bucket then
  set(spent .. '.at', bucket)
  set(spent, 0)
end
set(spent, get(spent) + primary)
if cost > 0 then
  set('write_id', id)
  set('write_until', lease_end)
  set('write_done', lease_end)
end
if cost == 2 then
  set('notify_done', lease_end)
  redis.call('ZADD', CONTENT, text(lease_end), id)
  set('content_until', math.max(get('content_until'), lease_end + HOUR))
end
save()
return {
  'grant', alone, get(resource .. '.sequence'), expected, get(resource .. '.minute'), content_in(MINUTE),
  content_in(HOUR), get('core.busy'), get('graphql.busy'),
}
