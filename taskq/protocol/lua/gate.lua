-- gate: stop or resume claims of what is counted by a key
-- FLAGS   allow-oom
-- USES    gates
-- INCLUDE limits limited
-- ARGV    paused key
-- REPLY   1 if that changed, else 0
-- What is held back goes back to the heads of its lists, the first portion at once and each further one when the last of
-- the one before it has been claimed.
local before = call('HGET', GATES, key)
-- also reads the limits, gates and circuits that write_limited looks at
check_limits(key)
if (paused == '1') == (before ~= false) then return 0 end
if paused == '1' then
  call('HSET', GATES, key, 'paused ' .. digits(now))
  write_limited()
  emit('type.paused', 'key', key)
  return 1
end
call('HDEL', GATES, key)
write_limited()
emit('type.resumed', 'key', key)
unblock(key, MOST)
return 1
