-- Renews leases, never past their deadline. ARGV: new expiry, then members; answers with those that are lost.
local lost = {}
for index = 2, #ARGV do
  local deadline = redis.call('ZSCORE', P .. 'deadlines', ARGV[index])
  if deadline and redis.call('ZSCORE', P .. 'leases', ARGV[index]) then
    local expiry = math.min(tonumber(ARGV[1]), tonumber(deadline))
    redis.call('ZADD', P .. 'leases', 'GT', string.format('%.17g', expiry), ARGV[index])
  else
    lost[#lost + 1] = ARGV[index]
  end
end
return lost
