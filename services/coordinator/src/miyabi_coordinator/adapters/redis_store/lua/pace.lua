-- Keeps what is known of a target. ARGV: target, the version that it is to replace, the new version, the table, seconds after
-- which it is forgotten. Answers 1, or 0 where another version is there.
local key = P .. 'pace:' .. ARGV[1]
if (redis.call('HGET', key, 'v') or '0') ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'v', ARGV[3], 't', ARGV[4])
redis.call('EXPIRE', key, ARGV[5])
return 1
