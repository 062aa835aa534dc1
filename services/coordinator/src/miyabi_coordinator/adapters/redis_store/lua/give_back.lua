-- Gives back the places of tasks that are over. ARGV: who held them.
for _, name in ipairs(redis.call('SMEMBERS', P .. 'places')) do
  redis.call('ZREM', P .. 'places:' .. name, unpack(ARGV))
  if redis.call('EXISTS', P .. 'places:' .. name) == 0 then redis.call('SREM', P .. 'places', name) end
end
return 1
