-- schedules: add, swap or remove one recurring definition; list them all
-- FLAGS   allow-oom
-- USES    schedules slots
-- INCLUDE bell
-- ARGV    verb name definition former
-- REPLY   add: 1; swap: 1, or 0 if it is no longer the former one; remove: 1 or 0; list: {now ms, {name, definition, ...}, {name, last slot ms, ...}}
local clock = call('TIME')
if verb == 'list' then
  return {clock[1] * 1000 + math.floor(clock[2] / 1000), call('HGETALL', SCHEDULES), call('HGETALL', SLOTS)}
end
call('HLEN', SLOTS)
call('HLEN', SCHEDULES)
if verb == 'remove' then
  call('HDEL', SLOTS, name)
  return call('HDEL', SCHEDULES, name)
end
local stored = call('HGET', SCHEDULES, name)
if verb == 'swap' and stored ~= former and stored ~= definition then return 0 end
if stored ~= definition then
  call('HSET', SCHEDULES, name, definition)
  if verb == 'add' then call('HDEL', SLOTS, name) end
  ring('@scheduler')
end
return 1
