-- limits: set and remove limits
-- FLAGS   allow-oom
-- USES    limits jams scheduled gates circuits meta
-- INCLUDE limits limited
-- ARGV    verb name wanted most:number
-- REPLY   set: 1, or 0 if there are as many as may be; remove: 1 if there was one
-- What is blocked by a limit that has changed is looked at at once.
local keys = call('ZRANGE', JAMS, '0', '999')
call('ZCARD', SCHEDULED)
call('HLEN', GATES)
call('HLEN', CIRCUITS)
if verb == 'set' then
  if call('HLEN', LIMITS) >= most and call('HEXISTS', LIMITS, name) == 0 then return 0 end
  if string.find(call('HGET', LIMITS, name) or '', wanted .. ' ', 1, true) == 1 then return 1 end
  -- Since when it holds: those who run already may be more. As fences tell it, which do not go back with the clock.
  local fence_ms = math.ceil((tonumber(call('HGET', META, 'fence')) or 0) / 1000)
  call('HSET', LIMITS, name, wanted .. ' ' .. digits(math.max(now, fence_ms)))
elseif call('HDEL', LIMITS, name) == 0 then
  return 0
end
write_limited()
for _, key in ipairs(keys) do
  if key == name or string.match(key, '^[^:]*') == name then look_again(key, now) end
end
return 1
