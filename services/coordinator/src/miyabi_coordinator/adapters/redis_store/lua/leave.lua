-- Forgets an agent. ARGV: its id, the entry that is to go; another one is that of a newer stream and stays.
if redis.call('HGET', P .. 'agents', ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', P .. 'agents', ARGV[1])
redis.call('SREM', P .. 'draining', ARGV[1])
return 1
