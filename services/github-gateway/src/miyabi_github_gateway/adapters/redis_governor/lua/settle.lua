-- Takes note that a request is over and of what GitHub said.
-- ARGV: 4 epoch, 5 id, 6 resource, 7 cost, 8 primary points reserved, 9 minute points, 10 sent, 11 primary points it took,
-- 12 extra points, 13 heard resource or empty, 14 heard limit, 15 heard remaining, 16 heard window, 17 heard resets in,
-- 18 alone, 19 sequence, 20 pause, 21 used up, 22 strike, 23 succeeded, 24 longest pause, 25 primary limit,
-- 26 milliseconds reserved, 27 milliseconds it took.
local id, resource, cost = ARGV[5], ARGV[6], tonumber(ARGV[7])
load_state()
if state.epoch ~= ARGV[4] then
  return 0
end
prune(tonumber(ARGV[25]))
if redis.call('ZREM', LEASES, id .. ':' .. resource .. ':' .. ARGV[8]) == 1 then
  set(resource .. '.in_flight', get(resource .. '.in_flight') - tonumber(ARGV[8]))
end
local was_there = take_minute(resource, id, ARGV[9], ARGV[26])
if ARGV[10] == '1' then
  local took = tonumber(ARGV[27])
  if was_there then
    add_minute(resource, NOW, id, tonumber(ARGV[9]), took)
  end
  set(resource .. '.mean', math.floor((3 * mean_busy(resource) + math.min(LONGEST_BUSY, took)) / 4))
  redis.call('ZADD', CONTENT, 'XX', text(NOW), id)
else
  redis.call('ZREM', CONTENT, id)
end
end_write(id, cost)

set(resource .. '.remaining', get(resource .. '.remaining') + tonumber(ARGV[8]) - tonumber(ARGV[11]) - tonumber(ARGV[12]))
local pause, used_up, strike = tonumber(ARGV[20]), ARGV[21] == '1', ARGV[22] == '1'
if used_up and pause > 0 then
  set(resource .. '.remaining', math.min(get(resource .. '.remaining'), 0))
  set(resource .. '.reset', NOW + pause)
end
if ARGV[13] == resource then
  local exact = ARGV[18] == '1' and get(resource .. '.sequence') == tonumber(ARGV[19]) and get(resource .. '.in_flight') == 0
  hear(resource, tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17]), exact)
end

if strike and NOW >= get('blocked') then
  set('strikes', get('strikes') + 1)
end
if ARGV[23] == '1' then
  set('strikes', 0)
end
if not used_up and pause > 0 then
  local factor = strike and 2 ^ math.min(10, math.max(0, get('strikes') - 1)) or 1
  set('blocked', math.max(get('blocked'), NOW + math.min(tonumber(ARGV[24]), pause * factor)))
end
save()
return 1
