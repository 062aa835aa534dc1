-- Takes places under limits. ARGV: now, then for each task packed: who holds, and in turn the name of a limit and how many
-- places it has. All or none; who holds a place keeps it. Answers 1 or 0 for each.
local function key_of(name) return P .. 'places:' .. name end

local function has_room(request)
  for index = 2, #request, 2 do
    local mine = redis.call('ZSCORE', key_of(request[index]), request[1])
    if not mine and redis.call('ZCARD', key_of(request[index])) >= request[index + 1] then return false end
  end
  return true
end

local answers = {}
for index = 2, #ARGV do
  local request = cmsgpack.unpack(ARGV[index])
  local fine = has_room(request)
  if fine then
    for position = 2, #request, 2 do
      redis.call('SADD', P .. 'places', request[position])
      redis.call('ZADD', key_of(request[position]), 'NX', ARGV[1], request[1])
    end
  end
  answers[#answers + 1] = fine and 1 or 0
end
return answers
