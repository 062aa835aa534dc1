-- Counts what a replica sent and the server does not know: it was away, or has forgotten.
-- ARGV: 4 epoch, 5 primary limit, 6 for how long everything is blocked; then for each request: id, resource, cost,
-- minute points, age, milliseconds that GitHub was busy; then for each hour after the word `hours`: resource, limit, remaining, window, resets in.
load_state()
if state.epoch ~= ARGV[4] then
  return 0
end
prune(tonumber(ARGV[5]))
local index = 7
while ARGV[index] and ARGV[index] ~= 'hours' do
  local id, resource, cost, points = ARGV[index], ARGV[index + 1], tonumber(ARGV[index + 2]), tonumber(ARGV[index + 3])
  local moment = NOW - tonumber(ARGV[index + 4])
  if points > 0 then
    add_minute(resource, moment, id, points, tonumber(ARGV[index + 5]))
  end
  if cost == 2 then
    redis.call('ZADD', CONTENT, text(moment), id)
    set('content_until', math.max(get('content_until'), moment + HOUR))
    set('notify_done', math.max(get('notify_done'), moment))
  end
  if cost > 0 then
    set('write_done', math.max(get('write_done'), moment))
  end
  index = index + 6
end
index = index + 1
while ARGV[index] do
  hear(ARGV[index], tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2]), tonumber(ARGV[index + 3]),
    tonumber(ARGV[index + 4]), false)
  index = index + 5
end
local blocked = tonumber(ARGV[6])
if blocked > 0 then
  set('blocked', math.max(get('blocked'), NOW + blocked))
end
save()
return 1
