-- Counts our pull requests of one repository. Keys: 1 count of open ones, 2 opened within the hour, 3 being opened.
-- ARGV: 1 time or empty for the server's own, 2 operation, 3 head, 4 cap of open ones, 5 cap of the hour, 6 length of the
-- hour, 7 for how long a count holds, 8 for how long a pull request that is being opened is counted.
local COUNT, OPENED, OPENING = KEYS[1], KEYS[2], KEYS[3]
local operation, head = ARGV[2], ARGV[3]
local open_cap, hour_cap = tonumber(ARGV[4]), tonumber(ARGV[5])
local hour, holds, doubt = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function text(number)
  return string.format('%.0f', number)
end

redis.call('ZREMRANGEBYSCORE', OPENED, '-inf', text(now - hour))
redis.call('ZREMRANGEBYSCORE', OPENING, '-inf', text(now))

local function counted()
  local raw = redis.call('HMGET', COUNT, 'number', 'at')
  if raw[1] and tonumber(raw[2]) > now - holds then
    return tonumber(raw[1]), now - tonumber(raw[2])
  end
  return nil
end

local function frees()
  local oldest = redis.call('ZRANGE', OPENED, 0, 0, 'WITHSCORES')
  return oldest[2] and tonumber(oldest[2]) + hour - now or -1
end

local function keep(key, milliseconds)
  redis.call('PEXPIRE', key, text(milliseconds))
end

if operation == 'take' then
  local is_known = redis.call('ZSCORE', OPENED, head) or redis.call('ZSCORE', OPENING, head)
  local number = counted()
  if open_cap > 0 and number and not is_known and number + redis.call('ZCARD', OPENING) >= open_cap then
    return {'open', text(holds)}
  end
  if hour_cap > 0 and not is_known and redis.call('ZCARD', OPENED) >= hour_cap then
    return {'hour', text(frees())}
  end
  redis.call('ZADD', OPENING, text(now + doubt), head)
  redis.call('ZADD', OPENED, 'NX', text(now), head)
  keep(OPENING, doubt)
  keep(OPENED, hour)
  return {'taken', is_known and '0' or '1'}
elseif operation == 'opened' then
  if redis.call('ZREM', OPENING, head) == 1 and counted() then
    redis.call('HINCRBY', COUNT, 'number', 1)
  end
elseif operation == 'not-opened' then
  redis.call('ZREM', OPENING, head)
  if ARGV[4] == '1' then
    redis.call('ZREM', OPENED, head)
  end
elseif operation == 'counted' then
  redis.call('HSET', COUNT, 'number', head, 'at', text(now))
  keep(COUNT, holds)
elseif operation == 'forget' then
  redis.call('DEL', COUNT)
end
local number, ago = counted()
return {number and text(number + redis.call('ZCARD', OPENING)) or '-1', text(ago or -1), redis.call('ZCARD', OPENED), text(frees())}
