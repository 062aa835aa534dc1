-- Tells what is left of everything. ARGV: 4 primary limit.
load_state()
if not state.epoch then
  return {}
end
prune(tonumber(ARGV[4]))
save()
local answer = {text(math.max(0, get('blocked') - NOW)), content_in(MINUTE), content_in(HOUR), redis.call('ZCARD', LEASES)}
for _, resource in ipairs({'core', 'graphql'}) do
  local heard, reset, spent = get(resource .. '.heard'), get(resource .. '.reset'), 0
  for slot = 0, RECENT - 1 do
    local name = resource .. '.spent.' .. slot
    if get(name .. '.at') > math.floor(NOW / MINUTE) - RECENT then
      spent = spent + get(name)
    end
  end
  for _, value in ipairs({
    get(resource .. '.minute'), get(resource .. '.limit'), get(resource .. '.remaining'),
    reset > 0 and reset - NOW or -1, heard > 0 and NOW - heard or -1, spent,
    get(resource .. '.busy'),
  }) do
    answer[#answer + 1] = text(value)
  end
end
return answer
