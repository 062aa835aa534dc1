-- Gives back what was let through for a request whose asker has gone meanwhile: it is not sent.
-- ARGV: 4 epoch, 5 id, 6 resource, 7 cost, 8 primary points reserved, 9 primary limit.
local id, resource, cost, primary = ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
load_state()
if state.epoch ~= ARGV[4] then
  return 0
end
prune(tonumber(ARGV[9]))
if redis.call('ZREM', LEASES, id .. ':' .. resource .. ':' .. ARGV[8]) == 0 then
  return 0
end
set(resource .. '.in_flight', get(resource .. '.in_flight') - primary)
set(resource .. '.remaining', get(resource .. '.remaining') + primary)
-- Those under way are the last of a minute.
for _, member in ipairs(redis.call('ZREVRANGE', MINUTES[resource], 0, 199)) do
  local points, busy = string.match(member, '^' .. id .. ':(%d+):(%d+)$')
  if points then
    take_minute(resource, id, points, busy)
    break
  end
end
redis.call('ZREM', CONTENT, id)
end_write(id, cost)
save()
return 1
